//! Inner loops. One contract, one implementation an instruction set; [`Kernel::SCALAR`] is the definition.
//!
//! A kernel computes one output row from the input rows under its window, padding already in place. Every
//! implementation gives the bytes of the scalar one. A [`Kernel`] that the processor lacks cannot be had.

mod args;
#[cfg(cortex_m3)]
#[allow(unsafe_code)]
pub(crate) mod armv7m;
pub(crate) mod checked;
#[allow(unsafe_code)]
mod columns;
#[cfg(cortex_m_dsp)]
#[allow(unsafe_code)]
pub(crate) mod dsp;
#[cfg(cortex_m_mve)]
#[allow(unsafe_code)]
pub(crate) mod mve;
// Only vector kernels pack.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "wasm32")), allow(dead_code))]
pub(crate) mod pack;
#[allow(unsafe_code)]
mod portable;
pub(crate) mod scalar;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[allow(unsafe_code)]
mod avx2;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[allow(unsafe_code)]
mod avx512;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[allow(unsafe_code)]
mod avx_vnni;
#[cfg(row_blocks)]
#[allow(unsafe_code)]
mod axis;
#[cfg(row_blocks)]
#[allow(unsafe_code)]
mod gray;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
#[allow(unsafe_code)]
mod neon;
#[cfg(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128")
))]
#[allow(unsafe_code)]
mod simd;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[allow(unsafe_code)]
mod simd128;
#[cfg(row_blocks)]
#[allow(unsafe_code)]
mod tile;
#[cfg(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128")
))]
#[allow(unsafe_code)]
mod winograd;
#[cfg(row_blocks)]
#[allow(unsafe_code)]
mod winograd_2d;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[allow(unsafe_code)]
mod x86;

#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(row_blocks)]
pub(crate) use args::{BlockRows, Blocks, Plan};
pub use args::{ConvRow, DepthwiseRow, Filters, GrayRow};
use checked::{Checked, Conv, Covered, Depthwise, Gray};

