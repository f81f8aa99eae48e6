//! Who is on an image, as far as it is known or follows from where it was taken.

use crate::dataset::Sample;

/// Children or adults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgeGroup {
    /// Under 18 years.
    Child,
    /// 18 years or older.
    Adult,
}

/// Where the age group of the sources without ages comes from; part of the report.
pub const INFERRED: &str = "CoronaHack states ages for its COVID-19 images alone; its Normal and Pneumonia/NA images are of \
children of one to five years, which follows from their origin (Kermany et al.), not from a column. rsna's Normal images are \
taken \
for adults, as its collection is described, without ages. Where neither an age nor such a description exists, the group is \
unknown.";

/// The age group of a sample and whether it is inferred from the source; `None` where nothing is known.
pub fn age_group(sample: &Sample) -> Option<(AgeGroup, bool)> {
    match (sample.age, sample.source.as_str()) {
        (Some(age), _) => Some((if age < 18.0 { AgeGroup::Child } else { AgeGroup::Adult }, false)),
        (None, "coronahack") if is_kermany(sample) => Some((AgeGroup::Child, true)),
        (None, "rsna") => Some((AgeGroup::Adult, true)),
        _ => None,
    }
}

/// CoronaHack images whose names are of the children's collection.
fn is_kermany(sample: &Sample) -> bool {
    crate::dataset::coronahack::patient(&sample.name).is_some()
}

/// Age band, for tables.
pub fn age_band(sample: &Sample) -> &'static str {
    match (sample.age, age_group(sample)) {
        (Some(age), _) if age < 18.0 => "0 to 17 years",
        (Some(age), _) if age < 40.0 => "18 to 39 years",
        (Some(age), _) if age < 60.0 => "40 to 59 years",
        (Some(_), _) => "60 years and more",
        (None, Some((AgeGroup::Child, _))) => "1 to 5 years (inferred)",
        (None, Some((AgeGroup::Adult, _))) => "adult (inferred)",
        (None, None) => "unknown",
    }
}

/// Sex, or `unknown`.
pub fn sex(sample: &Sample) -> &str {
    if sample.sex.is_empty() { "unknown" } else { &sample.sex }
}

/// View, or `unknown`.
pub fn view(sample: &Sample) -> &str {
    if sample.view.is_empty() { "unknown" } else { &sample.view }
}

/// Cause or finding as the source states it, or `none stated`.
pub fn finding(sample: &Sample) -> &str {
    if sample.finding.is_empty() { "none stated" } else { &sample.finding }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dataset::Split;

    pub fn sample(source: &str, name: &str, split: Split, class: usize, age: Option<f32>) -> Sample {
        Sample {
            path: name.into(),
            name: name.to_owned(),
            source: source.to_owned(),
            patient: name.to_owned(),
            class,
            split,
            held_out: split == Split::ExternalTest,
            age,
            sex: String::new(),
            view: String::new(),
            finding: String::new(),
            reading: None,
        }
    }

    #[test]
    fn ages_are_known_inferred_or_unknown() {
        let group = |source, name, age| age_group(&sample(source, name, Split::Test, 0, age));
        assert_eq!(group("nih", "a.png", Some(17.0)), Some((AgeGroup::Child, false)));
        assert_eq!(group("coronahack", "IM-0001-0001.jpeg", None), Some((AgeGroup::Child, true)));
        assert_eq!(group("coronahack", "figure.jpg", None), None);
        assert_eq!(group("rsna", "a.png", None), Some((AgeGroup::Adult, true)));
        assert_eq!(group("radiography_db", "a.png", None), None);
        assert_eq!(age_band(&sample("nih", "a", Split::Test, 0, Some(40.0))), "40 to 59 years");
    }
}
