//! Where fields lie in a file, in bytes.

pub const MAGIC: [u8; 4] = *b"RNET";
pub const VERSION: u16 = 4;
/// Most operators: pairs of their values are checked one by one.
pub const MAX_OPERATORS: usize = 8192;
/// No value.
pub const NONE: u16 = u16::MAX;

pub mod header {
    pub const VERSION: usize = 4;
    pub const LEN: usize = 6;
    pub const FILE_LEN: usize = 8;
    pub const CRC: usize = 12;
    pub const ARENA: usize = 16;
    pub const OPERATOR_COUNT: usize = 20;
    pub const OUTPUT_COUNT: usize = 22;
    pub const SEGMENT_COUNT: usize = 24;
    pub const VALUES: usize = 28;
    pub const OPERATORS: usize = 32;
    pub const OUTPUTS: usize = 36;
    pub const SEGMENTS: usize = 40;
    pub const LABELS: usize = 44;
    pub const METADATA: usize = 52;
    pub const HEAD: usize = 60;
    pub const SIZE: usize = 80;
}

pub mod value {
    pub const SHAPE: usize = 0;
    pub const ELEMENT: usize = 6;
    pub const ZERO_POINT: usize = 7;
    pub const SCALE: usize = 8;
    pub const EXTERNAL: usize = 12;
    pub const STORAGE: usize = 13;
    pub const ROWS: usize = 14;
    pub const AT: usize = 16;
    pub const KEPT: usize = 20;
    pub const OVER: usize = 24;
    pub const STRIP: usize = 26;
    pub const FROM: usize = 28;
    pub const TO: usize = 30;
    pub const SIZE: usize = 32;
}

pub mod operator {
    pub const CODE: usize = 0;
    pub const ARITHMETIC: usize = 1;
    pub const A: usize = 2;
    pub const B: usize = 4;
    pub const KERNEL: usize = 6;
    pub const STRIDE: usize = 10;
    pub const DILATION: usize = 12;
    pub const PADS: usize = 14;
    pub const FLAGS: usize = 18;
    pub const PAD_VALUE: usize = 19;
    pub const CLAMP: usize = 20;
    pub const GROUPS: usize = 22;
    pub const WEIGHTS: usize = 24;
    pub const BIAS: usize = 28;
    pub const SCALES: usize = 32;
    pub const SHIFTS: usize = 36;
    pub const SCALE_COUNT: usize = 40;
    pub const STATE: usize = 44;
    pub const DIFF_MIN: usize = 48;
    pub const SIZE: usize = 64;

    pub const ACCUMULATE: u8 = 1;
    pub const SHARED: u8 = 2;
}

/// Codes of operators, in the order of `Op`.
pub mod code {
    pub const CONV_2D: u8 = 1;
    pub const DEPTHWISE_CONV_2D: u8 = 2;
    pub const DENSE: u8 = 3;
    pub const ADD: u8 = 4;
    pub const MUL: u8 = 5;
    pub const AVERAGE_POOL_2D: u8 = 6;
    pub const MAX_POOL_2D: u8 = 7;
    pub const MEAN: u8 = 8;
    pub const CONCAT: u8 = 9;
    pub const PAD: u8 = 10;
    pub const RESIZE_NEAREST: u8 = 11;
    pub const TABLE: u8 = 12;
    pub const SOFTMAX: u8 = 13;
    pub const RESHAPE: u8 = 14;
    pub const CROP: u8 = 15;
    pub const CONCAT_COLUMNS: u8 = 16;
}
