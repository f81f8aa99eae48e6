//! What report.json holds, in its order.

use super::figure::{Evidence, Figure, Page};
use super::figures::agreement::Agreement;
use super::figures::baselines::Baselines;
use super::figures::calibration::Temperature;
use super::figures::data::DataSummary;
use super::figures::gallery::Gallery;
use super::figures::headline::{Headline, healthy_adults};
use super::figures::refusal::Refusal;
use super::figures::splits::Splits;
use super::figures::subgroups::Subgroups;
use super::figures::unseen::{LeftOut, Unseen};
use super::figures::{borders, controls, normal, predictive, selective, sources, specificity};
use super::intervals::Rate;
use super::other_runs::{OtherRuns, Own, headlines};
use super::render::section::{Section, Tile};
use super::subject::Subject;
use anyhow::Result;
use serde::Serialize;
use serde_json::json;

/// Figures of this run.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The figures that belong together.
    pub headline: Headline,
    /// Hospitals never seen.
    #[serde(flatten)]
    pub unseen: Unseen,
    /// Figures by split; `val/SOURCE` and `external_test/SOURCE` by source.
    pub splits: Splits,
    /// Healthy adults of other sources (nih, rsna; labelled Normal/NA, 18 years or older or of unknown age) called
    /// COVID-19: near zero unless the model has learnt "adult = COVID-19".
    pub healthy_adults_called_covid: Rate,
    /// How often pictures are refused; absent with an engine other than core, or a model without a refusal head.
    pub refusal: Refusal,
    /// Sensitivity where specificity is 95 % on validation.
    pub sensitivity_at_95_specificity: specificity::ByTarget,
    /// Normal against abnormal by split, source and age group.
    pub normal_vs_abnormal: normal::ByGroup,
    /// Probabilities before and after the temperature, by split.
    pub calibration: Temperature,
    /// Predictive values by split and target at some prevalences.
    pub predictive_values: predictive::BySplit,
    /// Figures by source, age band, sex, view and finding.
    pub subgroups: Subgroups,
    /// What `host data check` finds across the splits.
    pub data: DataSummary,
    /// Classifiers that do not look at the lungs.
    pub baselines: Baselines,
    /// Whether verdicts follow what a border says of the class, by source.
    pub borders: borders::BySource,
    /// How far the last features tell sources apart, by class.
    pub source_prediction: sources::ByClass,
    /// Hidden and flipped images, attribution, by split.
    pub controls: controls::BySplit,
    /// Accuracy of the surest verdicts, by split.
    pub selective: selective::BySplit,
    /// core, tract and the float network.
    pub agreement: Agreement,
}

impl Figures {
    /// Computes all.
    pub fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self {
            headline: Headline::compute(from)?,
            unseen: Unseen::compute(from)?,
            splits: Splits::compute(from)?,
            healthy_adults_called_covid: healthy_adults(&from.tests),
            refusal: Refusal::compute(from)?,
            sensitivity_at_95_specificity: specificity::ByTarget::compute(from)?,
            normal_vs_abnormal: normal::ByGroup::compute(from)?,
            calibration: Temperature::compute(from)?,
            predictive_values: predictive::BySplit::compute(from)?,
            subgroups: Subgroups::compute(from)?,
            data: DataSummary::compute(from)?,
            baselines: Baselines::compute(from)?,
            borders: borders::BySource::compute(from)?,
            source_prediction: sources::ByClass::compute(from)?,
            controls: controls::BySplit::compute(from)?,
            selective: selective::BySplit::compute(from)?,
            agreement: Agreement::compute(from)?,
        })
    }

    /// What other runs are compared with.
    pub fn own(&self, subject: &Subject) -> Result<Own> {
        let shown = json!({ "splits": self.splits, "headline": self.headline });
        let (engine, data) = (serde_json::to_value(subject.engine)?, serde_json::to_value(&self.data)?);
        Ok(Own { headlines: headlines(&shown), engine, data })
    }

    fn all(&self) -> [&dyn Figure; 16] {
        [
            &self.unseen,
            &self.headline,
            &self.splits,
            &self.refusal,
            &self.sensitivity_at_95_specificity,
            &self.normal_vs_abnormal,
            &self.calibration,
            &self.predictive_values,
            &self.subgroups,
            &self.data,
            &self.baselines,
            &self.borders,
            &self.source_prediction,
            &self.controls,
            &self.selective,
            &self.agreement,
        ]
    }
}

/// report.json.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was evaluated.
    #[serde(flatten)]
    pub subject: Subject,
    /// Figures of this run.
    #[serde(flatten)]
    pub figures: Figures,
    /// Figures of other runs.
    #[serde(flatten)]
    pub others: OtherRuns,
    /// The surest mistakes.
    pub gallery: Gallery,
    /// Seconds for all of it.
    pub seconds: f64,
}

/// Sections in reading order.
const ORDER: [&str; 22] = [
    "headline",
    "unseen",
    "splits",
    "classes",
    "specificity",
    "normal",
    "calibration",
    "predictive",
    "subgroups",
    "selective",
    "refusal",
    "data",
    "baselines",
    "borders",
    "controls",
    "sources",
    "robustness",
    "shape",
    "agreement",
    "seeds",
    "folds",
    "gallery",
];

impl Report {
    /// The report; `left_out` are hospitals that other networks left out.
    ///
    /// # Errors
    /// A hospital twice.
    pub fn new(
        subject: Subject,
        mut figures: Figures,
        others: OtherRuns,
        left_out: Vec<LeftOut>,
        gallery: Gallery,
    ) -> Result<Self> {
        figures.unseen.add(left_out)?;
        Ok(Self { subject, figures, others, gallery, seconds: 0.0 })
    }

    /// The headline figures.
    pub fn tiles(&self) -> Vec<Tile> {
        self.figures.all().iter().flat_map(|figure| figure.tiles()).collect()
    }

    /// All sections, in reading order.
    ///
    /// # Errors
    /// A plot that cannot be drawn.
    pub fn sections(&self) -> Result<Vec<Section>> {
        let page = Page { subject: &self.subject, tiles: &self.tiles() };
        let mut sections = self.others.sections(&page);
        for figure in self.figures.all().into_iter().chain([&self.gallery as &dyn Figure]) {
            sections.extend(figure.sections(&page)?);
        }
        let place = |section: &Section| ORDER.iter().position(|id| *id == section.id);
        if let Some(lost) = sections.iter().find(|section| place(section).is_none()) {
            anyhow::bail!("section {} has no place in the report", lost.id);
        }
        sections.sort_by_key(place);
        Ok(sections)
    }
}
