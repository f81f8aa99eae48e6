//! Accuracy where only the surest verdicts are given.

use crate::evaluate::auc::thin;
use crate::evaluate::figure::{Block, Evidence, Figure, Outcome, Page, Rate, Section};
use crate::evaluate::render::plots::{self, Axes, Line};
use crate::evaluate::render::text::rate;
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// Shares of the images that get a verdict.
const COVERAGES: [f64; 3] = [0.80, 0.90, 0.95];

/// Accuracy by coverage.
#[derive(Clone, Debug, Serialize)]
pub struct Selective {
    /// Coverage and the accuracy of that share of the images, the surest first.
    pub at: Vec<(f64, Rate)>,
    /// Points (coverage, accuracy) of the curve.
    pub curve: Vec<[f64; 2]>,
}

/// Of the outcomes ranked by their top probability; equal ones keep their order.
fn selective(outcomes: &[&Outcome]) -> Selective {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|a, b| b.top().total_cmp(&a.top()));
    let at = |coverage: f64| {
        let kept = (coverage * sorted.len() as f64).round() as usize;
        (coverage, Rate::of(sorted[..kept].iter().map(|o| o.right())))
    };
    let mut right = 0usize;
    let points: Vec<[f64; 2]> = sorted
        .iter()
        .enumerate()
        .map(|(i, outcome)| {
            right += usize::from(outcome.right());
            [(i + 1) as f64 / sorted.len() as f64, right as f64 / (i + 1) as f64]
        })
        .collect();
    Selective { at: COVERAGES.map(at).to_vec(), curve: thin(&points, 60) }
}

/// By split.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct BySplit(BTreeMap<&'static str, Selective>);

impl Figure for BySplit {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(from.tests.iter().map(|(name, _)| (*name, selective(&from.outcomes[name]))).collect()))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let row = |(split, found): (&&'static str, &Selective)| {
            let mut row = vec![(*split).to_owned()];
            row.extend(found.at.iter().map(|(_, found)| rate(found)));
            row
        };
        let head = ["split", "accuracy, surest 80 %", "surest 90 %", "surest 95 %"];
        let rows = self.0.iter().map(row).collect();
        let lines = self.0.iter().map(|(name, found)| (*name, found.curve.as_slice())).collect::<Vec<_>>();
        let caption = "Accuracy of the surest share of the images. A curve that falls to the right says that the network knows \
            what it does not know.";
        let blocks = vec![Block::table("Accuracy by coverage", head, rows), Block::Plot(caption.to_owned(), coverage(&lines)?)];
        let note = "Images are ranked by their top probability within their split; no threshold is carried over.";
        Ok(vec![Section { id: "selective", title: "Selective accuracy", note: note.to_owned(), blocks }])
    }
}

/// Accuracy by coverage.
fn coverage(curves: &[(&'static str, &[[f64; 2]])]) -> Result<String> {
    let line = |(name, points): &(&'static str, &[[f64; 2]])| Line {
        name,
        points: points.iter().map(|[x, y]| (*x, *y)).collect(),
        marked: false,
    };
    let lines: Vec<Line<'_>> = curves.iter().map(line).collect();
    let low = lines.iter().flat_map(|line| &line.points).fold(0.95, |low: f64, (_, y)| low.min(*y));
    plots::draw(&Axes { x: ("coverage", 0.0, 1.0), y: ("accuracy", (low - 0.05).max(0.0), 1.0), diagonal: false }, &lines, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_come_first() {
        let outcomes: Vec<Outcome> = (0..20)
            .map(|i| {
                let top = 0.4 + f64::from(i) / 40.0;
                // The four least sure are wrong.
                Outcome {
                    truth: usize::from(i < 4),
                    predicted: 0,
                    probabilities: [top, 1.0 - top, 0.0],
                    abstained: false,
                    patient: String::new(),
                }
            })
            .collect();
        let found = selective(&outcomes.iter().collect::<Vec<_>>());
        assert_eq!(found.at.iter().map(|(_, rate)| (rate.hits, rate.n)).collect::<Vec<_>>(), [(16, 16), (16, 18), (16, 19)]);
        assert_eq!(found.curve.last(), Some(&[1.0, 0.8]));
        assert!(selective(&[]).at[0].1.value.is_none());
    }
}
