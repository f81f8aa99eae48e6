//! Extents of maps, and windows that slide over them.

/// Extents of a map `[height][width][channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub height: u16,
    /// Pixels of a row.
    pub width: u16,
    /// Values of a pixel.
    pub channels: u16,
}

impl Shape {
    /// A shape.
    pub const fn new(height: u16, width: u16, channels: u16) -> Self {
        Self { height, width, channels }
    }

    /// Values of a row.
    pub const fn row_len(&self) -> usize {
        self.width as usize * self.channels as usize
    }

    /// Values of the map; `height * width * channels` may leave 32 bits, so it is 64.
    pub const fn len(&self) -> u64 {
        self.height as u64 * self.row_len() as u64
    }

    /// True where an extent is 0.
    pub const fn is_empty(&self) -> bool {
        self.height == 0 || self.width == 0 || self.channels == 0
    }

    /// `==` in constants.
    pub const fn equals(&self, other: &Self) -> bool {
        self.height == other.height && self.width == other.width && self.channels == other.channels
    }
}

/// Padding, in cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pads {
    /// Rows above.
    pub top: u8,
    /// Pixels to the left.
    pub left: u8,
    /// Rows below.
    pub bottom: u8,
    /// Pixels to the right.
    pub right: u8,
}

/// A sliding window; pairs are vertical, horizontal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Rows and pixels under the window.
    pub kernel: [u16; 2],
    /// Cells between windows.
    pub stride: [u8; 2],
    /// Cells between taps; convolutions only, else 1.
    pub dilation: [u8; 2],
    /// Padding, which holds the input's zero point (pools ignore it).
    pub pads: Pads,
}

impl Window {
    /// Rows from the first tap to the last.
    pub const fn reach(&self, axis: usize) -> u32 {
        (self.kernel[axis] as u32).saturating_sub(1) * self.dilation[axis] as u32 + 1
    }

    /// Output cells over `extent` input cells, `None` where the window does not fit or lies in padding alone.
    pub const fn outputs(&self, axis: usize, extent: u16) -> Option<u32> {
        let (before, after) = if axis == 0 { (self.pads.top, self.pads.bottom) } else { (self.pads.left, self.pads.right) };
        let reach = self.reach(axis);
        if self.kernel[axis] == 0 || self.stride[axis] == 0 || self.dilation[axis] == 0 {
            return None;
        }
        if before as u32 >= reach || after as u32 >= reach {
            return None;
        }
        match (extent as u32 + before as u32 + after as u32).checked_sub(reach) {
            Some(rest) => Some(rest / self.stride[axis] as u32 + 1),
            None => None,
        }
    }
}
