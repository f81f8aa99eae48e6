//! Whether verdicts follow what a picture's border says: a lung is not there, but the apparatus may be.

use crate::dataset::{Sample, Split};
use crate::evaluate::figure::{Auc, Block, Computed, Evidence, Figure, Measured, Measurements, Page, Rate, Section, Traits};
use crate::evaluate::linear::{Linear, argmax};
use crate::evaluate::render::text::{auc, rate};
use anyhow::Result;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

/// Training images that a class of a source needs to take part.
const LEAST: usize = 50;
const SPLITS: [Split; 3] = [Split::Val, Split::Test, Split::ExternalTest];

/// Images of one class and split, by what a classifier of their source's borders says of them.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Their split.
    pub split: &'static str,
    /// Their class.
    pub class: &'static str,
    /// The border says this class: the model right on them.
    pub border_agrees: Rate,
    /// The border says another class: the model right on them.
    pub border_disagrees: Rate,
}

/// A source.
#[derive(Clone, Debug, Serialize)]
pub struct Borders {
    /// Classes told apart; those with enough training images.
    pub classes: Vec<&'static str>,
    /// Training images.
    pub trained_on: usize,
    /// By split, how well the borders alone tell the first class from the others.
    pub auc: BTreeMap<&'static str, Auc>,
    /// The model on both kinds of images.
    pub rows: Vec<Row>,
}

/// By source.
fn borders(samples: &[Sample], measured: &Measurements) -> BTreeMap<String, Computed<Borders>> {
    let mut sources: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, sample) in samples.iter().enumerate() {
        sources.entry(sample.source.as_str()).or_default().push(i);
    }
    let one = |images: &[usize]| of_source(images.iter().map(|&i| (&samples[i], &measured.traits[i], &measured.measured[i])));
    sources.into_iter().map(|(name, images)| (name.to_owned(), one(&images))).collect()
}

type Image<'a> = (&'a Sample, &'a Option<Traits>, &'a Option<Measured>);

fn of_source<'a>(images: impl Iterator<Item = Image<'a>>) -> Computed<Borders> {
    let images: Vec<(&Sample, &[f64], &Option<Measured>)> =
        images.filter_map(|(sample, traits, measured)| Some((sample, traits.as_ref()?.border.as_slice(), measured))).collect();
    let trained = |class: usize| images.iter().filter(move |(s, ..)| s.split == Split::Train && s.class == class);
    let classes: Vec<usize> = (0..CLASSES.len()).filter(|&class| trained(class).count() >= LEAST).collect();
    if classes.len() < 2 {
        return Computed::no(format!("two classes of {LEAST} training images are needed; it has {}", classes.len()));
    }
    let (labels, rows): (Vec<usize>, Vec<&[f64]>) =
        classes.iter().enumerate().flat_map(|(k, &class)| trained(class).map(move |(_, border, _)| (k, *border))).unzip();
    let linear = match Linear::fit(&rows, &labels, classes.len()) {
        Ok(linear) => linear,
        Err(error) => return Computed::no(format!("{error:#}")),
    };
    let (mut auc, mut rows) = (BTreeMap::new(), Vec::new());
    for split in SPLITS {
        // Place of the class, scores by place, whether the model is right.
        let cases: Vec<(usize, Vec<f64>, bool)> = images
            .iter()
            .filter(|(sample, ..)| sample.split == split)
            .filter_map(|(sample, border, measured)| {
                let place = classes.iter().position(|&class| class == sample.class)?;
                Some((place, linear.scores(border), measured.as_ref()?.outcome.right()))
            })
            .collect();
        if let Some(found) = Auc::of(cases.iter().map(|(place, scores, _)| (1.0 - scores[0], *place != 0))) {
            auc.insert(split.name(), found);
        }
        for (place, &class) in classes.iter().enumerate() {
            let side = |agrees: bool| {
                let own = cases.iter().filter(move |(k, scores, _)| *k == place && (argmax(scores) == place) == agrees);
                Rate::of(own.map(|(.., right)| *right))
            };
            let (border_agrees, border_disagrees) = (side(true), side(false));
            if border_agrees.n + border_disagrees.n > 0 {
                rows.push(Row { split: split.name(), class: CLASSES[class], border_agrees, border_disagrees });
            }
        }
    }
    Computed::Yes(Borders { classes: classes.into_iter().map(|k| CLASSES[k]).collect(), trained_on: labels.len(), auc, rows })
}

