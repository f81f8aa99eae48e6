//! Operators under a sliding window, and dense layers.

use super::{elementwise, numbers};
use crate::ir::{Activation, Arithmetic, Bias, Graph, Node, Op, Refusal, Weights, Window};

/// Taps of the window of output cell `(y, x)` that lie inside a map: row and column of the kernel, then of the map.
fn taps(window: &Window, [height, width]: [usize; 2], [y, x]: [usize; 2]) -> impl Iterator<Item = ([usize; 2], [usize; 2])> {
    let Window { kernel, stride, dilation, padding } = *window;
    let cell = move |k: usize, at: usize, i: usize, before: usize, extent: usize| {
        (at * stride[i] + k * dilation[i]).checked_sub(before).filter(|&cell| cell < extent)
    };
    (0..kernel[0]).filter_map(move |ky| cell(ky, y, 0, padding.top, height).map(|row| (ky, row))).flat_map(move |(ky, row)| {
        (0..kernel[1]).filter_map(move |kx| cell(kx, x, 1, padding.left, width).map(|column| ([ky, kx], [row, column])))
    })
}

/// Cells of a map, in order.
fn cells([height, width, _]: [usize; 3]) -> impl Iterator<Item = [usize; 2]> {
    (0..height).flat_map(move |y| (0..width).map(move |x| [y, x]))
}

/// Sums of a convolution or dense layer: `multiply` adds the product of a tap's inputs and weights to an accumulator.
fn sums<X: Copy, W: Copy, A: Copy>(
    node: &Node,
    [input, output]: [[usize; 3]; 2],
    (x, w, start): (&[X], &[W], &[A]),
    dot: impl Fn(A, &[X], &[W]) -> A,
    mut finish: impl FnMut(usize, A),
) {
    let dense = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: crate::ir::Padding::NONE };
    let (window, groups, input, output) = match &node.op {
        Op::Conv2d { window, groups, .. } => (*window, *groups, input, output),
        _ => (dense, 1, [1, 1, x.len()], [1, 1, start.len()]),
    };
    let [height, width, channels] = input;
    let (per_group, outputs) = (channels / groups, output[2]);
    let per_filter = window.kernel[0] * window.kernel[1] * per_group;
    for cell in cells(output) {
        let mut sums = start.to_vec();
        for ([ky, kx], [row, column]) in taps(&window, [height, width], cell) {
            let pixel = &x[(row * width + column) * channels..][..channels];
            for (out, sum) in sums.iter_mut().enumerate() {
                let group = out / (outputs / groups);
                let filter = &w[out * per_filter + (ky * window.kernel[1] + kx) * per_group..][..per_group];
                *sum = dot(*sum, &pixel[group * per_group..][..per_group], filter);
            }
        }
        sums.into_iter().enumerate().for_each(|(out, sum)| finish(out, sum));
    }
}

fn constants(op: &Op) -> Option<(&Weights, &Bias, Activation)> {
    match op {
        Op::Conv2d { weights, bias, activation, .. } | Op::Dense { weights, bias, activation } => {
            Some((weights, bias, *activation))
        }
        _ => None,
    }
}

/// A convolution or dense layer on bytes.
pub fn sums_i8(graph: &Graph, node: &Node, x: &[i8]) -> Result<Vec<i8>, Refusal> {
    let Some((weights @ Weights::Int8 { data, .. }, Bias::Int32(bias), _)) = constants(&node.op) else {
        return Err(node.refuse("weights", "they are floats", "quantise the network"));
    };
    let rescales = numbers::rescales(graph, node, weights)?;
    let (zx, zy) = (
        numbers::quantization(graph, node, node.inputs[0])?.zero_point,
        numbers::quantization(graph, node, node.output)?.zero_point,
    );
    let [low, high] = numbers::clamp(graph, node)?;
    let maps = [node.inputs[0], node.output].map(|id| graph.value(id).map());
    let mut y = Vec::with_capacity(graph.value(node.output).len());
    let dot = |sum: i32, x: &[i8], w: &[i8]| {
        x.iter().zip(w).fold(sum, |sum, (&x, &w)| sum.wrapping_add((i32::from(x) - zx) * i32::from(w)))
    };
    sums(node, maps, (x, data, bias), dot, |out, sum| {
        y.push(rescales[out].apply(sum).saturating_add(zy).clamp(low.into(), high.into()) as i8);
    });
    Ok(y)
}

