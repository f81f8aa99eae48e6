//! The figures that must be read together.

use crate::dataset::Split;
use crate::evaluate::figure::{Block, Case, EngineName, Evidence, Figure, Page, Rate, Section, Sets, Tile};
use crate::evaluate::render::text::{of_images, percent};
use anyhow::Result;
use cxr_app::classes::COVID;
use serde::Serialize;
use std::collections::BTreeMap;

const CAVEAT: &str = "In CoronaHack, Normal and Pneumonia images are of children of one hospital and COVID-19 images of \
    adults from \
publications: a verdict may reflect age or origin instead of disease. Judge by the hospitals never seen: they are what a new X-ray is \
like. The sources of external_test are sources that the model was trained on, with people whom it has not seen.";

/// The figures that must be read together.
#[derive(Clone, Debug, Serialize)]
pub struct Headline {
    /// Accuracy on CoronaHack's test split.
    pub accuracy_test: Rate,
    /// Accuracy on people whom it has not seen, of other sources that it was trained on.
    pub accuracy_external: Rate,
    /// COVID-19 found in CoronaHack's test split.
    pub covid_sensitivity_test: Rate,
    /// The same by patient: found in at least half of the patient's images.
    pub covid_patients_test: Rate,
    /// COVID-19 found on those people.
    pub covid_sensitivity_external: Rate,
    /// COVID-19 found and named on those people: the verdict is not withheld.
    pub covid_named_external: Rate,
    /// Normal images of nih and rsna in external_test, of any age, called COVID-19.
    pub healthy_called_covid: Rate,
    /// The same where the verdict is not withheld.
    pub healthy_named_covid: Rate,
}

impl Figure for Headline {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(headline(&from.tests))
    }

    fn sections(&self, page: &Page<'_>) -> Result<Vec<Section>> {
        let engine = match page.subject.engine {
            EngineName::Core => "core (int8, as on devices)",
            EngineName::Tract => "tract (float ONNX)",
        };
        let about = format!("Engine: {engine}. Model SHA-256: {}.", page.subject.model_sha256);
        let mut blocks = vec![Block::Tiles(page.tiles.to_vec()), Block::Text(CAVEAT.to_owned()), Block::Text(about)];
        if self.accuracy_external.n == 0 {
            blocks.insert(
                1,
                Block::Missing(
                    "figures of other sources: no --external folder was given, or none of a source that the model was trained on"
                        .to_owned(),
                ),
            );
        }
        blocks.extend(page.subject.test_split().map(|split| Block::Text(format!("Test split: {split}."))));
        let note = "Read them together: a benchmark figure alone says nothing about people elsewhere. Intervals of 95 % are Wilson's, or by \
            resampling people where that is wider.";
        Ok(vec![Section { id: "headline", title: "Headline", note: note.to_owned(), blocks }])
    }

    fn tiles(&self) -> Vec<Tile> {
        let h = self;
        [
            ("of images of CoronaHack's test split right", &h.accuracy_test),
            ("of images right, other sources it was trained on, people it has not seen", &h.accuracy_external),
            ("of images of healthy people (nih, rsna: trained on others of them) called COVID-19", &h.healthy_called_covid),
            ("of COVID-19 images found, other sources it was trained on, people it has not seen", &h.covid_sensitivity_external),
            ("of those images named COVID-19, the verdict not withheld", &h.covid_named_external),
            ("of COVID-19 images of CoronaHack's test split found", &h.covid_sensitivity_test),
        ]
        .map(|(what, found)| {
            let value = found.value.map_or("not measured".to_owned(), percent);
            let detail = match found.n {
                0 => "there is no such image here; give --external".to_owned(),
                _ => of_images(found),
            };
            [value, what.to_owned(), detail]
        })
        .to_vec()
    }
}

/// Healthy adults of other sources called COVID-19: near zero unless the model has learnt "adult = COVID-19".
pub fn healthy_adults(tests: &Sets<'_>) -> Rate {
    rate(healthy(tests).filter(|case| case.sample.age.is_none_or(|age| age >= 18.0)), called_covid)
}

fn of_split<'a>(sets: &'a Sets<'a>, split: Split) -> impl Iterator<Item = &'a Case<'a>> {
    sets.iter().filter(move |(name, _)| *name == split.name()).flat_map(|(_, cases)| cases)
}

/// Normal images of healthy people of other sources.
fn healthy<'a>(sets: &'a Sets<'a>) -> impl Iterator<Item = &'a Case<'a>> {
    of_split(sets, Split::ExternalTest)
        .filter(|case| case.sample.class == 0 && matches!(case.sample.source.as_str(), "nih" | "rsna"))
}

fn called_covid(case: &Case<'_>) -> bool {
    case.measured.outcome.predicted == COVID
}

fn named_covid(case: &Case<'_>) -> bool {
    called_covid(case) && !case.measured.outcome.abstained
}

/// The share of hits, with the number of people.
fn rate<'a>(cases: impl Iterator<Item = &'a Case<'a>>, hit: fn(&Case<'_>) -> bool) -> Rate {
    Rate::by_patient(cases.map(|case| (hit(case), case.sample.patient.as_str())))
}

fn headline(sets: &Sets<'_>) -> Headline {
    let accuracy = |split| rate(of_split(sets, split), |case| case.measured.outcome.right());
    let covid = |split| of_split(sets, split).filter(|case| case.sample.class == COVID);
    let mut patients: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for case in covid(Split::Test) {
        let (hits, n) = patients.entry(&case.sample.patient).or_default();
        (*hits, *n) = (*hits + usize::from(called_covid(case)), *n + 1);
    }
    Headline {
        accuracy_test: accuracy(Split::Test),
        accuracy_external: accuracy(Split::ExternalTest),
        covid_sensitivity_test: rate(covid(Split::Test), called_covid),
        covid_patients_test: Rate::of(patients.values().map(|(hits, n)| 2 * hits >= *n)),
        covid_sensitivity_external: rate(covid(Split::ExternalTest), called_covid),
        covid_named_external: rate(covid(Split::ExternalTest), named_covid),
        healthy_called_covid: rate(healthy(sets), called_covid),
        healthy_named_covid: rate(healthy(sets), named_covid),
    }
}
