//! Softmax with temperature.

use micromath::F32;

/// Writes `exp((logit - max) / temperature)`, normalised, into `probabilities`.
///
/// The exponential is micromath's: the same bits on every target, a few parts in a thousand from exact
/// (the tests bound the error of a probability).
pub fn softmax(logits: &[f32], temperature: f32, probabilities: &mut [f32]) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for (p, logit) in probabilities.iter_mut().zip(logits) {
        *p = F32((logit - max) / temperature).exp().0.max(0.0);
        sum += *p;
    }
    for p in probabilities {
        *p /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_against_exact_softmax_is_bounded() {
        let mut worst = 0.0f64;
        for i in -200..=200 {
            for j in -40..=40 {
                let logits = [f64::from(i) / 10.0, f64::from(j) / 5.0, 0.0];
                let mut p = [0.0; 3];
                softmax(&logits.map(|v| v as f32), 1.3, &mut p);
                let max = logits.iter().copied().fold(f64::MIN, f64::max);
                let e = logits.map(|v| ((v - max) / 1.3).exp());
                let total: f64 = e.iter().sum();
                for (a, b) in p.iter().zip(e) {
                    worst = worst.max((f64::from(*a) - b / total).abs());
                }
            }
        }
        std::println!("largest error of a probability: {worst:.2e}");
        assert!(worst < 2e-3, "{worst}");
    }

    #[test]
    fn far_logits_do_not_overflow() {
        let mut p = [0.0; 2];
        softmax(&[1e6, -1e6], 1e-3, &mut p);
        assert!((p[0] - 1.0).abs() < 1e-6 && p[1] >= 0.0 && p[1] < 1e-6, "{p:?}");
    }
}
