//! The model card, from the report and what the export wrote beside the model (NAME.json).

mod failures;

use super::render::markdown::table;
use super::render::text::{percent, rate};
use super::report::Report;
use super::training::Recipe;
use cxr_app::classes::CLASSES;
use failures::failures;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

const UNKNOWN: &str = "not recorded";

/// model-card.md.
pub(super) fn markdown(report: &Report, about: &Value) -> String {
    let name = std::path::Path::new(&report.subject.model).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut out = format!(
        "# Model card: {name}\n\n{} Not cleared by any authority.\n\nWritten by `host evaluate` from the model's report; do \
            not edit.\n",
        report.subject.notice
    );
    let _ = write!(
        out,
        "\n## Intended use\n\nResearch and education: quantised inference on small devices, shortcuts in medical datasets, \
            evaluation. \
         Not for diagnosis, triage or treatment, not as a second reader, and not on people in any way that touches their \
         care.\n\n\
         Who it must not be used on: anyone whose care depends on it; children, whose images are all of one hospital; \
         pregnant people, people with \
         implants, devices, other lung disease or after surgery, of whom nothing was measured; portable or lateral images and \
         CT, which it may not refuse.\n\n\
         ## Model\n\n{}",
        table(&["", ""], &facts(&name, about, report))
    );
    let _ = write!(
        out,
        "\n## Figures\n\nAll of them together; none alone.\n\n{}",
        table(&["", "figure", "counts"], &headline(report))
    );
    let _ =
        write!(out, "\nBy class (95 % intervals: Wilson's, or by resampling people where that is wider):\n\n{}", classes(report));
    let _ = write!(
        out,
        "\nThe whole report, with baselines, controls and the most confident mistakes: [{name}.report.md]({name}.report.md), \
            or `host evaluate`.\n"
    );
    let _ = write!(out, "\n## Data\n\n{}", data(report));
    let _ =
        write!(out, "\n## Known failures\n\n{}", failures(report).iter().map(|line| format!("- {line}\n")).collect::<String>());
    out
}

fn number(value: &Value) -> String {
    value.as_u64().map_or(UNKNOWN.to_owned(), |n| {
        // Thousands apart.
        let digits = n.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
        groups.join(",")
    })
}

fn facts(name: &str, about: &Value, report: &Report) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or(UNKNOWN.to_owned(), str::to_owned);
    let input = ["height", "width", "channels"].map(|key| number(&about["input"][key])).join("x");
    let training = &about["training"];
    let recipe = report.subject.recipe.as_ref().map_or(UNKNOWN.to_owned(), Recipe::to_string);
    let refusal = report
        .figures
        .refusal
        .0
        .as_ref()
        .map_or("none".to_owned(), |r| format!("score above {:.3}: {}", r.refuse_above, text(&about["refusal"]["rule"])));
    let frame = if about["frame"].is_null() { "" } else { ", then cut to the box of its lungs and enlarged again" };
    let rows = [
        ("task", "frontal chest X-ray to Normal/NA, Pneumonia/NA or Pneumonia/COVID-19, or no verdict".to_owned()),
        (
            "network",
            format!(
                "{} layers, {} parameters, {} multiply-accumulates, int8",
                about["architecture"].as_array().map_or(0, Vec::len),
                number(&about["parameters"]),
                number(&about["macs"])
            ),
        ),
        ("input", format!("{input}; gray in all channels; any picture is stretched to that size{frame}")),
        (
            "memory",
            format!(
                "{} bytes of weights, {} bytes of working memory",
                number(&about["weights_bytes"]),
                number(&about["arena_bytes"])
            ),
        ),
        (
            "recipe",
            format!(
                "{recipe}, of which epoch {} was best on validation; seed {}{}, backend {}{}",
                number(&training["best_epoch"]),
                number(&about["seed"]),
                if report.subject.recipe.as_ref().is_some_and(|recipe| !recipe.after.is_empty()) {
                    " (of the last phase)"
                } else {
                    ""
                },
                text(&training["backend"]),
                report.subject.test_split().map_or(String::new(), |split| format!("; test split: {split}"))
            ),
        ),
        (
            "calibration",
            format!(
                "{} training images; temperature {:.3}, fitted on validation",
                number(&about["calibration"]["images"]),
                report.figures.calibration.temperature
            ),
        ),
        (
            "verdict withheld",
            format!(
                "{}; {}",
                about["abstain_below"].as_f64().map_or(UNKNOWN.to_owned(), |p| format!("top probability below {p:.3}")),
                text(&about["abstain_rule"])
            ),
        ),
        ("COVID-19 withheld", doubted(about)),
        ("refused", refusal),
        (
            "files",
            format!(
                "`{name}.cxr` (devices), `{name}.onnx` (float32), `{name}.int8.onnx` (the same integers for ONNX runtimes), \
                    `{name}.json` (hashes, layers, errors, data)"
            ),
        ),
        ("SHA-256 of the .cxr file", format!("`{}`", report.subject.model_sha256)),
    ];
    let mut rows = rows.map(|(what, value)| vec![what.to_owned(), value]).to_vec();
    let point = &about["operating_point"];
    if let (Some(offset), Some(allowed)) = (point["offset"].as_f64(), point["false_alarms_allowed"].as_f64()) {
        let healthy = number(&point["healthy"]);
        let value =
            format!("{offset:+.3} on the COVID-19 logit: {} ({}; {healthy} images)", text(&point["rule"]), percent(allowed));
        rows.push(vec!["operating point".to_owned(), value]);
    }
    rows
}

