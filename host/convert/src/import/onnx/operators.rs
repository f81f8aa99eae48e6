//! Operators of .onnx: one entry each, from which also `docs/operators.md` is made.

use super::attributes::Reading;
use super::{affine, convolutions, elementwise, joins, movement, pools, quantized};
use crate::ir::Refusal;

type Read = for<'r, 'a> fn(&mut Reading<'r, 'a>) -> Result<(), Refusal>;

/// An operator that can be read.
pub struct Operator {
    /// Domain: empty for ONNX's own.
    pub domain: &'static str,
    /// Its name in the file.
    pub name: &'static str,
    /// Attributes that are read; a node with others is refused.
    pub attributes: &'static [&'static str],
    /// What holds of attributes and inputs, for the documentation.
    pub limits: &'static str,
    /// What it becomes, for the documentation.
    pub becomes: &'static str,
    pub(super) read: Read,
}

impl Operator {
    pub(super) fn matches(&self, domain: &str, name: &str) -> bool {
        self.name == name && (self.domain == domain || (self.domain.is_empty() && domain == "ai.onnx"))
    }
}

const fn onnx(
    name: &'static str,
    attributes: &'static [&'static str],
    limits: &'static str,
    becomes: &'static str,
    read: Read,
) -> Operator {
    Operator { domain: "", name, attributes, limits, becomes, read }
}

const fn microsoft(
    name: &'static str,
    attributes: &'static [&'static str],
    limits: &'static str,
    becomes: &'static str,
    read: Read,
) -> Operator {
    Operator { domain: "com.microsoft", name, attributes, limits, becomes, read }
}

const CONV: &[&str] = &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
const POOL: &[&str] =
    &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "storage_order", "strides"];
const QPOOL: &[&str] =
    &["auto_pad", "ceil_mode", "channels_last", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"];
const GEMM: &[&str] = &["alpha", "beta", "transA", "transB"];
const REDUCE: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];
const RESIZE: &[&str] = &[
    "antialias",
    "axes",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "extrapolation_value",
    "keep_aspect_ratio_policy",
    "mode",
    "nearest_mode",
    "scales",
];
const BYTES: &str = "int8 or uint8, one scale and zero point";

