//! Operators of .tflite: one entry each, from which also `docs/operators.md` is made.

use super::Reading;
use crate::ir::{Activation, Op, Refusal, Weights, Window};
use tract_tflite::tflite::{BuiltinOperator, FullyConnectedOptionsWeightsFormat};

type Read = for<'r, 'a> fn(&Reading<'r, 'a>) -> Result<Op, Refusal>;

/// An operator that can be read.
pub struct Operator {
    /// Its code in the file.
    pub code: BuiltinOperator,
    /// How many of its inputs are values, those first; none for all.
    pub reads: Option<usize>,
    /// The engine's operators that it becomes, for the documentation.
    pub becomes: &'static str,
    /// What holds of its attributes, for the documentation.
    pub attributes: &'static str,
    pub(super) read: Read,
}

const fn operator(
    code: BuiltinOperator,
    reads: Option<usize>,
    becomes: &'static str,
    attributes: &'static str,
    read: Read,
) -> Operator {
    Operator { code, reads, becomes, attributes, read }
}

/// All that can be read.
pub static OPERATORS: &[Operator] = &[
    operator(
        BuiltinOperator::CONV_2D,
        Some(1),
        "Conv2d",
        "SAME and VALID; kernels of up to 16 rows, any stride, dilation and groups; int8 weights, symmetric, per channel or per tensor; bias int32 or none; activation NONE, RELU, RELU6, RELU_N1_TO_1",
        conv_2d,
    ),
    operator(BuiltinOperator::DEPTHWISE_CONV_2D, Some(1), "DepthwiseConv2d", "as CONV_2D; any multiplier", depthwise_conv_2d),
    operator(
        BuiltinOperator::FULLY_CONNECTED,
        Some(1),
        "Dense",
        "one row; int8 weights, symmetric, per channel or per tensor; bias int32 or none; activation as CONV_2D",
        fully_connected,
    ),
    operator(BuiltinOperator::ADD, Some(2), "Add", "two values of one shape, any scales; activation as CONV_2D", add),
    operator(
        BuiltinOperator::MUL,
        Some(2),
        "Mul",
        "two values of one shape, or a map by a vector of its channels; activation as CONV_2D",
        mul,
    ),
    operator(
        BuiltinOperator::AVERAGE_POOL_2D,
        Some(1),
        "AveragePool2d",
        "SAME and VALID; cells beside the map do not count; equal scales; activation as CONV_2D",
        average_pool_2d,
    ),
    operator(
        BuiltinOperator::MAX_POOL_2D,
        Some(1),
        "MaxPool2d",
        "SAME and VALID; equal scales; activation as CONV_2D",
        max_pool_2d,
    ),
    operator(BuiltinOperator::MEAN, Some(1), "Mean", "rows, columns or both", mean),
    operator(BuiltinOperator::REDUCE_MAX, Some(1), "MaxPool2d", "rows, columns or both; equal scales", reduce_max),
    operator(
        BuiltinOperator::CONCATENATION,
        None,
        "Concat",
        "channels, any number of values; equal scales; no activation",
        concatenation,
    ),
    operator(BuiltinOperator::PAD, Some(1), "into Conv2d, DepthwiseConv2d; else Pad", "rows and columns, by the zero point", pad),
    operator(
        BuiltinOperator::RESIZE_NEAREST_NEIGHBOR,
        Some(1),
        "ResizeNearest",
        "whole multiples; neither align_corners nor half_pixel_centers",
        resize_nearest_neighbor,
    ),
    operator(BuiltinOperator::RELU, Some(1), "into what makes its input; else Table", "any scales", |_| {
        Ok(Op::Clip { activation: Activation::RELU })
    }),
    operator(BuiltinOperator::RELU6, Some(1), "into what makes its input; else Table", "equal scales", |_| {
        Ok(Op::Clip { activation: Activation::RELU6 })
    }),
    operator(BuiltinOperator::HARD_SWISH, Some(1), "Table", "any scales, the output's at least 1/128 of the input's", |_| {
        Ok(Op::HardSwish)
    }),
    operator(BuiltinOperator::LOGISTIC, Some(1), "Table", "output scale 1/256, zero point -128", |_| Ok(Op::Logistic)),
    operator(BuiltinOperator::TANH, Some(1), "Table", "output scale 1/128, zero point 0", |_| Ok(Op::Tanh)),
    operator(BuiltinOperator::LEAKY_RELU, Some(1), "Table", "any slope and scales", leaky_relu),
    operator(BuiltinOperator::SOFTMAX, Some(1), "Softmax", "along channels; output scale 1/256, zero point -128", softmax),
    operator(
        BuiltinOperator::RESHAPE,
        Some(1),
        "nothing where it keeps the map or a dense layer reads it; else Reshape",
        "any",
        |_| Ok(Op::Reshape),
    ),
    operator(BuiltinOperator::SQUEEZE, Some(1), "as RESHAPE", "any", |_| Ok(Op::Reshape)),
    operator(BuiltinOperator::EXPAND_DIMS, Some(1), "as RESHAPE", "any", |_| Ok(Op::Reshape)),
    operator(
        BuiltinOperator::TRANSPOSE,
        Some(1),
        "nothing, or Reshape",
        "that moves extents of 1, is undone, or stands before means and maxima of what it moves",
        transpose,
    ),
    operator(
        BuiltinOperator::QUANTIZE,
        Some(1),
        "the input's type; else Table",
        "of a float32 or uint8 input; from int8 to int8",
        |_| Ok(Op::Quantize),
    ),
    operator(BuiltinOperator::DEQUANTIZE, Some(1), "the output's type", "of outputs", |_| Ok(Op::Dequantize)),
];

