//! Uncertainty: Wilson intervals of shares, and bootstrap intervals that draw patients, not images.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::Hash;

/// Resamples of every bootstrap.
pub const RESAMPLES: usize = 2000;
/// Seed of every bootstrap; the resample's number is the stream, so threads change nothing.
const SEED: u64 = 0x0C0F_FEE5;
/// The normal quantile of a two-sided 95 % interval.
pub const Z: f64 = 1.959_963_984_540_054;

/// A share with its Wilson 95 % interval; `value` is `None` where nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Hits.
    pub hits: usize,
    /// Cases.
    pub n: usize,
    /// Share, 0..1.
    pub value: Option<f64>,
    /// Lower and upper bound.
    pub interval_95: [f64; 2],
    /// How many people the cases are of, where that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patients: Option<usize>,
}

impl Rate {
    /// `hits` of `n`; the interval of E. B. Wilson (1927) for z = 1.96.
    pub fn new(hits: usize, n: usize) -> Self {
        if n == 0 {
            return Self { hits, n, value: None, interval_95: [0.0, 1.0], patients: None };
        }
        let p = hits as f64 / n as f64;
        Self { hits, n, value: Some(p), interval_95: wilson(p, n as f64), patients: None }
    }

    /// Counts the cases and the hits among them.
    pub fn of(cases: impl IntoIterator<Item = bool>) -> Self {
        let (mut hits, mut n) = (0, 0);
        for hit in cases {
            (hits, n) = (hits + usize::from(hit), n + 1);
        }
        Self::new(hits, n)
    }

    /// Counts cases, each whether it is a hit and of whom; the interval is Wilson's, which takes cases as independent, or where people
    /// repeat that by resampling people, if it is wider.
    pub fn by_patient<'a>(cases: impl IntoIterator<Item = (bool, &'a str)>) -> Self {
        let (hits, people): (Vec<bool>, Vec<&str>) = cases.into_iter().unzip();
        let (of_item, patients) = clusters(&people);
        let mut rate = Self { patients: Some(patients), ..Self::of(hits.iter().copied()) };
        if patients < hits.len() {
            let share = |weights: &[u32]| {
                let sum = |wanted: bool| {
                    hits.iter().zip(weights).filter(|(hit, _)| **hit == wanted).map(|(_, w)| f64::from(*w)).sum::<f64>()
                };
                vec![sum(true) / (sum(true) + sum(false))]
            };
            let width = |[low, high]: [f64; 2]| high - low;
            if let Some(found) = bootstrap(&of_item, patients, share)[0].filter(|found| width(*found) > width(rate.interval_95)) {
                rate.interval_95 = found;
            }
        }
        rate
    }
}

/// Wilson's 95 % interval of a share `p` of `n` cases.
pub fn wilson(p: f64, n: f64) -> [f64; 2] {
    let center = p + Z * Z / (2.0 * n);
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // Rounding must not leave the ends a hair off.
    let low = if p > 0.0 { ((center - half) / scale).max(0.0) } else { 0.0 };
    [low, if p < 1.0 { ((center + half) / scale).min(1.0) } else { 1.0 }]
}

/// Mean share right over the classes present, with its interval by resampling patients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Balanced {
    /// The mean; 0 of no cases.
    pub value: f64,
    /// Lower and upper bound.
    pub interval_95: Option<[f64; 2]>,
}

impl Balanced {
    /// Of cases: class (below `classes`), whether it was told rightly, and patient.
    pub fn new(cases: &[(usize, bool, &str)], classes: usize) -> Self {
        let mean = |weights: &[u32]| {
            let mut counts = vec![(0.0, 0.0); classes];
            for ((class, hit, _), weight) in cases.iter().zip(weights) {
                let (hits, n) = &mut counts[*class];
                (*hits, *n) = (*hits + f64::from(weight * u32::from(*hit)), *n + f64::from(*weight));
            }
            let shares: Vec<f64> = counts.iter().filter(|(_, n)| *n > 0.0).map(|(hits, n)| hits / n).collect();
            shares.iter().sum::<f64>() / shares.len().max(1) as f64
        };
        let (of_item, patients) = clusters(cases.iter().map(|(_, _, patient)| patient));
        let interval = if cases.is_empty() { None } else { bootstrap(&of_item, patients, |weights| vec![mean(weights)])[0] };
        Self { value: mean(&vec![1; cases.len()]), interval_95: interval }
    }
}

/// Numbers the distinct keys: the cluster of each item, and how many clusters there are.
pub fn clusters<K: Hash + Eq>(keys: impl IntoIterator<Item = K>) -> (Vec<usize>, usize) {
    let mut seen = HashMap::new();
    let of_item = keys
        .into_iter()
        .map(|key| {
            let next = seen.len();
            *seen.entry(key).or_insert(next)
        })
        .collect();
    (of_item, seen.len())
}

