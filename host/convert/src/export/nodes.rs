//! Operators of the graph as nodes of .onnx.

use super::writer::{MICROSOFT, Writer, counts, float, int, text};
use crate::import::onnx::schema::Attribute;
use crate::ir::{Activation, Arithmetical, Bias, Graph, Id, Node, Op, Padding, Quantization, Refusal, Weights, Window};
use crate::reference::numbers;

/// Writes a node.
pub fn write(w: &mut Writer, graph: &Graph, node: &Node) -> Result<(), Refusal> {
    let lost = || node.refuse("inputs", "what it reads is not written", "report this network");
    let read: Vec<String> = node.inputs.iter().map(|id| w.names.get(id).cloned()).collect::<Option<_>>().ok_or_else(lost)?;
    let q = |id: Id| numbers::quantization(graph, node, id);
    let x = read.first().ok_or_else(lost)?.as_str();
    let made = match &node.op {
        Op::Quantize if graph.value(node.inputs[0]).quantization.is_none() => w.quantized(x, q(node.output)?),
        Op::Dequantize => w.real(x, q(node.inputs[0])?),
        Op::Conv2d { window, groups, weights, bias, .. } => {
            let made = convolution(w, (x, q(node.inputs[0])?, q(node.output)?), (window, *groups), (weights, bias), node)?;
            clamped(w, graph, node, made)?
        }
        Op::Dense { weights, bias, .. } => {
            let made = dense(w, graph, node, x, (weights, bias))?;
            clamped(w, graph, node, made)?
        }
        Op::MaxPool { window, .. } => {
            let made = w.node("MaxPool", &[x], windowed(window, false));
            clamped(w, graph, node, made)?
        }
        Op::Max { axes } => {
            let [h, wide, _] = graph.value(node.inputs[0]).map();
            let taken = |axis: usize, extent: usize| if axes.contains(&axis) { extent } else { 1 };
            if axes.contains(&3) {
                return Err(node.refuse("axes", "channels are reduced", "reduce rows and columns"));
            }
            let kernel = [taken(1, h), taken(2, wide)];
            w.node("MaxPool", &[x], windowed(&Window { kernel, stride: [1, 1], dilation: [1, 1], padding: Padding::NONE }, false))
        }
        Op::Pad { pads } => {
            let &[[0, 0], [top, bottom], [left, right], [0, 0]] = pads.as_slice() else {
                return Err(node.refuse("paddings", "batch or channels are padded", "pad rows and columns"));
            };
            let counts = w.whole64(&[0, 0, top as i64, left as i64, 0, 0, bottom as i64, right as i64]);
            let zero = w.bytes(&[], &[q(node.output)?.zero_point as i8]);
            w.node("Pad", &[x, &counts, &zero], Vec::new())
        }
        Op::ResizeNearest { factors } => {
            let scales = w.floats(&[4], &[1.0, 1.0, factors[0] as f32, factors[1] as f32]);
            let modes = [("mode", "nearest"), ("coordinate_transformation_mode", "asymmetric"), ("nearest_mode", "floor")];
            w.node("Resize", &[x, "", &scales], modes.map(|(name, value)| text(name, value)).to_vec())
        }
        Op::Reshape => {
            let [h, wide, c] = graph.value(node.output).map();
            let last = w.transpose(x, &[0, 2, 3, 1]);
            let shaped = w.reshape(&last, &[1, h, wide, c]);
            w.transpose(&shaped, &[0, 3, 1, 2])
        }
        Op::Transpose { .. } | Op::Softmax { .. } => {
            return Err(node.refuse("operator", "the engine has none on bytes", "see docs/operators.md"));
        }
        _ => computed(w, graph, node, &read)?,
    };
    w.names.insert(node.output, made);
    Ok(())
}

