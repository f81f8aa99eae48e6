//! The figures of the model itself.

use super::text::{NONE, auc, bounded, bounded_percent, interval, of_images, percent, rate};
use super::{Block, Section, Table, plots, unseen};
use crate::classes::CLASSES;
use crate::evaluate::metrics::Figures;
use crate::evaluate::{Computed, EngineName, Report, people};
use anyhow::Result;

const CAVEAT: &str = "In CoronaHack, Normal and Pneumonia images are of children of one hospital and COVID-19 images of \
    adults from \
publications: a verdict may reflect age or origin instead of disease. Judge by the hospitals never seen: they are what a new X-ray is \
like. The sources of external_test are sources that the model was trained on, with people whom it has not seen.";

/// The headline figures: value, what it is, interval and counts.
pub(in crate::evaluate) fn tiles(report: &Report) -> Vec<[String; 3]> {
    let h = &report.headline;
    let seen = [
        ("of images of CoronaHack's test split right", &h.accuracy_test),
        ("of images right, other sources it was trained on, people it has not seen", &h.accuracy_external),
        ("of images of healthy people (nih, rsna: trained on others of them) called COVID-19", &h.healthy_called_covid),
        ("of COVID-19 images found, other sources it was trained on, people it has not seen", &h.covid_sensitivity_external),
        ("of COVID-19 images of CoronaHack's test split found", &h.covid_sensitivity_test),
    ]
    .map(|(what, found)| {
        let value = found.value.map_or("not measured".to_owned(), percent);
        let detail = match found.n {
            0 => "there is no such image here; give --external".to_owned(),
            _ => of_images(found),
        };
        [value, what.to_owned(), detail]
    });
    unseen::tiles(report).into_iter().chain(seen).collect()
}

/// Headline, splits, thresholds, calibration, refusal.
pub(super) fn sections(report: &Report) -> Result<Vec<Section>> {
    Ok(vec![
        headline(report),
        unseen::section(report),
        splits(report),
        by_class(report),
        specificity(report),
        normal(report),
        calibration(report)?,
        predictive(report),
        subgroups(report),
        selective(report)?,
        refusal(report)?,
    ])
}

fn headline(report: &Report) -> Section {
    let engine = match report.engine {
        EngineName::Core => "core (int8, as on devices)",
        EngineName::Tract => "tract (float ONNX)",
        EngineName::TractInt8 => "tract (int8 ONNX, as written)",
    };
    let about = format!("Engine: {engine}. Model SHA-256: {}.", report.model_sha256);
    let mut blocks = vec![Block::Tiles(tiles(report)), Block::Text(CAVEAT.to_owned()), Block::Text(about)];
    if report.headline.accuracy_external.n == 0 {
        blocks.insert(
            1,
            Block::Missing(
                "figures of other sources: no --external folder was given, or none of a source that the model was trained on"
                    .to_owned(),
            ),
        );
    }
    blocks.extend(test_split(report).map(|split| Block::Text(format!("Test split: {split}."))));
    let note = "Read them together: a benchmark figure alone says nothing about people elsewhere. Intervals of 95 % are Wilson's, or by \
        resampling people where that is wider.";
    Section { id: "headline", title: "Headline", note: note.to_owned(), blocks }
}

/// What the test split is, where it is not the published one.
pub fn test_split(report: &Report) -> Option<String> {
    let fold = report.fold.as_ref()?.number;
    Some(format!("fold {fold} of CoronaHack by patient, both of Kaggle's folders together; the published test split is not it"))
}

fn splits(report: &Report) -> Section {
    let row = |(name, f): (&String, &Figures)| {
        let boot = |key: &str| f.patient_bootstrap_95.get(key).copied().flatten();
        vec![
            name.clone(),
            format!("{} ({} patients)", f.n, f.patients),
            format!("{} ({})", percent(f.accuracy), interval(f.accuracy_interval_95)),
            boot("accuracy").map_or(NONE.to_owned(), interval),
            bounded_percent(f.balanced_accuracy, boot("balanced_accuracy")),
            bounded(f.macro_f1, boot("macro_f1")),
            rate(&f.answered),
        ]
    };
    let head = [
        "split",
        "images",
        "accuracy",
        "accuracy, by patient",
        "balanced accuracy",
        "macro-F1",
        "right where a verdict is given",
    ];
    let mut blocks = vec![Block::table("All splits, and sources within them", head, report.splits.iter().map(row).collect())];
    for (name, f) in main(report) {
        blocks.push(Block::Confusion(format!("{name}: truth by verdict, images"), f.confusion));
    }
    let note = "Verdicts that are withheld count with their likeliest class, but for the last column. Intervals of balanced \
        accuracy, macro-F1 and \
                the column by patient come from 2,000 bootstrap resamples of whole patients. The validation split chose \
                thresholds, \
                temperature and epoch: its figures are no test.";
    Section { id: "splits", title: "Accuracy and confusion matrices", note: note.to_owned(), blocks }
}

