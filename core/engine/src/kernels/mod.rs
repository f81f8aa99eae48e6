//! Inner loops. One contract, one implementation an instruction set; [`Kernel::SCALAR`] is the definition.
//!
//! A kernel computes one output row from the input rows under its window, padding already in place. Every
//! implementation gives the bytes of the scalar one. A [`Kernel`] that the processor lacks cannot be had. What none of them
//! takes, padding that is not stored among it, is for the loops of [`general`].

mod api;
mod args;
mod blocks;
mod checked;
#[allow(unsafe_code)]
mod columns;
#[allow(unsafe_code)]
pub(crate) mod edges;
pub mod general;
mod more;
// Only vector kernels pack.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")), allow(dead_code))]
mod pack;
#[allow(unsafe_code)]
mod portable;
mod scalar;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
#[allow(unsafe_code)]
mod aarch64;
#[cfg(any(cortex_m3, cortex_m_dsp))]
#[allow(unsafe_code)]
mod arm_m;
#[cfg(any(row_blocks, all(target_arch = "aarch64", target_feature = "neon")))]
#[allow(unsafe_code)]
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code)]
mod wasm32;
#[cfg(all(row_blocks, target_arch = "x86_64"))]
#[allow(unsafe_code)]
mod x86;

pub use api::Kernel;
pub use args::{ConvRow, DepthwiseRow, Filters, GrayRow, MAX_KERNEL};
pub(crate) use args::{FixedSum, WIDE};
pub use blocks::{BlockRows, Blocks, HAS_BLOCKS, Plan};
pub use checked::{Covered, Shape};
pub use scalar::dot;

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
use aarch64::available as own_kernels;
#[cfg(any(cortex_m3, cortex_m_dsp))]
use arm_m::available as own_kernels;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use wasm32::available as own_kernels;
#[cfg(all(row_blocks, target_arch = "x86_64"))]
use x86::available as own_kernels;

#[cfg(not(any(cortex_m3, cortex_m_dsp, row_blocks, all(target_arch = "aarch64", target_feature = "neon"))))]
fn own_kernels() -> impl Iterator<Item = Kernel> {
    core::iter::empty()
}

impl Kernel {
    /// Loops over one sum after another: the definition.
    pub const SCALAR: Self = Self {
        name: "scalar",
        conv_row: scalar::conv_row,
        gray_row: scalar::gray_row,
        depthwise_row: scalar::depthwise_row,
        dot: scalar::dot,
        dots: general::loops::dots,
        #[cfg(cortex_m_dsp)]
        padded_row: None,
        pack: None,
        more: more::More::NONE,
    };

    /// Portable loops in blocks: what a microcontroller runs that has no kernel of its own.
    pub const PORTABLE: Self = Self {
        name: "portable",
        conv_row: portable::conv_row,
        gray_row: portable::gray_row,
        depthwise_row: portable::depthwise_row,
        ..Self::SCALAR
    };

    /// The fastest kernel that this processor has.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::SCALAR)
    }

    /// Every kernel that this processor has, fastest first, [`SCALAR`](Self::SCALAR) last.
    pub fn available() -> impl Iterator<Item = Self> {
        // Miri interprets no assembly.
        let own = (!cfg!(miri)).then(own_kernels).into_iter().flatten();
        // Compilers make vectors of the definition where there are any; and where an extension is nearly always there, the flash
        // is not worth it for a processor without.
        let is_small = cfg!(all(any(target_arch = "arm", target_arch = "riscv32"), not(cortex_m_dsp_optional)));
        let portable = is_small.then_some(Self::PORTABLE);
        own.chain(portable).chain([Self::SCALAR])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_gives_the_bytes_of_the_definition() {
        Kernel::available().for_each(|kernel| testing::check(&kernel));
    }

    #[test]
    fn the_best_kernel_comes_first_and_the_definition_last() {
        assert_eq!(Kernel::available().next().map(|k| k.name()), Some(Kernel::best().name()));
        assert_eq!(Kernel::available().last().map(|k| k.name()), Some("scalar"));
    }
}
