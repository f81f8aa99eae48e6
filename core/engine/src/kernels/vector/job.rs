//! A row to compute.

use crate::kernels::checked::{Conv, Covered, Gray};

/// A convolution over one output row, of int8 weights or of i16: what a [`Checked`] of either has, and all that is said of it.
pub struct Job<'a> {
    rows: &'a [&'a [i8]],
    layer: Covered<'a>,
    width: usize,
    out: &'a mut [i8],
}

impl<'a> Job<'a> {
    /// Of a convolution's row.
    #[inline(always)]
    pub fn conv<'c: 'a>(checked: &'a mut Conv<'c>) -> Self {
        Self { rows: checked.args().rows, layer: checked.covered(), width: checked.width(), out: checked.out() }
    }

    /// Of a gray image's row.
    #[inline(always)]
    pub fn gray<'c: 'a>(checked: &'a mut Gray<'c>) -> Self {
        Self { rows: checked.args().rows, layer: checked.covered(), width: checked.width(), out: checked.out() }
    }

    /// Input rows: each holds all windows.
    #[inline(always)]
    pub const fn rows(&self) -> &'a [&'a [i8]] {
        self.rows
    }

    /// Extents and filters.
    #[inline(always)]
    pub const fn layer(&self) -> &Covered<'a> {
        &self.layer
    }

    /// Output columns, not 0.
    #[inline(always)]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Filters as a kernel packed them, or whatever a caller takes for that.
    #[inline(always)]
    pub const fn packed(&self) -> &'a [u8] {
        self.layer.filters().packed
    }

    /// Zero point of the output.
    #[inline(always)]
    pub const fn zero_point(&self) -> i8 {
        self.layer.filters().zero_point
    }

    /// The output row, `width * channels` values.
    #[inline(always)]
    pub const fn out(&mut self) -> &mut [i8] {
        self.out
    }
}
