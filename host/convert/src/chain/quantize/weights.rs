//! Weight scales, weight rounding and biases.

use super::options::{Options, WeightScale};
use crate::calibrate::rounding::Factor;
use anyhow::{Result, ensure};

/// Quantised weights of a layer.
pub(super) struct Quantized {
    pub(super) weight: Vec<i8>,
    pub(super) scale: Vec<f32>,
    pub(super) bias: Vec<i32>,
}

/// Largest magnitude that a bias may have in accumulator steps: exact in f32, far from the bounds of i32.
const BIAS_LIMIT: f64 = (1 << 23) as f64;

/// What a layer receives.
#[derive(Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) scale: f32,
    pub(super) zero_point: i8,
    pub(super) channel_mean: &'a [f32],
    pub(super) covariance: Option<&'a Factor>,
}

/// Quantises filters of equal length, in `groups` that read as many runs of channels; `bias` has one entry a filter.
pub(super) fn quantize(
    name: &str,
    weight: &[f32],
    bias: &[f32],
    groups: usize,
    incoming: Incoming<'_>,
    options: Options,
) -> Result<Quantized> {
    ensure!(
        !bias.is_empty() && weight.len().is_multiple_of(bias.len()),
        "{name}: {} weights for {} filters; the float model is damaged",
        weight.len(),
        bias.len()
    );
    ensure!(
        weight.iter().chain(bias).all(|w| w.is_finite()),
        "{name}: a weight or bias is not finite; training diverged, lower the learning rate"
    );
    let length = weight.len() / bias.len();
    let channels = incoming.channel_mean.len() / groups;
    let mut out = Quantized { weight: Vec::with_capacity(weight.len()), scale: vec![], bias: vec![] };
    for (k, (filter, &b)) in weight.chunks_exact(length).zip(bias).enumerate() {
        let first = k * groups / bias.len() * channels;
        // A filter of (nearly) zeros still needs a scale in which its bias is representable.
        let least = (f64::from(b.abs()) / (f64::from(incoming.scale) * BIAS_LIMIT)).max(1e-12) as f32;
        let scale = filter_scale(filter, options.weights).max(least);
        let rounded: Vec<i8> = match incoming.covariance {
            Some(covariance) => covariance.round(filter, scale),
            None => filter.iter().map(|&w| round(w, scale)).collect(),
        };
        let mut b = f64::from(b);
        if options.bias_correction {
            let errors = filter.iter().zip(&rounded).map(|(&w, &q)| f64::from(q) * f64::from(scale) - f64::from(w));
            b -= errors.enumerate().map(|(i, e)| e * f64::from(incoming.channel_mean[first + i % channels])).sum::<f64>();
        }
        // In f32, as the runtimes multiply the scales.
        let step = f64::from(incoming.scale * scale);
        let quantized_bias = (b / step).round_ties_even();
        ensure!(
            quantized_bias.abs() <= 2.0 * BIAS_LIMIT,
            "{name}: a bias of {b} does not fit its accumulator; train with more weight decay"
        );
        out.weight.extend(rounded);
        out.scale.push(scale);
        out.bias.push(quantized_bias as i32);
    }
    Ok(out)
}

fn round(w: f32, scale: f32) -> i8 {
    (w / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}

fn filter_scale(filter: &[f32], choice: WeightScale) -> f32 {
    let full = filter.iter().fold(0f32, |m, w| m.max(w.abs())) / 127.0;
    let squared_error =
        |scale: f32| -> f64 { filter.iter().map(|&w| f64::from(w - f32::from(round(w, scale)) * scale).powi(2)).sum() };
    match choice {
        WeightScale::LeastSquares if full > f32::MIN_POSITIVE => (35..=50)
            .map(|step| full * (step as f32 / 50.0))
            .map(|scale| (scale, squared_error(scale)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map_or(full, |best| best.0),
        _ => full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::quantize::options::Range;

    const MEAN: [f32; 1] = [0.5];

    fn options(weights: WeightScale) -> Options {
        Options { equalization: 0.0, range: Range::Max, weights, compensated: false, bias_correction: true }
    }

    fn incoming() -> Incoming<'static> {
        Incoming { scale: 0.02, zero_point: -128, channel_mean: &MEAN, covariance: None }
    }

    #[test]
    fn least_squares_is_never_worse_than_absmax() {
        let filter: Vec<f32> = (0..200).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0).powi(5)).collect();
        let error = |choice| {
            let q = quantize("t", &filter, &[0.0], 1, incoming(), options(choice)).unwrap();
            filter.iter().zip(&q.weight).map(|(&w, &v)| f64::from(w - f32::from(v) * q.scale[0]).powi(2)).sum::<f64>()
        };
        assert!(error(WeightScale::LeastSquares) <= error(WeightScale::AbsMax));
    }

    #[test]
    fn correction_cancels_the_mean_error() {
        let filter = [0.301f32, -0.127, 1.0, 0.044];
        let q = quantize("t", &filter, &[0.25], 1, incoming(), options(WeightScale::AbsMax)).unwrap();
        let float: f64 = filter.iter().map(|&w| f64::from(w) * 0.5).sum::<f64>() + 0.25;
        let step = f64::from(0.02f32 * q.scale[0]);
        let int = q.weight.iter().map(|&w| f64::from(w) * f64::from(q.scale[0]) * 0.5).sum::<f64>() + f64::from(q.bias[0]) * step;
        assert!((float - int).abs() <= step, "{float} {int}");
    }

    #[test]
    fn dead_filters_keep_their_bias() {
        let q = quantize("t", &[0.0; 9], &[3.5], 1, incoming(), options(WeightScale::LeastSquares)).unwrap();
        assert_eq!(q.weight, [0; 9]);
        assert!((f64::from(q.bias[0]) * f64::from(0.02f32 * q.scale[0]) - 3.5).abs() < 1e-5);
    }

    #[test]
    fn non_finite_weights_are_refused() {
        let error = quantize("layer07_conv", &[f32::NAN], &[0.0], 1, incoming(), options(WeightScale::AbsMax)).err().unwrap();
        assert!(error.to_string().contains("layer07_conv"), "{error}");
    }
}
