//! Arm's M profile.

use super::api::Kernel;

#[cfg(cortex_m3)]
mod armv7m;
#[cfg(cortex_m_dsp)]
mod dsp;
#[cfg(cortex_m_mve)]
mod mve;
#[cfg(cortex_m_dsp)]
mod patch;

/// The kernels of this processor, fastest first.
pub fn available() -> impl Iterator<Item = Kernel> {
    let kernels = [
        #[cfg(cortex_m_mve)]
        Kernel::mve(),
        #[cfg(cortex_m_dsp)]
        Kernel::dsp(),
        #[cfg(cortex_m3)]
        Some(Kernel::ARMV7M),
    ];
    kernels.into_iter().flatten()
}

impl Kernel {
    /// Armv7-M without the DSP extension: Cortex-M3.
    #[cfg(cortex_m3)]
    pub const ARMV7M: Self = Self { name: "armv7m", conv_row: armv7m::conv_row, gray_row: armv7m::gray_row, ..Self::PORTABLE };

    /// Arm's DSP extension: Cortex-M4, M7, and M33 where it is built in.
    #[cfg(cortex_m_dsp)]
    pub fn dsp() -> Option<Self> {
        dsp::is_available().then_some(Self {
            name: "dsp",
            conv_row: dsp::conv_row,
            gray_row: dsp::gray_row,
            depthwise_row: dsp::depthwise_row,
            dot: dsp::dot,
            dots: dsp::dots,
            #[cfg(target_abi = "eabihf")]
            padded_row: Some(dsp::padded_row),
            ..Self::SCALAR
        })
    }

    /// Helium, Arm's M-profile vectors: Cortex-M55 and its successors, where start-up code enabled them (`CPACR`).
    #[cfg(cortex_m_mve)]
    pub fn mve() -> Option<Self> {
        mve::is_available().then_some(Self {
            name: "mve",
            conv_row: mve::conv_row,
            gray_row: mve::gray_row,
            depthwise_row: mve::depthwise_row,
            dot: mve::dot,
            dots: mve::dots,
            padded_row: Some(mve::padded_row),
            ..Self::SCALAR
        })
    }
}