/// DequantizeLinear, an operator on floats, QuantizeLinear.
fn computed(w: &mut Writer, graph: &Graph, node: &Node, read: &[String]) -> Result<String, Refusal> {
    let mut reals = Vec::with_capacity(read.len());
    for (bytes, &id) in read.iter().zip(&node.inputs) {
        reals.push(w.real(bytes, numbers::quantization(graph, node, id)?));
    }
    let inputs: Vec<&str> = reals.iter().map(String::as_str).collect();
    let x = inputs[0];
    let made = match &node.op {
        Op::Add { activation } => {
            let sum = w.node("Add", &inputs, Vec::new());
            clip(w, sum, *activation)
        }
        Op::Mul { activation } => {
            let product = w.node("Mul", &inputs, Vec::new());
            clip(w, product, *activation)
        }
        Op::AveragePool { window, activation } => {
            let mean = w.node("AveragePool", &[x], windowed(window, true));
            clip(w, mean, *activation)
        }
        Op::Mean { axes } if axes[..] == [1, 2] => w.node("GlobalAveragePool", &[x], Vec::new()),
        Op::Mean { axes } => {
            // Rows are axis 2 of the file, columns 3, channels 1.
            let there: Vec<usize> = axes.iter().map(|&axis| [0, 2, 3, 1][axis]).collect();
            w.node("ReduceMean", &[x], vec![counts("axes", &there), int("keepdims", 1)])
        }
        Op::Concat { axis } => w.node("Concat", &inputs, vec![int("axis", [0, 2, 3, 1][*axis])]),
        Op::Clip { activation } => clip(w, x.to_owned(), *activation),
        Op::HardSwish => w.node("HardSwish", &[x], Vec::new()),
        Op::Logistic => w.node("Sigmoid", &[x], Vec::new()),
        Op::Swish => {
            let gate = w.node("Sigmoid", &[x], Vec::new());
            w.node("Mul", &[x, &gate], Vec::new())
        }
        Op::HardSigmoid { alpha, beta } => w.node("HardSigmoid", &[x], vec![float("alpha", *alpha), float("beta", *beta)]),
        Op::Tanh => w.node("Tanh", &[x], Vec::new()),
        Op::LeakyRelu { alpha } => w.node("LeakyRelu", &[x], vec![float("alpha", *alpha)]),
        Op::Scalar { kind, number } => {
            let number = w.floats(&[], &[*number]);
            match kind {
                Arithmetical::Add => w.node("Add", &[x, &number], Vec::new()),
                Arithmetical::Subtract => w.node("Sub", &[x, &number], Vec::new()),
                Arithmetical::SubtractFrom => w.node("Sub", &[&number, x], Vec::new()),
                Arithmetical::Multiply => w.node("Mul", &[x, &number], Vec::new()),
                Arithmetical::Divide => w.node("Div", &[x, &number], Vec::new()),
            }
        }
        // From bytes to bytes of another scale.
        _ => x.to_owned(),
    };
    Ok(w.quantized(&made, numbers::quantization(graph, node, node.output)?))
}

/// A clamp of floats.
fn clip(w: &mut Writer, x: String, activation: Activation) -> String {
    match activation {
        Activation::None => x,
        Activation::Clip { low, high } if low == 0.0 && high == f32::INFINITY => w.node("Relu", &[&x], Vec::new()),
        Activation::Clip { low, high } => {
            let bound = |w: &mut Writer, x: f32| if x.is_finite() { w.floats(&[], &[x]) } else { String::new() };
            let (low, high) = (bound(w, low), bound(w, high));
            w.node("Clip", &[&x, &low, &high], Vec::new())
        }
    }
}

/// A clamp of bytes that an operator without one made, where their range does not clamp already.
fn clamped(w: &mut Writer, graph: &Graph, node: &Node, bytes: String) -> Result<String, Refusal> {
    let (Op::Conv2d { activation, .. } | Op::Dense { activation, .. } | Op::MaxPool { activation, .. }) = &node.op else {
        return Ok(bytes);
    };
    if numbers::clamp(graph, node)? == [i8::MIN, i8::MAX] {
        return Ok(bytes);
    }
    let q = numbers::quantization(graph, node, node.output)?;
    let real = w.real(&bytes, q);
    let clipped = clip(w, real, *activation);
    Ok(w.quantized(&clipped, q))
}

