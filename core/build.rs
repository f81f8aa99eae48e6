//! Where a kernel of the engine computes several output rows at once, see `engine/build.rs`.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(row_blocks)");
    let (target, features) = (env::var("TARGET").unwrap_or_default(), env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default());
    let vectors = if target.starts_with("x86_64") { "sse2" } else { "simd128" };
    if (target.starts_with("x86_64") || target.starts_with("wasm32")) && features.split(',').any(|feature| feature == vectors) {
        println!("cargo::rustc-cfg=row_blocks");
    }
}
