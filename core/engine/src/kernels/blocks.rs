//! Several output rows at once.

use super::checked::Covered;

/// Whether kernels for this target have such loops. Where they have not, what asks for it costs nothing.
pub const HAS_BLOCKS: bool = cfg!(row_blocks);

/// How a layer is computed, several output rows at once.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Output rows of a block.
    pub rows: usize,
    /// What [`Blocks::pack`] packs.
    pub form: u8,
    /// Bytes of scratch memory.
    pub scratch: usize,
}

/// Arguments of a block of output rows.
#[derive(Clone, Copy, Debug)]
pub struct BlockRows<'a> {
    /// Extents, weights, biases, scales.
    pub layer: Covered<'a>,
    /// Input rows, one after another, as many as a whole block needs; behind the last real one anything.
    pub input: &'a [i8],
    /// Values from an input row to the next.
    pub row_len: usize,
    /// Output rows wanted.
    pub rows: usize,
    /// Output columns.
    pub width: usize,
}

/// Loops that compute several output rows at once.
#[derive(Clone, Copy, Debug)]
pub struct Blocks {
    /// From vertical stride and output height and width; None where rows one by one are better.
    pub plan: fn(&Covered<'_>, usize, [usize; 2]) -> Option<Plan>,
    /// Packs filters for a form if the buffer is long enough; the length that it takes.
    pub pack: fn(u8, &Covered<'_>, &mut [u8]) -> usize,
    /// Computes the rows; false if something is short.
    pub run: fn(&BlockRows<'_>, &mut [i8], &mut [i8]) -> bool,
}
