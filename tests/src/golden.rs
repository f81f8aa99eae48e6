//! Golden fixtures: `golden/NAME.json`, a generated image's layers and logits as onnxruntime computes them
//! from `models/NAME.int8.onnx` (written by scripts/make_golden.py).

use anyhow::{Context, Result, ensure};
use cxr_core::format::{Model, Op};
use cxr_core::session::Session;
use cxr_testkit::{CRC32, Lcg};
use serde_json::Value;

/// Runs a fixture through `cxr_core`; an error names the first difference.
pub fn check(model: &[u8], golden: &Value) -> Result<()> {
    ensure!(golden["model_sha256"] == crate::sha256(model), "the fixture was made from another model");
    let seed = golden["input"]["seed"].as_u64().context("input.seed")?;
    let model = Model::parse(model)?;
    let image: Vec<u8> = Lcg(u32::try_from(seed)?).take(model.input().len()).collect();

    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena)?;
    let layers = (0..model.layer_count()).filter_map(|i| model.layer(i)).filter(|layer| !matches!(layer.op, Op::Dense));
    let mut sums: Vec<_> = layers.map(|_| CRC32.digest()).collect();
    for row in image.chunks_exact(model.input().row_len()) {
        session.push_row_observed(row, &mut |layer, _, values| {
            let bytes: Vec<u8> = values.iter().map(|&value| value as u8).collect();
            sums[layer].update(&bytes);
        })?;
    }
    let expected = golden["layers"].as_array().context("layers")?;
    ensure!(expected.len() == sums.len(), "{} layers in the fixture, {} in the model", expected.len(), sums.len());
    for (layer, sum) in expected.iter().zip(sums) {
        ensure!(layer["crc32"] == sum.finalize(), "layer {} differs", layer["name"]);
    }
    let bits: Vec<u32> = session.finish()?.logits().iter().map(|logit| logit.to_bits()).collect();
    ensure!(golden["logits_bits"] == Value::from(bits.clone()), "logits differ: {bits:?}");
    Ok(())
}