/// All that can be read.
pub static OPERATORS: &[Operator] = &[
    onnx(
        "Conv",
        CONV,
        "one or two axes; kernels of up to 16 rows; any pads, strides, dilations, groups; constant weights, of bytes symmetric, per channel or per tensor",
        "Conv2d, DepthwiseConv2d",
        convolutions::conv,
    ),
    onnx("QLinearConv", CONV, "as Conv; bias int32 or none", "Conv2d, DepthwiseConv2d", convolutions::qlinear_conv),
    onnx("Gemm", GEMM, "alpha 1, beta 1, transA 0; one row; constant weights as Conv", "Dense", convolutions::gemm),
    onnx("MatMul", &[], "a value by a constant matrix", "Dense; Conv2d where there are many rows", convolutions::matmul),
    onnx("QLinearMatMul", &[], "as MatMul", "as MatMul", convolutions::qlinear_matmul),
    onnx(
        "Add",
        &[],
        "two values of one shape, or by a vector of channels; floats and a constant for each channel; bytes and one constant",
        "Add; into the weights; Table",
        elementwise::add,
    ),
    onnx("Mul", &[], "as Add", "Mul; into the weights; Table", elementwise::mul),
    onnx("Sub", &[], "a value and a constant, as Add", "into the weights; Table", elementwise::with_constant),
    onnx("Div", &[], "a value by a constant, as Add", "into the weights; Table", elementwise::with_constant),
    onnx(
        "BatchNormalization",
        &["epsilon", "momentum", "training_mode", "spatial"],
        "of floats, for inference",
        "into the weights",
        affine::batch_normalization,
    ),
    onnx("Relu", &[], "any scales", "into what makes its input; else Table", elementwise::clip),
    onnx("Clip", &["min", "max"], "constant bounds", "into what makes its input; else Table", elementwise::clip),
    onnx("LeakyRelu", &["alpha"], "any slope", "Table", elementwise::leaky_relu),
    onnx("PRelu", &[], "one slope for all channels", "Table", elementwise::prelu),
    onnx("Sigmoid", &[], "any scales", "Table", elementwise::sigmoid),
    onnx("HardSigmoid", &["alpha", "beta"], "any scales", "Table", elementwise::hard_sigmoid),
    onnx("HardSwish", &[], "any scales", "Table", elementwise::hard_swish),
    onnx("Swish", &["alpha"], "alpha 1", "Table", elementwise::swish),
    onnx("Tanh", &[], "any scales", "Table", elementwise::tanh),
    onnx("Softmax", &["axis"], "at the end", "nothing: the output is what goes into it", quantized::softmax),
    onnx("MaxPool", POOL, "rows and columns; no dilation", "MaxPool2d", pools::max_pool),
    onnx(
        "AveragePool",
        POOL,
        "rows and columns; count_include_pad without ceil_mode",
        "AveragePool2d; Pad before it",
        pools::average_pool,
    ),
    onnx("GlobalAveragePool", &[], "any", "Mean", pools::global_average_pool),
    onnx("GlobalMaxPool", &[], "any", "MaxPool2d", pools::global_max_pool),
    onnx("ReduceMean", REDUCE, "rows, columns or both", "Mean", pools::reduce_mean),
    onnx("ReduceMax", REDUCE, "rows, columns or both", "MaxPool2d", pools::reduce_max),
    onnx("Concat", &["axis"], "channels, any number of values and scales", "Concat; Table before it", joins::concat),
    onnx("Pad", &["mode", "pads", "value"], "rows and columns, by zero", "into Conv2d, DepthwiseConv2d; else Pad", joins::pad),
    onnx("Resize", RESIZE, "mode nearest, whole multiples that repeat each cell", "ResizeNearest", joins::resize),
    onnx("Upsample", &["mode", "scales"], "as Resize", "ResizeNearest", joins::resize),
    onnx(
        "Reshape",
        &["allowzero"],
        "a constant shape",
        "nothing where it keeps the map or a dense layer reads it; else Reshape",
        movement::reshape,
    ),
    onnx("Flatten", &["axis"], "any", "as Reshape", movement::flatten),
    onnx("Squeeze", &["axes"], "any", "as Reshape", movement::squeeze),
    onnx("Unsqueeze", &["axes"], "any", "as Reshape", movement::unsqueeze),
    onnx(
        "Transpose",
        &["perm"],
        "that moves extents of 1, is undone, or stands before a dense layer or means",
        "nothing",
        movement::transpose,
    ),
    onnx("Identity", &[], "any", "nothing", movement::identity),
    onnx("Dropout", &["ratio", "seed"], "for inference", "nothing", movement::identity),
    onnx("Cast", &["to", "saturate", "round_mode"], "of floats to float32", "nothing", movement::cast),
    onnx(
        "QuantizeLinear",
        &["axis", "block_size", "output_dtype", "saturate", "precision"],
        BYTES,
        "the input's type; what the operator before it makes; else Table",
        quantized::quantize_linear,
    ),
    onnx(
        "DequantizeLinear",
        &["axis", "block_size", "output_dtype"],
        BYTES,
        "the output's type; else nothing",
        quantized::dequantize_linear,
    ),
    microsoft("QuantizeLinear", &["axis"], BYTES, "as ONNX's", quantized::quantize_linear),
    microsoft("DequantizeLinear", &["axis"], BYTES, "as ONNX's", quantized::dequantize_linear),
    microsoft(
        "QGemm",
        &["alpha", "transA", "transB"],
        "alpha 1, transA 0, one row; a quantised output",
        "Dense",
        convolutions::qgemm,
    ),
    microsoft("QLinearAdd", &[], "two values of one shape, or by a vector of channels", "Add", elementwise::qlinear_add),
    microsoft("QLinearMul", &[], "as QLinearAdd", "Mul", elementwise::qlinear_mul),
    microsoft("QLinearSigmoid", &[], "any scales", "Table", elementwise::qlinear_sigmoid),
    microsoft("QLinearLeakyRelu", &["alpha"], "any slope", "Table", elementwise::qlinear_leaky_relu),
    microsoft("QLinearAveragePool", QPOOL, "as AveragePool; channels_last 0", "AveragePool2d", pools::qlinear_average_pool),
    microsoft("QLinearGlobalAveragePool", &["channels_last"], "channels_last 0", "Mean", pools::qlinear_global_average_pool),
    microsoft("QLinearConcat", &["axis"], "as Concat", "Concat; Table before it", joins::qlinear_concat),
    microsoft(
        "QLinearSoftmax",
        &["axis", "opset"],
        "at the end",
        "nothing: the output is what goes into it",
        quantized::qlinear_softmax,
    ),
];
