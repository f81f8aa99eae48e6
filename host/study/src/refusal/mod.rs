//! Fitting the refusal head: a score that is low on chest X-rays and high on everything else.
//!
//! The features are the channel sums of an int8 feature map, as `core` computes them: of the map that the last convolution reads, for
//! the one that it writes knows little beside the classes after long training. The score is a logistic
//! discriminant, trained on X-rays against [`negatives`], plus a share of the Mahalanobis distance to the X-rays, which
//! also rises for what none of the negatives resembles (Lee et al. 2018, "A simple unified framework for detecting
//! out-of-distribution samples"). Map, form, shrinkage and share were chosen by leaving out one kind of negative at a time on
//! validation images (docs/experiments/06-refusal-map.md); `out_of_distribution` images are never fitted to.

pub mod negatives;

use crate::augment::{augment, generator};
use crate::recipe::AugmentSpec;
use anyhow::{Context, Result, ensure};
use cxr_app::lungs::{self, Finder};
use cxr_app::model_file::Engine;
use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};
use rayon::prelude::*;
use rownet_convert::chain::cxr::RefusalHead;
use rownet_convert::chain::quantize::QuantizedLayer;

/// Share of validation images that the threshold refuses.
pub const REFUSED_SHARE: f64 = 0.02;
/// Weight of the squared distance beside the discriminant.
pub const DISTANCE: f64 = 0.03;
/// Ridge of the covariance, in mean eigenvalues.
const SHRINKAGE: f64 = 1e-3;
/// L2 penalty of the discriminant, in whitened units.
const PENALTY: f64 = 1e-2;
/// Whitened features are clipped here while fitting, so that a few pictures do not rule.
const CLIP: f64 = 30.0;
/// Generated pictures of each kind.
const GENERATED: usize = 100;

/// Layers between the map that the last convolution reads and the dense layer; 0, the last map, where that convolution is the first layer.
pub fn back(layers: &[QuantizedLayer]) -> usize {
    let last = layers.iter().rposition(|layer| matches!(layer, QuantizedLayer::Conv(_)));
    last.filter(|at| *at > 0).map_or(0, |at| layers.len() - 1 - at)
}

/// Fits a head that reads the map `back` layers before the dense one to gray 256x256 X-rays; the threshold is set by [`threshold`] afterwards.
///
/// The X-rays are as the network sees them; what is no X-ray is cut by the `finder`, as a user's picture will be. `engine` cuts nothing.
/// `tick` is called [`steps`] times.
pub fn fit(
    engine: Engine<'_>,
    finder: Option<Finder>,
    back: usize,
    images: &[Vec<u8>],
    spec: &AugmentSpec,
    tick: &(dyn Fn() + Sync),
) -> Result<RefusalHead> {
    let features = |image: &[u8]| -> Result<Vec<f64>> {
        let sums = engine.features(image, back)?;
        tick();
        Ok(sums.into_iter().map(f64::from).collect())
    };
    let other = |image: Vec<u8>| features(&lungs::seen(image, finder.as_ref())?);
    // Each X-ray as it is and once distorted as in training; one in three also in a way that makes it none.
    let inside = (0..2 * images.len()).into_par_iter().map(|i| match i % 2 {
        0 => features(&images[i / 2]),
        _ => features(&augment(&images[i / 2], negatives::SIDE, spec, &mut generator(0, 0, i / 2))),
    });
    let inside: Vec<Vec<f64>> = inside.collect::<Result<_>>()?;
    let changed = (0..images.len().div_ceil(3)).into_par_iter().map(|i| other(negatives::spoil(&images[3 * i], i)));
    let generated = (0..negatives::KINDS.len() * GENERATED).into_par_iter();
    let generated = generated.map(|i| other(negatives::generate(i % negatives::KINDS.len(), i as u64)));
    let outside: Vec<Vec<f64>> = changed.chain(generated).collect::<Result<_>>()?;
    ensure!(inside.len() > 2, "no training images to fit the refusal head on");

    let channels = inside[0].len();
    let matrix = |rows: &[Vec<f64>]| DMatrix::from_fn(rows.len(), channels, |i, c| rows[i][c]);
    let (inside, outside) = (matrix(&inside), matrix(&outside));
    let mean: DVector<f64> = inside.row_mean().transpose();
    let centred = |m: &DMatrix<f64>| DMatrix::from_fn(m.nrows(), channels, |i, c| m[(i, c)] - mean[c]);
    let x = centred(&inside);
    let eigen = SymmetricEigen::new(x.tr_mul(&x) / x.nrows() as f64);
    let ridge = (SHRINKAGE * eigen.eigenvalues.mean()).max(1e-6);
    let whitening =
        DMatrix::from_fn(channels, channels, |c, j| eigen.eigenvectors[(c, j)] / (eigen.eigenvalues[j].max(0.0) + ridge).sqrt());
    let whiten = |m: DMatrix<f64>| (m * &whitening).map(|z| z.clamp(-CLIP, CLIP));
    let (weights, offset) = discriminant(&whiten(x), &whiten(centred(&outside)))?;

    let mut head = RefusalHead::new(back);
    head.push(1.0, (&whitening * weights).as_slice(), mean.as_slice(), offset);
    for j in 0..channels {
        head.push(DISTANCE as f32, whitening.column(j).into_owned().as_slice(), mean.as_slice(), 0.0);
    }
    Ok(head)
}

