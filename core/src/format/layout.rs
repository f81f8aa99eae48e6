//! Where fields lie in a file, in bytes, and limits.

/// First four bytes of a model file.
pub const MAGIC: [u8; 4] = *b"CXRM";
/// Format version that this library reads and writes.
pub const VERSION: u16 = 4;
/// Most layers in a model.
pub const MAX_LAYERS: usize = 32;
/// Most classes in a model.
pub const MAX_CLASSES: usize = 8;

/// Offsets in the header.
pub mod header {
    pub const VERSION: usize = 4;
    pub const LEN: usize = 6;
    pub const FILE_LEN: usize = 8;
    pub const CRC: usize = 12;
    /// The checksum covers everything from here on.
    pub const INPUT: usize = 16;
    pub const LAYER_COUNT: usize = 22;
    pub const CLASS_COUNT: usize = 24;
    /// Plus one; 0 where there is none.
    pub const DOUBT_CLASS: usize = 26;
    pub const TEMPERATURE: usize = 28;
    pub const ABSTAIN_BELOW: usize = 32;
    pub const ARENA: usize = 36;
    pub const LAYERS: usize = 40;
    pub const NAMES: usize = 44;
    pub const NAMES_LEN: usize = 48;
    pub const METADATA: usize = 52;
    pub const METADATA_LEN: usize = 56;
    pub const GRAY: usize = 60;
    pub const REFUSAL: usize = 64;
    pub const REFUSAL_RANK: usize = 68;
    pub const REFUSAL_BACK: usize = 70;
    pub const REFUSE_ABOVE: usize = 72;
    pub const DOUBT_ABOVE: usize = 76;
    pub const SIZE: usize = 80;
}

/// Offsets in a layer record.
pub mod record {
    pub const OP: usize = 0;
    pub const KERNEL: usize = 1;
    pub const STRIDE: usize = 3;
    pub const PAD: usize = 5;
    pub const INPUT_ZERO_POINT: usize = 9;
    pub const OUTPUT_ZERO_POINT: usize = 10;
    pub const INPUT: usize = 12;
    pub const OUTPUT: usize = 18;
    pub const WEIGHTS: usize = 24;
    pub const BIAS: usize = 28;
    pub const SCALES: usize = 32;
    pub const GROUPS: usize = 36;
    pub const SIZE: usize = 40;
}

pub const OP_CONV_2D: u8 = 1;
pub const OP_MAX_POOL_2D: u8 = 2;
pub const OP_DENSE: u8 = 3;
pub const OP_DEPTHWISE_CONV_2D: u8 = 4;
pub const OP_AVERAGE_POOL_2D: u8 = 5;
pub const OP_GLOBAL_AVERAGE_POOL_2D: u8 = 6;
pub const OP_GLOBAL_MAX_POOL_2D: u8 = 7;

/// Most elements in one row of a feature map; keeps every offset far from overflow.
pub const MAX_ROW: usize = 1 << 20;
