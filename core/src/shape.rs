//! Shapes of feature maps: NHWC with N = 1.

/// Height, width and channels of a feature map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Channels, the fastest-varying axis.
    pub channels: u16,
}

impl Shape {
    /// A shape from its three extents.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// Elements in one row: `width * channels`.
    pub const fn row_len(&self) -> usize {
        (self.width as usize).saturating_mul(self.channels as usize)
    }

    /// Elements in the whole map; `usize::MAX` where that many cannot be.
    pub const fn len(&self) -> usize {
        self.row_len().saturating_mul(self.height as usize)
    }

    /// True if any extent is zero.
    pub const fn is_empty(&self) -> bool {
        self.height == 0 || self.width == 0 || self.channels == 0
    }

    /// True if both shapes are the same (`==` is not `const`).
    pub const fn equals(&self, other: &Self) -> bool {
        self.height == other.height && self.width == other.width && self.channels == other.channels
    }
}

/// Cells added around a feature map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: u8,
    /// Columns to the left.
    pub left: u8,
    /// Rows below.
    pub bottom: u8,
    /// Columns to the right.
    pub right: u8,
}

impl Padding {
    /// True if no side is padded.
    pub const fn is_none(&self) -> bool {
        self.top == 0 && self.left == 0 && self.bottom == 0 && self.right == 0
    }
}

/// A sliding window: of a convolution or of pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window2d {
    /// Height and width, 1 to [`MAX_KERNEL`].
    pub kernel: [u8; 2],
    /// Vertical and horizontal step, 1 to [`MAX_KERNEL`].
    pub stride: [u8; 2],
    /// Padding, each side smaller than the kernel.
    pub pad: Padding,
}

/// Largest kernel extent and stride.
pub const MAX_KERNEL: usize = crate::kernels::MAX_KERNEL;

impl Window2d {
    /// Cells under the window.
    pub const fn area(&self) -> usize {
        self.kernel[0] as usize * self.kernel[1] as usize
    }

    /// Output extent of one axis: `(input + before + after - kernel) / stride + 1`
    /// (ONNX `Conv`, explicit pads); `None` where the window does not fit or a parameter is out of range.
    ///
    /// ```
    /// # use cxr_core::shape::Window2d;
    /// assert_eq!(Window2d::output_extent(256, 1, 1, 3, 2), Some(128));
    /// assert_eq!(Window2d::output_extent(1, 0, 0, 3, 2), None); // the window does not fit
    /// ```
    pub const fn output_extent(input: u16, before: u8, after: u8, kernel: u8, stride: u8) -> Option<u16> {
        let padded = input as u32 + before as u32 + after as u32;
        if kernel == 0
            || stride == 0
            || kernel as usize > MAX_KERNEL
            || stride as usize > MAX_KERNEL
            || before >= kernel
            || after >= kernel
            || padded < kernel as u32
        {
            return None;
        }
        let extent = (padded - kernel as u32) / stride as u32 + 1;
        if extent > u16::MAX as u32 { None } else { Some(extent as u16) }
    }
}
