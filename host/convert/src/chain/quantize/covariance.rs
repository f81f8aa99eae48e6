//! How the values under a convolution's window vary together, and rounding that makes use of it.
//!
//! Rounding each weight to the nearest step makes the error `(w - q) x` of a filter small for an `x` of independent values. Values under a
//! window are anything but: neighbours resemble each other. So weights are rounded one after another, each taking back what those
//! before did, as far as the covariance says that it can: Babai's nearest plane on the Cholesky factor of the covariance, which is what
//! GPTQ (Frantar et al. 2022) computes. Means are left to the bias correction.

use crate::calibrate::rounding::Factor;
use crate::chain::float_model::{FloatLayer, FloatModel};
use crate::chain::onnx::run::{Mode, Runner};
use crate::chain::onnx::{About, float};
use anyhow::{Context, Result};
use nalgebra::{DMatrix, DVector};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Windows in all: an order more than the widest has values.
const WINDOWS: usize = 12_288;
/// One for each layer; `None` for what is no convolution of all channels, or sees no variation.
pub fn covariances(model: &FloatModel, images: &[Vec<u8>], tick: &(dyn Fn() + Sync)) -> Result<Vec<Option<Factor>>> {
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
    let of = |layer: usize| -> Option<Factor> {
        let FloatLayer::Conv { ref weight, ref bias, groups: 1, .. } = model.layers[layer] else { return None };
        let length = weight.len() / bias.len().max(1);
        let values: Vec<f32> = gathered.iter().flat_map(|image| &image[layer]).copied().collect();
        factor(DMatrix::from_vec(length, values.len().checked_div(length)?, values))
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

/// Of the columns of `values`.
fn factor(mut values: DMatrix<f32>) -> Option<Factor> {
    let mean: DVector<f32> = values.column_mean();
    values.column_iter_mut().for_each(|mut column| column -= &mean);
    let covariance = (&values * values.transpose()).map(f64::from) / values.ncols().max(1) as f64;
    // Symmetric: columns are rows.
    Factor::new(covariance.nrows(), covariance.as_slice().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_together_is_rounded_together() {
        // Two values that are always alike: what rounding one takes, the other gives back.
        let values = DMatrix::from_fn(2, 100, |_, column| column as f32);
        assert_eq!(factor(values).unwrap().round(&[0.4, 0.4], 1.0).iter().map(|q| i32::from(*q)).sum::<i32>(), 1);
        assert!(factor(DMatrix::zeros(3, 10)).is_none());
    }
}
