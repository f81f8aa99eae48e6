//! What verdicts rest on: images with parts hidden, flipped, and where the attribution lies.

use super::Computed;
use super::intervals::{Balanced, Rate, bootstrap, clusters};
use super::measure::{Case, Core};
use crate::classes::CLASSES;
use serde::Serialize;

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
pub fn controls(cases: &[Case<'_>], by_area: f64) -> Computed<Controls> {
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