/// Packs the filters of a layer into a buffer if it is long enough; returns the bytes that they take.
type Pack = fn(&Covered<'_>, &mut [u8]) -> usize;

/// The inner loops of one instruction set.
///
/// ```
/// let kernel = cxr_core::kernels::Kernel::best();
/// println!("{}", kernel.name());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    pub(crate) name: &'static str,
    pub(crate) conv_row: fn(Conv<'_>),
    pub(crate) gray_row: fn(Gray<'_>),
    pub(crate) depthwise_row: fn(Depthwise<'_>),
    pub(crate) dot: fn(&[i8], &[u8]) -> i32,
    /// Packs filters if the buffer is long enough; the length that it takes. None: filters are read as they are.
    pub(crate) pack: Option<Pack>,
    /// None: only rows one by one.
    #[cfg(row_blocks)]
    pub(crate) blocks: Option<Blocks>,
}

impl Kernel {
    /// Loops over one sum after another: the definition.
    pub const SCALAR: Self = Self {
        name: "scalar",
        conv_row: scalar::conv_row,
        gray_row: scalar::gray_row,
        depthwise_row: scalar::depthwise_row,
        dot: scalar::dot,
        pack: None,
        #[cfg(row_blocks)]
        blocks: None,
    };

    /// Portable loops in blocks: what a microcontroller runs that has no kernel of its own.
    pub const PORTABLE: Self = Self {
        name: "portable",
        conv_row: portable::conv_row,
        gray_row: portable::gray_row,
        depthwise_row: portable::depthwise_row,
        dot: scalar::dot,
        pack: None,
        #[cfg(row_blocks)]
        blocks: None,
    };

    /// Armv7-M without the DSP extension: Cortex-M3.
    #[cfg(cortex_m3)]
    pub const ARMV7M: Self = Self {
        name: "armv7m",
        conv_row: armv7m::conv_row,
        gray_row: armv7m::gray_row,
        depthwise_row: portable::depthwise_row,
        dot: scalar::dot,
        pack: None,
    };

    /// The fastest kernel that this processor has.
    ///
    /// ```
    /// use cxr_core::kernels::Kernel;
    /// assert_eq!(Kernel::available().next().map(|kernel| kernel.name()), Some(Kernel::best().name()));
    /// ```
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::SCALAR)
    }

    /// Every kernel that this processor has, fastest first, [`SCALAR`](Self::SCALAR) last.
    ///
    /// ```
    /// use cxr_core::kernels::Kernel;
    /// assert_eq!(Kernel::available().last().map(|kernel| kernel.name()), Some("scalar"));
    /// ```
    pub fn available() -> impl Iterator<Item = Self> {
        // Miri interprets no assembly.
        let vectors = (!cfg!(miri)).then(vector_kernels).into_iter().flatten();
        let faster = [
            #[cfg(cortex_m_mve)]
            Self::mve(),
            #[cfg(cortex_m_dsp)]
            Self::dsp(),
            #[cfg(cortex_m3)]
            Some(Self::ARMV7M),
            None,
        ];
        // Compilers make vectors of the definition where there are any; and where an extension is nearly always there, the flash
        // is not worth it for a processor without.
        let is_small = cfg!(all(any(target_arch = "arm", target_arch = "riscv32"), not(cortex_m_dsp_optional)));
        let portable = is_small.then_some(Self::PORTABLE);
        faster.into_iter().flatten().chain(vectors).chain(portable).chain([Self::SCALAR])
    }

    /// Arm's DSP extension: Cortex-M4, M7, and M33 where it is built in.
    #[cfg(cortex_m_dsp)]
    pub fn dsp() -> Option<Self> {
        dsp::is_available().then_some(Self {
            name: "dsp",
            conv_row: dsp::conv_row,
            gray_row: dsp::gray_row,
            depthwise_row: dsp::depthwise_row,
            dot: dsp::dot,
            pack: None,
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
            pack: None,
        })
    }

    /// Name of the instruction set.
    ///
    /// ```
    /// assert_eq!(cxr_core::kernels::Kernel::SCALAR.name(), "scalar");
    /// ```
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Bytes that these filters take when packed, 0 where the kernel reads them as they are.
    pub(crate) fn packed_len(&self, layer: &Covered<'_>) -> usize {
        self.pack(layer, &mut [])
    }

    /// Packs filters for this kernel, once, so that it need not at every row; the bytes taken, which are written only
    /// if `out` is that long.
    pub(crate) fn pack(&self, layer: &Covered<'_>, out: &mut [u8]) -> usize {
        self.pack.map_or(0, |pack| pack(layer, out))
    }

    /// One output row of a convolution; `out` is `width * channels` long. False, with nothing written, where rows or filters
    /// are too short for it, or an extent is 0 or too large.
    ///
    /// ```
    /// # use cxr_core::kernels::{ConvRow, Filters, Kernel};
    /// # // A 1x1 convolution of two channels to one over three pixels: first + 2 * second.
    /// # let filters = Filters {
    /// #     weights: &[1, 2, 0, 0],
    /// #     bias: &0i32.to_le_bytes(),
    /// #     scales: &1f32.to_le_bytes(),
    /// #     zero_point: 0,
    /// #     packed: &[],
    /// # };
    /// # let row = [1i8, 2, 3, 4, 5, 6];
    /// # let args = ConvRow { rows: &[&row], filters, span: 2, step: 2, channels: 1 };
    /// let mut out = [0; 3];
    /// assert!(Kernel::best().conv_row(&args, &mut out));
    /// assert_eq!(out, [5, 11, 17]);
    /// assert!(!Kernel::best().conv_row(&args, &mut [0; 4])); // there are no four windows in the row
    /// ```
    #[inline]
    #[must_use = "nothing was computed if it is false"]
    pub fn conv_row<'a>(&self, args: &'a ConvRow<'a>, out: &'a mut [i8]) -> bool {
        Checked::conv(args, out).map(self.conv_row).is_some()
    }

    /// One output row of the first convolution of a gray image; as [`conv_row`](Self::conv_row).
    ///
    /// ```
    /// # use cxr_core::kernels::{Filters, GrayRow, Kernel};
    /// # let filters = Filters { weights: &[3, 0, 0, 0], bias: &[0; 4], scales: &1f32.to_le_bytes(), zero_point: 0, packed: &[] };
    /// let args = GrayRow { rows: &[&[5i8, 6]], filters, span: 1, step: 1, channels: 1 };
    /// let mut out = [0; 2];
    /// assert!(Kernel::best().gray_row(&args, &mut out));
    /// assert_eq!(out, [15, 18]);
    /// ```
    #[inline]
    #[must_use = "nothing was computed if it is false"]
    pub fn gray_row<'a>(&self, args: &'a GrayRow<'a>, out: &'a mut [i8]) -> bool {
        Checked::gray(args, out).map(self.gray_row).is_some()
    }

    /// One output row of a depthwise convolution; as [`conv_row`](Self::conv_row).
    ///
    /// ```
    /// # use cxr_core::kernels::{DepthwiseRow, Filters, Kernel};
    /// # let filters = Filters { weights: &[2], bias: &[0; 4], scales: &1f32.to_le_bytes(), zero_point: 0, packed: &[] };
    /// let args = DepthwiseRow { rows: &[&[1i8, 4]], filters, kernel_width: 1, step: 1, channels: 1 };
    /// let mut out = [0; 2];
    /// assert!(Kernel::best().depthwise_row(&args, &mut out));
    /// assert_eq!(out, [2, 8]);
    /// ```
    #[inline]
    #[must_use = "nothing was computed if it is false"]
    pub fn depthwise_row<'a>(&self, args: &'a DepthwiseRow<'a>, out: &'a mut [i8]) -> bool {
        Checked::depthwise(args, out).map(self.depthwise_row).is_some()
    }

    /// Sum of products of int8 values (`weights` as int8 bits), over the shorter of the two, modulo 2^32.
    ///
    /// ```
    /// use cxr_core::kernels::Kernel;
    /// assert_eq!(Kernel::best().dot(&[1, 2, 3], &[1, 1, 255]), 0); // 255 is -1
    /// ```
    #[inline]
    pub fn dot(&self, values: &[i8], weights: &[u8]) -> i32 {
        (self.dot)(values, weights)
    }
}

#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
use neon::available as vector_kernels;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use simd128::available as vector_kernels;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use x86::available as vector_kernels;

#[cfg(not(any(
    all(target_arch = "x86_64", target_feature = "sse2"),
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
fn vector_kernels() -> impl Iterator<Item = Kernel> {
    core::iter::empty()
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