fn main(report: &Report) -> impl Iterator<Item = (&String, &Figures)> {
    report.splits.iter().filter(|(name, _)| !name.contains('/') && *name != "val")
}

fn by_class(report: &Report) -> Section {
    let head = [
        "class",
        "sensitivity",
        "sensitivity, by patient",
        "specificity",
        "PPV",
        "F1",
        "AUC, one against the rest",
        "AUC, by patient",
    ];
    let table = |(name, f): (&String, &Figures)| {
        let row = |class: &&'static str| {
            let (c, boot) =
                (&f.classes[class], |key: &str| f.patient_bootstrap_95.get(&format!("{key} {class}")).copied().flatten());
            let both = |[low, high]: [f64; 2]| format!("{low:.3} to {high:.3}");
            vec![
                (*class).to_owned(),
                rate(&c.sensitivity),
                boot("sensitivity").map_or(NONE.to_owned(), interval),
                rate(&c.specificity),
                rate(&c.ppv),
                c.f1.map_or(NONE.to_owned(), |f1| format!("{f1:.3}")),
                auc(c.auc.as_ref()),
                boot("auc").map_or(NONE.to_owned(), both),
            ]
        };
        Block::table(name.clone(), head, CLASSES.iter().map(row).collect())
    };
    let note = "AUC intervals are DeLong's; those by patient are bootstrapped. PPV is that of the split's own mixture, which \
        no clinic has: see predictive values.";
    Section { id: "classes", title: "By class", note: note.to_owned(), blocks: main(report).map(table).collect() }
}

fn specificity(report: &Report) -> Section {
    let blocks = match &report.sensitivity_at_95_specificity {
        Computed::No { not_computed } => vec![Block::Missing(not_computed.clone())],
        Computed::Yes(targets) => {
            let rows = targets.iter().flat_map(|(target, at)| {
                at.splits.iter().map(move |(split, [sensitivity, specificity])| {
                    vec![
                        (*target).to_owned(),
                        (*split).to_owned(),
                        format!("{:.3}", at.threshold),
                        rate(sensitivity),
                        rate(specificity),
                    ]
                })
            });
            let head = ["target", "split", "threshold", "sensitivity", "specificity reached"];
            vec![Block::table(
                "Thresholds that 95 % of the validation images without the target stay under",
                head,
                rows.collect(),
            )]
        }
    };
    let note = "The threshold is chosen on validation and applied as it is: where the specificity reached is not 95 %, \
        probabilities do not carry over to those people.";
    Section { id: "specificity", title: "Sensitivity at 95 % specificity", note: note.to_owned(), blocks }
}

fn normal(report: &Report) -> Section {
    let row = |(name, found): (&String, &Computed<_>)| match found {
        Computed::Yes(found) => vec![name.clone(), auc(Some(found))],
        Computed::No { not_computed } => vec![name.clone(), format!("not computed ({not_computed})")],
    };
    let head = ["images", "AUC, Normal/NA against the rest"];
    let rows = report.normal_vs_abnormal.iter().map(row).collect();
    let blocks = vec![Block::table("By source and age group", head, rows), Block::Text(people::INFERRED.to_owned())];
    let note = "Within one source and one age group, neither origin nor age can stand in for disease: these are the figures \
        that shortcuts cannot make better.";
    Section { id: "normal", title: "Normal against abnormal", note: note.to_owned(), blocks }
}

fn calibration(report: &Report) -> Result<Section> {
    let row = |(name, both): (&&'static str, &[crate::evaluate::calibration::Calibration; 2])| {
        both.iter()
            .zip(["1", "the model's"])
            .map(|(c, temperature)| {
                vec![
                    (*name).to_owned(),
                    temperature.to_owned(),
                    c.n.to_string(),
                    bounded(c.ece, c.ece_interval_95),
                    bounded(c.brier, c.brier_interval_95),
                ]
            })
            .collect::<Vec<_>>()
    };
    let rows = report.calibration.splits.iter().flat_map(row).collect();
    let head = ["split", "temperature", "images", "expected calibration error", "Brier score, 0 to 2"];
    let mut blocks = vec![Block::table(format!("The model's temperature is {:.3}", report.calibration.temperature), head, rows)];
    for (name, both) in report.calibration.splits.iter().filter(|(name, _)| **name != "val") {
        let caption = format!(
            "{name}: share right by top probability. On the diagonal, probabilities mean what they say; below it they promise \
                too much."
        );
        blocks.push(Block::Plot(caption, plots::reliability(both)?));
    }
    let note = "Temperature scaling was fitted on validation. Error of 15 equal bins of the top probability; intervals by \
        resampling patients.";
    Ok(Section { id: "calibration", title: "Calibration", note: note.to_owned(), blocks })
}

