//! Operators of .tflite: one entry each, from which also `docs/operators.md` is made.

use super::{Reading, words};
use crate::ir::{Activation, Bias, Op, Padding, Refusal, Weights, Window};
use tract_tflite::tflite::{
    ActivationFunctionType, BuiltinOperator, FullyConnectedOptionsWeightsFormat, Padding as Pads, TensorType,
};

type Read = for<'r, 'a> fn(&Reading<'r, 'a>) -> Result<Op, Refusal>;

/// An operator that can be read.
pub struct Operator {
    /// Its code in the file.
    pub code: BuiltinOperator,
    /// How many of its inputs are values, those first; none for all.
    pub reads: Option<usize>,
    /// What holds of its attributes, for the documentation.
    pub attributes: &'static str,
    pub(super) read: Read,
}

const fn operator(code: BuiltinOperator, reads: Option<usize>, attributes: &'static str, read: Read) -> Operator {
    Operator { code, reads, attributes, read }
}

/// All that can be read.
pub static OPERATORS: &[Operator] = &[
    operator(
        BuiltinOperator::CONV_2D,
        Some(1),
        "SAME and VALID; any kernel, stride, dilation and groups; int8 weights, symmetric, per channel or per tensor; bias int32 or none; activation NONE, RELU, RELU6, RELU_N1_TO_1",
        conv_2d,
    ),
    operator(BuiltinOperator::DEPTHWISE_CONV_2D, Some(1), "as CONV_2D; any multiplier", depthwise_conv_2d),
    operator(
        BuiltinOperator::FULLY_CONNECTED,
        Some(1),
        "one row; int8 weights, symmetric, per channel or per tensor; bias int32 or none; activation as CONV_2D",
        fully_connected,
    ),
    operator(BuiltinOperator::ADD, Some(2), "two values of one shape, any scales; activation as CONV_2D", add),
    operator(
        BuiltinOperator::MUL,
        Some(2),
        "two values of one shape, or a map by a vector of its channels; activation as CONV_2D",
        mul,
    ),
    operator(
        BuiltinOperator::AVERAGE_POOL_2D,
        Some(1),
        "SAME and VALID; cells beside the map do not count; equal scales; activation as CONV_2D",
        average_pool_2d,
    ),
    operator(BuiltinOperator::MAX_POOL_2D, Some(1), "SAME and VALID; equal scales; activation as CONV_2D", max_pool_2d),
    operator(BuiltinOperator::MEAN, Some(1), "rows, columns or both", mean),
    operator(BuiltinOperator::REDUCE_MAX, Some(1), "rows and columns; equal scales", reduce_max),
    operator(BuiltinOperator::CONCATENATION, None, "channels; equal scales; no activation", concatenation),
    operator(BuiltinOperator::PAD, Some(1), "rows and columns, by the zero point", pad),
    operator(
        BuiltinOperator::RESIZE_NEAREST_NEIGHBOR,
        Some(1),
        "whole multiples; neither align_corners nor half_pixel_centers",
        resize_nearest_neighbor,
    ),
    operator(BuiltinOperator::RELU, Some(1), "any scales", |_| Ok(Op::Clip { activation: Activation::RELU })),
    operator(BuiltinOperator::RELU6, Some(1), "any scales", |_| Ok(Op::Clip { activation: Activation::RELU6 })),
    operator(BuiltinOperator::HARD_SWISH, Some(1), "any scales", |_| Ok(Op::HardSwish)),
    operator(BuiltinOperator::LOGISTIC, Some(1), "output scale 1/256, zero point -128", |_| Ok(Op::Logistic)),
    operator(BuiltinOperator::TANH, Some(1), "output scale 1/128, zero point 0", |_| Ok(Op::Tanh)),
    operator(BuiltinOperator::LEAKY_RELU, Some(1), "any slope and scales", leaky_relu),
    operator(BuiltinOperator::SOFTMAX, Some(1), "one row; output scale 1/256, zero point -128", softmax),
    operator(BuiltinOperator::RESHAPE, Some(1), "that keeps the map, or before FULLY_CONNECTED", |_| Ok(Op::Reshape)),
    operator(BuiltinOperator::SQUEEZE, Some(1), "as RESHAPE", |_| Ok(Op::Reshape)),
    operator(BuiltinOperator::EXPAND_DIMS, Some(1), "as RESHAPE", |_| Ok(Op::Reshape)),
    operator(BuiltinOperator::TRANSPOSE, Some(1), "that moves extents of 1, or is undone by what follows it", transpose),
    operator(BuiltinOperator::QUANTIZE, Some(1), "of the input, or between scales", |_| Ok(Op::Quantize)),
    operator(BuiltinOperator::DEQUANTIZE, Some(1), "of outputs", |_| Ok(Op::Dequantize)),
];

impl Reading<'_, '_> {
    fn options<T>(&self, options: Option<T>) -> Result<T, Refusal> {
        options.ok_or_else(|| self.node.refuse("options", "they are missing", "export the network again"))
    }

    fn positive(&self, attribute: &str, values: [i32; 2]) -> Result<[usize; 2], Refusal> {
        match values.map(|v| usize::try_from(v).ok().filter(|&v| v > 0)) {
            [Some(a), Some(b)] => Ok([a, b]),
            _ => Err(self.node.refuse(attribute, format!("{values:?}"), "use values above 0")),
        }
    }

