//! Figures of an epoch and of a validation pass.

use cxr_app::classes::CLASSES;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const N: usize = CLASSES.len();

/// Counts: rows are the truth, columns the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion(pub [[usize; N]; N]);

impl Confusion {
    /// Counts one image.
    pub fn add(&mut self, truth: usize, answer: usize) {
        self.0[truth][answer] += 1;
    }

    /// Share of right answers; 0 without images.
    pub fn accuracy(&self) -> f64 {
        let right: usize = (0..N).map(|c| self.0[c][c]).sum();
        right as f64 / self.0.iter().flatten().sum::<usize>().max(1) as f64
    }

    /// Share of each class that was found; 0 for a class without images.
    pub fn recall(&self) -> [f64; N] {
        std::array::from_fn(|c| self.0[c][c] as f64 / self.0[c].iter().sum::<usize>().max(1) as f64)
    }

    /// Mean F1 over the classes that have images.
    pub fn macro_f1(&self) -> f64 {
        let (mut sum, mut present) = (0.0, 0);
        for c in 0..N {
            let truth: usize = self.0[c].iter().sum();
            let answers: usize = self.0.iter().map(|row| row[c]).sum();
            if truth > 0 {
                present += 1;
                sum += 2.0 * self.0[c][c] as f64 / (truth + answers) as f64;
            }
        }
        sum / f64::from(present.max(1))
    }
}

/// Result of a validation pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// Mean cross-entropy, without label smoothing.
    pub loss: f64,
    /// All images.
    pub confusion: Confusion,
    /// Images of each source.
    pub by_source: BTreeMap<String, Confusion>,
    /// Images with a partial label, which are not COVID-19, called so, and all of them.
    #[serde(default)]
    pub other_finding_called_covid: [usize; 2],
}

/// One row of metrics.csv.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// From 1.
    pub epoch: usize,
    /// Height and width of the training images.
    pub size: usize,
    /// Rate of the last step.
    pub learning_rate: f64,
    /// Mean training loss (label smoothing included, decay not).
    pub train_loss: f64,
    /// Share of right answers on the distorted training images, while training.
    pub train_accuracy: f64,
    /// On the validation images at `size`, with the weights that would be kept.
    pub val: Validation,
    /// Training images a second, validation and saving left out.
    pub images_per_second: f64,
    /// Share of the training time spent waiting for the loader.
    pub loader_wait: f64,
    /// Seconds of the epoch, validation included.
    pub seconds: f64,
}

/// Rows as CSV.
pub fn csv(rows: &[EpochRow]) -> String {
    let mut text = String::from("epoch,size,learning_rate,train_loss,train_accuracy,val_loss,val_accuracy,val_macro_f1");
    for class in CLASSES {
        text += &format!(",val_recall[{class}]");
    }
    let sources: Vec<&String> = rows.first().map(|row| row.val.by_source.keys().collect()).unwrap_or_default();
    for source in &sources {
        text += &format!(",val_accuracy[{source}],val_macro_f1[{source}]");
    }
    text += ",images_per_second,loader_wait,seconds\n";
    for row in rows {
        let all = &row.val.confusion;
        text += &format!(
            "{},{},{:.3e},{:.5},{:.5},{:.5},{:.5},{:.5}",
            row.epoch,
            row.size,
            row.learning_rate,
            row.train_loss,
            row.train_accuracy,
            row.val.loss,
            all.accuracy(),
            all.macro_f1()
        );
        for recall in all.recall() {
            text += &format!(",{recall:.5}");
        }
        for source in &sources {
            let counts = row.val.by_source.get(*source).copied().unwrap_or_default();
            text += &format!(",{:.5},{:.5}", counts.accuracy(), counts.macro_f1());
        }
        text += &format!(",{:.2},{:.4},{:.1}\n", row.images_per_second, row.loader_wait, row.seconds);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_small_table() {
        let counts = Confusion([[8, 2, 0], [1, 9, 0], [0, 0, 0]]);
        assert!((counts.accuracy() - 0.85).abs() < 1e-12);
        assert_eq!(counts.recall(), [0.8, 0.9, 0.0]);
        // F1 of 16/19 and 18/21; the absent class does not count.
        assert!((counts.macro_f1() - (16.0 / 19.0 + 18.0 / 21.0) / 2.0).abs() < 1e-12);
        assert_eq!(Confusion::default().macro_f1(), 0.0);
    }

    #[test]
    fn csv_has_one_line_a_row_and_equal_columns() {
        let val = Validation {
            loss: 0.5,
            confusion: Confusion([[1, 0, 0]; 3]),
            by_source: BTreeMap::from([("nih".into(), Confusion::default())]),
            other_finding_called_covid: [0; 2],
        };
        let row = EpochRow {
            epoch: 1,
            size: 128,
            learning_rate: 1e-3,
            train_loss: 1.0,
            train_accuracy: 0.5,
            val,
            images_per_second: 10.0,
            loader_wait: 0.0,
            seconds: 3.0,
        };
        let text = csv(&[row.clone(), row]);
        let columns: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns.len(), 3);
        assert!(columns.iter().all(|&n| n == columns[0]));
    }
}
