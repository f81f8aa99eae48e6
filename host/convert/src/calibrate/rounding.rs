//! Rounding of weights: to the nearest, or each taking back what those before did, as far as the inputs vary together: Babai's
//! nearest plane on the Cholesky factor of the covariance, which is what GPTQ (Frantar et al. 2022) computes.

/// Added to the diagonal, in mean variances: the inputs are not seen without noise either.
const DAMPING: f64 = 0.01;

/// Sums of windows and of their products.
#[derive(Clone, Debug)]
pub struct Moments {
    count: usize,
    sums: Vec<f64>,
    /// Lower triangle, row by row.
    products: Vec<f32>,
}

impl Moments {
    /// Of no window of so many values.
    pub fn new(length: usize) -> Self {
        Self { count: 0, sums: vec![0.0; length], products: vec![0.0; length * (length + 1) / 2] }
    }

    /// Values of a window.
    pub fn length(&self) -> usize {
        self.sums.len()
    }

    /// Adds a window.
    pub fn add(&mut self, window: &[f32]) {
        self.count += 1;
        let mut row = 0;
        for (i, &x) in window.iter().enumerate() {
            self.sums[i] += f64::from(x);
            if x != 0.0 {
                self.products[row..=row + i].iter_mut().zip(window).for_each(|(sum, &other)| *sum += x * other);
            }
            row += i + 1;
        }
    }

    /// The factor to round by; none where nothing varies.
    pub fn factor(&self) -> Option<Factor> {
        let (n, count) = (self.length(), self.count.max(1) as f64);
        let mean: Vec<f64> = self.sums.iter().map(|s| s / count).collect();
        let mut matrix = vec![0.0f64; n * n];
        let mut at = 0;
        for i in 0..n {
            for j in 0..=i {
                matrix[i * n + j] = f64::from(self.products[at]) / count - mean[i] * mean[j];
                at += 1;
            }
        }
        Factor::new(n, matrix)
    }
}

/// The lower Cholesky factor of the covariance of the values under a window, in the order of a filter's weights.
#[derive(Clone, Debug)]
pub struct Factor {
    n: usize,
    /// Row by row; what is above the diagonal is not read.
    matrix: Vec<f64>,
}

impl Factor {
    /// Of a covariance, `n` rows of `n`, of which the lower triangle is read; none where nothing varies.
    pub fn new(n: usize, mut matrix: Vec<f64>) -> Option<Self> {
        let damping = DAMPING * (0..n).map(|i| matrix[i * n + i]).sum::<f64>() / n as f64;
        if !(damping > 0.0 && damping.is_finite()) {
            return None;
        }
        (0..n).for_each(|i| matrix[i * n + i] += damping);
        // Row by row, in place.
        for i in 0..n {
            for j in 0..=i {
                let (row, other) = (&matrix[i * n..i * n + j], &matrix[j * n..j * n + j]);
                let rest = matrix[i * n + j] - row.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
                matrix[i * n + j] = match i == j {
                    true if rest > 0.0 => rest.sqrt(),
                    true => return None,
                    false => rest / matrix[j * n + j],
                };
            }
        }
        Some(Self { n, matrix })
    }

    /// A filter in steps of `scale`, -127 to 127, rounded from the last weight to the first.
    pub fn round(&self, filter: &[f32], scale: f32) -> Vec<i8> {
        let n = self.n;
        let (mut rounded, mut errors) = (vec![0i8; n], vec![0.0f64; n]);
        for i in (0..n).rev() {
            let carried: f64 = (i + 1..n).map(|j| self.matrix[j * n + i] * errors[j]).sum::<f64>() / self.matrix[i * n + i];
            let exact = f64::from(filter[i]) / f64::from(scale);
            let q = (exact + carried).round_ties_even().clamp(-127.0, 127.0);
            errors[i] = exact - q;
            rounded[i] = q as i8;
        }
        rounded
    }
}

/// A weight in steps of `scale`, to the nearest.
pub fn nearest(weight: f32, scale: f32) -> i8 {
    (weight / scale).round_ties_even().clamp(-127.0, 127.0) as i8
}

/// The step of a filter: its greatest magnitude at 127, or less where clipping loses less than rounding gains.
pub fn step(filter: &[f32], least_squares: bool) -> f32 {
    let full = filter.iter().fold(0f32, |m, w| m.max(w.abs())) / 127.0;
    if !least_squares || full <= f32::MIN_POSITIVE {
        return full;
    }
    let error = |scale: f32| -> f64 { filter.iter().map(|&w| f64::from(w - f32::from(nearest(w, scale)) * scale).powi(2)).sum() };
    let steps = (35..=50).map(|part| full * (part as f32 / 50.0)).map(|scale| (error(scale), scale));
    steps.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(full, |(_, scale)| scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_makes_use_of_what_varies_together() {
        // Neighbours share most of their variance.
        let mut state = 1u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let mut moments = Moments::new(24);
        let windows: Vec<Vec<f32>> = (0..2000)
            .map(|_| {
                let common = uniform();
                (0..24).map(|_| common + 0.1 * uniform()).collect()
            })
            .collect();
        windows.iter().for_each(|window| moments.add(window));
        let factor = moments.factor().unwrap();
        let (mut plain, mut together) = (0.0, 0.0);
        for _ in 0..20 {
            let filter: Vec<f32> = (0..24).map(|_| 20.0 * uniform()).collect();
            let error = |q: &[i8]| -> f32 {
                let dot =
                    |window: &Vec<f32>| window.iter().zip(&filter).zip(q).map(|((x, w), &q)| (w - f32::from(q)) * x).sum::<f32>();
                windows.iter().map(|window| dot(window).powi(2)).sum()
            };
            plain += error(&filter.iter().map(|&w| nearest(w, 1.0)).collect::<Vec<_>>());
            together += error(&factor.round(&filter, 1.0));
        }
        assert!(together < plain / 4.0, "{together} {plain}");
        assert!(Moments::new(3).factor().is_none());
    }

    #[test]
    fn least_squares_is_never_worse() {
        let filter: Vec<f32> = (0..200).map(|i| ((i * 37 % 101) as f32 / 50.0 - 1.0).powi(5)).collect();
        let error = |scale: f32| filter.iter().map(|&w| (w - f32::from(nearest(w, scale)) * scale).powi(2)).sum::<f32>();
        assert!(error(step(&filter, true)) <= error(step(&filter, false)));
    }
}
