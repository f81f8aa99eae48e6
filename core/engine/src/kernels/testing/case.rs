//! A call of a kernel, and what came of it.

/// The four operations of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`Kernel::conv_row`].
    Conv,
    /// [`Kernel::gray_row`].
    Gray,
    /// [`Kernel::depthwise_row`].
    Depthwise,
    /// [`Kernel::dot`].
    Dot,
}

/// What rows and weights hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Any value.
    Random,
    /// Largest or smallest values, drawn one by one.
    Extremes,
    /// Only this value, and only this weight (its low 8 bits, or all 16 of a gray filter).
    Constant(i8, i16),
}

/// Every kind.
pub const FILLS: [Fill; 6] = [
    Fill::Random,
    Fill::Extremes,
    Fill::Constant(i8::MIN, i16::MIN),
    Fill::Constant(i8::MIN, i16::MAX),
    Fill::Constant(i8::MAX, i16::MIN),
    Fill::Constant(i8::MAX, i16::MAX),
];

/// One call of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which function.
    pub operation: Operation,
    /// Kernel height and width.
    pub kernel: [usize; 2],
    /// Horizontal stride, pixels.
    pub stride: usize,
    /// Input channels; for [`Operation::Dot`] the length.
    pub input: usize,
    /// Output channels.
    pub output: usize,
    /// Output width.
    pub width: usize,
    /// Contents.
    pub fill: Fill,
    /// Bytes by which rows, weights and output lie off their alignment.
    pub offsets: [usize; 3],
}

/// The first difference found.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch {
    /// Name of the kernel.
    pub kernel: &'static str,
    /// The call.
    pub case: Case,
    /// Place in the output row; beyond its end, a value that was not the kernel's to write.
    pub index: usize,
    /// Value of the definition.
    pub expected: i32,
    /// Value of the kernel.
    pub found: i32,
}
