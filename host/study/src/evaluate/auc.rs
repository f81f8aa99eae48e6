//! Areas under ROC curves.

use super::intervals::{Z, wilson};
use serde::{Deserialize, Serialize};

/// An area under a ROC curve: the share of (positive, negative) pairs that the score orders rightly, ties counting half.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auc {
    /// The area, 0..1; 0.5 is chance.
    pub value: f64,
    /// DeLong's interval on the logit scale; where the area is 0 or 1, which leaves DeLong no variance, Wilson's for as
    /// many cases as the smaller side has.
    pub interval_95: [f64; 2],
    /// Images that should score high.
    pub positives: usize,
    /// Images that should score low.
    pub negatives: usize,
}

impl Auc {
    /// The area for the scores of both sides; `None` if one side is empty.
    ///
    /// The variance is that of DeLong, DeLong and Clarke-Pearson (1988), by the ranks of Sun and Xu (2014).
    pub fn new(positives: &[f64], negatives: &[f64]) -> Option<Self> {
        let (m, n) = (positives.len(), negatives.len());
        if m == 0 || n == 0 {
            return None;
        }
        let all = ranks(&[positives, negatives].concat());
        // Of each case, the share of the other side that it is ordered rightly against.
        let placed = |all: &[f64], own: &[f64], others: usize| -> Vec<f64> {
            all.iter().zip(ranks(own)).map(|(rank, own)| (rank - own) / others as f64).collect()
        };
        let of_positives = placed(&all[..m], positives, n);
        let of_negatives = placed(&all[m..], negatives, m);
        let value = of_positives.iter().sum::<f64>() / m as f64;
        let variance = (variance(&of_positives) / m as f64 + variance(&of_negatives) / n as f64).max(0.0);
        let interval_95 = if value <= 0.0 || value >= 1.0 || variance == 0.0 {
            wilson(value, m.min(n) as f64)
        } else {
            let logit = (value / (1.0 - value)).ln();
            let half = Z * variance.sqrt() / (value * (1.0 - value));
            [logit - half, logit + half].map(|l| 1.0 / (1.0 + (-l).exp()))
        };
        Some(Self { value, interval_95, positives: m, negatives: n })
    }

    /// [`new`](Self::new) of scores with whether each is a positive.
    pub fn of(cases: impl IntoIterator<Item = (f64, bool)>) -> Option<Self> {
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        for (score, positive) in cases {
            if positive { positives.push(score) } else { negatives.push(score) }
        }
        Self::new(&positives, &negatives)
    }
}

/// Ranks from 1, equals sharing their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = start as f64 + (group.len() + 1) as f64 / 2.0;
        group.iter().for_each(|&i| ranks[i] = mean);
        start += group.len();
    }
    ranks
}

/// Unbiased variance; 0 of fewer than two values.
fn variance(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)
}

/// Scores sorted once, for the areas of many resamples.
pub struct Sorted {
    /// Groups of equal scores, ascending: item and whether it is positive.
    groups: Vec<Vec<(usize, bool)>>,
}

impl Sorted {
    /// Sorts cases.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
        let equals = order.chunk_by(|&a, &b| scores[a] == scores[b]);
        Self { groups: equals.map(|group| group.iter().map(|&i| (i, positive[i])).collect()).collect() }
    }

    /// The area where each item counts `weights` times; not a number where a side is empty.
    pub fn area(&self, weights: &[u32]) -> f64 {
        let (mut below, mut positives, mut right) = (0.0, 0.0, 0.0);
        for group in &self.groups {
            let side = |wanted| group.iter().filter(|(_, p)| *p == wanted).map(|(i, _)| f64::from(weights[*i])).sum::<f64>();
            let (up, down) = (side(true), side(false));
            right += up * (below + down / 2.0);
            below += down;
            positives += up;
        }
        right / (positives * below)
    }
}

