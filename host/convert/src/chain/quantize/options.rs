//! How to quantise.

/// How the range of a layer's activations is chosen.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub enum Range {
    /// The largest activation seen.
    Max,
    /// The value that this share of all activations, 0..1, does not exceed.
    Percentile(f64),
    /// The clipping with the least expected squared error of rounding and clipping.
    LeastSquares,
}

/// How the scale of a filter's weights is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum WeightScale {
    /// Largest magnitude / 127.
    AbsMax,
    /// The clipping, 70..=100 % of the largest magnitude, with the least squared error.
    LeastSquares,
}

/// How to quantise.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Options {
    /// How far channels are equalised before, 0 to 1 (see [`super::equalize`]); [`super::quantize()`] itself does not.
    pub equalization: f32,
    /// Activation ranges.
    pub range: Range,
    /// Weight scales.
    pub weights: WeightScale,
    /// Round weights together, where the statistics have covariances, instead of each to the nearest.
    pub compensated: bool,
    /// Compensate the mean error of each output channel in its bias.
    pub bias_correction: bool,
}

impl Options {
    /// Without validation images: clip the rarest activations, round weights for least error.
    pub const DEFAULT: Self = Self {
        equalization: 0.0,
        range: Range::Percentile(0.9999),
        weights: WeightScale::LeastSquares,
        compensated: false,
        bias_correction: true,
    };
}