fn predictive(report: &Report) -> Section {
    let mut blocks = Vec::new();
    for (split, targets) in &report.predictive_values {
        let mut rows = Vec::new();
        for (target, found) in targets {
            match found {
                Computed::No { not_computed } => blocks.push(Block::Missing(format!("{split}, {target}: {not_computed}"))),
                Computed::Yes(found) => rows.extend(found.iter().map(|p| {
                    vec![
                        (*target).to_owned(),
                        format!("{:.0} %", 100.0 * p.prevalence),
                        bounded_percent(p.ppv, Some(p.ppv_interval_95)),
                        bounded_percent(p.npv, Some(p.npv_interval_95)),
                    ]
                })),
            }
        }
        let head = ["verdict", "share of the ill", "PPV", "NPV"];
        blocks.push(Block::table(format!("With the sensitivity and specificity of {split}"), head, rows));
    }
    let note = "What a verdict would mean where 1, 5 or 20 % of the people are ill, if sensitivity and specificity stayed the \
        same, which they do not. \
                Bounds take both at their lower and both at their upper Wilson bound.";
    Section { id: "predictive", title: "Predictive values", note: note.to_owned(), blocks }
}

fn subgroups(report: &Report) -> Section {
    let mut blocks = Vec::new();
    for (split, dimensions) in &report.subgroups {
        for (dimension, groups) in dimensions {
            let rows = groups.iter().map(|(name, g)| {
                let mut row = vec![name.clone(), rate(&g.accuracy)];
                row.extend(g.sensitivity.iter().map(rate));
                row.extend([rate(&g.wrongly_covid), auc(g.normal_vs_abnormal.as_ref())]);
                row
            });
            let mut head = vec![(*dimension).to_owned(), "accuracy".to_owned()];
            head.extend(CLASSES.map(|class| format!("{class} found")));
            head.extend(["others called COVID-19".to_owned(), "AUC, Normal against the rest".to_owned()]);
            blocks.push(Block::Table(Table { caption: format!("{split}, by {dimension}"), head, rows: rows.collect() }));
        }
    }
    let note = "Small groups prove little: read the intervals. `none`: there is no such image in the group.";
    Section { id: "subgroups", title: "By source, age, sex, view and cause", note: note.to_owned(), blocks }
}

fn selective(report: &Report) -> Result<Section> {
    let row = |(split, found): (&&'static str, &crate::evaluate::selective::Selective)| {
        let mut row = vec![(*split).to_owned()];
        row.extend(found.at.iter().map(|(_, found)| rate(found)));
        row
    };
    let head = ["split", "accuracy, surest 80 %", "surest 90 %", "surest 95 %"];
    let rows = report.selective.iter().map(row).collect();
    let lines = report.selective.iter().map(|(name, found)| (*name, found.curve.as_slice())).collect::<Vec<_>>();
    let caption = "Accuracy of the surest share of the images. A curve that falls to the right says that the network knows \
        what it does not know.";
    let blocks =
        vec![Block::table("Accuracy by coverage", head, rows), Block::Plot(caption.to_owned(), plots::coverage(&lines)?)];
    let note = "Images are ranked by their top probability within their split; no threshold is carried over.";
    Ok(Section { id: "selective", title: "Selective accuracy", note: note.to_owned(), blocks })
}

fn refusal(report: &Report) -> Result<Section> {
    let note = "A score on a feature map refuses what does not look like a frontal chest X-ray; its threshold was set \
        on validation. \
                out_of_distribution images are real CT slices and lateral views that it was not fitted to; the generated \
                kinds it was fitted to, with other seeds.";
    let section = |blocks| Section { id: "refusal", title: "Refusal", note: note.to_owned(), blocks };
    let Some(found) = &report.refusal else {
        return Ok(section(vec![Block::Missing(
            "the model has no refusal head, or another engine than core was evaluated (--engine core)".to_owned(),
        )]));
    };
    let mut blocks = vec![Block::Text(format!("Refused above a score of {:.3}.", found.refuse_above))];
    if found.roc.is_empty() {
        blocks.push(Block::Missing("a ROC curve: there is no other picture (give --external), or no test image".to_owned()));
    } else {
        let rows = found.roc.iter().map(|(name, roc)| {
            vec![(*name).to_owned(), auc(Some(&roc.auc)), percent(roc.operating_point[0]), percent(roc.operating_point[1])]
        });
        let head = ["other pictures", "AUC of the score", "test X-rays refused", "others refused"];
        blocks.push(Block::table(
            "The score against the test split's X-rays; the last columns are the operating point",
            head,
            rows.collect(),
        ));
        let caption = "Share of other pictures refused by share of test X-rays refused; the dots are the operating point.";
        blocks.push(Block::Plot(caption.to_owned(), plots::refusal(&found.roc)?));
    }
    for (head, rates) in [("frontal chest X-rays", &found.in_distribution), ("other pictures", &found.others)] {
        let rows = rates.iter().map(|(name, found)| vec![name.clone(), rate(found)]).collect();
        blocks.push(Block::table("", [head, "refused"], rows));
    }
    Ok(section(blocks))
}