fn conv_2d(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_conv_2_doptions())?;
    let weights = r.weights(0)?;
    let (&[outputs, kh, kw, per_group], input) = (weights.shape(), r.shape(0)?) else {
        return Err(r.node.refuse(
            "weights",
            format!("their shape is {:?}, not four extents", weights.shape()),
            "export the network again",
        ));
    };
    let channels = *input.last().unwrap_or(&0);
    if channels % per_group != 0 {
        return Err(r.node.refuse(
            "weights",
            format!("{per_group} channels a filter do not divide {channels}"),
            "export the network again",
        ));
    }
    let bias = r.bias(&weights, outputs)?;
    let dilation = [o.dilation_h_factor(), o.dilation_w_factor()];
    let window = r.window([kh, kw], [o.stride_h(), o.stride_w()], dilation, o.padding())?;
    Ok(Op::Conv2d {
        window,
        groups: channels / per_group,
        weights,
        bias,
        activation: r.activation(o.fused_activation_function())?,
    })
}

fn depthwise_conv_2d(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_depthwise_conv_2_doptions())?;
    let weights = r.weights(3)?;
    let &[1, kh, kw, outputs] = weights.shape() else {
        return Err(r.node.refuse(
            "weights",
            format!("their shape is {:?}, not 1 x height x width x channels", weights.shape()),
            "export the network again",
        ));
    };
    let bias = r.bias(&weights, outputs)?;
    let shape = vec![outputs, kh, kw, 1];
    // From [ky][kx][out] to [out][ky][kx].
    fn turn<T: Copy>(data: &[T], outputs: usize) -> Vec<T> {
        (0..outputs).flat_map(|out| data.iter().skip(out).step_by(outputs).copied()).collect()
    }
    let weights = match weights {
        Weights::Int8 { data, scales, .. } => Weights::Int8 { shape, data: turn(&data, outputs), scales },
        Weights::Float { data, .. } => Weights::Float { shape, data: turn(&data, outputs) },
    };
    let dilation = [o.dilation_h_factor(), o.dilation_w_factor()];
    let window = r.window([kh, kw], [o.stride_h(), o.stride_w()], dilation, o.padding())?;
    let groups = *r.shape(0)?.last().unwrap_or(&0);
    Ok(Op::Conv2d { window, groups, weights, bias, activation: r.activation(o.fused_activation_function())? })
}

fn fully_connected(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_fully_connected_options())?;
    if o.weights_format() != FullyConnectedOptionsWeightsFormat::DEFAULT {
        return Err(r.node.refuse("weights_format", "the weights are shuffled", "export them in the default format"));
    }
    let weights = r.weights(0)?;
    let outputs = weights.outputs();
    Ok(Op::Dense { bias: r.bias(&weights, outputs)?, weights, activation: r.activation(o.fused_activation_function())? })
}

