//! `docs/operators.md`, from the tables that the readers dispatch by.

use crate::import::tflite::OPERATORS;
use std::fmt::Write as _;

/// The page.
pub fn operators() -> String {
    let mut page = String::from(HEAD);
    for operator in OPERATORS {
        let name = operator.code.variant_name().unwrap_or_default();
        // A String takes all that is written to it.
        let _ = writeln!(page, "| {name} | {} | {} |", operator.attributes, operator.becomes);
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
# Operators

Made by `cargo test -p rownet-convert --test documents` with `CXR_WRITE_DOCS=1` from the tables that the reader dispatches by: what is not here is refused before anything is written, naming the
node, the operator, the attribute, why, and what to change.

## .tflite, quantised to int8

One input, any number of outputs, a batch of one, fixed shapes, one subgraph. The file's scales are kept, and the engine computes TFLite's fixed-point arithmetic: every byte is TFLite Micro's.
Float networks are not calibrated yet, and .onnx is not read yet.

| operator | attributes | becomes |
|---|---|---|
";

const TAIL: &str = "
Values are maps of 1 x height x width x channels, extents up to 65,535; smaller ranks have ones in front. int16, int4 and sparse weights, hybrid networks (int8 weights, float activations), control flow and custom operators are refused.

## Kernels

Convolution, depthwise convolution and the dots of dense layers have inner loops for each instruction set; all other operators are plain loops. Every kernel gives the bytes of `Kernel::SCALAR`:
`core/engine/src/kernels` has them, `core/engine/DESIGN.md` says what each operator computes.
";
