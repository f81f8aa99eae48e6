//! Chooses how to quantise on validation images: what leaves the logits nearest to the float network's.

use anyhow::Result;
use cxr_app::classes::CLASSES;
use cxr_app::model_file::{Engine, ModelFile};
use rayon::prelude::*;
use rownet_convert::chain::cxr::{self, Header};
use rownet_convert::chain::float_model::FloatModel;
use rownet_convert::chain::onnx::int8::for_referee;
use rownet_convert::chain::quantize::calibrate::{Statistics, observe};
use rownet_convert::chain::quantize::covariance::covariances;
use rownet_convert::chain::quantize::equalize::equalize;
use rownet_convert::chain::quantize::{Options, QuantizedModel, Range, WeightScale, quantize};
use rownet_convert::chain::stats::{FloatComparison, float_comparison};
use serde::Serialize;

/// One calibration that was tried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Trial {
    /// How.
    pub options: Options,
    /// Against the float network, on validation images.
    pub result: FloatComparison,
}

/// What a search chose.
pub struct Chosen {
    /// The float network, its channels equalised: the same function.
    pub float: FloatModel,
    /// Its int8 network.
    pub quantized: QuantizedModel,
    /// How.
    pub options: Options,
    /// All that was tried.
    pub trials: Vec<Trial>,
}

/// Strengths of equalisation that are tried.
const STRENGTHS: [f32; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// Tries the ranges, then rounding weights together after strengths of equalisation, then the weight scales, then leaving out the bias
/// correction; keeps what has the smallest mean logit error. `calibration` are interleaved training images, `images` interleaved or
/// gray, `float_logits` what the float network says about them.
pub fn search(
    model: &FloatModel,
    calibration: &[Vec<u8>],
    images: &[&[u8]],
    float_logits: &[&[f32]],
    progress: &(dyn Fn() + Sync),
) -> Result<Chosen> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut attempt = |(model, statistics): &(FloatModel, Statistics), options: Options| -> Result<(QuantizedModel, Trial)> {
        let quantized = for_referee(quantize(model, statistics, options)?)?;
        let file = ModelFile::new(cxr::write(&quantized, &CLASSES, &Header::default())?, "quantised network")?;
        let logits = logits(file.engine()?, images, progress)?;
        let result = float_comparison(logits.iter().map(Vec::as_slice).zip(float_logits.iter().copied()));
        let trial = Trial { options, result };
        trials.push(trial);
        Ok((quantized, trial))
    };
    let better = |new: &(QuantizedModel, Trial), best: &(QuantizedModel, Trial)| {
        new.1.result.mean_abs_error < best.1.result.mean_abs_error
    };
    let plain = (model.clone(), observe(model, calibration, progress)?);
    let mut best = attempt(&plain, Options::DEFAULT)?;
    for range in [Range::Max, Range::Percentile(0.99999), Range::LeastSquares] {
        let new = attempt(&plain, Options { range, ..Options::DEFAULT })?;
        best = if better(&new, &best) { new } else { best };
    }
    let mut network = plain.clone();
    for equalization in STRENGTHS {
        let float = equalize(model, &plain.1, equalization);
        let mut statistics = observe(&float, calibration, progress)?;
        statistics.covariances = covariances(&float, calibration, progress)?;
        let equal = (float, statistics);
        let new = attempt(&equal, Options { equalization, compensated: true, ..best.1.options })?;
        if better(&new, &best) {
            (best, network) = (new, equal);
        }
    }
    for change in [|o| Options { weights: WeightScale::AbsMax, ..o }, |o| Options { bias_correction: false, ..o }] {
        let new = attempt(&network, change(best.1.options))?;
        best = if better(&new, &best) { new } else { best };
    }
    Ok(Chosen { float: network.0, quantized: best.0, options: best.1.options, trials })
}

/// Ticks of [`search`].
pub const fn steps(calibration: usize, images: usize) -> usize {
    (1 + 2 * STRENGTHS.len()) * calibration + (6 + STRENGTHS.len()) * images
}

/// Logits of `core` for each image.
pub fn logits(engine: Engine<'_>, images: &[&[u8]], progress: &(dyn Fn() + Sync)) -> Result<Vec<Vec<f32>>> {
    images
        .par_iter()
        .map(|image| {
            let answer = engine.classify(image)?;
            progress();
            Ok(answer.logits)
        })
        .collect()
}
