//! What is known of the served model: its file, its card and its measured error rates.

use crate::classes::DISCLAIMER;
use crate::files;
use crate::model_file::ModelFile;
use crate::predict::{CAUTION, default_model};
use crate::{shipped, unseen};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;

/// A model to serve and what `GET /api/v1/model` says of it.
pub(crate) struct Served {
    pub(crate) file: ModelFile,
    pub(crate) json: Value,
    /// `report.html` of `host evaluate`, if one was given.
    pub(crate) report: Option<Vec<u8>>,
}

/// Reads the model, the shipped one if none is named, and the figures beside it or in the folder `report`.
pub(crate) fn load(model: Option<&Path>, report: Option<&Path>, limits: &Value) -> Result<Served> {
    let path = model.map(Path::to_owned).or_else(|| default_model().ok());
    let (file, card, mut evaluation) = match &path {
        Some(path) => {
            let prefix = files::prefix(path);
            // Paths of the server are nobody's business.
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut file = ModelFile::read(path)?;
            file.name = name;
            (file, beside(&prefix, "json")?, beside(&prefix, "report.json")?)
        }
        None => (shipped::model()?, None, None),
    };
    let mut page = None;
    if let Some(folder) = report {
        let read =
            |name: &str| files::read(&folder.join(name)).context("--report wants a folder that `host evaluate --report` wrote");
        page = Some(read("report.html")?);
        evaluation =
            Some(serde_json::from_slice(&read("report.json")?).with_context(|| format!("{}: report.json", folder.display()))?);
        ensure!(
            evaluation.as_ref().is_some_and(|report| report["model_sha256"] == file.sha256),
            "{}: an evaluation of another model: run `host evaluate` on {}",
            folder.display(),
            file.name
        );
    }
    // Figures of another file say nothing about this one.
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    let card = card.or_else(|| parsed(shipped::CARD)).filter(|card| card["files"]["cxr"]["sha256"] == file.sha256);
    let evaluation = evaluation.or_else(|| parsed(shipped::REPORT)).filter(|report| report["model_sha256"] == file.sha256);
    let json = describe(&file, card.as_ref(), evaluation, page.is_some(), limits)?;
    Ok(Served { file, json, report: page })
}

/// `PREFIX.SUFFIX`, if it is there.
fn beside(prefix: &Path, suffix: &str) -> Result<Option<Value>> {
    let path = files::with_suffix(prefix, suffix);
    if !path.is_file() {
        return Ok(None);
    }
    let value = serde_json::from_slice(&files::read(&path)?);
    value
        .with_context(|| format!("{}: no JSON: export or evaluate the model again, or move the file away", path.display()))
        .map(Some)
}

/// The figures that pages and programs read; the long tables stay in `report.json`, and file names with them.
fn brief(mut evaluation: Value) -> Value {
    const KEPT: [&str; 11] = [
        "notice",
        "engine",
        "model",
        "model_sha256",
        "classes",
        "headline",
        "splits",
        "healthy_adults_called_covid",
        "refusal",
        "agreement",
        "seconds",
    ];
    if let Some(report) = evaluation.as_object_mut() {
        report.retain(|key, _| KEPT.contains(&key.as_str()));
        if let Some(refusal) = report.get_mut("refusal").and_then(Value::as_object_mut) {
            refusal.remove("roc");
        }
    }
    evaluation
}

fn describe(
    file: &ModelFile,
    card: Option<&Value>,
    evaluation: Option<Value>,
    has_report: bool,
    limits: &Value,
) -> Result<Value> {
    let engine = file.engine()?;
    let model = engine.model;
    let [height, width, channels] = engine.input();
    let unseen = evaluation.as_ref().map_or(Value::Null, unseen::hospitals);
    let of_card = |key: &str| card.map_or(Value::Null, |card| card[key].clone());
    Ok(json!({
        "notice": DISCLAIMER,
        "caution": CAUTION,
        "version": env!("CARGO_PKG_VERSION"),
        "name": file.name,
        "sha256": file.sha256,
        "bytes": file.len(),
        "classes": (0..model.class_count()).map(|k| model.class_name(k)).collect::<Vec<_>>(),
        "input": { "height": height, "width": width, "channels": channels },
        "temperature": model.temperature(),
        "abstain_below": model.abstain_below(),
        "doubt": model.doubt().map(|doubt| json!({ "class": model.class_name(doubt.class.into()), "above": doubt.above })),
        "refuse_above": model.refusal().map(|head| head.refuse_above()),
        "abstain_rule": of_card("abstain_rule"),
        "parameters": of_card("parameters"),
        "macs": of_card("macs"),
        "arena_bytes": model.arena_bytes(),
        "limits": limits,
        "evaluation": evaluation.map(brief),
        "unseen_healthy_called_covid": unseen::pooled(&unseen).map(|pooled| pooled.to_json()),
        "unseen_summary": unseen::sentence(&unseen),
        "unseen": unseen,
        "evaluation_report": has_report.then_some("/evaluation"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_figures_are_of_the_embedded_model() {
        let sha256 = shipped::model().unwrap().sha256;
        let card: Value = serde_json::from_str(shipped::CARD).unwrap();
        let report: Value = shipped::report();
        assert_eq!(card["files"]["cxr"]["sha256"], sha256);
        assert_eq!(report["model_sha256"], sha256);
    }

    #[test]
    fn pages_get_figures_and_no_file_names() {
        let report = json!({ "splits": {}, "gallery": [{ "path": "a.png" }], "refusal": { "roc": {}, "others": {} } });
        assert_eq!(brief(report), json!({ "splits": {}, "refusal": { "others": {} } }));
    }

    #[test]
    fn a_model_without_figures_has_none() {
        let limits = json!({});
        let value = describe(&shipped::model().unwrap(), None, None, false, &limits).unwrap();
        assert!(value["evaluation"].is_null() && value["parameters"].is_null() && value["evaluation_report"].is_null());
        assert_eq!(value["classes"].as_array().unwrap().len(), 3);
        assert!(value["unseen"].is_null());
        assert_eq!(value["unseen_summary"], unseen::NOT_MEASURED);
        let report = json!({ "splits": {}, "unseen": { "pk": { "healthy_called_covid": { "hits": 425, "n": 513 } } } });
        let value = describe(&shipped::model().unwrap(), None, Some(report), false, &limits).unwrap();
        assert_eq!(value["unseen"]["pk"]["healthy_called_covid"]["n"], 513);
        assert!(value["unseen_summary"].as_str().unwrap().contains("425 (83 %)"), "{value}");
    }
}
