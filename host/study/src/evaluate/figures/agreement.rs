//! Whether core, tract and the float network say the same.

use crate::evaluate::figure::{Block, Case, Computed, EngineName, Evidence, Figure, Page, Rate, Section, Sets};
use crate::evaluate::render::text::rate;
use anyhow::Result;
use rownet_convert::chain::stats::{FloatComparison, argmax, float_comparison};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the engines agree on.
#[derive(Clone, Debug, Serialize)]
pub struct Engines {
    /// int8 in core against the float network in tract, by split.
    pub float: BTreeMap<&'static str, Computed<Float>>,
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
fn agreement(sets: &Sets<'_>, engine: EngineName) -> Computed<Engines> {
    if engine != EngineName::Core {
        return Computed::no("core is compared with the others: run with --engine core, the ONNX files beside the .cxr file");
    }
    let int8 =
        sets.iter().flat_map(|(_, cases)| cases).filter_map(|case| Some((&case.measured.logits, case.measured.int8.as_ref()?)));
    let same = Rate::of(
        int8.map(|(core, tract)| core.len() == tract.len() && core.iter().zip(tract).all(|(a, b)| a.to_bits() == b.to_bits())),
    );
    Computed::Yes(Engines {
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

/// The engines compared, where core is evaluated.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Agreement(Computed<Engines>);

impl Figure for Agreement {
    fn compute(from: &Evidence<'_>) -> Result<Self> {
        Ok(Self(agreement(&from.tests, from.subject.engine)))
    }

    fn sections(&self, _: &Page<'_>) -> Result<Vec<Section>> {
        let mut blocks = Vec::new();
        match &self.0 {
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
        Ok(vec![Section { id: "agreement", title: "Float, int8, tract and core", note: note.to_owned(), blocks }])
    }
}