/// Points (false positive share, true positive share) of a ROC curve from (0, 0) to (1, 1), at most about `most`.
pub fn curve(positives: &[f64], negatives: &[f64], most: usize) -> Vec<[f64; 2]> {
    let mut all: Vec<(f64, bool)> = positives.iter().map(|s| (*s, true)).chain(negatives.iter().map(|s| (*s, false))).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut up, mut right) = (0usize, 0usize);
    let mut points = vec![[0.0, 0.0]];
    for group in all.chunk_by(|a, b| a.0 == b.0) {
        up += group.iter().filter(|(_, positive)| *positive).count();
        right += group.iter().filter(|(_, positive)| !positive).count();
        points.push([right as f64 / negatives.len().max(1) as f64, up as f64 / positives.len().max(1) as f64]);
    }
    thin(&points, most)
}

/// At most about `most` of the points, evenly, the first and the last among them.
pub fn thin<T: Copy>(points: &[T], most: usize) -> Vec<T> {
    let step = points.len().div_ceil(most.max(1)).max(1);
    let last = points.len().saturating_sub(1);
    points.iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last).map(|(_, point)| *point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores with many ties.
    fn scores(count: usize, seed: u64) -> Vec<f64> {
        (0..count as u64).map(|i| (i.wrapping_mul(seed * 2 + 7919) >> 3) as f64 % 17.0).collect()
    }

    fn pairs(positives: &[f64], negatives: &[f64]) -> f64 {
        let order = |p: &f64, n: &f64| if p > n { 1.0 } else { f64::from(u8::from(p == n)) / 2.0 };
        let sum: f64 = positives.iter().flat_map(|p| negatives.iter().map(move |n| order(p, n))).sum();
        sum / (positives.len() * negatives.len()) as f64
    }

    #[test]
    fn the_area_is_the_share_of_ordered_pairs() {
        for (m, n, seed) in [(1, 1, 1), (5, 9, 2), (40, 3, 3), (60, 71, 4)] {
            let (p, q) = (scores(m, seed), scores(n, seed + 50));
            let expected = pairs(&p, &q);
            let found = Auc::new(&p, &q).unwrap();
            assert!((found.value - expected).abs() < 1e-12, "{m} {n}");
            assert!(found.interval_95[0] <= found.value && found.value <= found.interval_95[1]);
            let all = [p.clone(), q.clone()].concat();
            let positive: Vec<bool> = (0..m + n).map(|i| i < m).collect();
            assert!((Sorted::new(&all, &positive).area(&vec![1; m + n]) - expected).abs() < 1e-12);
        }
        assert_eq!(Auc::new(&[1.0], &[]), None);
    }

    #[test]
    fn delong_by_its_definition() {
        let (p, q) = ([0.9, 0.8, 0.4, 0.7], [0.1, 0.5, 0.3, 0.75, 0.2]);
        let against = |x: &[f64], y: &[f64], flip: bool| -> Vec<f64> {
            x.iter().map(|a| if flip { pairs(y, &[*a]) } else { pairs(&[*a], y) }).collect()
        };
        let expected = variance(&against(&p, &q, false)) / 4.0 + variance(&against(&q, &p, true)) / 5.0;
        let found = Auc::new(&p, &q).unwrap();
        let half = Z * expected.sqrt() / (found.value * (1.0 - found.value));
        let logit = (found.value / (1.0 - found.value)).ln();
        assert!((found.interval_95[1] - 1.0 / (1.0 + (-(logit + half)).exp())).abs() < 1e-12);
    }

    #[test]
    fn weights_are_repetitions() {
        let (scores, positive) = ([0.2, 0.4, 0.4, 0.9], [false, true, false, true]);
        let repeated = pairs(&[0.4, 0.4, 0.9], &[0.2, 0.4, 0.4, 0.4]);
        assert!((Sorted::new(&scores, &positive).area(&[1, 2, 3, 1]) - repeated).abs() < 1e-12);
        assert!(Sorted::new(&scores, &positive).area(&[1, 0, 1, 0]).is_nan());
    }

    #[test]
    fn perfect_separation_still_has_an_interval() {
        let found = Auc::new(&[2.0; 13], &[1.0; 600]).unwrap();
        assert_eq!(found.value, 1.0);
        assert!((found.interval_95[0] - 0.7719).abs() < 1e-3);
    }

    #[test]
    fn curves_go_from_corner_to_corner() {
        let points = curve(&[3.0, 2.0], &[2.0, 1.0], 10);
        assert_eq!(points, [[0.0, 0.0], [0.0, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        assert_eq!(thin(&[0; 1000], 100).len(), 101);
    }
}
