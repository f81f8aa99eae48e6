//! Where a kernel of the engine computes several output rows at once, see `engine/build.rs`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(row_blocks)");
    let (target, features) = (env::var("TARGET").unwrap_or_default(), env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default());
    let has = |name: &str, vectors: &str| target.starts_with(name) && features.split(',').any(|feature| feature == vectors);
    if has("x86_64", "sse2") || has("wasm32", "simd128") {
        println!("cargo::rustc-cfg=row_blocks");
    }
}