/// By source.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct BySource(pub BTreeMap<String, Computed<Borders>>);

impl Figure for BySource {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(borders(from.samples, from.measured)))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let (mut areas, mut rows, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        for (source, found) in &self.0 {
            let found = match found {
                Computed::Yes(found) => found,
                Computed::No { not_computed } => {
                    blocks.push(Block::Missing(format!("{source}: {not_computed}")));
                    continue;
                }
            };
            let classes = found.classes.join(", ");
            for (split, area) in &found.auc {
                areas.push(vec![source.clone(), classes.clone(), (*split).to_owned(), auc(Some(area))]);
            }
            rows.extend(found.rows.iter().map(|row| {
                let (agrees, disagrees) = (rate(&row.border_agrees), rate(&row.border_disagrees));
                vec![source.clone(), row.split.to_owned(), row.class.to_owned(), agrees, disagrees]
            }));
        }
        let head = ["source", "split", "class", "model right where the border says so", "where it says another class"];
        blocks.insert(0, Block::table("This model, by what the border says", head, rows));
        let head = ["source", "classes", "split", "AUC of the border, first class against the rest"];
        blocks.insert(0, Block::table("What the border alone tells", head, areas));
        let note = "A balanced logistic regression on the mean gray levels of the outer sixteenth of each side, where no lung is, \
            fitted on the training images of one source. An area well above a half says that pictures of sick and healthy people \
            of that source were made or cut in different ways; a model that is right less often where the border says another \
            class leans on that way, or on something that comes with it (the apparatus, the exposure, age), not on lungs alone. \
            An area that falls from val to test says that the test's pictures were made otherwise than those trained on.";
        Ok(vec![Section { id: "borders", title: "Where the border gives the class away", note: note.to_owned(), blocks }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::outcome::Outcome;
    use crate::evaluate::people::tests::sample;

    #[test]
    fn images_are_parted_by_what_their_border_says() {
        let of = |split, i: usize| sample("nih", &format!("{split:?}{i}"), split, i % 2, None);
        let samples: Vec<Sample> = (0..120).map(|i| of(Split::Train, i)).chain((0..40).map(|i| of(Split::Test, i))).collect();
        // In training the border gives the class away; of the tests, every fourth has the other one's.
        let level = |i: usize| (i % 2) as f64 + (i % 7) as f64 / 20.0;
        let border = |i: usize| if i >= 120 && i % 4 == 1 { level(i + 1) } else { level(i) };
        let traits = |i| Some(Traits { trivial: [1.0; 4], border: vec![border(i)], features: None });
        let outcome = |i: usize| Outcome {
            truth: i % 2,
            predicted: 0,
            probabilities: [1.0, 0.0, 0.0],
            abstained: false,
            patient: i.to_string(),
        };
        let measured = |i: usize| {
            (i >= 120).then(|| Measured {
                outcome: outcome(i),
                uncalibrated: outcome(i),
                logits: vec![],
                refusal: None,
                core: None,
                float: None,
                int8: None,
                picture: None,
            })
        };
        let found = borders(
            &samples,
            &Measurements {
                traits: (0..160).map(traits).collect(),
                measured: (0..160).map(measured).collect(),
                ..Measurements::default()
            },
        );
        let Computed::Yes(found) = &found["nih"] else { panic!() };
        assert_eq!((found.classes.len(), found.trained_on, found.rows.len()), (2, 120, 2));
        let counts = |row: &Row| [row.border_agrees.hits, row.border_agrees.n, row.border_disagrees.hits, row.border_disagrees.n];
        // The model says class 0 always.
        assert_eq!(counts(&found.rows[0]), [20, 20, 0, 0]);
        assert_eq!(counts(&found.rows[1]), [0, 10, 0, 10]);
        // Half of class 1 above all of class 0, half among it.
        assert!((found.auc["test"].value - 0.75).abs() < 0.05, "{:?}", found.auc);
    }
}
