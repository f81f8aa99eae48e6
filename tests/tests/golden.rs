//! `core` against golden fixtures that `scripts/make_golden.py` took from onnxruntime: every layer's CRC-32, every bit of the logits.

use cxr_core::format::Model;
use cxr_core::session::Session;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// CRC-32 as in zlib, continued from `crc` (0 at first).
fn crc32(crc: u32, bytes: &[i8]) -> u32 {
    !bytes.iter().fold(!crc, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte as u8), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

fn image(seed: u32, length: usize) -> Vec<u8> {
    let states = std::iter::successors(Some(seed), |x| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
    states.skip(1).take(length).map(|x| (x >> 24) as u8).collect()
}

fn check(path: &Path) -> anyhow::Result<()> {
    let fixture: Value = serde_json::from_slice(&std::fs::read(path)?)?;
    let file = std::fs::read(root().join(fixture["model"].as_str().unwrap_or_default()))?;
    assert_eq!(
        format!("{:x}", Sha256::digest(&file)),
        fixture["model_sha256"],
        "{}: made for another model file",
        path.display()
    );
    let model = Model::parse(&file)?;
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena)?;
    let seed = fixture["input"]["seed"].as_u64().unwrap_or_default() as u32;
    let mut found = vec![0; model.layer_count() - 1];
    for row in image(seed, model.input().len()).chunks_exact(model.input().row_len()) {
        session.push_row_observed(row, &mut |layer, _, values| found[layer] = crc32(found[layer], values))?;
    }
    let verdict = session.finish()?;
    let layers = fixture["layers"].as_array().cloned().unwrap_or_default();
    assert_eq!(layers.len(), found.len(), "{}", path.display());
    for (layer, crc) in layers.iter().zip(found) {
        assert_eq!(layer["crc32"], crc, "{}: {}", path.display(), layer["name"]);
    }
    let bits: Vec<u32> = verdict.logits().iter().map(|logit| logit.to_bits()).collect();
    assert_eq!(fixture["logits_bits"], serde_json::json!(bits), "{}", path.display());
    Ok(())
}

#[test]
fn core_equals_onnxruntime() {
    let folder = root().join("tests/golden");
    let mut checked = 0;
    for entry in std::fs::read_dir(&folder).expect("tests/golden is in the repository") {
        let path = entry.expect("a readable folder").path();
        if path.extension().is_some_and(|extension| extension == "json") && !path.to_string_lossy().ends_with(".report.json") {
            check(&path).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
            checked += 1;
        }
    }
    assert!(checked > 0, "no fixture in {}", folder.display());
}