/// A convolution or dense layer on floats.
pub fn sums_f32(graph: &Graph, node: &Node, x: &[f32]) -> Vec<f32> {
    let Some((Weights::Float { data, .. }, Bias::Float(bias), activation)) = constants(&node.op) else { return Vec::new() };
    let maps = [node.inputs[0], node.output].map(|id| graph.value(id).map());
    let mut y = Vec::with_capacity(graph.value(node.output).len());
    let dot = |sum: f32, x: &[f32], w: &[f32]| x.iter().zip(w).fold(sum, |sum, (x, w)| sum + x * w);
    sums(node, maps, (x, data, bias), dot, |_, sum| y.push(elementwise::clip(sum, activation)));
    y
}

/// Means of the cells under the window.
pub fn average_i8(graph: &Graph, node: &Node, window: &Window, x: &[i8]) -> Result<Vec<i8>, Refusal> {
    let [low, high] = numbers::clamp(graph, node)?;
    let ([height, width, channels], output) = (graph.value(node.inputs[0]).map(), graph.value(node.output).map());
    let (zx, zy) = (numbers::quantization(graph, node, node.inputs[0])?, numbers::quantization(graph, node, node.output)?);
    let mut y = Vec::with_capacity(graph.value(node.output).len());
    let whole = window.kernel[0] * window.kernel[1];
    let average = numbers::average_scale(graph, node, whole)?;
    for cell in cells(output) {
        let inside: Vec<_> = taps(window, [height, width], cell).map(|(_, at)| at).collect();
        let count = inside.len() as i32;
        for c in 0..channels {
            let sum: i32 = inside.iter().map(|[row, column]| i32::from(x[(row * width + column) * channels + c])).sum();
            let q = match graph.arithmetic {
                Arithmetic::Tflite => (if sum > 0 { sum + count / 2 } else { sum - count / 2 }) / count,
                Arithmetic::Onnx => {
                    let scale = if inside.len() == whole { average } else { average * whole as f32 / count as f32 };
                    numbers::Rescale::Float(scale).apply(sum - count * zx.zero_point).saturating_add(zy.zero_point)
                }
            };
            y.push(q.clamp(low.into(), high.into()) as i8);
        }
    }
    Ok(y)
}

/// Means of floats.
pub fn average_f32(
    window: &Window,
    activation: Activation,
    x: &[f32],
    [height, width, channels]: [usize; 3],
    output: [usize; 3],
) -> Vec<f32> {
    let mut y = Vec::new();
    for cell in cells(output) {
        let inside: Vec<_> = taps(window, [height, width], cell).map(|(_, at)| at).collect();
        let sum = |c: usize| inside.iter().map(|[row, column]| x[(row * width + column) * channels + c]).sum::<f32>();
        y.extend((0..channels).map(|c| elementwise::clip(sum(c) / inside.len() as f32, activation)));
    }
    y
}

/// The greatest of the cells under the window.
pub fn greatest<T: Copy + PartialOrd>(
    window: &Window,
    x: &[T],
    [height, width, channels]: [usize; 3],
    output: [usize; 3],
    least: T,
) -> Vec<T> {
    let mut y = Vec::new();
    for cell in cells(output) {
        let mut best = vec![least; channels];
        for (_, [row, column]) in taps(window, [height, width], cell) {
            let pixel = &x[(row * width + column) * channels..][..channels];
            best.iter_mut().zip(pixel).filter(|(best, x)| *x > *best).for_each(|(best, x)| *best = *x);
        }
        y.extend(best);
    }
    y
}
