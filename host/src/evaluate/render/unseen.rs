//! Hospitals never seen, as a section and as headline figures.

use super::text::{NONE, auc, of_images, percent, rate};
use super::{Block, Section};
use crate::evaluate::unseen::{Entry, Figures};
use crate::evaluate::{Computed, Report, metrics::Rate};

/// Fewer images make no headline.
const LEAST: usize = 20;

/// Headline figures of each hospital: value, what it is, interval and counts.
pub(in crate::evaluate) fn tiles(report: &Report) -> Vec<[String; 3]> {
    let Computed::Yes(found) = &report.unseen else {
        let what = "on hospitals never seen".to_owned();
        return vec![["not measured".to_owned(), what, "see the section".to_owned()]];
    };
    let mut tiles = Vec::new();
    for (name, Entry { all, .. }) in found {
        let figures: [(&str, &str, &Rate); 3] = [
            ("images of healthy people", "called COVID-19", &all.healthy_called_covid),
            ("images of people with another finding", "called COVID-19", &all.other_finding_called_covid),
            ("COVID-19 images", "found", &all.covid_found),
        ];
        for (what, verdict, rate) in figures.into_iter().filter(|(_, _, rate)| rate.n >= LEAST) {
            let what = format!("of {what} of a hospital never seen, {name}, {verdict}");
            tiles.push([rate.value.map_or(NONE.to_owned(), percent), what, of_images(rate)]);
        }
    }
    tiles
}

/// The section.
pub(super) fn section(report: &Report) -> Section {
    let mut blocks = match &report.unseen {
        Computed::No { not_computed } => vec![Block::Missing(not_computed.clone())],
        Computed::Yes(found) => {
            let row = |name: String, f: &Figures| {
                vec![
                    name,
                    format!("{} ({} people)", f.n, f.patients),
                    rate(&f.healthy_called_covid),
                    rate(&f.likeliest.healthy_called_covid),
                    rate(&f.healthy_called_ill),
                    rate(&f.other_finding_called_covid),
                    rate(&f.covid_found),
                    rate(&f.pneumonia_found),
                    rate(&f.abstained),
                    rate(&f.answered),
                    match &f.auc {
                        Computed::Yes(found) => auc(Some(found)),
                        Computed::No { .. } => NONE.to_owned(),
                    },
                ]
            };
            let rows = found.iter().flat_map(|(name, entry)| {
                let held_out = entry.external_test.as_ref().map(|f| row(format!("{name}, external_test alone"), f));
                std::iter::once(row(name.clone(), &entry.all)).chain(held_out)
            });
            let head = [
                "hospital",
                "images",
                "healthy called COVID-19",
                "healthy, COVID-19 likeliest",
                "healthy called ill",
                "another finding called COVID-19",
                "COVID-19 found",
                "pneumonia found",
                "withheld",
                "right where a verdict is given",
                "AUC, COVID-19 against the rest",
            ];
            let mut blocks = vec![Block::table("", head, rows.collect())];
            blocks.extend(found.iter().map(|(name, entry)| Block::Text(network(name, entry, report))));
            blocks
        }
    };
    blocks.push(match &report.unseen_together {
        Computed::Yes(found) => Block::Text(format!(
            "COVID-19 against healthy people, all of hospitals that this model has not seen: AUC {}.",
            auc(Some(found))
        )),
        Computed::No { not_computed } => Block::Missing(format!("COVID-19 against healthy people, both unseen: {not_computed}")),
    });
    if !report.confirmed_opacities.is_empty() {
        let rows = report
            .confirmed_opacities
            .iter()
            .map(|(split, found)| vec![(*split).to_owned(), rate(&found.called_pneumonia), rate(&found.called_covid)]);
        let caption = "Adults labelled Pneumonia/NA whose opacity radiologists confirmed: sources that it was trained on, people it has not seen";
        blocks.push(Block::table(caption, ["split", "called Pneumonia/NA", "called COVID-19"], rows.collect()));
    }
    let note = "What a new X-ray meets: no image of these hospitals was trained on, validated on or used for any threshold. Called and found \
        are verdicts that are given, of all images: one that is withheld is neither. Another finding: certainly not COVID-19, nothing more is known. \
        Intervals are Wilson's, or by resampling people where that is wider.";
    Section { id: "unseen", title: "Hospitals never seen", note: note.to_owned(), blocks }
}

fn network(name: &str, entry: &Entry, report: &Report) -> String {
    let of = &entry.network;
    if of.is_this_model {
        return format!("{name}: this model's verdicts; it was trained on no image of it.");
    }
    let recipe = of.recipe.as_ref().map_or("an unknown recipe".to_owned(), ToString::to_string);
    let same = if of.recipe == report.recipe { "as this model was" } else { "not as this model was" };
    format!("{name}: verdicts of a network trained without {} by {recipe}, {same}.", of.left_out.join(", "))
}