/// Percentile 95 % intervals of statistics under resampling of whole clusters (patients) with replacement.
///
/// `statistics` gets how often each item was drawn. A statistic that is not finite in a resample (a class was not drawn)
/// is left out of it; one that is finite in fewer than half has no interval.
pub fn bootstrap(of_item: &[usize], clusters: usize, statistics: impl Fn(&[u32]) -> Vec<f64> + Sync) -> Vec<Option<[f64; 2]>> {
    let draws: Vec<Vec<f64>> = (0..RESAMPLES)
        .into_par_iter()
        .map(|resample| {
            let mut rng = ChaCha8Rng::seed_from_u64(SEED);
            rng.set_stream(resample as u64);
            let mut times = vec![0u32; clusters];
            for _ in 0..clusters {
                times[rng.random_range(0..clusters)] += 1;
            }
            let weights: Vec<u32> = of_item.iter().map(|&cluster| times[cluster]).collect();
            statistics(&weights)
        })
        .collect();
    let count = draws.first().map_or(0, Vec::len);
    (0..count).map(|k| percentiles(draws.iter().map(|draw| draw[k]).filter(|v| v.is_finite()).collect())).collect()
}

fn percentiles(mut values: Vec<f64>) -> Option<[f64; 2]> {
    if values.len() < RESAMPLES / 2 {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[(share * (values.len() - 1) as f64).round() as usize];
    Some([at(0.025), at(0.975)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_match_published_values() {
        // 13 of 13: lower bound 77.2 %; 0 of 10: upper bound 27.8 %; 81 of 263 (Newcombe 1998): 25.5 to 36.6 %.
        assert!((Rate::new(13, 13).interval_95[0] - 0.7719).abs() < 1e-3);
        assert!((Rate::new(0, 10).interval_95[1] - 0.2775).abs() < 1e-3);
        let [low, high] = Rate::new(81, 263).interval_95;
        assert!((low - 0.2553).abs() < 1e-4 && (high - 0.3662).abs() < 1e-4, "{low} {high}");
        assert_eq!(Rate::new(0, 0).value, None);
        assert_eq!(Rate::of([true, false, true]).hits, 2);
    }

    #[test]
    fn the_wider_interval_is_quoted_where_people_repeat() {
        let names: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        // Ten images each of ten people who are wholly right or wrong.
        let cases = |i: usize| (i / 10 < 3, names[i / 10].as_str());
        let found = Rate::by_patient((0..100).map(cases));
        assert_eq!((found.hits, found.n, found.patients), (30, 100, Some(10)));
        assert!(found.interval_95[0] <= 0.11 && found.interval_95[1] >= 0.59, "{found:?}");
        // One image each: Wilson's.
        let single = Rate::by_patient((0..10).map(|i| cases(10 * i)));
        assert_eq!(Rate { patients: None, ..single }, Rate::new(3, 10));
        // 13 of 13 images of 12 people: resampling people has no width.
        let all = Rate::by_patient(
            (0..13).map(|i| (true, if i == 12 { "0" } else { ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b"][i] })),
        );
        assert_eq!(all.interval_95, Rate::new(13, 13).interval_95);
    }

    #[test]
    fn the_bootstrap_of_a_share_is_binomial() {
        // 30 of 100: standard error sqrt(0.3 * 0.7 / 100) = 0.0458, so 0.3 -+ 0.09.
        let (of_item, count) = clusters(0..100);
        let share = |weights: &[u32]| vec![f64::from(weights[..30].iter().sum::<u32>()) / f64::from(weights.iter().sum::<u32>())];
        let [low, high] = bootstrap(&of_item, count, share)[0].unwrap();
        assert!((low - 0.21).abs() < 0.015 && (high - 0.39).abs() < 0.015, "{low} {high}");
        assert_eq!(bootstrap(&of_item, count, share)[0], Some([low, high]));
    }

    #[test]
    fn images_of_one_patient_are_drawn_together() {
        // 100 images of 10 patients who are wholly right or wrong: the interval of 10 cases, not of 100.
        let (of_item, count) = clusters((0..100).map(|i| i / 10));
        assert_eq!(count, 10);
        let share = |weights: &[u32]| vec![f64::from(weights[..30].iter().sum::<u32>()) / f64::from(weights.iter().sum::<u32>())];
        let [low, high] = bootstrap(&of_item, count, share)[0].unwrap();
        assert!(low <= 0.11 && high >= 0.59, "{low} {high}");
    }

    #[test]
    fn balanced_accuracy_weighs_classes_alike() {
        let cases: Vec<(usize, bool, &str)> =
            vec![(0, true, "a"), (0, true, "b"), (0, false, "c"), (0, true, "d"), (2, false, "e")];
        let found = Balanced::new(&cases, 3);
        assert!((found.value - 0.375).abs() < 1e-12);
        assert!(found.interval_95.is_some_and(|[low, high]| low < 0.375 && high > 0.375));
        assert_eq!(Balanced::new(&[], 3), Balanced { value: 0.0, interval_95: None });
    }

    #[test]
    fn statistics_without_cases_have_no_interval() {
        assert_eq!(bootstrap(&[0, 1], 2, |_| vec![f64::NAN]), [None]);
        assert!(bootstrap(&[], 0, |_| vec![0.5])[0].is_some());
    }
}