/// Which verdicts of COVID-19 are withheld as doubtful.
fn doubted(about: &Value) -> String {
    about["doubt"]["above"].as_f64().map_or("as any class".to_owned(), |above| {
        let number = |key: &str| number(&about["doubt"][key]);
        format!("distance above {above:.3}: {} of {} right ones of validation", number("withheld"), number("right"))
    })
}

fn headline(report: &Report) -> Vec<Vec<String>> {
    report.tiles().into_iter().map(|[value, what, detail]| vec![what, value, detail]).collect()
}

fn classes(report: &Report) -> String {
    let mut rows = Vec::new();
    for split in ["test", "external_test"] {
        let Some(found) = report.figures.splits.0.get(split) else { continue };
        for class in CLASSES {
            let c = &found.classes[class];
            rows.push(vec![split.to_owned(), class.to_owned(), rate(&c.sensitivity), rate(&c.specificity), rate(&c.ppv)]);
        }
    }
    table(&["split", "class", "sensitivity", "specificity", "PPV"], &rows)
}

/// Licences as the sources state them, as far as that is known.
fn licence(source: &str) -> &'static str {
    match source {
        "coronahack" => {
            "children: Kermany et al., CC BY 4.0; COVID-19: from ieee8023/covid-chestxray-dataset, each image its own, many \
                CC BY-NC-SA, some unstated"
        }
        "nih" => "NIH ChestX-ray14: no restriction, to be cited",
        "ieee8023" => "ieee8023/covid-chestxray-dataset: each image its own, many CC BY-NC-SA, some unstated",
        "pk_mendeley" => "Kiran and Jabeen, Mendeley Data 10.17632/8j2g3csprk.2: CC BY 4.0 as another repository cites it",
        "covid_cxnet" => "COVID-CXNet: CC BY 4.0 over images of mixed web sources",
        _ => "unstated in the index: see the source",
    }
}

/// Sources with their images and patients by split.
fn data(report: &Report) -> String {
    let mut sources: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for row in &report.figures.data.splits {
        let images = row.classes.iter().sum::<usize>() + row.other_finding + row.out_of_distribution;
        sources.entry(&row.source).or_default().push(format!("{} {images} ({})", row.split, row.patients));
    }
    let rows: Vec<Vec<String>> = sources
        .into_iter()
        .map(|(source, splits)| vec![source.to_owned(), splits.join(", "), licence(source).to_owned()])
        .collect();
    format!(
        "{}\nPatients in two of train, val and the test splits: {}. Pairs of pictures that leak across: {}. No image is \
            distributed with the model. \
         The [data card](../data/README.md) says where to get them, how they were split and what is wrong with them.\n",
        table(&["source", "images (patients) by split", "licence"], &rows),
        report.figures.data.patients_in_two_splits,
        report.figures.data.leaking_pairs
    )
}
