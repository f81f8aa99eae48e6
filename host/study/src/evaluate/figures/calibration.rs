//! Whether probabilities mean what they say.

use crate::evaluate::calibration_error::{BINS, bin, error, weighted_error};
use crate::evaluate::figure::{Block, Case, Evidence, Figure, Measured, Outcome, Page, Rate, Section};
use crate::evaluate::intervals::{bootstrap, clusters};
use crate::evaluate::render::plots::{self, Axes, Line};
use crate::evaluate::render::text::bounded;
use anyhow::Result;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

/// Calibration before and after temperature scaling.
#[derive(Clone, Debug, Serialize)]
pub struct Temperature {
    /// The model's temperature, fitted on validation.
    pub temperature: f32,
    /// By split: with a temperature of 1, and with the model's.
    pub splits: BTreeMap<&'static str, [Calibration; 2]>,
}

impl Figure for Temperature {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        let both = |cases: &[Case<'_>]| {
            let outcomes = |of: fn(&Measured) -> &Outcome| cases.iter().map(|case| of(case.measured)).collect::<Vec<_>>();
            [Calibration::new(&outcomes(|m| &m.uncalibrated)), Calibration::new(&outcomes(|m| &m.outcome))]
        };
        Ok(Self {
            temperature: from.networks.engine.model.temperature(),
            splits: from.all.iter().map(|(name, cases)| (*name, both(cases))).collect(),
        })
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let row = |(name, both): (&&'static str, &[Calibration; 2])| {
            both.iter()
                .zip(["1", "the model's"])
                .map(|(c, temperature)| {
                    vec![
                        (*name).to_owned(),
                        temperature.to_owned(),
                        c.n.to_string(),
                        bounded(c.ece, c.ece_interval_95),
                        bounded(c.brier, c.brier_interval_95),
                    ]
                })
                .collect::<Vec<_>>()
        };
        let rows = self.splits.iter().flat_map(row).collect();
        let head = ["split", "temperature", "images", "expected calibration error", "Brier score, 0 to 2"];
        let mut blocks = vec![Block::table(format!("The model's temperature is {:.3}", self.temperature), head, rows)];
        for (name, both) in self.splits.iter().filter(|(name, _)| **name != "val") {
            let caption = format!(
                "{name}: share right by top probability. On the diagonal, probabilities mean what they say; below it they promise \
                    too much."
            );
            blocks.push(Block::Plot(caption, reliability(both)?));
        }
        let note = "Temperature scaling was fitted on validation. Error of 15 equal bins of the top probability; intervals by \
            resampling patients.";
        Ok(vec![Section { id: "calibration", title: "Calibration", note: note.to_owned(), blocks }])
    }
}

/// Share right by top probability, before and after the temperature.
fn reliability(both: &[Calibration; 2]) -> Result<String> {
    let line = |(c, name): (&Calibration, &'static str)| Line {
        name,
        points: c.bins.iter().map(|bin| (bin.confidence, bin.right.value.unwrap_or(0.0))).collect(),
        marked: true,
    };
    let lines: Vec<Line<'_>> = both.iter().zip(["before the temperature", "after"]).map(line).collect();
    let axes = Axes { x: ("top probability", 0.3, 1.0), y: ("share right", 0.0, 1.0), diagonal: true };
    plots::draw(&axes, &lines, &[])
}

/// Probabilities of a set of images against their classes.
#[derive(Clone, Debug, Serialize)]
pub struct Calibration {
    /// Images.
    pub n: usize,
    /// Expected calibration error: |mean top probability - share right| by bin, weighted by the bins' counts.
    pub ece: f64,
    /// Its interval by resampling patients; the error is never negative, so it lies rather above than below.
    pub ece_interval_95: Option<[f64; 2]>,
    /// Brier score: mean over the images of the squared errors of all three probabilities, summed; 0 best, 2 worst.
    pub brier: f64,
    /// Its interval by resampling patients.
    pub brier_interval_95: Option<[f64; 2]>,
    /// Bins with images in them.
    pub bins: Vec<Bin>,
}

/// Images whose top probabilities are alike.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bin {
    /// Mean top probability.
    pub confidence: f64,
    /// Share of them right.
    pub right: Rate,
}

impl Calibration {
    /// Of the outcomes' probabilities.
    pub fn new(outcomes: &[&Outcome]) -> Self {
        let tops: Vec<(f64, bool)> = outcomes.iter().map(|o| (o.top(), o.right())).collect();
        let squares: Vec<f64> = outcomes.iter().map(|o| squared_error(&o.probabilities, o.truth)).collect();
        let (of_item, patients) = clusters(outcomes.iter().map(|o| &o.patient));
        let intervals = bootstrap(&of_item, patients, |weights| {
            let sum = f64::from(weights.iter().sum::<u32>());
            let brier: f64 = squares.iter().zip(weights).map(|(square, w)| square * f64::from(*w)).sum();
            vec![weighted_error(tops.iter().zip(weights).map(|((top, right), w)| (*top, *right, f64::from(*w)))), brier / sum]
        });
        let mut bins = [(0.0, 0, 0); BINS];
        for (top, right) in &tops {
            let (sum, hits, n) = &mut bins[bin(*top)];
            (*sum, *hits, *n) = (*sum + top, *hits + usize::from(*right), *n + 1);
        }
        let filled = bins.iter().filter(|(_, _, n)| *n > 0);
        Self {
            n: outcomes.len(),
            ece: error(tops.iter().copied()),
            ece_interval_95: intervals[0],
            brier: squares.iter().sum::<f64>() / squares.len().max(1) as f64,
            brier_interval_95: intervals[1],
            bins: filled.map(|(sum, hits, n)| Bin { confidence: sum / *n as f64, right: Rate::new(*hits, *n) }).collect(),
        }
    }
}

fn squared_error(probabilities: &[f64; CLASSES.len()], truth: usize) -> f64 {
    probabilities.iter().enumerate().map(|(k, p)| (p - f64::from(u8::from(k == truth))).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_by_hand() {
        let outcome = |truth, probabilities, patient: &str| Outcome {
            truth,
            predicted: 0,
            probabilities,
            abstained: false,
            patient: patient.to_owned(),
        };
        let outcomes =
            [outcome(0, [0.81, 0.19, 0.0], "a"), outcome(1, [0.83, 0.17, 0.0], "b"), outcome(0, [0.5, 0.25, 0.25], "c")];
        let found = Calibration::new(&outcomes.iter().collect::<Vec<_>>());
        // Bin 0.8 to 0.867 holds the first two: |1.64 - 1|; the third is alone: |0.5 - 1|.
        assert!((found.ece - (0.64 + 0.5) / 3.0).abs() < 1e-12);
        let squares = [2.0 * 0.19f64.powi(2), 2.0 * 0.83f64.powi(2), 0.25 + 2.0 * 0.0625];
        assert!((found.brier - squares.iter().sum::<f64>() / 3.0).abs() < 1e-12);
        assert_eq!(found.bins.len(), 2);
        assert_eq!((found.bins[1].right.hits, found.bins[1].right.n), (1, 2));
        assert!((found.bins[1].confidence - 0.82).abs() < 1e-12);
        assert_eq!(error(std::iter::empty()), 0.0);
    }
}
