//! Inner loops. One contract, one implementation an instruction set; [`Kernel::PORTABLE`] is the definition.
//!
//! A kernel computes one output row from the input rows under its window. Padding is not stored: an empty row is a row of
//! padding, and columns outside of a row are. Every implementation gives the bytes of the portable one.

mod args;
mod portable;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod x86;

pub use args::{Columns, ConvRow, DepthwiseRow, Filters};

/// The inner loops of one instruction set.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    name: &'static str,
    conv_row: fn(&ConvRow<'_>, &mut [i8]),
    depthwise_row: fn(&DepthwiseRow<'_>, &mut [i8]),
    dots: fn(&[i8], &[u8], usize, &mut [i32]),
}

impl Kernel {
    /// Plain loops.
    pub const PORTABLE: Self = Self {
        name: "portable",
        conv_row: |args, out| portable::conv_row(args, out),
        depthwise_row: |args, out| portable::depthwise_row(args, out),
        dots: |window, weights, stride, sums| portable::dots(window, weights, stride, sums),
    };

    /// The fastest that this processor has.
    pub fn best() -> Self {
        Self::available().next().unwrap_or(Self::PORTABLE)
    }

    /// Every kernel that this processor has, fastest first, [`PORTABLE`](Self::PORTABLE) last.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vectors = (!cfg!(miri)).then(x86::available).flatten();
        #[cfg(not(target_arch = "x86_64"))]
        let vectors = None;
        vectors.into_iter().chain([Self::PORTABLE])
    }

    /// Name of the instruction set.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// One output row of a convolution; `out` is `output width * channels` long.
    #[inline]
    pub fn conv_row(&self, args: &ConvRow<'_>, out: &mut [i8]) {
        (self.conv_row)(args, out);
    }

    /// One output row of a depthwise convolution; `out` is `output width * channels` long.
    #[inline]
    pub fn depthwise_row(&self, args: &DepthwiseRow<'_>, out: &mut [i8]) {
        (self.depthwise_row)(args, out);
    }

    /// Adds to each sum the products of the window and its filter, which starts `stride` bytes after the one before.
    #[inline]
    pub fn dots(&self, window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
        (self.dots)(window, weights, stride, sums);
    }
}
