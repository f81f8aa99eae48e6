//! Names what a target's kernels may ask of the processor; the compiler's own `target_feature` does not show the extensions
//! of Arm's M profile.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m3, cortex_m_dsp, cortex_m_dsp_optional, cortex_m_mve, row_blocks, soft_float)");
    let target = env::var("TARGET").unwrap_or_default();
    // Armv7E-M is Armv7-M with DSP; in Armv8-M the processor says at run time what it has.
    if target.starts_with("thumbv7em") {
        println!("cargo::rustc-cfg=cortex_m_dsp");
    } else if target.starts_with("thumbv7m") {
        println!("cargo::rustc-cfg=cortex_m3");
    } else if target.starts_with("thumbv8m.main") {
        println!("cargo::rustc-cfg=cortex_m_dsp");
        println!("cargo::rustc-cfg=cortex_m_dsp_optional");
        // Vectors keep their values in the registers of the floating-point unit.
        if target.ends_with("hf") {
            println!("cargo::rustc-cfg=cortex_m_mve");
        }
    }
    let arm_without_unit = target.starts_with("thumb") && !target.ends_with("hf");
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let riscv_without_unit = target.starts_with("riscv32") && !features.split(',').any(|feature| feature == "f");
    if arm_without_unit || riscv_without_unit {
        println!("cargo::rustc-cfg=soft_float");
    }
    // Where a kernel computes several output rows at once.
    let has = |name: &str, vectors: &str| target.starts_with(name) && features.split(',').any(|feature| feature == vectors);
    if has("x86_64", "sse2") || has("wasm32", "simd128") {
        println!("cargo::rustc-cfg=row_blocks");
    }
}
