//! Activation statistics over calibration images, and ranges from them.

use super::options::Range;
use crate::calibrate::rounding::Factor;
use crate::chain::float_model::{FloatLayer, FloatModel, Pool};
use crate::chain::onnx::run::{Mode, Runner};
use crate::chain::onnx::{About, float};
use anyhow::{Context, Result};
use rayon::prelude::*;

/// Statistics of a network's values.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// Per layer, what enters it.
    pub inputs: Vec<Channels>,
    /// Per layer, what leaves it (empty for the dense layer).
    pub outputs: Vec<Histogram>,
    /// Per layer, how values under its window vary together; empty unless asked for.
    pub covariances: Vec<Option<Factor>>,
}

/// What each channel of a map is like.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    /// Mean values.
    pub channel_mean: Vec<f32>,
    /// Largest values.
    pub channel_max: Vec<f32>,
}

/// Counts of non-negative values by the upper 16 bits of their f32: bins 1/256 of their value wide, no range needed.
#[derive(Clone, Debug)]
pub struct Histogram {
    bins: Vec<u64>,
    max: f32,
}

const BINS: usize = 1 << 16;
const SHIFT: u32 = 15;
/// Parallel pieces of a calibration.
const CHUNKS: usize = 16;

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: vec![0; BINS], max: 0.0 }
    }
}

impl Histogram {
    /// Counts `value`, negative ones as zero.
    pub fn add(&mut self, value: f32) {
        let value = value.max(0.0);
        self.bins[(value.to_bits() >> SHIFT) as usize] += 1;
        self.max = self.max.max(value);
    }

    fn merge(&mut self, other: &Self) {
        self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
        self.max = self.max.max(other.max);
    }

    fn occupied(&self) -> impl DoubleEndedIterator<Item = (f64, u64)> + '_ {
        let center = |bin: usize| f64::from(f32::from_bits(((bin as u32) << SHIFT) | (1 << (SHIFT - 1))));
        self.bins.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(bin, &n)| (if bin == 0 { 0.0 } else { center(bin) }, n))
    }

    /// The upper end of the quantised range; `None` if every value was zero.
    pub fn range(&self, choice: Range) -> Option<f32> {
        if !(self.max > 0.0 && self.max.is_finite()) {
            return None;
        }
        let range = match choice {
            Range::Max => self.max,
            Range::Percentile(share) => {
                let total: u64 = self.bins.iter().sum();
                let above = ((1.0 - share) * total as f64) as u64;
                let mut seen = 0;
                let value = self.occupied().rev().find(|(_, n)| {
                    seen += n;
                    seen > above
                });
                value.map_or(self.max, |(value, _)| value as f32)
            }
            Range::LeastSquares => (10..=100)
                .map(|percent| self.max * percent as f32 / 100.0)
                .map(|range| (range, self.squared_error(range)))
                .min_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(self.max, |best| best.0),
        };
        Some(if range > 0.0 { range.min(self.max) } else { self.max })
    }

    fn squared_error(&self, range: f32) -> f64 {
        let range = f64::from(range);
        let step = range / 255.0;
        self.occupied()
            .map(|(value, n)| {
                let error = if value > range {
                    (value - range).powi(2)
                } else if value < step / 2.0 {
                    value * value
                } else {
                    step * step / 12.0
                };
                error * n as f64
            })
            .sum()
    }
}

struct Partial {
    histograms: Vec<Histogram>,
    sums: Vec<Vec<f64>>,
    largest: Vec<Vec<f32>>,
}

/// Runs the float network over `images` (interleaved 8-bit, as [`Runner`] takes them) in parallel.
pub fn observe(model: &FloatModel, images: &[Vec<u8>], progress: &(dyn Fn() + Sync)) -> Result<Statistics> {
    let names = model.observed_names();
    let runner = Runner::new(&float::write(model, &About::default()), "calibration network", &names, Mode::Optimized)?;
    let shapes: Vec<[usize; 3]> = std::iter::once(model.input).chain(model.layers.iter().filter_map(output)).collect();
    let empty = || Partial {
        histograms: vec![Histogram::default(); names.len()],
        sums: shapes.iter().map(|s| vec![0.0; s[2]]).collect(),
        largest: shapes.iter().map(|s| vec![f32::NEG_INFINITY; s[2]]).collect(),
    };
    // Fixed chunks merged in order: the sums, and so the exported bytes, do not depend on thread timing.
    let parts = images
        .par_chunks(images.len().div_ceil(CHUNKS).max(1))
        .map(|chunk| {
            let mut partial = empty();
            for image in chunk {
                let values = runner.run_float(image)?;
                for (i, &pixel) in image.iter().enumerate() {
                    let (channel, value) = (i % shapes[0][2], model.normalization.real(pixel));
                    partial.sums[0][channel] += value;
                    partial.largest[0][channel] = partial.largest[0][channel].max(value as f32);
                }
                for (layer, planes) in values[..names.len()].iter().enumerate() {
                    planes.iter().for_each(|&value| partial.histograms[layer].add(value));
                    let area = shapes[layer + 1][0] * shapes[layer + 1][1];
                    for (c, plane) in planes.chunks_exact(area).enumerate() {
                        partial.sums[layer + 1][c] += plane.iter().map(|&v| f64::from(v)).sum::<f64>();
                        partial.largest[layer + 1][c] = plane.iter().copied().fold(partial.largest[layer + 1][c], f32::max);
                    }
                }
                progress();
            }
            Ok(partial)
        })
        .collect::<Result<Vec<Partial>>>()
        .context("calibration")?;
    let total = parts.into_iter().fold(empty(), |mut total, part| {
        total.histograms.iter_mut().zip(&part.histograms).for_each(|(a, b)| a.merge(b));
        total.sums.iter_mut().flatten().zip(part.sums.iter().flatten()).for_each(|(a, b)| *a += b);
        total.largest.iter_mut().flatten().zip(part.largest.iter().flatten()).for_each(|(a, b)| *a = a.max(*b));
        total
    });
    let channels = |((sums, largest), shape): ((&Vec<f64>, Vec<f32>), &[usize; 3])| Channels {
        channel_mean: sums.iter().map(|s| (s / (images.len().max(1) * shape[0] * shape[1]) as f64) as f32).collect(),
        channel_max: largest,
    };
    let inputs = total.sums.iter().zip(total.largest).zip(&shapes).map(channels).collect();
    Ok(Statistics { inputs, outputs: total.histograms, covariances: vec![] })
}

fn output(layer: &FloatLayer) -> Option<[usize; 3]> {
    match layer {
        FloatLayer::Conv { output, .. } | FloatLayer::Pool(Pool { output, .. }) => Some(*output),
        FloatLayer::Dense { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_ordered_and_close() {
        let mut histogram = Histogram::default();
        (0..10_000).for_each(|i| histogram.add(i as f32 / 1000.0));
        histogram.add(100.0);
        histogram.add(-5.0);
        assert_eq!(histogram.range(Range::Max), Some(100.0));
        let p = histogram.range(Range::Percentile(0.99)).unwrap();
        assert!((p - 9.9).abs() < 0.05, "{p}");
        let mse = histogram.range(Range::LeastSquares).unwrap();
        assert!((10.0..100.0).contains(&mse), "{mse}");
    }

    #[test]
    fn a_silent_layer_has_no_range() {
        let mut histogram = Histogram::default();
        histogram.add(0.0);
        histogram.add(-1.0);
        assert_eq!(histogram.range(Range::Max), None);
    }
}