fn add(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_add_options())?;
    Ok(Op::Add { activation: r.activation(o.fused_activation_function())? })
}

fn mul(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_mul_options())?;
    Ok(Op::Mul { activation: r.activation(o.fused_activation_function())? })
}

fn pool(r: &Reading<'_, '_>) -> Result<(Window, Activation), Refusal> {
    let o = r.options(r.operator.builtin_options_as_pool_2_doptions())?;
    let kernel = r.positive("filter", [o.filter_height(), o.filter_width()])?;
    let window = r.window(kernel, [o.stride_h(), o.stride_w()], [1, 1], o.padding())?;
    Ok((window, r.activation(o.fused_activation_function())?))
}

fn average_pool_2d(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    pool(r).map(|(window, activation)| Op::AveragePool { window, activation })
}

fn max_pool_2d(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    pool(r).map(|(window, activation)| Op::MaxPool { window, activation })
}

fn mean(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    Ok(Op::Mean { axes: r.axes()? })
}

fn reduce_max(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    Ok(Op::Max { axes: r.axes()? })
}

fn concatenation(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_concatenation_options())?;
    if r.activation(o.fused_activation_function())? != Activation::None {
        return Err(r.node.refuse("fused activation", "only NONE is supported here", "put the activation behind it"));
    }
    let rank = r.shape(0)?.len() as i32;
    let axis = if o.axis() < 0 { o.axis().saturating_add(rank) } else { o.axis() };
    match usize::try_from(axis) {
        Ok(axis) => Ok(Op::Concat { axis }),
        Err(_) => Err(r.node.refuse("axis", format!("{} of {rank} axes", o.axis()), "export the network again")),
    }
}

fn pad(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let counts = r.whole_numbers(1)?;
    let pairs = counts.chunks_exact(2).map(|pair| Some([usize::try_from(pair[0]).ok()?, usize::try_from(pair[1]).ok()?]));
    match pairs.collect::<Option<Vec<_>>>() {
        Some(pads) => Ok(Op::Pad { pads }),
        None => Err(r.node.refuse("paddings", format!("{counts:?}"), "use counts of 0 or more")),
    }
}

fn resize_nearest_neighbor(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_resize_nearest_neighbor_options())?;
    if o.align_corners() || o.half_pixel_centers() {
        return Err(r.node.refuse("align_corners, half_pixel_centers", "one is set", "resize with neither"));
    }
    let (shape, size) = (r.shape(0)?, r.whole_numbers(1)?);
    match (&shape[..], &size[..]) {
        (&[_, h, w, _], &[oh, ow]) if oh > 0 && ow > 0 && (oh as usize).is_multiple_of(h) && (ow as usize).is_multiple_of(w) => {
            Ok(Op::ResizeNearest { factors: [oh as usize / h, ow as usize / w] })
        }
        _ => Err(r.node.refuse("size", format!("{size:?} from {shape:?}"), "resize to whole multiples")),
    }
}

fn leaky_relu(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_leaky_relu_options())?;
    if !o.alpha().is_finite() {
        return Err(r.node.refuse("alpha", "it is not finite", "export the network again"));
    }
    Ok(Op::LeakyRelu { alpha: o.alpha() })
}

fn softmax(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let o = r.options(r.operator.builtin_options_as_softmax_options())?;
    if !(o.beta().is_finite() && o.beta() > 0.0) {
        return Err(r.node.refuse("beta", format!("{}", o.beta()), "use a value above 0"));
    }
    Ok(Op::Softmax { beta: o.beta() })
}

fn transpose(r: &Reading<'_, '_>) -> Result<Op, Refusal> {
    let listed = r.whole_numbers(1)?;
    match listed.iter().map(|&axis| usize::try_from(axis).ok()).collect::<Option<Vec<_>>>() {
        Some(permutation) => Ok(Op::Transpose { permutation }),
        None => Err(r.node.refuse("perm", format!("{listed:?}"), "export the network again")),
    }
}
