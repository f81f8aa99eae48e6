//! Names the processor extensions that a target's kernels may ask for; the compiler's own `target_feature` does not
//! show those of Arm's M profile.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(cortex_m_dsp, cortex_m_dsp_optional, cortex_m_mve)");
    let target = env::var("TARGET").unwrap_or_default();
    // Armv7E-M is Armv7-M with DSP; in Armv8-M the processor says at run time what it has.
    if target.starts_with("thumbv7em") {
        println!("cargo::rustc-cfg=cortex_m_dsp");
    } else if target.starts_with("thumbv8m.main") {
        println!("cargo::rustc-cfg=cortex_m_dsp");
        println!("cargo::rustc-cfg=cortex_m_dsp_optional");
        // Vectors keep their values in the registers of the floating-point unit.
        if target.ends_with("hf") {
            println!("cargo::rustc-cfg=cortex_m_mve");
        }
    }
}
