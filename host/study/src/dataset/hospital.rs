//! Hospitals: which sources are one, and leaving some of them out of training and validation.

use super::{Dataset, OTHER_FINDING, Sample, Split, coronahack};
use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// Sources that are one hospital or one collection: leaving out one leaves out all of it.
///
/// rsna's images come from NIH ChestX-ray14, and darkcovidnet's from ieee8023/covid-chestxray-dataset.
const GROUPS: [(&str, &[&str]); 2] = [("nih+rsna", &["nih", "rsna", "grafts"]), (IEEE8023, &["ieee8023", "darkcovidnet"])];
/// The collection that CoronaHack's COVID-19 images come from as well.
const IEEE8023: &str = "ieee8023+darkcovidnet";

/// The hospital or collection of a source: the name of its group, or its own.
pub fn of_source(source: &str) -> &str {
    GROUPS.iter().find(|(_, members)| members.contains(&source)).map_or(source, |(name, _)| name)
}

impl Sample {
    /// The hospital or collection that the image is of; of CoronaHack's images those that it took from ieee8023's are of that.
    pub fn hospital(&self) -> &str {
        match self.source.as_str() {
            coronahack::SOURCE if self.patient.starts_with("ieee_") => IEEE8023,
            source => of_source(source),
        }
    }
}

/// Hospitals that a network has seen which was trained on `sources` without the hospitals of `left_out`.
pub fn seen<'a>(sources: impl IntoIterator<Item = &'a str>, left_out: &[String]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for source in sources {
        seen.insert(of_source(source).to_owned());
        if source == coronahack::SOURCE {
            seen.insert(IEEE8023.to_owned());
        }
    }
    for source in left_out {
        seen.remove(of_source(source));
    }
    seen
}

/// Hospitals that a training has seen, from its run.json or from `training` in the json beside a model: as they say, or else by
/// the sources of their training and validation images.
pub fn seen_by(training: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| Vec::<String>::deserialize(value).unwrap_or_default();
    if training["hospitals_seen"].is_array() {
        return texts(&training["hospitals_seen"]).into_iter().collect();
    }
    let of = |split: &str| training["splits"][split]["sources"].as_object();
    let sources = ["train", "val"].into_iter().filter_map(of).flatten().filter(|(_, count)| count.as_u64() != Some(0));
    seen(sources.map(|(source, _)| source.as_str()), &texts(&training["leave_out"]))
}

/// Hospitals whose images are neither trained nor validated on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LeaveOut {
    /// Every source may be learned from.
    #[default]
    Nothing,
    /// The hospitals of these sources.
    Only(BTreeSet<String>),
    /// All hospitals but these: what a network has not seen.
    AllBut(BTreeSet<String>),
}

impl LeaveOut {
    /// The hospitals of these sources; nothing without any.
    pub fn sources(names: &[String]) -> Self {
        match names {
            [] => Self::Nothing,
            _ => Self::Only(names.iter().map(|name| of_source(name).to_owned()).collect()),
        }
    }

    /// True if every source may be learned from.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }

    fn contains(&self, hospital: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Only(names) => names.contains(hospital),
            Self::AllBut(names) => !names.contains(hospital),
        }
    }

    /// Moves the left out hospitals' images of train, val and external_test to [`Split::Unseen`]. CoronaHack's test stays as it is
    /// published. Who is in an unseen picture and in a training one as well is measured on, so the latter is withheld.
    pub(super) fn apply(&self, dataset: &mut Dataset) -> Result<()> {
        // A network that was not trained on CoronaHack: its train and val are no hospital to measure.
        let foreign = matches!(self, Self::AllBut(seen) if !seen.contains(coronahack::SOURCE));
        if self.is_nothing() || foreign {
            return Ok(());
        }
        if let Self::Only(names) = self {
            let there: BTreeSet<&str> = dataset.all().map(Sample::hospital).collect();
            if let Some(unknown) = names.iter().find(|name| !there.contains(name.as_str())) {
                let there: Vec<&str> = there.into_iter().collect();
                bail!("--leave-out {unknown}: there is no image of it; the hospitals here are {}", there.join(", "));
            }
        }
        if self.contains(coronahack::SOURCE) {
            bail!("--leave-out {}: the test split is CoronaHack's; use --fold to leave its people out", coronahack::SOURCE);
        }
        let Dataset { samples, partial, withheld, .. } = dataset;
        // Withheld from training only; nothing of an unseen hospital is trained on.
        let (measured, rest) = std::mem::take(withheld).into_iter().partition(|sample| self.contains(sample.hospital()));
        *withheld = rest;
        let (of_partial, of_class): (Vec<Sample>, Vec<Sample>) =
            Vec::into_iter(measured).partition(|sample| sample.class == OTHER_FINDING);
        samples.extend(of_class);
        partial.extend(of_partial);
        let mut people: BTreeSet<String> = BTreeSet::new();
        for sample in samples.iter_mut().chain(partial.iter_mut()) {
            if self.contains(sample.hospital()) && (sample.split.learns() || sample.split == Split::ExternalTest) {
                sample.split = Split::Unseen;
                people.insert(sample.patient.clone());
            }
        }
        // Test people who are in an unseen picture too are measured on twice; who is trained on may not be.
        for set in [samples, partial] {
            let (of_them, rest) = std::mem::take(set).into_iter().partition(|s| s.split.learns() && people.contains(&s.patient));
            *set = rest;
            withheld.extend::<Vec<Sample>>(of_them);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_one_hospital_are_left_out_together() {
        let of = |names: &[&str]| LeaveOut::sources(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["nih"]), of(&["rsna"]));
        assert!(of(&["nih"]).contains("nih+rsna") && !of(&["nih"]).contains("pk_mendeley"));
        assert!(of(&[]).is_nothing());
    }

    #[test]
    fn what_a_network_has_seen() {
        let names = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
        assert_eq!(names(seen(["coronahack"], &[])), ["coronahack", IEEE8023]);
        assert_eq!(names(seen(["coronahack", "nih"], &["darkcovidnet".to_owned()])), ["coronahack", "nih+rsna"]);
        assert_eq!(names(seen(["rsna", "figure1"], &[])), ["figure1", "nih+rsna"]);
        let old = serde_json::json!({ "splits": { "train": { "sources": { "nih": 3, "rsna": 0 } }, "val": { "sources": { "x": 1 } } } });
        assert_eq!(names(seen_by(&old)), ["nih+rsna", "x"]);
        assert_eq!(names(seen_by(&serde_json::json!({ "hospitals_seen": ["a"], "splits": old["splits"] }))), ["a"]);
        assert!(seen_by(&Value::Null).is_empty());
    }
}
