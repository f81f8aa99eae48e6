//! What verdicts rest on: images with parts hidden, flipped, and where the attribution lies.

use crate::evaluate::attribution::outside_by_area;
use crate::evaluate::figure::{Balanced, Block, Case, Computed, Evidence, Figure, Page, Rate, Section, Table};
use crate::evaluate::intervals::{bootstrap, clusters};
use crate::evaluate::measure::Core;
use crate::evaluate::render::text::{NONE, balanced, interval, percent, rate};
use anyhow::Result;
use cxr_app::classes::CLASSES;
use serde::Serialize;
use std::collections::BTreeMap;

/// How the evaluated network answers to changed copies of a split's images.
#[derive(Clone, Debug, Serialize)]
pub struct Controls {
    /// Accuracy with the central field black, where the lungs are: near chance if verdicts rest on the lungs alone.
    pub centre_blacked_accuracy: Rate,
    /// Mean of its share right over the classes present.
    pub centre_blacked_balanced_accuracy: Balanced,
    /// Accuracy on the border alone: likewise.
    pub border_only_accuracy: Rate,
    /// Mean of its share right over the classes present.
    pub border_only_balanced_accuracy: Balanced,
    /// Verdicts that change when the corners are black, where letters stand.
    pub changed_by_corners: Rate,
    /// Verdicts that change when left and right are exchanged.
    pub changed_by_flip: Rate,
    /// The classes found when the picture's shape changes.
    pub shape: Vec<Shape>,
    /// Mean share of the attribution outside of the central field.
    pub attribution_outside: Computed<Mean>,
}

/// A class found in pictures as they are and stretched by a quarter: films of other shapes are squeezed into the same square.
#[derive(Clone, Debug, Serialize)]
pub struct Shape {
    /// The class.
    pub class: &'static str,
    /// Found in the pictures as they are.
    pub as_is: Rate,
    /// Stretched in width.
    pub wide: Rate,
    /// Stretched in height.
    pub tall: Rate,
}

/// A mean over images.
#[derive(Clone, Debug, Serialize)]
pub struct Mean {
    /// Images.
    pub n: usize,
    /// Their mean.
    pub value: f64,
    /// By resampling patients.
    pub interval_95: Option<[f64; 2]>,
    /// What an even spread over the image would give.
    pub by_area: f64,
}

/// Of the cases of a split. `by_area`: the share of the map outside of the central field.
fn controls(cases: &[Case<'_>], by_area: f64) -> Computed<Controls> {
    let changed: Vec<(&Case<'_>, &Core)> = cases.iter().filter_map(|case| Some((case, case.measured.core.as_ref()?))).collect();
    if changed.is_empty() {
        return Computed::no("changed images are run by core: run with --engine core");
    }
    let right = |class: fn(&Core) -> usize| {
        let hit = |(case, core): &(&Case<'_>, &Core)| class(core) == case.sample.class;
        let hits: Vec<(usize, bool, &str)> =
            changed.iter().map(|pair| (pair.0.sample.class, hit(pair), pair.0.sample.patient.as_str())).collect();
        (Rate::of(hits.iter().map(|(_, hit, _)| *hit)), Balanced::new(&hits, CLASSES.len()))
    };
    let differs =
        |class: fn(&Core) -> usize| Rate::of(changed.iter().map(|(case, core)| class(core) != case.measured.outcome.predicted));
    let shape = (0..CLASSES.len()).filter_map(|class| {
        let of: Vec<&(&Case<'_>, &Core)> = changed.iter().filter(|(case, _)| case.sample.class == class).collect();
        let found =
            |predicted: fn(&Case<'_>, &Core) -> usize| Rate::of(of.iter().map(|(case, core)| predicted(case, core) == class));
        (!of.is_empty()).then(|| Shape {
            class: CLASSES[class],
            as_is: found(|case, _| case.measured.outcome.predicted),
            wide: found(|_, core| core.stretched[0]),
            tall: found(|_, core| core.stretched[1]),
        })
    });
    let (centre, border) = (right(|core| core.centre_blacked), right(|core| core.border_only));
    let outside: Vec<(&str, f64)> =
        changed.iter().filter_map(|(case, core)| Some((case.sample.patient.as_str(), core.outside?))).collect();
    Computed::Yes(Controls {
        centre_blacked_accuracy: centre.0,
        centre_blacked_balanced_accuracy: centre.1,
        border_only_accuracy: border.0,
        border_only_balanced_accuracy: border.1,
        changed_by_corners: differs(|core| core.corners_masked),
        changed_by_flip: differs(|core| core.flipped),
        shape: shape.collect(),
        attribution_outside: mean(&outside, by_area),
    })
}

fn mean(values: &[(&str, f64)], by_area: f64) -> Computed<Mean> {
    if values.is_empty() {
        return Computed::no("the last feature map has no cell within the central field and one outside, or attributes nothing");
    }
    let (of_item, patients) = clusters(values.iter().map(|(patient, _)| patient));
    let interval = bootstrap(&of_item, patients, |weights| {
        let sum: f64 = values.iter().zip(weights).map(|((_, value), w)| value * f64::from(*w)).sum();
        vec![sum / f64::from(weights.iter().sum::<u32>())]
    });
    let value = values.iter().map(|(_, value)| value).sum::<f64>() / values.len() as f64;
    Computed::Yes(Mean { n: values.len(), value, interval_95: interval[0], by_area })
}

/// By split.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct BySplit(pub BTreeMap<&'static str, Computed<Controls>>);

impl Figure for BySplit {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        let by_area = outside_by_area(from.networks);
        Ok(Self(from.tests.iter().map(|(name, cases)| (*name, controls(cases, by_area))).collect()))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        Ok(vec![hidden(self), robustness(self), shape(self)])
    }
}

/// A section with a row of controls by split.
fn by_split(
    all: &BySplit,
    [id, title, note]: [&'static str; 3],
    head: Vec<&str>,
    row: impl Fn(&Controls) -> Vec<String>,
) -> Section {
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for (split, found) in &all.0 {
        match found {
            Computed::No { not_computed } => blocks.push(Block::Missing(format!("{split}: {not_computed}"))),
            Computed::Yes(found) => rows.push(std::iter::once((*split).to_owned()).chain(row(found)).collect()),
        }
    }
    if !rows.is_empty() {
        let head = head.into_iter().map(str::to_owned).collect();
        blocks.push(Block::Table(Table { caption: String::new(), head, rows }));
    }
    Section { id, title, note: note.to_owned(), blocks }
}

fn hidden(all: &BySplit) -> Section {
    let note = "The model's own verdicts on images whose central field (the middle three quarters of each side) is black, and \
        on the border alone \
                (the outer sixteenth of each side). There is hardly a lung to judge: a balanced accuracy above a third, which \
                is chance, shows that \
                something else carries verdicts. A classifier fitted to nothing but the border is among the baselines.";
    let head = vec!["split", "accuracy, centre black", "balanced", "accuracy, border alone", "balanced"];
    by_split(all, ["controls", "Centre-blacked and border-only images", note], head, |found| {
        vec![
            rate(&found.centre_blacked_accuracy),
            balanced(&found.centre_blacked_balanced_accuracy),
            rate(&found.border_only_accuracy),
            balanced(&found.border_only_balanced_accuracy),
        ]
    })
}

fn robustness(all: &BySplit) -> Section {
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
    by_split(all, ["robustness", "Corners, flips and attribution", note], head, |found| {
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

fn shape(all: &BySplit) -> Section {
    let (mut rows, mut blocks) = (Vec::new(), Vec::new());
    for (split, found) in &all.0 {
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
