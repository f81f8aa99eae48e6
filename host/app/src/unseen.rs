//! What is known of hospitals that no image of training came from: `unseen` of `report.json`, in a sentence.
//!
//! A stranger's X-ray comes from such a hospital. So this figure stands beside every verdict, not the one on sources
//! that the model was trained on.

use crate::files;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Said where it was not measured, or for another model file.
pub const NOT_MEASURED: &str =
    "How often healthy adults of a hospital never seen are called COVID-19 was not measured for this model.";

/// `report.json` beside a model (`NAME.report.json`), if it is there and of a model file of this SHA-256.
pub fn report_beside(model: &Path, sha256: &str) -> Option<Value> {
    let path = files::with_suffix(&files::prefix(model), "report.json");
    let report: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (report["model_sha256"] == sha256).then_some(report)
}

/// `unseen` of a `report.json`: by hospital, an object; null where it was not measured.
pub fn hospitals(report: &Value) -> Value {
    let entries = report["unseen"].as_object().into_iter().flatten().filter(|(_, entry)| entry.is_object());
    let hospitals: Map<String, Value> = entries.map(|(name, entry)| (name.clone(), entry.clone())).collect();
    if hospitals.is_empty() { Value::Null } else { hospitals.into() }
}

/// How often healthy adults of hospitals never seen were called COVID-19: one sentence.
///
/// `unseen` is that of `report.json`: by hospital, an object with `n` images, `patients`, and `healthy_called_covid` of `hits`,
/// `n` and perhaps `patients`. Hospitals with fewer than 20 images of healthy people do not count; none at all gives
/// [`NOT_MEASURED`].
///
/// ```
/// use serde_json::json;
/// let unseen = json!({ "a": { "healthy_called_covid": { "hits": 425, "n": 513 } } });
/// let sentence = cxr_app::unseen::sentence(&unseen);
/// assert_eq!(sentence, "Of 513 X-rays of healthy adults of a hospital never seen, 425 (83 %) were called COVID-19.");
/// ```
pub fn sentence(unseen: &Value) -> String {
    let Some(Pooled { hits, n, value, hospitals, people, least, most, is_own, shorter, withheld }) = pooled(unseen) else {
        return NOT_MEASURED.to_owned();
    };
    // People are said where they are not the images.
    let people = people.filter(|people| *people != n).map_or_else(String::new, |people| format!("{people} "));
    let (place, spread) = match hospitals {
        1 => ("a hospital".to_owned(), String::new()),
        _ => (format!("{hospitals} hospitals"), format!("; {:.0} to {:.0} % by hospital", 100.0 * least, 100.0 * most)),
    };
    // Where the model knows the hospital, a network of the same training without it was measured.
    let whose = match (is_own, hospitals) {
        (true, _) => "",
        (false, 1) => ", by a network trained alike without it",
        (false, _) => ", by networks trained alike without them",
    };
    let shorter = shorter.map_or_else(String::new, |[epochs, own]| format!(", for {epochs} epochs in place of {own}"));
    let share = 100.0 * value;
    // What is withheld there is set by a share that recipes choose on hospitals left out: theirs is no figure of a choice made without them.
    let (withheld, in_view) = match withheld.filter(|withheld| *withheld > 0) {
        Some(count) => {
            let percent = 100.0 * count as f64 / n as f64;
            let in_view = if is_own { "" } else { "; when to withhold was chosen with them in view" };
            (format!(" and {count} ({percent:.0} %) got no verdict"), in_view)
        }
        None => (String::new(), ""),
    };
    format!(
        "Of {n} X-rays of {people}healthy adults of {place} never seen, {hits} ({share:.0} %{spread}) were called COVID-19{withheld}{whose}{shorter}{in_view}."
    )
}

/// Healthy adults of all hospitals never seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pooled {
    /// Images called COVID-19.
    pub hits: u64,
    /// Images, at least 20.
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
    /// All by this very model; false where a network trained alike without the hospital was measured.
    pub is_own: bool,
    /// Epochs of the shortest training without a hospital, and of this model's, where that was longer.
    pub shorter: Option<[u64; 2]>,
    /// Images without a verdict, where every hospital's are known.
    pub withheld: Option<u64>,
}

/// What [`sentence`] says, in numbers; none where it was not measured.
pub fn pooled(unseen: &Value) -> Option<Pooled> {
    let of: Vec<Hospital> = unseen.as_object().into_iter().flat_map(|map| map.values()).filter_map(Hospital::new).collect();
    let (hits, n) = of.iter().fold((0, 0), |(hits, n), hospital| (hits + hospital.hits, n + hospital.n));
    let own = unseen.as_object().into_iter().flat_map(|map| map.values()).filter(|figures| is_own(figures)).find_map(epochs);
    let without = of.iter().filter(|hospital| !hospital.is_own).filter_map(|hospital| hospital.epochs).min();
    let shares = || of.iter().map(|hospital| hospital.hits as f64 / hospital.n as f64);
    (n > 0).then(|| Pooled {
        hits,
        n,
        value: hits as f64 / n as f64,
        hospitals: of.len(),
        people: of.iter().map(|hospital| hospital.people).sum(),
        least: shares().fold(f64::INFINITY, f64::min),
        most: shares().fold(0.0, f64::max),
        is_own: of.iter().all(|hospital| hospital.is_own),
        withheld: of.iter().map(|hospital| hospital.withheld).sum(),
        shorter: without.zip(own).filter(|(without, own)| without < own).map(|(without, own)| [without, own]),
    })
}

