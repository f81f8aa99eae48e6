//! What the figures rest on: leaks, baselines, controls, engines, other runs, mistakes.

use super::text::{NONE, auc, balanced, bounded_percent, interval, percent, rate};
use super::{Block, Section};
use crate::dataset::fold::Fold;
use crate::evaluate::baselines::Figures;
use crate::evaluate::controls::Controls;
use crate::evaluate::runs::Spread;
use crate::evaluate::{Computed, Recipe, Report};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};

/// Data, baselines, controls, agreement, seeds, folds, gallery.
pub(super) fn sections(report: &Report) -> Result<Vec<Section>> {
    Ok(vec![
        data(report),
        baselines(report),
        borders(report),
        controls(report),
        source_prediction(report),
        robustness(report),
        shape(report),
        agreement(report),
        seeds(report),
        folds(report),
        gallery(report),
    ])
}

fn data(report: &Report) -> Section {
    let d = &report.data;
    let facts = [
        ("patients in two of train, val, test, external_test", d.patients_in_two_splits),
        ("pairs of the same picture that leak from train or val to a test split, or are equal byte for byte", d.leaking_pairs),
        ("pairs of the same picture across splits in all (near copies in val included)", d.pairs_across_splits),
    ];
    let rows = facts.map(|(what, count)| vec![what.to_owned(), count.to_string()]).to_vec();
    let counts = d.splits.iter().map(|row| {
        let mut cells = vec![row.split.to_owned(), row.source.clone()];
        cells.extend(
            row.classes.iter().chain([&row.other_finding, &row.out_of_distribution, &row.patients]).map(usize::to_string),
        );
        cells
    });
    let head =
        ["split", "source", "Normal/NA", "Pneumonia/NA", "Pneumonia/COVID-19", "other-finding", "to be refused", "patients"];
    let passed = if d.passed {
        "host data check passes.".to_owned()
    } else {
        format!("host data check fails: {}.", d.failures.join("; "))
    };
    let blocks = vec![
        Block::Text(passed),
        Block::table("Shared between splits", ["what", "count"], rows),
        Block::table("Images", head, counts.collect()),
    ];
    let note = "Counted on the images themselves, by the code of host data check. It finds copies that were recompressed, \
        resized or cropped slightly; strong crops escape it.";
    Section { id: "data", title: "Data: duplicates and patients across splits", note: note.to_owned(), blocks }
}

fn baseline_row(name: &str, split: &str, f: &Figures) -> Vec<String> {
    vec![
        name.to_owned(),
        split.to_owned(),
        rate(&f.accuracy),
        balanced(&f.balanced_accuracy),
        auc(f.normal_vs_abnormal.as_ref()),
        auc(f.covid.as_ref()),
    ]
}

fn baselines(report: &Report) -> Section {
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for split in ["test", "external_test"] {
        if let Some(model) = report.splits.get(split) {
            let normal = match report.normal_vs_abnormal.get(split) {
                Some(Computed::Yes(found)) => auc(Some(found)),
                _ => NONE.to_owned(),
            };
            let covid = auc(model.classes["Pneumonia/COVID-19"].auc.as_ref());
            let accuracy = bounded_percent(model.accuracy, Some(model.accuracy_interval_95));
            rows.push(vec![
                "this model".to_owned(),
                split.to_owned(),
                accuracy,
                bounded_percent(model.balanced_accuracy, model.patient_bootstrap_95["balanced_accuracy"]),
                normal,
                covid,
            ]);
        }
        for (name, baseline) in &report.baselines {
            if let Computed::Yes(splits) = baseline
                && let Some(found) = splits.get(split)
            {
                rows.push(baseline_row(name, split, found));
            }
        }
    }
    let head = [
        "classifier",
        "split",
        "accuracy",
        "balanced accuracy",
        "AUC, Normal against the rest",
        "AUC, COVID-19 against the rest",
    ];
    blocks.push(Block::table("This model beside classifiers that do not look at the lungs", head, rows));
    for (name, baseline) in &report.baselines {
        if let Computed::No { not_computed } = baseline {
            blocks.push(Block::Missing(format!("{name}: {not_computed}")));
        }
    }
    let note = "Each is a balanced logistic regression fitted on the training images and measured once. Where one comes near \
        the model, the data give \
                the answer away without a lung. Where all images have one size, \
                as in copies scaled to 224x224, image size says nothing; in the original files it and the JPEG quality give \
                the class away.";
    Section { id: "baselines", title: "Trivial baselines", note: note.to_owned(), blocks }
}

