//! Whether core, tract and the float network say the same.

use super::Computed;
use super::intervals::Rate;
use super::measure::Case;
use crate::agreement::{FloatComparison, argmax, float_comparison};
use serde::Serialize;

/// What the engines agree on.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// int8 in core against the float network in tract, by split.
    pub float: std::collections::BTreeMap<&'static str, Computed<Float>>,
    /// core against tract on the int8 file as written, on test images evenly spread: logits, compared as bits.
    pub tract_int8: Computed<Rate>,
}

/// int8 against float on a split.
#[derive(Clone, Debug, Serialize)]
pub struct Float {
    /// Same class.
    pub same_class: Rate,
    /// int8's accuracy.
    pub accuracy_int8: Rate,
    /// The float network's accuracy.
    pub accuracy_float: Rate,
    /// Logit errors.
    pub logits: FloatComparison,
}

/// Of the splits' cases.
pub fn agreement(sets: &[(&'static str, Vec<Case<'_>>)], engine: super::EngineName) -> Computed<Agreement> {
    if engine != super::EngineName::Core {
        return Computed::no("core is compared with the others: run with --engine core, the ONNX files beside the .cxr file");
    }
    let int8 =
        sets.iter().flat_map(|(_, cases)| cases).filter_map(|case| Some((&case.measured.logits, case.measured.int8.as_ref()?)));
    let same = Rate::of(
        int8.map(|(core, tract)| core.len() == tract.len() && core.iter().zip(tract).all(|(a, b)| a.to_bits() == b.to_bits())),
    );
    Computed::Yes(Agreement {
        float: sets.iter().map(|(name, cases)| (*name, float(cases))).collect(),
        tract_int8: if same.n > 0 { Computed::Yes(same) } else { Computed::no("there is no .int8.onnx beside the .cxr file") },
    })
}

fn float(cases: &[Case<'_>]) -> Computed<Float> {
    let both: Vec<(&Case<'_>, &Vec<f32>)> = cases.iter().filter_map(|case| Some((case, case.measured.float.as_ref()?))).collect();
    if both.is_empty() {
        return Computed::no("there is no .onnx beside the .cxr file");
    }
    Computed::Yes(Float {
        same_class: Rate::of(both.iter().map(|(case, float)| case.measured.outcome.predicted == argmax(float))),
        accuracy_int8: Rate::of(both.iter().map(|(case, _)| case.measured.outcome.right())),
        accuracy_float: Rate::of(both.iter().map(|(case, float)| case.sample.class == argmax(float))),
        logits: float_comparison(both.iter().map(|(case, float)| (case.measured.logits.as_slice(), float.as_slice()))),
    })
}
