//! Cortex-M4, M7, M33: the DSP extension multiplies two pairs of i16 and adds both products in one instruction (SMLAD).
//!
//! Four output columns at a time: what lies under their windows is widened to i16 once, interleaved in the order in which
//! the inner loop wants it, and then serves every output channel. `docs/kernels.md` has the counts.

/// Lets the assembler take the extension where the target is a processor that may lack it.
#[cfg(cortex_m_dsp_optional)]
macro_rules! arch {
    () => {
        ".cpu cortex-m33"
    };
}
#[cfg(not(cortex_m_dsp_optional))]
macro_rules! arch {
    () => {
        ""
    };
}

mod conv;
mod dense;
#[cfg(target_abi = "eabihf")]
mod depthwise;
mod fixed;
mod products;
mod requantize;
mod threes;
mod tile;
mod words;

#[cfg(not(target_abi = "eabihf"))]
pub use crate::kernels::scalar::depthwise_row;
pub use conv::{conv_row, gray_row};
pub use dense::{dot, dots};
#[cfg(target_abi = "eabihf")]
pub use depthwise::{depthwise_row, padded_row};

/// True if the processor has the extension: Armv7E-M always, Armv8-M where ID_ISAR3 says so, which is for privileged
/// code to read.
pub fn is_available() -> bool {
    #[cfg(cortex_m_dsp_optional)]
    {
        const ID_ISAR3: *const u32 = 0xE000_ED6C as *const u32;
        // SAFETY: an aligned, read-only register of every Armv8-M processor with the Main extension.
        let features = unsafe { ID_ISAR3.read_volatile() };
        features >> 4 & 0xF >= 3
    }
    #[cfg(not(cortex_m_dsp_optional))]
    true
}
