//! Figures of one hospital.

use super::figure::{Auc, Computed, Outcome, Rate, Recipe, Seen, Tile};
use super::render::text::{NONE, of_images, percent};
use crate::dataset::OTHER_FINDING;
use cxr_app::classes::{CLASSES, COVID};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Fewer images make no headline.
const LEAST: usize = 20;

/// Figures of one hospital, and the network that had not seen it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// All its images.
    #[serde(flatten)]
    pub all: Figures,
    /// Those alone that were kept for tests before the hospital was left out; absent where that is none or all of them. Recipes are
    /// chosen on the rest.
    pub external_test: Option<Figures>,
    /// The network.
    pub network: Network,
}

/// A network that has not seen a hospital.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Network {
    /// The report's own model; otherwise one trained without the hospital.
    pub is_this_model: bool,
    /// What it was trained by.
    pub recipe: Option<Recipe>,
    /// Hospitals that its training left out.
    pub left_out: Vec<String>,
    /// SHA-256 of the .cxr file.
    pub model_sha256: String,
}

/// Figures of a hospital's images. "Called" and "found" are verdicts that are given, of all images: one that is withheld is neither.
/// In `likeliest`, `accuracy` and `confusion` it counts with its likeliest class, as in the report's other sections. Intervals are
/// Wilson's, or by resampling patients where that is wider.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Images.
    pub n: usize,
    /// People, as far as the source tells them apart.
    pub patients: usize,
    /// Images of healthy people called COVID-19.
    pub healthy_called_covid: Rate,
    /// Images of healthy people called ill.
    pub healthy_called_ill: Rate,
    /// Images of COVID-19 found.
    pub covid_found: Rate,
    /// Images of other pneumonia called so.
    pub pneumonia_found: Rate,
    /// Images of other pneumonia called COVID-19.
    pub pneumonia_called_covid: Rate,
    /// Images with a partial label, which are not COVID-19, called so.
    pub other_finding_called_covid: Rate,
    /// The first, the fourth and the seventh with withheld verdicts by their likeliest class.
    pub likeliest: Likeliest,
    /// Verdicts withheld.
    pub abstained: Rate,
    /// A verdict given, by what is true.
    #[serde(default)]
    pub verdict_given: Option<Given>,
    /// Right where a verdict was given, of images of a class.
    pub answered: Rate,
    /// Right, of images of a class.
    pub accuracy: Rate,
    /// COVID-19 by its probability against the other images of a class, where the hospital has both.
    pub auc: Computed<Auc>,
    /// Rows are the truth, columns the likeliest class, in class order.
    pub confusion: [[usize; CLASSES.len()]; CLASSES.len()],
}

/// A verdict given, right or wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Given {
    /// Of images of healthy people.
    pub healthy: Rate,
    /// Of images of COVID-19.
    pub covid: Rate,
    /// Of images with a partial label.
    pub other_finding: Rate,
}

/// COVID-19 as the likeliest class, whether or not the verdict is withheld.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Likeliest {
    /// Of images of healthy people.
    pub healthy_called_covid: Rate,
    /// Of images of COVID-19.
    pub covid_found: Rate,
    /// Of images with a partial label.
    pub other_finding_called_covid: Rate,
}

impl Figures {
    /// Of all cases.
    pub fn new(cases: &[Seen<'_>]) -> Self {
        let rate = |of: &dyn Fn(&Outcome) -> bool, hit: &dyn Fn(&Outcome) -> bool| {
            Rate::by_patient(cases.iter().filter(|c| of(c.outcome)).map(|c| (hit(c.outcome), c.outcome.patient.as_str())))
        };
        let truth = |class: usize| move |o: &Outcome| o.truth == class;
        let likeliest = |o: &Outcome| o.predicted == COVID;
        let covid = |o: &Outcome| likeliest(o) && !o.abstained;
        let labelled = |o: &Outcome| o.truth != OTHER_FINDING;
        let mut confusion = [[0; CLASSES.len()]; CLASSES.len()];
        cases.iter().filter(|c| labelled(c.outcome)).for_each(|c| confusion[c.outcome.truth][c.outcome.predicted] += 1);
        let positives = cases.iter().filter(|c| c.outcome.truth == COVID).count();
        let scores =
            cases.iter().filter(|c| labelled(c.outcome)).map(|c| (c.outcome.probabilities[COVID], c.outcome.truth == COVID));
        let no_auc = || {
            format!(
                "{positives} images of COVID-19 of {} of a class: both sides are needed",
                confusion.iter().flatten().sum::<usize>()
            )
        };
        Self {
            n: cases.len(),
            patients: cases.iter().map(|c| c.outcome.patient.as_str()).collect::<BTreeSet<_>>().len(),
            healthy_called_covid: rate(&truth(0), &covid),
            healthy_called_ill: rate(&truth(0), &|o| o.predicted != 0 && !o.abstained),
            covid_found: rate(&truth(COVID), &covid),
            pneumonia_found: rate(&truth(1), &|o| o.right() && !o.abstained),
            pneumonia_called_covid: rate(&truth(1), &covid),
            other_finding_called_covid: rate(&truth(OTHER_FINDING), &covid),
            likeliest: Likeliest {
                healthy_called_covid: rate(&truth(0), &likeliest),
                covid_found: rate(&truth(COVID), &likeliest),
                other_finding_called_covid: rate(&truth(OTHER_FINDING), &likeliest),
            },
            abstained: rate(&|_| true, &|o| o.abstained),
            verdict_given: Some(Given {
                healthy: rate(&truth(0), &|o| !o.abstained),
                covid: rate(&truth(COVID), &|o| !o.abstained),
                other_finding: rate(&truth(OTHER_FINDING), &|o| !o.abstained),
            }),
            answered: rate(&|o| labelled(o) && !o.abstained, &Outcome::right),
            accuracy: rate(&labelled, &Outcome::right),
            auc: Auc::of(scores).map_or_else(|| Computed::no(no_auc()), Computed::Yes),
            confusion,
        }
    }
}

impl Entry {
    /// Its headline figures; the hospital's name is `name`.
    pub fn tiles(&self, name: &str) -> Vec<Tile> {
        let figures: [(&str, &Rate, &str); 3] = [
            ("of images of healthy people", &self.all.healthy_called_covid, "called COVID-19"),
            ("of images of people with another finding", &self.all.other_finding_called_covid, "called COVID-19"),
            ("of COVID-19 images", &self.all.covid_found, "found"),
        ];
        let enough = figures.into_iter().filter(|(_, rate, _)| rate.n >= LEAST);
        let tile = |(what, rate, verdict): (&str, &Rate, &str)| {
            let what = format!("{what} of a hospital never seen, {name}, {verdict}");
            [rate.value.map_or(NONE.to_owned(), percent), what, of_images(rate)]
        };
        enough.map(tile).collect()
    }
}
