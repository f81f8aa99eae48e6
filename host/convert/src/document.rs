//! `docs/operators.md`, from the tables that the readers dispatch by.

use crate::import::{onnx, tflite::OPERATORS};
use std::fmt::Write as _;

/// The page.
pub fn operators() -> String {
    let mut page = String::from(HEAD);
    for operator in OPERATORS {
        let name = operator.code.variant_name().unwrap_or_default();
        // A String takes all that is written to it.
        let _ = writeln!(page, "| {name} | {} | {} |", operator.attributes, operator.becomes);
    }
    let opsets = onnx::OPSETS;
    let _ = write!(page, "{}", ONNX.replace("FIRST", &opsets.start().to_string()).replace("LAST", &opsets.end().to_string()));
    for operator in onnx::OPERATORS {
        let domain = if operator.domain.is_empty() { String::new() } else { format!("{}.", operator.domain) };
        let attributes = if operator.attributes.is_empty() { "none".to_owned() } else { operator.attributes.join(", ") };
        let _ = writeln!(page, "| {domain}{} | {attributes} | {} | {} |", operator.name, operator.limits, operator.becomes);
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
# Operators

Made by `cargo test -p rownet-convert --test documents` with `CXR_WRITE_DOCS=1` from the tables that the readers dispatch by: what is not here is refused before anything is written, naming the
node, the operator, the attribute, why, and what to change.

## .tflite, quantised to int8

One input, any number of outputs, a batch of one, fixed shapes, one subgraph. The file's scales are kept, and the engine computes TFLite's fixed-point arithmetic: every byte is TFLite Micro's.
Float networks of the same operators are calibrated (`--inputs`, `--images`) and run in ONNX's arithmetic then.

| operator | attributes | becomes |
|---|---|---|
";

const ONNX: &str = "
## .onnx, quantised to 8 bits, or of floats

Operator sets FIRST to LAST, weights in the file itself. One input, a batch of one (an open batch is one), fixed shapes. Quantised: QuantizeLinear and DequantizeLinear around operators, or QLinear operators,
as onnxruntime's `quantize_static` and PyTorch write them; activations of int8 or uint8 with one scale and zero point, weights symmetric (less their zero point within int8), per tensor or per output channel.
The file's scales are kept, and the engine computes f32 scales with rounding half to even: every byte is onnxruntime's, graph optimisation off, of the file's integer form (docs/networks.md).
Floats: calibrated. A node with another attribute than those named is refused. What Constant, ConstantOfShape, Shape, Gather, Concat, Slice, Cast, Reshape, Transpose, Squeeze, Unsqueeze and arithmetic make of constants and shapes alone is computed
while the file is read. ConvInteger, MatMulInteger and DynamicQuantizeLinear choose scales while they run and are refused: use `quantize_static`.

| operator | attributes | limits | becomes |
|---|---|---|---|
";

const TAIL: &str = "
In both formats values are maps of 1 x height x width x channels, extents up to 65,535; smaller ranks have ones in front. int16, int4 and sparse weights, hybrid networks (int8 weights, float activations), control flow and custom operators are refused.

## Kernels

Convolution, depthwise convolution and the dots of dense layers have inner loops for each instruction set; all other operators are plain loops. Every kernel gives the bytes of `Kernel::SCALAR`:
`core/engine/src/kernels` has them, `core/engine/DESIGN.md` says what each operator computes.
";