/// Times that [`fit`] ticks for `images` X-rays.
pub fn steps(images: usize) -> usize {
    2 * images + images.div_ceil(3) + negatives::KINDS.len() * GENERATED
}

/// Logistic regression with an L2 penalty by Newton's method, both sides weighing the same; weights and intercept.
pub(crate) fn discriminant(inside: &DMatrix<f64>, outside: &DMatrix<f64>) -> Result<(DVector<f64>, f64)> {
    let (n, channels) = (inside.nrows() + outside.nrows(), inside.ncols());
    let z = DMatrix::from_fn(n, channels + 1, |i, c| match (c == channels, i.checked_sub(inside.nrows())) {
        (true, _) => 1.0,
        (_, None) => inside[(i, c)],
        (_, Some(i)) => outside[(i, c)],
    });
    let share = inside.nrows() as f64 / outside.nrows().max(1) as f64;
    let target = |i: usize| if i < inside.nrows() { (0.0, 1.0) } else { (1.0, share) };
    let mut beta = DVector::zeros(channels + 1);
    for _ in 0..50 {
        let p = (&z * &beta).map(|s| 1.0 / (1.0 + (-s).exp()));
        let residual = DVector::from_fn(n, |i, _| target(i).1 * (p[i] - target(i).0) / n as f64);
        let mut penalty = &beta * PENALTY;
        penalty[channels] = 0.0;
        let gradient = z.tr_mul(&residual) + penalty;
        let mut weighted = z.clone();
        weighted.row_iter_mut().enumerate().for_each(|(i, mut row)| row *= target(i).1 * p[i] * (1.0 - p[i]) / n as f64);
        let hessian = z.tr_mul(&weighted) + DMatrix::identity(channels + 1, channels + 1) * PENALTY;
        let step = Cholesky::new(hessian).context("fitting the refusal head: the features are not finite")?.solve(&gradient);
        beta -= &step;
        if step.amax() < 1e-6 {
            break;
        }
    }
    ensure!(beta.iter().all(|b| b.is_finite()), "fitting the refusal head diverged: the features are not finite");
    Ok((beta.rows(0, channels).into_owned(), beta[channels]))
}

/// The score that all but [`REFUSED_SHARE`] of `scores` (of validation X-rays) stay under.
pub fn threshold(scores: &[f32]) -> f32 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(f32::total_cmp);
    let kept = ((1.0 - REFUSED_SHARE) * sorted.len() as f64).ceil() as usize;
    sorted.get(kept.saturating_sub(1)).copied().unwrap_or(f32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;
    use cxr_app::classes::CLASSES;
    use cxr_app::model_file::{ModelFile, replicate};
    use rownet_convert::chain::cxr::{self, Header};
    use rownet_convert::chain::quantize::{Options, calibrate::observe, quantize};
    use rownet_convert::chain::random::{FIXTURE, network};

    #[test]
    fn generated_x_rays_pass_and_other_pictures_are_refused() {
        let model = network(1, [256, 256, 3], &FIXTURE);
        let calibration: Vec<Vec<u8>> = (0..6).map(|i| replicate(&synthetic::image(i % 3, i as u64), 3)).collect();
        let quantized = quantize(&model, &observe(&model, &calibration, &|| ()).unwrap(), Options::DEFAULT).unwrap();
        let bare = ModelFile::new(cxr::write(&quantized, &CLASSES, &Header::default()).unwrap(), "m").unwrap();
        let images: Vec<Vec<u8>> = (0..90).map(|i| synthetic::image(i % 3, i as u64)).collect();
        let augment = crate::recipe::Recipe::parse(include_str!("../../../../models/recipes/default.toml")).unwrap().augment;
        let mut head = fit(bare.engine().unwrap(), None, back(&quantized.layers), &images, &augment, &|| ()).unwrap();
        let write = |head: &RefusalHead| {
            let header = Header { refusal: Some(head.clone()), ..Header::default() };
            ModelFile::new(cxr::write(&quantized, &CLASSES, &header).unwrap(), "m").unwrap()
        };
        let scores = |file: &ModelFile, images: &[Vec<u8>]| -> Vec<f32> {
            images.iter().map(|image| file.engine().unwrap().classify(image).unwrap().refusal_score.unwrap()).collect()
        };
        let unseen: Vec<Vec<u8>> = (0..60).map(|i| synthetic::image(i % 3, 1000 + i as u64)).collect();
        head.refuse_above = threshold(&scores(&write(&head), &unseen));
        let file = write(&head);
        let refused = |images: &[Vec<u8>]| scores(&file, images).iter().filter(|s| **s > head.refuse_above).count();
        assert!(refused(&unseen) <= 1);
        let others: Vec<Vec<u8>> = (0..90).map(|i| negatives::generate(i % negatives::KINDS.len(), 5000 + i as u64)).collect();
        assert!(refused(&others) >= 85, "{} of 90", refused(&others));
        let spoilt: Vec<Vec<u8>> = unseen.iter().enumerate().map(|(i, image)| negatives::spoil(image, i)).collect();
        // Means over the map of untrained filters tell little of which side is up.
        assert!(refused(&spoilt) >= 40, "{} of 60", refused(&spoilt));
        let answer = file.engine().unwrap().classify(&others[0]).unwrap();
        assert_eq!((answer.class, answer.reason.as_deref()), (None, Some("out_of_distribution")));
    }

    #[test]
    fn the_threshold_refuses_its_share() {
        let scores: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        let above = threshold(&scores);
        assert_eq!(scores.iter().filter(|s| **s > above).count(), 20);
    }
}