    fn activation(&self, kind: ActivationFunctionType) -> Result<Activation, Refusal> {
        match kind {
            ActivationFunctionType::NONE => Ok(Activation::None),
            ActivationFunctionType::RELU => Ok(Activation::RELU),
            ActivationFunctionType::RELU6 => Ok(Activation::RELU6),
            ActivationFunctionType::RELU_N1_TO_1 => Ok(Activation::RELU_N1_TO_1),
            other => {
                let name = other.variant_name().map_or_else(|| other.0.to_string(), str::to_owned);
                Err(self.node.refuse(
                    "fused activation",
                    format!("{name} is not supported"),
                    "use NONE, RELU, RELU6 or RELU_N1_TO_1",
                ))
            }
        }
    }

    /// The window over input 0; SAME pads the odd cell below and to the right.
    fn window(&self, kernel: [usize; 2], stride: [i32; 2], dilation: [i32; 2], padding: Pads) -> Result<Window, Refusal> {
        let (stride, dilation) = (self.positive("stride", stride)?, self.positive("dilation", dilation)?);
        let mut window = Window { kernel, stride, dilation, padding: Padding::NONE };
        if padding == Pads::SAME {
            let shape = self.shape(0)?;
            let [_, height, width, _] = shape[..] else {
                return Err(self.node.refuse(
                    "input",
                    format!("its shape is {shape:?}, not four extents"),
                    "export the network again",
                ));
            };
            let span = [0, 1].map(|i| dilation[i].saturating_mul(kernel[i] - 1).saturating_add(1));
            let total = |extent: usize, i: usize| {
                (extent.div_ceil(stride[i]) - 1).saturating_mul(stride[i]).saturating_add(span[i]).saturating_sub(extent)
            };
            let [rows, columns] = [total(height, 0), total(width, 1)];
            window.padding = Padding { top: rows / 2, left: columns / 2, bottom: rows - rows / 2, right: columns - columns / 2 };
        } else if padding != Pads::VALID {
            return Err(self.node.refuse("padding", format!("code {}", padding.0), "use SAME or VALID"));
        }
        Ok(window)
    }

    /// Weights at position 1, as the file lays them out; `axis` is the one with scales of its own.
    fn weights(&self, axis: usize) -> Result<Weights, Refusal> {
        let index = self.tensor(1)?;
        let tensor = &self.reader.tensors[index];
        if tensor.type_() == TensorType::FLOAT32 {
            let (shape, bytes) = self.constant(1, TensorType::FLOAT32, 4)?;
            let data: Vec<f32> = words(bytes).map(f32::from_le_bytes).collect();
            if data.iter().any(|w| !w.is_finite()) {
                return Err(self.node.refuse("weights", "one is not finite", "train the network again"));
            }
            return Ok(Weights::Float { shape, data });
        }
        let (shape, bytes) = self.constant(1, TensorType::INT8, 1)?;
        let data = bytes.iter().map(|&b| b.cast_signed()).collect();
        let Some(q) = tensor.quantization() else {
            return Err(self.node.refuse("weights", "they have no scale", "quantise the network again"));
        };
        let scales: Vec<f32> = q.scale().into_iter().flatten().take(1 << 20).collect();
        if q.zero_point().is_some_and(|z| z.iter().any(|z| z != 0)) {
            return Err(self.node.refuse("weights", "their zero point is not 0", "quantise weights symmetrically"));
        }
        if scales.len() > 1 && usize::try_from(q.quantized_dimension()) != Ok(axis) {
            return Err(self.node.refuse(
                "weights",
                format!("their scales lie along axis {}", q.quantized_dimension()),
                format!("quantise them along axis {axis}"),
            ));
        }
        Ok(Weights::Int8 { shape, data, scales })
    }

    fn bias(&self, weights: &Weights, outputs: usize) -> Result<Bias, Refusal> {
        let float = matches!(weights, Weights::Float { .. });
        if self.inputs.get(2).is_none_or(|&index| index < 0) {
            return Ok(if float { Bias::Float(vec![0.0; outputs]) } else { Bias::Int32(vec![0; outputs]) });
        }
        let (_, bytes) = self.constant(2, if float { TensorType::FLOAT32 } else { TensorType::INT32 }, 4)?;
        Ok(if float {
            Bias::Float(words(bytes).map(f32::from_le_bytes).collect())
        } else {
            Bias::Int32(words(bytes).map(i32::from_le_bytes).collect())
        })
    }

    fn axes(&self) -> Result<Vec<usize>, Refusal> {
        let rank = self.shape(0)?.len();
        let listed = self.whole_numbers(1)?;
        let resolved = listed.iter().map(|&axis| {
            usize::try_from(if axis < 0 { axis.saturating_add(rank as i32) } else { axis }).ok().filter(|&a| a < rank)
        });
        let Some(mut axes) = resolved.collect::<Option<Vec<_>>>() else {
            return Err(self.node.refuse("axis", format!("{listed:?} of {rank} axes"), "export the network again"));
        };
        axes.sort_unstable();
        axes.dedup();
        Ok(axes)
    }
}

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
        (&[_, h, w, _], &[oh, ow]) if oh > 0 && ow > 0 && oh as usize % h == 0 && ow as usize % w == 0 => {
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
