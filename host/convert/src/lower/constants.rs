//! What an operator of the engine is made of: numbers of its window, layouts of its weights, multipliers.

use super::{Lowering, Operator};
use crate::ir::{Arithmetic, Bias, Node, Op, Refusal, Weights, Window};
use crate::reference::numbers::{self, Rescale};
use crate::reference::softmax;
use rownet::model::desc;

impl Lowering<'_> {
    /// The engine's operator and its constants.
    pub(super) fn fill(&self, node: &Node, operator: &mut Operator) -> Result<(), Refusal> {
        let map = |i: usize| self.graph.value(node.inputs[i]).map();
        match &node.op {
            Op::Conv2d { window, groups, weights, bias, .. } => {
                let channels = map(0)[2];
                let window = self.window(node, window, 16)?;
                let depthwise = *groups > 1 && *groups == channels;
                operator.op = match depthwise {
                    true => desc::Op::DepthwiseConv2d { window },
                    false => desc::Op::Conv2d { window, groups: small(node, "groups", *groups)? },
                };
                self.sums(node, operator, weights, bias, depthwise)?;
            }
            Op::Dense { weights, bias, .. } => {
                operator.op = desc::Op::Dense { shared: false };
                self.sums(node, operator, weights, bias, false)?;
            }
            Op::Add { .. } => {
                operator.op = desc::Op::Add;
                if self.graph.arithmetic == Arithmetic::Tflite {
                    numbers::add_multipliers(self.graph, node)?
                        .iter()
                        .try_for_each(|&m| put(node, operator, Rescale::Fixed(m)))?;
                }
            }
            Op::Mul { .. } => {
                operator.op = desc::Op::Mul;
                if self.graph.arithmetic == Arithmetic::Tflite {
                    put(node, operator, Rescale::Fixed(numbers::mul_multiplier(self.graph, node)?))?;
                }
            }
            Op::AveragePool { window, .. } => {
                operator.op = desc::Op::AveragePool2d { window: self.window(node, window, usize::MAX)? };
                if self.graph.arithmetic == Arithmetic::Onnx {
                    let scale = numbers::average_scale(self.graph, node, window.kernel[0] * window.kernel[1])?;
                    put(node, operator, Rescale::Float(scale))?;
                }
            }
            Op::MaxPool { window, .. } => operator.op = desc::Op::MaxPool2d { window: self.window(node, window, usize::MAX)? },
            Op::Mean { axes } => {
                let kernel = self.reduced(node, axes, map(0))?;
                let rescale = numbers::mean_rescale(self.graph, node, kernel[0] * kernel[1])?;
                operator.op = desc::Op::Mean { kernel: [small(node, "axes", kernel[0])?, small(node, "axes", kernel[1])?] };
                put(node, operator, rescale)?;
            }
            Op::Max { axes } => {
                let kernel = self.reduced(node, axes, map(0))?;
                let window = Window { kernel, stride: [1, 1], dilation: [1, 1], padding: crate::ir::Padding::NONE };
                operator.op = desc::Op::MaxPool2d { window: self.window(node, &window, usize::MAX)? };
            }
            Op::Concat { axis: 3 } => operator.op = desc::Op::Concat,
            Op::Concat { .. } => return Err(node.refuse("axis", "rows or columns are joined", "concatenate channels")),
            Op::Pad { pads } => {
                let &[[0, 0], [top, bottom], [left, right], [0, 0]] = pads.as_slice() else {
                    return Err(node.refuse("paddings", "batch or channels are padded", "pad rows and columns"));
                };
                let pads = desc::Pads {
                    top: small(node, "paddings", top)?,
                    left: small(node, "paddings", left)?,
                    bottom: small(node, "paddings", bottom)?,
                    right: small(node, "paddings", right)?,
                };
                operator.op =
                    desc::Op::Pad { pads, value: numbers::quantization(self.graph, node, node.output)?.zero_point as i8 };
            }
            Op::ResizeNearest { .. } => operator.op = desc::Op::ResizeNearest,
            Op::Reshape => operator.op = desc::Op::Reshape,
            Op::Softmax { beta } => {
                if self.graph.arithmetic == Arithmetic::Onnx {
                    return Err(node.refuse("operator", "ONNX has no softmax on bytes", "take the network's output before it"));
                }
                let (multiplier, diff_min) = softmax::parameters(self.graph, node, *beta)?;
                operator.op = desc::Op::Softmax { diff_min };
                put(node, operator, Rescale::Fixed(multiplier))?;
            }
            Op::Transpose { permutation } => {
                return Err(node.refuse(
                    "perm",
                    format!("{permutation:?} moves pixels"),
                    "export the network with channels last",
                ));
            }
            Op::Dequantize => {
                return Err(node.refuse("operator", "floats flow on inside the network", "quantise the whole network"));
            }
            // All others work on each byte alone.
            _ => {
                operator.op = desc::Op::Table;
                operator.clamp = [i8::MIN, i8::MAX];
                operator.weights = numbers::table(self.graph, node)?.map(i8::cast_unsigned).to_vec();
            }
        }
        Ok(())
    }

    /// Rows and columns that a reduction takes together.
    fn reduced(&self, node: &Node, axes: &[usize], [height, width, _]: [usize; 3]) -> Result<[usize; 2], Refusal> {
        let taken = |axis: usize, extent: usize| if axes.contains(&axis) { extent } else { 1 };
        if axes.contains(&3) {
            return Err(node.refuse("axes", "channels are reduced", "reduce rows and columns"));
        }
        Ok([taken(1, height), taken(2, width)])
    }

    fn window(&self, node: &Node, window: &Window, tallest: usize) -> Result<desc::Window, Refusal> {
        let p = window.padding;
        if window.kernel[0] > tallest {
            return Err(node.refuse("kernel", format!("{} rows, more than {tallest}", window.kernel[0]), "use a smaller kernel"));
        }
        Ok(desc::Window {
            kernel: [small(node, "kernel", window.kernel[0])?, small(node, "kernel", window.kernel[1])?],
            stride: [small(node, "stride", window.stride[0])?, small(node, "stride", window.stride[1])?],
            dilation: [small(node, "dilation", window.dilation[0])?, small(node, "dilation", window.dilation[1])?],
            pads: desc::Pads {
                top: small(node, "padding", p.top)?,
                left: small(node, "padding", p.left)?,
                bottom: small(node, "padding", p.bottom)?,
                right: small(node, "padding", p.right)?,
            },
        })
    }

    /// Weights, biases and scales of a convolution or dense layer.
    fn sums(&self, node: &Node, operator: &mut Operator, weights: &Weights, bias: &Bias, depthwise: bool) -> Result<(), Refusal> {
        let (Weights::Int8 { data, .. }, Bias::Int32(bias)) = (weights, bias) else {
            return Err(node.refuse("weights", "they are floats", "quantise the network"));
        };
        let outputs = weights.outputs();
        let per_filter = data.len() / outputs;
        let zero_point = i64::from(numbers::quantization(self.graph, node, node.inputs[0])?.zero_point);
        for (filter, &bias) in data.chunks_exact(per_filter).zip(bias) {
            let sum: i64 = filter.iter().map(|&w| i64::from(w)).sum();
            let Ok(bias) = i32::try_from(i64::from(bias) - zero_point * sum) else {
                return Err(node.refuse("bias", "an accumulator could overflow", "quantise the network again"));
            };
            operator.bias.extend(bias.to_le_bytes());
            if !depthwise {
                operator.weights.extend(filter.iter().map(|w| w.cast_unsigned()));
                operator.weights.resize(operator.weights.len().next_multiple_of(4), 0);
            }
        }
        if depthwise {
            operator.weights =
                (0..per_filter).flat_map(|tap| data.iter().skip(tap).step_by(per_filter).map(|w| w.cast_unsigned())).collect();
        }
        let rescales = numbers::rescales(self.graph, node, weights)?;
        let equal = rescales.iter().all(|r| *r == rescales[0]);
        rescales.iter().take(if equal { 1 } else { outputs }).try_for_each(|&rescale| put(node, operator, rescale))
    }
}

fn put(node: &Node, operator: &mut Operator, rescale: Rescale) -> Result<(), Refusal> {
    match (rescale, &mut operator.shifts) {
        (Rescale::Fixed(m), Some(shifts)) => {
            let Some(shift) = i8::try_from(m.shift).ok().filter(|s| (-31..=30).contains(s)) else {
                return Err(node.refuse("scales", "their ratio is beyond 2^30", "quantise the network again"));
            };
            operator.scales.extend(m.multiplier.to_le_bytes());
            shifts.push(shift.cast_unsigned());
        }
        (Rescale::Float(scale), _) => operator.scales.extend(scale.to_le_bytes()),
        (Rescale::Fixed(_), None) => return Err(node.refuse("scales", "two arithmetics meet", "report this network")),
    }
    Ok(())
}

/// A count in the engine's type.
fn small<T: TryFrom<usize>>(node: &Node, attribute: &str, count: usize) -> Result<T, Refusal> {
    T::try_from(count).map_err(|_| node.refuse(attribute, format!("{count} is too large"), "use a smaller one"))
}
