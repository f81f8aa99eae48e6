//! Figures in words.

use crate::evaluate::auc::Auc;
use crate::evaluate::intervals::{Balanced, Rate};

/// What a figure without cases reads.
pub const NONE: &str = "none";

pub fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// "8.1 to 9.2 %".
pub fn interval([low, high]: [f64; 2]) -> String {
    format!("{:.1} to {:.1} %", 100.0 * low, 100.0 * high)
}

/// "50.0 % (10.1 to 89.9 %; 1 of 2)"; where people are fewer than images, "1 of 2 images, of 1".
pub fn rate(rate: &Rate) -> String {
    match rate.value {
        Some(value) => {
            format!("{} ({}; {} of {}{})", percent(value), interval(rate.interval_95), rate.hits, rate.n, people(rate))
        }
        None => NONE.to_owned(),
    }
}

/// "1 of 2 images of 1 person; 95 % interval 10.1 to 89.9 %".
pub fn of_images(rate: &Rate) -> String {
    let of = match rate.patients {
        Some(1) => " of 1 person".to_owned(),
        Some(people) => format!(" of {people} people"),
        None => String::new(),
    };
    format!("{} of {} images{of}; 95 % interval {}", rate.hits, rate.n, interval(rate.interval_95))
}

fn people(rate: &Rate) -> String {
    rate.patients.filter(|people| *people < rate.n).map_or(String::new(), |people| format!(" images, {people} people"))
}

/// "0.912 (0.87 to 0.94; 13 against 624)".
pub fn auc(auc: Option<&Auc>) -> String {
    auc.map_or(NONE.to_owned(), |auc| {
        let [low, high] = auc.interval_95;
        format!("{:.3} ({low:.3} to {high:.3}; {} against {})", auc.value, auc.positives, auc.negatives)
    })
}

/// "0.912 (0.87 to 0.94)".
pub fn bounded(value: f64, interval: Option<[f64; 2]>) -> String {
    interval.map_or_else(|| format!("{value:.3}"), |[low, high]| format!("{value:.3} ({low:.3} to {high:.3})"))
}

/// A percentage with an interval in percent.
pub fn bounded_percent(value: f64, bounds: Option<[f64; 2]>) -> String {
    bounds.map_or_else(|| percent(value), |bounds| format!("{} ({})", percent(value), interval(bounds)))
}

/// A balanced accuracy.
pub fn balanced(found: &Balanced) -> String {
    bounded_percent(found.value, found.interval_95)
}