fn borders(report: &Report) -> Section {
    let (mut areas, mut rows, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
    for (source, found) in &report.borders {
        let found = match found {
            Computed::Yes(found) => found,
            Computed::No { not_computed } => {
                blocks.push(Block::Missing(format!("{source}: {not_computed}")));
                continue;
            }
        };
        let classes = found.classes.join(", ");
        for (split, area) in &found.auc {
            areas.push(vec![source.clone(), classes.clone(), (*split).to_owned(), auc(Some(area))]);
        }
        rows.extend(found.rows.iter().map(|row| {
            let (agrees, disagrees) = (rate(&row.border_agrees), rate(&row.border_disagrees));
            vec![source.clone(), row.split.to_owned(), row.class.to_owned(), agrees, disagrees]
        }));
    }
    let head = ["source", "split", "class", "model right where the border says so", "where it says another class"];
    blocks.insert(0, Block::table("This model, by what the border says", head, rows));
    let head = ["source", "classes", "split", "AUC of the border, first class against the rest"];
    blocks.insert(0, Block::table("What the border alone tells", head, areas));
    let note = "A balanced logistic regression on the mean gray levels of the outer sixteenth of each side, where no lung is, \
        fitted on the training images of one source. An area well above a half says that pictures of sick and healthy people \
        of that source were made or cut in different ways; a model that is right less often where the border says another \
        class leans on that way, or on something that comes with it (the apparatus, the exposure, age), not on lungs alone. \
        An area that falls from val to test says that the test's pictures were made otherwise than those trained on.";
    Section { id: "borders", title: "Where the border gives the class away", note: note.to_owned(), blocks }
}

/// A section with a row of controls by split.
fn by_split(
    report: &Report,
    [id, title, note]: [&'static str; 3],
    head: Vec<&str>,
    row: impl Fn(&Controls) -> Vec<String>,
) -> Section {
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for (split, found) in &report.controls {
        match found {
            Computed::No { not_computed } => blocks.push(Block::Missing(format!("{split}: {not_computed}"))),
            Computed::Yes(found) => rows.push(std::iter::once((*split).to_owned()).chain(row(found)).collect()),
        }
    }
    if !rows.is_empty() {
        let head = head.into_iter().map(str::to_owned).collect();
        blocks.push(Block::Table(super::Table { caption: String::new(), head, rows }));
    }
    Section { id, title, note: note.to_owned(), blocks }
}

fn controls(report: &Report) -> Section {
    let note = "The model's own verdicts on images whose central field (the middle three quarters of each side) is black, and \
        on the border alone \
                (the outer sixteenth of each side). There is hardly a lung to judge: a balanced accuracy above a third, which \
                is chance, shows that \
                something else carries verdicts. A classifier fitted to nothing but the border is among the baselines.";
    let head = vec!["split", "accuracy, centre black", "balanced", "accuracy, border alone", "balanced"];
    by_split(report, ["controls", "Centre-blacked and border-only images", note], head, |found| {
        vec![
            rate(&found.centre_blacked_accuracy),
            balanced(&found.centre_blacked_balanced_accuracy),
            rate(&found.border_only_accuracy),
            balanced(&found.border_only_balanced_accuracy),
        ]
    })
}

fn source_prediction(report: &Report) -> Section {
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for (class, found) in &report.source_prediction {
        match found {
            Computed::No { not_computed } => blocks.push(Block::Missing(format!("{class}: {not_computed}"))),
            Computed::Yes(found) => rows.push(vec![
                (*class).to_owned(),
                found.sources.join(", "),
                found.trained_on.to_string(),
                rate(&found.accuracy),
                balanced(&found.balanced_accuracy),
                percent(found.chance),
            ]),
        }
    }
    let head = ["class", "sources", "trained on", "accuracy", "balanced accuracy", "chance"];
    blocks.insert(0, Block::table("The source of an image of one class, told from the last feature map", head, rows));
    let note = "A logistic regression on the channel sums of the last feature map, trained on training images, measured on \
        images that were not trained on. \
                Far above chance, the network's features hold the origin of an image beside its disease; that it is there \
                does not prove that verdicts use it.";
    Section { id: "sources", title: "Source prediction", note: note.to_owned(), blocks }
}

fn robustness(report: &Report) -> Section {
    let note = "Verdicts that change when the corners are black, where letters and markers stand (15 % of each side), and \
        when left and right are exchanged. \
                The attribution is core's exact map: the cells' contributions to the class's logit above the mean of all \
                classes. Cells see beyond their own place, \
                so the share outside of the central field is a hint, not a proof; beside it stands what an even spread would \
                give.";
    let head = vec![
        "split",
        "changed by black corners",
        "changed by the flip",
        "attribution outside of the centre",
        "of an even spread",
    ];
    by_split(report, ["robustness", "Corners, flips and attribution", note], head, |found| {
        let (mean, area) = match &found.attribution_outside {
            Computed::Yes(mean) => {
                let bounds = mean.interval_95.map_or(NONE.to_owned(), interval);
                (format!("{} ({bounds}; {} images)", percent(mean.value), mean.n), percent(mean.by_area))
            }
            Computed::No { not_computed } => (format!("not computed ({not_computed})"), NONE.to_owned()),
        };
        vec![rate(&found.changed_by_corners), rate(&found.changed_by_flip), mean, area]
    })
}

fn shape(report: &Report) -> Section {
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for (split, found) in &report.controls {
        match found {
            Computed::No { not_computed } => blocks.push(Block::Missing(format!("{split}: {not_computed}"))),
            Computed::Yes(found) => {
                rows.extend(found.shape.iter().map(|row| {
                    vec![(*split).to_owned(), row.class.to_owned(), rate(&row.as_is), rate(&row.wide), rate(&row.tall)]
                }))
            }
        }
    }
    if !rows.is_empty() {
        let head = ["split", "class", "found as it is", "stretched in width", "stretched in height"];
        blocks.push(Block::table("Each class found when the picture's shape changes", head, rows));
    }
    let note = "Films of any shape are squeezed into the network's square, so that the shape of the film remains as the shape of \
        the chest. Here a tenth is cut off both ends of one axis and the rest drawn out to the whole, a stretch by a quarter. A class \
        that is lost by one stretch and gained by the other is told by the film's shape, not by the lungs.";
    Section { id: "shape", title: "Stretched pictures", note: note.to_owned(), blocks }
}

fn agreement(report: &Report) -> Section {
    let mut blocks = Vec::new();
    match &report.agreement {
        Computed::No { not_computed } => blocks.push(Block::Missing(not_computed.clone())),
        Computed::Yes(found) => {
            let mut rows = Vec::new();
            for (split, float) in &found.float {
                match float {
                    Computed::No { not_computed } => blocks.push(Block::Missing(format!("{split}, float: {not_computed}"))),
                    Computed::Yes(f) => rows.push(vec![
                        (*split).to_owned(),
                        rate(&f.same_class),
                        rate(&f.accuracy_int8),
                        rate(&f.accuracy_float),
                        format!("{:.4}", f.logits.mean_abs_error),
                        format!("{:.4}", f.logits.max_abs_error),
                    ]),
                }
            }
            let head =
                ["split", "same class", "accuracy, int8 in core", "accuracy, float in tract", "logit error, mean", "largest"];
            blocks.push(Block::table("int8 in core against the float network", head, rows));
            blocks.push(match &found.tract_int8 {
                Computed::Yes(same) => Block::Text(format!(
                    "core against tract on the int8 file as written, test images evenly spread: all logits equal, bit for \
                        bit, in {}.",
                    rate(same)
                )),
                Computed::No { not_computed } => Block::Missing(format!("core against tract, int8: {not_computed}")),
            });
        }
    }
    let note = "host verify compares every byte of every layer.";
    Section { id: "agreement", title: "Float, int8, tract and core", note: note.to_owned(), blocks }
}

fn seeds(report: &Report) -> Section {
    let mut blocks = vec![match &report.seeds {
        Computed::No { not_computed } => Block::Missing(not_computed.clone()),
        Computed::Yes(spreads) => spread_table("", spreads),
    }];
    if let Some(before) = &report.seeds_before {
        let title = format!("Seeds of the training before this model's last part ({})", before.recipe);
        blocks.push(spread_table(&title, &before.figures));
    }
    if !report.seeds_dropped.is_empty() {
        let names = report.seeds_dropped.join("; ");
        blocks.push(Block::Text(format!(
            "Not taken over from the report before, since this model's own figure was of other images then: {names}."
        )));
    }
    let note = "The same recipe trained with other seeds: what chance in training alone moves.";
    Section { id: "seeds", title: "Seeds", note: note.to_owned(), blocks }
}

fn spread_table(title: &str, spreads: &BTreeMap<String, Spread>) -> Block {
    let rows = spreads.iter().map(|(name, s)| {
        let cells = [s.mean, s.standard_deviation, s.range[0], s.range[1]].map(|value| format!("{value:.4}"));
        [vec![name.clone(), s.runs.to_string()], cells.to_vec()].concat()
    });
    Block::table(title, ["figure", "runs", "mean", "standard deviation", "least", "greatest"], rows.collect())
}

fn folds(report: &Report) -> Section {
    let blocks = match &report.folds {
        Computed::No { not_computed } => vec![Block::Missing(not_computed.clone())],
        Computed::Yes(found) => {
            let names = |folds: &[Fold]| folds.iter().map(Fold::to_string).collect::<Vec<_>>().join(", ");
            let row = vec![
                names(&found.folds),
                rate(&found.covid_images),
                found.covid_images_patient_bootstrap_95.map_or(NONE.to_owned(), interval),
                rate(&found.covid_patients),
                rate(&found.accuracy),
            ];
            let head = [
                "folds",
                "COVID-19 images found",
                "the same, by patient",
                "COVID-19 patients (in half of their images or more)",
                "all images right",
            ];
            let mut blocks = vec![
                Block::table("Test splits of the folds, pooled", head, vec![row]),
                Block::Confusion("all folds: truth by verdict, images".to_owned(), found.confusion),
            ];
            blocks.extend(other_recipes(&found.recipes, report.recipe.as_ref()).map(Block::Text));
            if !found.missing.is_empty() {
                blocks.push(Block::Missing(format!("folds {}: no report was given", names(&found.missing))));
            }
            blocks
        }
    };
    let note = "CoronaHack has few COVID-19 patients; over folds each is tested once, by a network that has not seen them.";
    Section { id: "folds", title: "Folds by patient", note: note.to_owned(), blocks }
}

/// That the folds' networks are of other recipes than `own`, or of unnamed ones.
fn other_recipes(folds: &BTreeSet<Option<Recipe>>, own: Option<&Recipe>) -> Option<String> {
    let others: Vec<String> = folds
        .iter()
        .filter(|recipe| recipe.is_none() || recipe.as_ref() != own)
        .map(|recipe| recipe.as_ref().map_or("not named in their reports".to_owned(), Recipe::to_string))
        .collect();
    let own = own.map_or("not known".to_owned(), Recipe::to_string);
    (!others.is_empty()).then(|| {
        format!(
            "The folds' networks were trained by another recipe ({}) than this model ({own}): the figures are the folds' networks', \
             not this model's.",
            others.join("; ")
        )
    })
}

fn gallery(report: &Report) -> Section {
    let shown = report.gallery.iter().any(|mistake| mistake.thumbnail.is_some());
    let mut blocks = vec![Block::Gallery(report.gallery.clone())];
    if !shown {
        blocks.push(Block::Text(
            "This copy holds no dataset image; run host evaluate without --no-gallery-images to see them.".to_owned(),
        ));
    }
    let note = "The 20 wrong verdicts of the test splits that the network was surest of, withheld ones included. Some labels \
        are wrong themselves: nih's are text-mined.";
    Section { id: "gallery", title: "Most confident mistakes", note: note.to_owned(), blocks }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_of_another_recipe_are_told() {
        let recipe = |epochs| Recipe { name: "r".to_owned(), epochs: Some(epochs), after: vec![] };
        let told = |folds: &[Option<Recipe>]| other_recipes(&folds.iter().cloned().collect(), Some(&recipe(120)));
        assert_eq!(told(&[Some(recipe(120))]), None);
        assert!(told(&[Some(recipe(120)), Some(recipe(11))]).unwrap().contains("(r, 11 epochs) than this model (r, 120 epochs)"));
        assert!(told(&[None]).unwrap().contains("not named in their reports"));
        assert!(other_recipes(&[Some(recipe(1))].into(), None).unwrap().contains("this model (not known)"));
    }
}
