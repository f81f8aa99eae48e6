//! `core` against golden fixtures that scripts/make_golden.py took from onnxruntime: every layer's bytes, every bit of the logits.

use cxr_tests::host::read_json;
use cxr_tests::{files, golden, root};
use std::fs;

#[test]
fn core_equals_onnxruntime() {
    let mut checked = 0;
    for path in files(&root().join("tests/golden"), "json") {
        let fixture = read_json(&path);
        // A fixture model's own description lies beside its fixtures.
        if fixture.get("logits_bits").is_none() {
            continue;
        }
        let model = root().join(fixture["model"].as_str().unwrap_or_default());
        let bytes = fs::read(&model).unwrap_or_else(|error| panic!("{}: {error}", model.display()));
        golden::check(&bytes, &fixture).unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
        checked += 1;
    }
    assert!(checked > 0, "tests/golden holds no fixture");
}