impl Pooled {
    /// As the server tells it.
    pub fn to_json(&self) -> Value {
        let Self { hits, n, value, hospitals, people, least, most, is_own, shorter: _, withheld } = self;
        json!({
            "hits": hits, "n": n, "value": value, "hospitals": hospitals, "people": people, "least": least, "most": most,
            "is_this_model": is_own, "withheld": withheld,
        })
    }
}

/// Fewer images of a hospital make no figure.
const LEAST: u64 = 20;

/// Healthy adults of a hospital.
struct Hospital {
    hits: u64,
    n: u64,
    people: Option<u64>,
    is_own: bool,
    epochs: Option<u64>,
    withheld: Option<u64>,
}

/// Whether the figures are of the model that the report is of.
fn is_own(figures: &Value) -> bool {
    figures["network"]["is_this_model"] != false
}

/// Of the training that gave the network.
fn epochs(figures: &Value) -> Option<u64> {
    figures["network"]["recipe"]["epochs"].as_u64()
}

impl Hospital {
    fn new(figures: &Value) -> Option<Self> {
        let rate = &figures["healthy_called_covid"];
        let (hits, n) = (rate["hits"].as_u64()?, rate["n"].as_u64()?);
        // All of a hospital's people are healthy where all of its images are.
        let all = figures["patients"].as_u64().filter(|_| figures["n"].as_u64() == Some(n));
        let people = rate["patients"].as_u64().or(all);
        let withheld = figures["verdict_given"]["healthy"]["hits"].as_u64().and_then(|given| n.checked_sub(given));
        (n >= LEAST).then(|| Self { hits, n, people, is_own: is_own(figures), epochs: epochs(figures), withheld })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hospitals_are_pooled_with_their_spread() {
        let rate = |hits: u64, n: u64| json!({ "hits": hits, "n": n, "value": 0.5 });
        let unseen = json!({
            "a": { "n": 513, "patients": 500, "healthy_called_covid": rate(425, 513), "covid_found": null },
            "b": { "n": 93, "patients": 90, "healthy_called_covid": rate(45, 93), "network": { "is_this_model": true } },
            "c": { "n": 800, "healthy_called_covid": null, "other_finding_called_covid": rate(300, 800) },
            "d": { "n": 100, "patients": 100, "healthy_called_covid": { "hits": 0, "n": 0, "value": null } },
            "e": { "n": 37, "patients": 34, "healthy_called_covid": rate(1, 3) },
        });
        assert_eq!(
            sentence(&unseen),
            "Of 606 X-rays of 590 healthy adults of 2 hospitals never seen, 470 (78 %; 48 to 83 % by hospital) were called COVID-19."
        );
        // As many people as images: once is enough. Of a hospital with others too, the healthy people are not known.
        let alone = |figures: Value| sentence(&json!({ "a": figures }));
        let expected = "Of 20 X-rays of healthy adults of a hospital never seen, 0 (0 %) were called COVID-19.";
        assert_eq!(alone(json!({ "n": 20, "patients": 20, "healthy_called_covid": rate(0, 20) })), expected);
        assert_eq!(alone(json!({ "n": 50, "patients": 30, "healthy_called_covid": rate(0, 20) })), expected);
        // The model knows the hospital; one without it was measured.
        let other = alone(json!({ "healthy_called_covid": rate(5, 20), "network": { "is_this_model": false } }));
        assert!(other.ends_with("5 (25 %) were called COVID-19, by a network trained alike without it."), "{other}");
        let given = json!({ "healthy": rate(12, 20) });
        let some =
            alone(json!({ "healthy_called_covid": rate(5, 20), "verdict_given": given, "network": { "is_this_model": false } }));
        let expected = "5 (25 %) were called COVID-19 and 8 (40 %) got no verdict, by a network trained alike without it; when to withhold was chosen with them in view.";
        assert!(some.ends_with(expected), "{some}");
        let network = |own: bool, epochs: u32| json!({ "is_this_model": own, "recipe": { "epochs": epochs } });
        let without = json!({ "healthy_called_covid": rate(5, 20), "network": network(false, 15) });
        let shorter = sentence(&json!({ "a": without, "b": { "n": 3, "network": network(true, 76) } }));
        assert!(shorter.ends_with("trained alike without it, for 15 epochs in place of 76."), "{shorter}");
        assert!(sentence(&unseen).split(' ').count() < 30);
    }

    #[test]
    fn hospitals_are_objects() {
        assert!(hospitals(&json!({ "unseen": { "not_computed": "no hospital here is unseen" } })).is_null());
        assert!(hospitals(&json!({})).is_null());
        assert_eq!(hospitals(&json!({ "unseen": { "a": { "n": 1 } } })), json!({ "a": { "n": 1 } }));
    }

    #[test]
    fn what_was_not_measured_is_said() {
        for unseen in [
            Value::Null,
            json!({}),
            json!([]),
            json!({ "not_computed": "x" }),
            json!({ "a": {} }),
            json!({ "a": { "healthy_called_covid": null } }),
        ] {
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
