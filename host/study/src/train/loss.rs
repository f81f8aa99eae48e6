//! The loss of a batch, on the device for the gradient and on the host for the figures.
//!
//! An image of a class costs the cross-entropy against its smoothed label. An image with a partial label, which is certainly not
//! COVID-19 and nothing more, costs `-log(1 - p(COVID-19))`: what the other two classes share among them is left open.
//! Where the recipe asks for it, `log p(class | source)` is added to the logits of both (a product of experts): the network has no
//! need to learn what the source alone tells.

use super::loader::Batch;
use crate::dataset::OTHER_FINDING;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use cxr_app::classes::{CLASSES, COVID};

const N: usize = CLASSES.len();

/// What a batch's logits are held against.
#[derive(Clone, Debug)]
pub struct Targets {
    classes: Vec<usize>,
    /// Smoothed one-hot rows; zeros for a partial label.
    rows: Vec<f32>,
    /// Added to the logits, in rows.
    priors: Vec<f32>,
}

impl Targets {
    /// Of the images of `batch`.
    pub fn new(batch: &Batch) -> Self {
        let row = |(&class, &smoothing): (&usize, &f32)| {
            let rest = smoothing / N as f32;
            (0..N).map(move |k| match class {
                OTHER_FINDING => 0.0,
                _ if k == class => 1.0 - smoothing + rest,
                _ => rest,
            })
        };
        Self {
            classes: batch.classes.clone(),
            rows: batch.classes.iter().zip(&batch.smoothing).flat_map(row).collect(),
            priors: batch.priors.concat(),
        }
    }

    /// Sum over the batch, divided by `total`.
    pub fn loss(&self, logits: Tensor<2>, total: usize, device: &Device) -> Tensor<1> {
        let count = self.classes.len();
        let rows =
            |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), [count, values.len() / count]), device);
        let logits = if self.priors.iter().any(|p| *p != 0.0) { logits + rows(&self.priors) } else { logits };
        let log_p = log_softmax(logits, 1);
        let mut sum = (log_p.clone() * rows(&self.rows)).sum();
        if self.classes.contains(&OTHER_FINDING) {
            let column = |k: usize| log_p.clone().slice([0..count, k..k + 1]);
            let (a, b) = (column(0), column(1));
            // log(exp(a) + exp(b)), about the greater of both.
            let apart = (a.clone() - b.clone()).abs();
            let greater = (a + b + apart.clone()).mul_scalar(0.5);
            let not_covid = greater + (-apart).exp().log1p();
            let partial: Vec<f32> = self.classes.iter().map(|class| f32::from(u8::from(*class == OTHER_FINDING))).collect();
            sum = sum + (not_covid * rows(&partial)).sum();
        }
        sum.mul_scalar(-1.0 / total as f32)
    }

    /// Loss of image `index` with these logits.
    pub fn of(&self, index: usize, logits: &[f32; N]) -> f64 {
        let own = |values: &[f32]| -> [f32; N] { std::array::from_fn(|k| values[index * N + k]) };
        let prior = own(&self.priors);
        let log_p = log_probabilities(&std::array::from_fn(|k| logits[k] + prior[k]));
        match self.classes[index] {
            OTHER_FINDING => -(log_p[0].exp() + log_p[1].exp()).max(f64::MIN_POSITIVE).ln(),
            _ => -log_p.iter().zip(own(&self.rows)).map(|(l, t)| l * f64::from(t)).sum::<f64>(),
        }
    }

    /// Whether the likeliest class of image `index` is one that its label admits.
    pub fn admits(&self, index: usize, answer: usize) -> bool {
        admits(self.classes[index], answer)
    }
}

/// Whether a label admits an answer.
pub fn admits(class: usize, answer: usize) -> bool {
    if class == OTHER_FINDING { answer != COVID } else { class == answer }
}

/// Logarithms of the softmax.
pub fn log_probabilities(logits: &[f32; N]) -> [f64; N] {
    let logits = logits.map(f64::from);
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum = logits.iter().map(|l| (l - top).exp()).sum::<f64>().ln() + top;
    logits.map(|l| l - sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Mix;

    fn batch(classes: &[usize], priors: Vec<[f32; N]>) -> Batch {
        Batch { images: vec![], classes: classes.to_vec(), smoothing: vec![0.05, 0.3, 0.1], priors, mix: Mix::default(), size: 0 }
    }

    #[test]
    fn host_and_tensor_losses_agree() {
        let device = Device::flex();
        let logits = [[1.0f32, -2.0, 0.5], [3.0, 3.5, -1.0], [-30.0, -31.0, 40.0]];
        for (classes, priors) in [
            ([2, 0, 1], vec![[0.0; N]; 3]),
            ([2, OTHER_FINDING, OTHER_FINDING], vec![[0.0; N]; 3]),
            ([OTHER_FINDING, 1, 2], vec![[-0.5, -1.0, -2.0], [0.0; N], [-3.0, 0.0, -0.1]]),
        ] {
            let targets = Targets::new(&batch(&classes, priors));
            let tensor = Tensor::<2>::from_data(TensorData::new(logits.concat(), [3, N]), &device);
            let loss = f64::from(targets.loss(tensor, 3, &device).into_data().as_slice::<f32>().unwrap()[0]);
            let mine: f64 = (0..3).map(|i| targets.of(i, &logits[i])).sum::<f64>() / 3.0;
            assert!((loss - mine).abs() < 1e-4 * mine.max(1.0), "{loss} {mine}");
        }
    }

    #[test]
    fn smoothed_rows_and_partial_labels() {
        let targets = Targets::new(&batch(&[2, 0, OTHER_FINDING], vec![[0.0; N]; 3]));
        assert!((targets.rows.iter().sum::<f32>() - 2.0).abs() < 1e-6);
        assert!((targets.rows[2] - (1.0 - 0.1 / 3.0)).abs() < 1e-6 && (targets.rows[3] - 0.8).abs() < 1e-6);
        // Half of the probability for COVID-19, however the other half is shared.
        for logits in [[0.0, 0.0, 2f32.ln()], [0.0, f32::NEG_INFINITY, 0.0]] {
            assert!((targets.of(2, &logits) - 2f64.ln()).abs() < 1e-6);
        }
        assert!(targets.admits(2, 0) && targets.admits(2, 1) && !targets.admits(2, 2) && !targets.admits(1, 2));
    }

    #[test]
    fn a_partial_label_pulls_at_covid_alone() {
        let device = Device::flex().autodiff();
        let targets = Targets::new(&Batch {
            images: vec![],
            classes: vec![OTHER_FINDING],
            smoothing: vec![0.1],
            priors: vec![[0.0; N]],
            mix: Mix::default(),
            size: 0,
        });
        let logits = Tensor::<2>::from_data(TensorData::new(vec![0.0f32, 0.0, 0.0], [1, N]), &device).require_grad();
        let gradients = targets.loss(logits.clone(), 1, &device).backward();
        let found = logits.grad(&gradients).unwrap().into_data().try_into_vec::<f32>().unwrap();
        // d(-log(1 - p)) = p for COVID-19's logit, shared out by the others' probabilities.
        for (found, expected) in found.iter().zip([-1.0 / 6.0, -1.0 / 6.0, 1.0 / 3.0]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
