//! Equalisation across layers: channels of one map share one scale, so that a channel of small values is rounded coarsely. ReLU and
//! pooling commute with positive factors; a channel divided by a factor that the next layer's weights are multiplied by leaves
//! the network the same function with channels of more equal range.
//! (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", with ranges measured instead of
//! derived and the strength of Xiao et al. 2023, "SmoothQuant".)

use super::calibrate::Statistics;
use crate::chain::float_model::{FloatLayer, FloatModel};

/// No channel is made louder than this: one that hardly ever fires would take its noise along.
const MOST: f32 = 64.0;

/// The same function as `model`, the largest value of each channel (seen by `statistics`) brought towards that of its map's loudest: 0
/// leaves all as they are, 1 makes them equal.
pub fn equalize(model: &FloatModel, statistics: &Statistics, strength: f32) -> FloatModel {
    let mut model = model.clone();
    // What the channels that enter the layer were divided by.
    let mut before = vec![1.0; model.input[2]];
    for (index, layer) in model.layers.iter_mut().enumerate() {
        let after = || match statistics.inputs.get(index + 1) {
            Some(channels) => factors(&channels.channel_max, strength),
            None => vec![],
        };
        match layer {
            FloatLayer::Conv { groups, weight, bias, .. } => {
                let after = after();
                let (length, channels) = (weight.len() / bias.len().max(1), before.len() / *groups);
                for (k, (filter, b)) in weight.chunks_exact_mut(length.max(1)).zip(bias.iter_mut()).enumerate() {
                    let first = k * *groups / after.len().max(1) * channels;
                    let own = after.get(k).copied().unwrap_or(1.0);
                    filter.iter_mut().enumerate().for_each(|(i, w)| *w *= before[first + i % channels] / own);
                    *b /= own;
                }
                before = after;
            }
            // The factors of a pooled map are those of the map.
            FloatLayer::Pool(_) => (),
            FloatLayer::Dense { weight, .. } => {
                let channels = before.len();
                weight.iter_mut().enumerate().for_each(|(i, w)| *w *= before[i % channels]);
            }
        }
    }
    model
}

fn factors(largest: &[f32], strength: f32) -> Vec<f32> {
    let loudest = largest.iter().copied().fold(0.0, f32::max);
    largest.iter().map(|&v| if v > 0.0 { (v / loudest).max(1.0 / MOST).powf(strength) } else { 1.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::onnx::run::{Mode, Runner};
    use crate::chain::onnx::{About, float};
    use crate::chain::quantize::calibrate::observe;
    use crate::chain::random::{FIXTURE, network};

    #[test]
    fn the_function_stays_and_ranges_meet() {
        let model = network(3, [64, 64, 3], &FIXTURE);
        let rgb = |i: usize| (0..64 * 64).flat_map(|p| [(p * (p / 64 + 3 * i + 1)) as u8; 3]).collect();
        let images: Vec<Vec<u8>> = (0..4).map(rgb).collect();
        let statistics = observe(&model, &images, &|| ()).unwrap();
        let equal = equalize(&model, &statistics, 1.0);
        assert_eq!(equalize(&model, &statistics, 0.0), model);
        let logits = |model: &FloatModel| {
            let runner = Runner::new(&float::write(model, &About::default()), "m", &[], Mode::Optimized).unwrap();
            runner.run_float(&images[0]).unwrap().pop().unwrap()
        };
        for (a, b) in logits(&model).iter().zip(logits(&equal)) {
            assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{a} {b}");
        }
        let after = observe(&equal, &images, &|| ()).unwrap();
        // A pooled map has the factors of what it was pooled from, and other maxima.
        let convolved = |layer: &usize| matches!(model.layers[layer - 1], FloatLayer::Conv { .. });
        for layer in (1..model.layers.len()).filter(convolved) {
            let channels = &after.inputs[layer];
            let loudest = channels.channel_max.iter().copied().fold(0.0, f32::max);
            let was = &statistics.inputs[layer].channel_max;
            let was_loudest = was.iter().copied().fold(0.0, f32::max);
            for (&now, &was) in channels.channel_max.iter().zip(was) {
                assert!(
                    was < was_loudest / MOST || (now / loudest - 1.0).abs() < 1e-3,
                    "layer {layer}: {was} became {now} of {loudest}"
                );
            }
        }
    }
}
