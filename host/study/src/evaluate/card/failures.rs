//! What the report shows to go wrong.

use crate::evaluate::figure::Computed;
use crate::evaluate::figures::controls::Shape;
use crate::evaluate::render::text::{balanced, rate};
use crate::evaluate::report::Report;

/// What goes wrong at hospitals never seen.
fn unseen(report: &Report) -> Vec<String> {
    let Computed::Yes(found) = &report.figures.unseen.unseen else {
        return vec!["It was not measured on any hospital that it was not trained on.".to_owned()];
    };
    let mut lines = Vec::new();
    for (name, entry) in found {
        let whose = if entry.network.is_this_model {
            ""
        } else {
            ", by a network trained without it, with when to withhold chosen with it in view"
        };
        for (what, rate_of) in [
            ("images of healthy people", &entry.all.healthy_called_covid),
            ("images of people with another finding", &entry.all.other_finding_called_covid),
        ] {
            if rate_of.n > 0 {
                lines.push(format!("Of {what} of a hospital never seen ({name}){whose}, {} are called COVID-19.", rate(rate_of)));
            }
        }
        if entry.all.covid_found.n > 0 {
            lines.push(format!(
                "Of COVID-19 images of a hospital never seen ({name}){whose}, {} are found.",
                rate(&entry.all.covid_found)
            ));
        }
    }
    lines
}

/// What the report shows to go wrong; thresholds say only what is worth a line.
pub fn failures(report: &Report) -> Vec<String> {
    let mut lines = vec![
        "Normal and Pneumonia images of the benchmark are of children of one hospital, COVID-19 images of adults: whatever \
            separates those may carry the verdict."
            .to_owned(),
    ];
    if report.figures.data.splits.iter().any(|row| row.source == "nih") {
        lines.push(
            "nih's pneumonia labels were mined from reports by a program: some are wrong, in training and in the tests."
                .to_owned(),
        );
    }
    for (name, f) in &report.figures.splits.0 {
        if name.starts_with("val") {
            continue;
        }
        for (class, c) in &f.classes {
            if c.sensitivity.n >= 10 && c.sensitivity.value.is_some_and(|value| value < 0.8) {
                lines.push(format!("{class} of {name} is found in {}.", rate(&c.sensitivity)));
            }
        }
        if f.n >= 30 && f.ece > 0.1 {
            lines
                .push(format!("On {name} the calibration error is {:.3} (n = {}): probabilities there mean little.", f.ece, f.n));
        }
    }
    lines.extend(unseen(report));
    if report.figures.headline.healthy_called_covid.n > 0 {
        lines.push(format!(
            "Of images of healthy people of nih and rsna, whose other people it was trained on, {} are called COVID-19.",
            rate(&report.figures.headline.healthy_called_covid)
        ));
    }
    for (split, found) in &report.figures.controls.0 {
        if let Computed::Yes(found) = found {
            lines.push(format!(
                "With the central field black it is right in {} of {split}, balanced {}; chance is a third, and what \
                    is above it cannot be the lungs.",
                rate(&found.centre_blacked_accuracy),
                balanced(&found.centre_blacked_balanced_accuracy)
            ));
            lines.push(format!(
                "Black corners change {} of the verdicts of {split}, a flip {}.",
                rate(&found.changed_by_corners),
                rate(&found.changed_by_flip)
            ));
            // Only where an interval does not meet that of the pictures as they are.
            let lost = |row: &&Shape| [row.wide, row.tall].iter().any(|rate| rate.interval_95[1] < row.as_is.interval_95[0]);
            for row in found.shape.iter().filter(lost) {
                lines.push(format!(
                    "{} of {split} is found in {}, but stretched by a quarter in width in {}, in height in {}: the shape of the film \
                        carries verdicts.",
                    row.class,
                    rate(&row.as_is),
                    rate(&row.wide),
                    rate(&row.tall)
                ));
            }
        }
    }
    for (source, found) in &report.figures.borders.0 {
        if let Computed::Yes(found) = found {
            let tests = found.rows.iter().filter(|row| row.split != "val");
            // Only where the intervals do not meet.
            for row in tests.filter(|row| row.border_agrees.interval_95[0] > row.border_disagrees.interval_95[1]) {
                lines.push(format!(
                    "{} of {source} ({}) is found in {} where the picture's border, which has no lung, looks like that class's, \
                        and in {} where it looks like another's: what comes with the border, such as the apparatus, may carry verdicts.",
                    row.class,
                    row.split,
                    rate(&row.border_agrees),
                    rate(&row.border_disagrees)
                ));
            }
        }
    }
    match &report.figures.refusal.0 {
        None => lines.push("It was not measured what it refuses.".to_owned()),
        Some(refusal) => {
            for (name, found) in [
                ("out_of_distribution", "CT slices and lateral views"),
                ("generated", "generated pictures"),
                ("changed", "turned or inverted X-rays"),
            ]
            .map(|(key, name)| (name, refusal.others.get(key)))
            {
                if let Some(found) = found {
                    lines
                        .push(format!("Of {name}, {} are refused; the rest gets a verdict, often a confident one.", rate(found)));
                }
            }
            if let Some(lost) = refusal.in_distribution.get("test") {
                lines.push(format!("Test X-rays are refused in {}.", rate(lost)));
            }
        }
    }
    if matches!(report.others.seeds.seeds, Computed::No { .. }) {
        lines.push(match &report.others.seeds.seeds_before {
            Some(_) => "One run of the last phase of the training: what another seed of it would give is not in this report, only seeds of phases before it.",
            None => "One training run: what another seed would give is not in this report.",
        }.to_owned());
    }
    lines
}
