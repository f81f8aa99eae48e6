//! Equalisation across layers: a channel divided by a factor that the next layer's weights are multiplied by leaves the network
//! the same function with channels of more equal range, where a clamp at zero alone stands between. (Nagel et al. 2019,
//! with measured ranges and the strength of Xiao et al. 2023.)

use super::statistics::Statistics;
use crate::ir::{Activation, Bias, Graph, Op, Weights};

/// No channel is made louder than this.
const MOST: f32 = 64.0;

/// The same function, channels brought towards the loudest of their map: 0 leaves all as they are, 1 makes them equal.
/// None where no two layers allow it.
pub fn equalize(graph: &Graph, statistics: &Statistics, strength: f32) -> Option<Graph> {
    let mut equal = graph.clone();
    let mut changed = false;
    for index in 0..graph.nodes.len() {
        let node = &graph.nodes[index];
        let (Op::Conv2d { activation, .. } | Op::Dense { activation, .. }) = &node.op else { continue };
        let homogeneous = match activation {
            Activation::None => true,
            Activation::Clip { low, high } => *low == 0.0 && *high == f32::INFINITY,
        };
        if !homogeneous || graph.uses(node.output) != 1 {
            continue;
        }
        let Some(next) = graph.nodes.iter().position(|n| n.inputs == [node.output]) else { continue };
        if !matches!(graph.nodes[next].op, Op::Conv2d { .. } | Op::Dense { .. }) {
            continue;
        }
        let greatest = &statistics.greatest[node.output.0];
        let loudest = greatest.iter().copied().fold(0.0, f32::max);
        let factor = |&g: &f32| if g > 0.0 && loudest > 0.0 { (g / loudest).max(1.0 / MOST).powf(strength) } else { 1.0 };
        let factors: Vec<f32> = greatest.iter().map(factor).collect();
        divide(&mut equal.nodes[index].op, &factors);
        multiply(&mut equal.nodes[next].op, &factors);
        changed = true;
    }
    changed.then_some(equal)
}

fn divide(op: &mut Op, factors: &[f32]) {
    let (Op::Conv2d { weights, bias, .. } | Op::Dense { weights, bias, .. }) = op else { return };
    let (Weights::Float { data, .. }, Bias::Float(bias)) = (weights, bias) else { return };
    // A dense layer's outputs may be more than the channels of its map.
    let length = data.len() / bias.len();
    for (out, (filter, b)) in data.chunks_exact_mut(length).zip(bias).enumerate() {
        let factor = factors[out % factors.len()];
        filter.iter_mut().for_each(|w| *w /= factor);
        *b /= factor;
    }
}

fn multiply(op: &mut Op, factors: &[f32]) {
    let (groups, weights, bias) = match op {
        Op::Conv2d { groups, weights, bias, .. } => (*groups, weights, bias),
        Op::Dense { weights, bias, .. } => (1, weights, bias),
        _ => return,
    };
    let Weights::Float { data, .. } = weights else { return };
    let (outputs, per_group) = (bias.len(), factors.len() / groups);
    let length = data.len() / outputs;
    for (out, filter) in data.chunks_exact_mut(length).enumerate() {
        let first = out / (outputs / groups) * per_group;
        filter.iter_mut().enumerate().for_each(|(i, w)| *w *= factors[first + i % per_group]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::statistics::observe;
    use crate::ir::{Arithmetic, Element, Id, Node, Padding, Value, Window};
    use crate::reference;
    use crate::samples;

    #[test]
    fn the_function_stays_and_ranges_meet() {
        let value = |name: &str, shape: &[usize]| Value {
            name: name.to_owned(),
            shape: shape.to_vec(),
            element: Element::F32,
            quantization: None,
        };
        let window = |k: usize| Window {
            kernel: [k, k],
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding { top: k / 2, left: k / 2, bottom: k / 2, right: k / 2 },
        };
        let weights = |shape: &[usize], seed: usize| {
            let count = shape.iter().product();
            let data = (0..count)
                .map(|i: usize| ((i * 37 + seed) % 101) as f32 / 50.0 - 1.0)
                .map(|w| w * if seed == 1 { 1.0 } else { 0.1 });
            Weights::Float { shape: shape.to_vec(), data: data.collect() }
        };
        let conv = |k: usize, groups: usize, shape: &[usize], seed: usize| Op::Conv2d {
            window: window(k),
            groups,
            weights: weights(shape, seed),
            bias: Bias::Float((0..shape[0]).map(|i| i as f32 * 0.1).collect()),
            activation: Activation::RELU,
        };
        let node = |name: &str, op: Op, input: usize| Node {
            name: name.to_owned(),
            kind: String::new(),
            op,
            inputs: vec![Id(input)],
            output: Id(input + 1),
        };
        let dense =
            Op::Dense { weights: weights(&[3, 4 * 5 * 6], 2), bias: Bias::Float(vec![0.0; 3]), activation: Activation::None };
        let graph = Graph {
            arithmetic: Arithmetic::Onnx,
            values: vec![
                value("x", &[1, 4, 5, 2]),
                value("a", &[1, 4, 5, 6]),
                value("b", &[1, 4, 5, 6]),
                value("y", &[1, 1, 1, 3]),
            ],
            nodes: vec![
                node("1", conv(3, 1, &[6, 3, 3, 2], 1), 0),
                node("2", conv(3, 6, &[6, 3, 3, 1], 3), 1),
                node("3", dense, 2),
            ],
            inputs: vec![Id(0)],
            outputs: vec![Id(3)],
            notes: Vec::new(),
        };
        graph.check().unwrap();
        let all = samples::generated(&graph.values[0], 6, 6);
        let inputs: Vec<_> = (0..12).map(|i| samples::sample(&all, i)).collect();
        let statistics = observe(&graph, &inputs).unwrap();
        let equal = equalize(&graph, &statistics, 1.0).unwrap();
        for x in &inputs {
            let [a, b] = [&graph, &equal].map(|g| reference::outputs(g, std::slice::from_ref(x)).unwrap().remove(0));
            let (reference::Data::F32(a), reference::Data::F32(b)) = (a.data, b.data) else { panic!("floats") };
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-4 * a.abs().max(1.0)), "{a:?} {b:?}");
        }
        let after = observe(&equal, &inputs).unwrap();
        for (now, was) in [1, 2].into_iter().flat_map(|id| after.greatest[id].iter().zip(&statistics.greatest[id])) {
            let loudest = after.greatest.iter().skip(1).take(2).flatten().copied().fold(0.0, f32::max);
            assert!(*was == 0.0 || now / loudest > 1.0 / MOST, "{was} became {now}");
        }
    }
}
