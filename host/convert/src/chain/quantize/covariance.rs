//! How the values under a convolution's window vary together, and rounding that makes use of it.
//!
//! Rounding each weight to the nearest step makes the error `(w - q) x` of a filter small for an `x` of independent values. Values under a
//! window are anything but: neighbours resemble each other. So weights are rounded one after another, each taking back what those
//! before did, as far as the covariance says that it can: Babai's nearest plane on the Cholesky factor of the covariance, which is what
//! GPTQ (Frantar et al. 2022) computes. Means are left to the bias correction.

use crate::chain::float_model::{FloatLayer, FloatModel};
use crate::chain::onnx::run::{Mode, Runner};
use crate::chain::onnx::{About, float};
use anyhow::{Context, Result};
use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Windows in all: an order more than the widest has values.
const WINDOWS: usize = 12_288;
/// Added to the diagonal, in mean variances: the inputs are not seen without noise either.
const DAMPING: f64 = 0.01;

/// The lower Cholesky factor of the covariance of the values under a window, in the order of a filter's weights.
#[derive(Clone, Debug)]
pub struct Covariance(DMatrix<f64>);

/// One for each layer; `None` for what is no convolution of all channels, or sees no variation.
pub fn covariances(model: &FloatModel, images: &[Vec<u8>], tick: &(dyn Fn() + Sync)) -> Result<Vec<Option<Covariance>>> {
    let names = model.observed_names();
    let runner = Runner::new(&float::write(model, &About::default()), "calibration network", &names, Mode::Optimized)?;
    let each = WINDOWS.div_ceil(images.len().max(1));
    let gathered = images.par_iter().enumerate().map(|(i, image)| {
        let planes = runner.run_float(image)?;
        let channels = model.input[2];
        let pixels = |c: usize| image.iter().skip(c).step_by(channels).map(|&p| model.normalization.real(p) as f32);
        let first: Vec<f32> = (0..channels).flat_map(pixels).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(i as u64);
        let inputs = std::iter::once(&first).chain(&planes);
        let windows = model.layers.iter().zip(inputs).map(|(layer, values)| windows(layer, values, each, &mut rng));
        let windows: Vec<Vec<f32>> = windows.collect();
        tick();
        Ok(windows)
    });
    let gathered = gathered.collect::<Result<Vec<Vec<Vec<f32>>>>>().context("calibration")?;
    let of = |layer: usize| -> Option<Covariance> {
        let FloatLayer::Conv { ref weight, ref bias, groups: 1, .. } = model.layers[layer] else { return None };
        let length = weight.len() / bias.len().max(1);
        let values: Vec<f32> = gathered.iter().flat_map(|image| &image[layer]).copied().collect();
        Covariance::new(DMatrix::from_vec(length, values.len().checked_div(length)?, values))
    };
    Ok((0..model.layers.len()).into_par_iter().map(of).collect())
}

/// The values under `count` windows anywhere on the map, one window after another; none for what is no convolution of all channels.
fn windows(layer: &FloatLayer, planes: &[f32], count: usize, rng: &mut impl Rng) -> Vec<f32> {
    let &FloatLayer::Conv { input: [height, width, channels], output, kernel, stride, pad, groups: 1, .. } = layer else {
        return vec![];
    };
    let mut values = Vec::with_capacity(count * kernel * kernel * channels);
    for _ in 0..count {
        let (top, left) = (rng.random_range(0..output[0]) * stride, rng.random_range(0..output[1]) * stride);
        for (y, x) in (0..kernel).flat_map(|y| (0..kernel).map(move |x| (top + y, left + x))) {
            let cell = y.checked_sub(pad).zip(x.checked_sub(pad)).filter(|(y, x)| *y < height && *x < width);
            values.extend((0..channels).map(|c| cell.map_or(0.0, |(y, x)| planes[(c * height + y) * width + x])));
        }
    }
    values
}

impl Covariance {
    /// Of the columns of `values`.
    fn new(mut values: DMatrix<f32>) -> Option<Self> {
        let mean: DVector<f32> = values.column_mean();
        values.column_iter_mut().for_each(|mut column| column -= &mean);
        let mut covariance = (&values * values.transpose()).map(f64::from) / values.ncols().max(1) as f64;
        let damping = DAMPING * covariance.diagonal().mean();
        if !(damping > 0.0 && damping.is_finite()) {
            return None;
        }
        (0..covariance.nrows()).for_each(|i| covariance[(i, i)] += damping);
        Cholesky::<f64, Dyn>::new(covariance).map(|c| Self(c.unpack()))
    }

    /// A filter in steps of `scale`, -127 to 127, rounded from the last weight to the first.
    pub fn round(&self, filter: &[f32], scale: f32) -> Vec<i8> {
        let mut rounded = vec![0; filter.len()];
        // What rounding took from each weight, in steps.
        let mut errors = vec![0.0; filter.len()];
        for i in (0..filter.len()).rev() {
            let below = self.0.column(i);
            let carried: f64 = (i + 1..filter.len()).map(|j| below[j] * errors[j]).sum::<f64>() / below[i];
            let exact = f64::from(filter[i]) / f64::from(scale);
            let q = (exact + carried).round_ties_even().clamp(-127.0, 127.0);
            errors[i] = exact - q;
            rounded[i] = q as i8;
        }
        rounded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_makes_use_of_what_varies_together() {
        // Neighbours share most of their variance.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let columns: Vec<f32> = (0..2000)
            .flat_map(|_| {
                let common: f32 = rng.random_range(-1.0..1.0);
                (0..24).map(|_| common + 0.1 * rng.random_range(-1.0..1.0f32)).collect::<Vec<_>>()
            })
            .collect();
        let values = DMatrix::from_vec(24, 2000, columns);
        let covariance = Covariance::new(values.clone()).unwrap();
        let (mut nearest, mut compensated) = (0.0, 0.0);
        for _ in 0..20 {
            let filter: Vec<f32> = (0..24).map(|_| rng.random_range(-20.0..20.0)).collect();
            let error = |q: &[f32]| -> f32 {
                let difference = DVector::from_fn(24, |i, _| filter[i] - q[i]);
                (values.transpose() * difference).norm_squared()
            };
            nearest += error(&filter.iter().map(|w| w.round_ties_even()).collect::<Vec<_>>());
            compensated += error(&covariance.round(&filter, 1.0).into_iter().map(f32::from).collect::<Vec<_>>());
        }
        assert!(compensated < nearest / 4.0, "{compensated} {nearest}");
    }

    #[test]
    fn independent_values_round_to_the_nearest() {
        let covariance = Covariance(DMatrix::identity(4, 4));
        assert_eq!(covariance.round(&[0.4, -1.6, 300.0, 2.5], 1.0), [0, -2, 127, 2]);
        assert!(Covariance::new(DMatrix::zeros(3, 10)).is_none());
    }
}