fn windowed(window: &Window, average: bool) -> Vec<Attribute> {
    let p = window.padding;
    let mut all = vec![
        counts("kernel_shape", &window.kernel),
        counts("strides", &window.stride),
        counts("pads", &[p.top, p.left, p.bottom, p.right]),
    ];
    if average {
        all.push(int("count_include_pad", 0));
    }
    all
}

type Constants<'c> = (&'c Weights, &'c Bias);

fn convolution(
    w: &mut Writer,
    (x, from, to): (&str, Quantization, Quantization),
    (window, groups): (&Window, usize),
    (weights, bias): Constants<'_>,
    node: &Node,
) -> Result<String, Refusal> {
    let (Weights::Int8 { shape, data, scales }, Bias::Int32(bias)) = (weights, bias) else {
        return Err(node.refuse("weights", "they are floats", "quantise the network"));
    };
    let &[out, kh, kw, per_group] = shape.as_slice() else {
        return Err(node.refuse("weights", "they have not four extents", "report this network"));
    };
    let taps = kh * kw;
    // From [out][ky][kx][in] to [out][in][ky][kx].
    let turned: Vec<i8> = data
        .chunks_exact(taps * per_group)
        .flat_map(|filter| (0..per_group).flat_map(move |c| (0..taps).map(move |tap| filter[tap * per_group + c])))
        .collect();
    let weights = w.bytes(&[out, per_group, kh, kw], &turned);
    let (scale, zero) = of_weights(w, scales);
    let ([sx, zx], [sy, zy]) = (w.scale(from), w.scale(to));
    let bias = w.whole32(bias);
    let mut attributes = windowed(window, false);
    attributes.extend([counts("dilations", &window.dilation), int("group", groups as i64)]);
    Ok(w.node("QLinearConv", &[x, &sx, &zx, &weights, &scale, &zero, &sy, &zy, &bias], attributes))
}

/// Names of scales of weights and of their zero points.
fn of_weights(w: &mut Writer, scales: &[f32]) -> (String, String) {
    let dims: &[usize] = if scales.len() == 1 { &[] } else { &[scales.len()] };
    (w.floats(dims, scales), w.bytes(dims, &vec![0; scales.len()]))
}

fn dense(w: &mut Writer, graph: &Graph, node: &Node, x: &str, (weights, bias): Constants<'_>) -> Result<String, Refusal> {
    let (Weights::Int8 { data, scales, .. }, Bias::Int32(bias)) = (weights, bias) else {
        return Err(node.refuse("weights", "they are floats", "quantise the network"));
    };
    let [h, wide, c] = graph.value(node.inputs[0]).map();
    let (cells, outputs) = (h * wide, bias.len());
    // The file flattens channels first.
    let turned: Vec<i8> = data
        .chunks_exact(cells * c)
        .flat_map(|row| (0..c).flat_map(move |channel| (0..cells).map(move |cell| row[cell * c + channel])))
        .collect();
    let flat = w.reshape(x, &[1, cells * c]);
    let matrix = w.bytes(&[outputs, cells * c], &turned);
    let (scale, zero) = of_weights(w, scales);
    let ([sx, zx], [sy, zy]) =
        (w.scale(numbers::quantization(graph, node, node.inputs[0])?), w.scale(numbers::quantization(graph, node, node.output)?));
    let bias = w.whole32(bias);
    let attributes = vec![float("alpha", 1.0), int("transA", 0), int("transB", 1)];
    let made = w.node_of(MICROSOFT, "QGemm", &[&flat, &sx, &zx, &matrix, &scale, &zero, &bias, &sy, &zy], attributes);
    let [h, wide, c] = graph.value(node.output).map();
    let last = w.reshape(&made, &[1, h, wide, c]);
    Ok(w.transpose(&last, &[0, 3, 1, 2]))
}
