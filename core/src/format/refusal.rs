//! The refusal head: how unlike the training images a picture is, from the means of one of the last feature maps.

use super::bytes::{f32_at, slice, u16_at, u32_at};
use super::layout::header;
use super::model::Model;
use crate::shape::Shape;

/// A quadratic form over the channel sums of a feature map, in integers until its last step:
///
/// `h[j] = f32(bias[j] + sum_c weight[j][c] * feature[c]) * scale[j]`,
/// `score = coefficient[0] * h[0] + sum_{j >= 1} coefficient[j] * h[j]^2`,
///
/// where `feature[c]` is the sum of channel `c` over the cells of the map, which is what [`layer`](Self::layer) gives. A linear score, a Mahalanobis distance
/// (rows that whiten, coefficients of 1) and a trained quadratic discriminant are all of this form.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    bytes: &'a [u8],
    rows: usize,
    features: usize,
    layer: usize,
    above: f32,
}

/// A refusal head to write; see [`Refusal`] for what the numbers mean. All rows have the same length.
#[derive(Clone, Copy, Debug)]
pub struct RefusalSpec<'a> {
    /// Coefficients, one a row.
    pub coefficients: &'a [f32],
    /// Scales, one a row, above 0.
    pub scales: &'a [f32],
    /// Biases, one a row, of magnitude up to 2^61.
    pub bias: &'a [i64],
    /// Weights `[row][channel]`.
    pub weights: &'a [i16],
    /// Layers between the map and the dense one: 0 for the last map, 1 for what the last layer before the dense one reads.
    pub back: u16,
    /// Score above which a picture is refused.
    pub refuse_above: f32,
}

impl RefusalSpec<'_> {
    pub(super) const fn encoded_len(&self) -> usize {
        4 * self.coefficients.len() + 4 * self.scales.len() + 8 * self.bias.len() + 2 * self.weights.len()
    }

    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        let floats = self.coefficients.iter().chain(self.scales).flat_map(|v| v.to_bits().to_le_bytes());
        let bias = self.bias.iter().flat_map(|v| v.to_le_bytes());
        floats.chain(bias).chain(self.weights.iter().flat_map(|v| v.to_le_bytes()))
    }
}

/// The layer whose output is the map that the features are summed over; none if the file has no such layer.
const fn layer(model: &Model<'_>) -> Option<usize> {
    model.layer_count.checked_sub(2 + u16_at(model.bytes, header::REFUSAL_BACK) as usize)
}

/// Shape of that map.
pub(crate) const fn features(model: &Model<'_>) -> Option<Shape> {
    match layer(model) {
        Some(layer) => match model.layer(layer) {
            Some(layer) => Some(layer.output),
            None => None,
        },
        None => None,
    }
}

impl<'a> Model<'a> {
    /// The out-of-distribution score, if the model has one.
    pub const fn refusal(&self) -> Option<Refusal<'a>> {
        Refusal::of(self)
    }
}

impl<'a> Refusal<'a> {
    pub(super) const fn of(model: &Model<'a>) -> Option<Self> {
        let at = u32_at(model.bytes, header::REFUSAL) as usize;
        let rows = u16_at(model.bytes, header::REFUSAL_RANK) as usize + 1;
        match (layer(model), features(model)) {
            (Some(layer), Some(map)) if at != 0 => {
                let features = map.channels as usize;
                let bytes = slice(model.bytes, at, rows.saturating_mul(16 + 2 * features));
                Some(Self { bytes, rows, features, layer, above: f32_at(model.bytes, header::REFUSE_ABOVE) })
            }
            _ => None,
        }
    }

    pub(super) const fn is_whole(&self, features: usize) -> bool {
        self.features == features && self.bytes.len() == self.rows.saturating_mul(16 + 2 * features)
    }

    /// Rows: one linear, the others squared.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// The layer whose output the features are sums of.
    pub const fn layer(&self) -> usize {
        self.layer
    }

    /// Coefficient of row `j`.
    pub const fn coefficient(&self, j: usize) -> f32 {
        f32_at(self.bytes, 4 * j)
    }

    /// Scale of row `j`.
    pub const fn scale(&self, j: usize) -> f32 {
        f32_at(self.bytes, 4 * (self.rows + j))
    }

    /// Bias of row `j`.
    pub const fn bias(&self, j: usize) -> i64 {
        let at = 8 * (self.rows + j);
        u32_at(self.bytes, at) as i64 | (u32_at(self.bytes, at + 4) as i32 as i64) << 32
    }

    /// Weight of channel `c` in row `j`.
    pub const fn weight(&self, j: usize, c: usize) -> i16 {
        u16_at(self.bytes, 16 * self.rows + 2 * (j * self.features + c)) as i16
    }

    /// Score above which a picture is refused; so is one whose score is not a number.
    pub const fn refuse_above(&self) -> f32 {
        self.above
    }

    /// The score of a picture: higher is less like the training images.
    ///
    /// `features`: the sum of the int8 values of each channel of the map.
    ///
    /// ```
    /// # let model = cxr_core::format::Model::parse(include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/default.cxr")))?;
    /// # let head = model.refusal().expect("the shipped model has one");
    /// // A feature map of nothing but zeros is not what X-rays give.
    /// assert!(head.score([0; 128].into_iter()) > head.refuse_above());
    /// # Ok::<(), cxr_core::error::Error>(())
    /// ```
    pub fn score(&self, features: impl Iterator<Item = i32> + Clone) -> f32 {
        self.measure(features).0
    }

    /// The score, and the part of it that the squares are: a share of the Mahalanobis distance, which rises for what no training image resembles,
    /// X-rays of unknown hospitals among them.
    pub fn measure(&self, features: impl Iterator<Item = i32> + Clone) -> (f32, f32) {
        let (mut score, mut distance) = (0.0, 0.0);
        for j in 0..self.rows {
            let mut sum = self.bias(j);
            for (c, feature) in features.clone().enumerate() {
                sum += i64::from(self.weight(j, c)) * i64::from(feature);
            }
            let h = sum as f32 * self.scale(j);
            let term = self.coefficient(j) * if j == 0 { h } else { h * h };
            score += term;
            if j > 0 {
                distance += term;
            }
        }
        (score, distance)
    }
}
