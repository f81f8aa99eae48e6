//! What is known of hospitals that no image of training came from: `unseen` of `report.json`, in a sentence.
//!
//! A stranger's X-ray comes from such a hospital. So this figure stands beside every verdict, not the one on sources
//! that the model was trained on.

use crate::files;
use serde_json::{Value, json};
use std::path::Path;

/// Said where it was not measured, or for another model file.
pub const NOT_MEASURED: &str =
    "How often this model calls healthy adults of a hospital that it has never seen COVID-19 was not measured.";

/// `report.json` beside a model (`NAME.report.json`), if it is there and of a model file of this SHA-256.
pub fn report_beside(model: &Path, sha256: &str) -> Option<Value> {
    let path = files::with_suffix(&files::prefix(model), "report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (report["model_sha256"] == sha256).then_some(report)
}

/// How often healthy adults of hospitals never seen were called COVID-19: one sentence.
///
/// `unseen` is that of `report.json`: by hospital, an object with `healthy_called_covid` of `hits` and `n` images and, where
/// known, `patients`. Hospitals without healthy people do not count; none at all gives [`NOT_MEASURED`].
///
/// ```
/// use serde_json::json;
/// let unseen = json!({ "a": { "healthy_called_covid": { "hits": 425, "n": 513 } } });
/// let sentence = cxr_host::unseen::sentence(&unseen);
/// assert_eq!(sentence, "Of 513 X-rays of healthy adults of a hospital that it had never seen, it called 425 (83 %) COVID-19.");
/// ```
pub fn sentence(unseen: &Value) -> String {
    let Some(Pooled { hits, n, value, hospitals, people, least, most }) = pooled(unseen) else { return NOT_MEASURED.to_owned() };
    // People are said where they are not the images.
    let people = people.filter(|people| *people != n).map_or_else(String::new, |people| format!("{people} "));
    let (place, spread) = match hospitals {
        1 => ("a hospital".to_owned(), String::new()),
        _ => (format!("{hospitals} hospitals"), format!("; {:.0} to {:.0} % by hospital", 100.0 * least, 100.0 * most)),
    };
    let share = 100.0 * value;
    format!(
        "Of {n} X-rays of {people}healthy adults of {place} that it had never seen, it called {hits} ({share:.0} %{spread}) COVID-19."
    )
}

/// Healthy adults of all hospitals never seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// Images called COVID-19.
    pub hits: u64,
    /// Images, at least one.
    pub n: u64,
    /// `hits / n`.
    pub value: f64,
    /// Hospitals with healthy adults.
    pub hospitals: usize,
    /// People, where every hospital's are known.
    pub people: Option<u64>,
    /// The best hospital's share.
    pub least: f64,
    /// The worst hospital's share.
    pub most: f64,
}

/// What [`sentence`] says, in numbers; none where it was not measured.
pub fn pooled(unseen: &Value) -> Option<Pooled> {
    let of: Vec<Hospital> = unseen.as_object().into_iter().flat_map(|map| map.values()).filter_map(Hospital::new).collect();
    let (hits, n) = of.iter().fold((0, 0), |(hits, n), hospital| (hits + hospital.hits, n + hospital.n));
    let shares = || of.iter().map(|hospital| hospital.hits as f64 / hospital.n as f64);
    (n > 0).then(|| Pooled {
        hits,
        n,
        value: hits as f64 / n as f64,
        hospitals: of.len(),
        people: of.iter().map(|hospital| hospital.people).sum(),
        least: shares().fold(f64::INFINITY, f64::min),
        most: shares().fold(0.0, f64::max),
    })
}

impl Pooled {
    /// As the server tells it.
    pub fn to_json(&self) -> Value {
        let Self { hits, n, value, hospitals, people, least, most } = self;
        json!({ "hits": hits, "n": n, "value": value, "hospitals": hospitals, "people": people, "least": least, "most": most })
    }
}

/// Healthy adults of a hospital.
struct Hospital {
    hits: u64,
    n: u64,
    people: Option<u64>,
}

impl Hospital {
    fn new(figures: &Value) -> Option<Self> {
        let rate = &figures["healthy_called_covid"];
        let (hits, n) = (rate["hits"].as_u64()?, rate["n"].as_u64()?);
        (n > 0).then(|| Self { hits, n, people: rate["patients"].as_u64() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hospitals_are_pooled_with_their_spread() {
        let rate = |hits: u64, n: u64, patients: u64| json!({ "hits": hits, "n": n, "patients": patients, "value": 0.5 });
        let unseen = json!({
            "a": { "n": 513, "healthy_called_covid": rate(425, 513, 500), "covid_found": null },
            "b": { "n": 93, "healthy_called_covid": rate(45, 93, 90) },
            "c": { "n": 800, "healthy_called_covid": null, "other_finding_called_covid": rate(300, 800, 800) },
            "d": { "n": 0, "healthy_called_covid": rate(0, 0, 0) },
        });
        assert_eq!(
            sentence(&unseen),
            "Of 606 X-rays of 590 healthy adults of 2 hospitals that it had never seen, it called 470 (78 %; 48 to 83 % by hospital) COVID-19."
        );
        // As many people as images: once is enough.
        let unseen = json!({ "a": { "healthy_called_covid": rate(0, 20, 20) } });
        assert_eq!(
            sentence(&unseen),
            "Of 20 X-rays of healthy adults of a hospital that it had never seen, it called 0 (0 %) COVID-19."
        );
    }

    #[test]
    fn what_was_not_measured_is_said() {
        for unseen in [Value::Null, json!({}), json!([]), json!({ "a": {} }), json!({ "a": { "healthy_called_covid": null } })] {
            assert_eq!(sentence(&unseen), NOT_MEASURED, "{unseen}");
        }
    }

    #[test]
    fn a_report_counts_for_its_own_model_alone() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("m.v2.cxr");
        assert!(report_beside(&model, "ab").is_none());
        std::fs::write(folder.path().join("m.v2.report.json"), r#"{"model_sha256": "ab", "unseen": {}}"#).unwrap();
        assert!(report_beside(&model, "ab").is_some() && report_beside(&model, "cd").is_none());
        std::fs::write(folder.path().join("m.v2.report.json"), "no JSON").unwrap();
        assert!(report_beside(&model, "ab").is_none());
    }
}
