//! A factor and a summand for each channel of floats (batch normalisation, the mean and deviation of the input) go into the
//! weights of the one operator that reads them: exactly, where it does not pad or nothing is added.

use crate::ir::{Activation, Bias, Graph, Op, Padding, Weights};

pub fn fold(graph: &mut Graph) -> bool {
    for index in 0..graph.nodes.len() {
        let Some((factors, summands)) = terms(&graph.nodes[index].op) else { continue };
        let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
        if graph.uses(output) != 1 {
            continue;
        }
        let Some(reader) = graph.nodes.iter().position(|node| node.inputs == [output]) else { continue };
        let (groups, weights, bias) = match &mut graph.nodes[reader].op {
            Op::Conv2d { window, .. } if window.padding != Padding::NONE && summands.iter().any(|&b| b != 0.0) => continue,
            Op::Conv2d { groups, weights, bias, .. } => (*groups, weights, bias),
            Op::Dense { weights, bias, .. } => (1, weights, bias),
            _ => continue,
        };
        let (Weights::Float { data, .. }, Bias::Float(bias)) = (weights, bias) else { continue };
        let (outputs, per_group) = (bias.len(), factors.len() / groups);
        let length = data.len() / outputs;
        for (out, (filter, b)) in data.chunks_exact_mut(length).zip(bias).enumerate() {
            let first = out / (outputs / groups) * per_group;
            let mut sum = f64::from(*b);
            for (i, w) in filter.iter_mut().enumerate() {
                let c = first + i % per_group;
                sum += f64::from(*w) * f64::from(summands[c]);
                *w = (f64::from(*w) * f64::from(factors[c])) as f32;
            }
            *b = sum as f32;
        }
        graph.nodes[reader].inputs = vec![input];
        graph.nodes.remove(index);
        return true;
    }
    false
}

/// Factors and summands of a depthwise convolution of one cell.
fn terms(op: &Op) -> Option<(Vec<f32>, Vec<f32>)> {
    let Op::Conv2d { window, groups, weights: Weights::Float { shape, data }, bias: Bias::Float(bias), activation } = op else {
        return None;
    };
    let one = window.kernel == [1, 1] && window.stride == [1, 1] && window.padding == Padding::NONE;
    let plain = one && *activation == Activation::None && *groups == shape[0] && shape[3] == 1;
    plain.then(|| (data.clone(), bias.clone()))
}

#[cfg(test)]
mod tests {
    use crate::ir::{Activation, Arithmetic, Bias, Element, Graph, Id, Node, Op, Padding, Value, Weights, Window};
    use crate::reference::{self, Data};
    use crate::samples;

    fn graph(padding: usize) -> Graph {
        let value =
            |shape: &[usize]| Value { name: "v".to_owned(), shape: shape.to_vec(), element: Element::F32, quantization: None };
        let window = |k: usize, p: usize| Window {
            kernel: [k, k],
            stride: [1, 1],
            dilation: [1, 1],
            padding: Padding { top: p, left: p, bottom: p, right: p },
        };
        let floats = |shape: &[usize]| Weights::Float {
            shape: shape.to_vec(),
            data: (0..shape.iter().product()).map(|i: usize| (i * 37 % 101) as f32 / 50.0 - 1.0).collect(),
        };
        let conv = |k: usize, p: usize, groups: usize, shape: &[usize]| Op::Conv2d {
            window: window(k, p),
            groups,
            weights: floats(shape),
            bias: Bias::Float((0..shape[0]).map(|i| i as f32 - 1.0).collect()),
            activation: Activation::None,
        };
        let node = |op: Op, input: usize| Node {
            name: "n".to_owned(),
            kind: "k".to_owned(),
            op,
            inputs: vec![Id(input)],
            output: Id(input + 1),
        };
        let side = 3 + 2 * padding;
        Graph {
            arithmetic: Arithmetic::Onnx,
            values: vec![value(&[1, 5, 5, 3]), value(&[1, 5, 5, 3]), value(&[1, side, side, 4])],
            nodes: vec![node(conv(1, 0, 3, &[3, 1, 1, 1]), 0), node(conv(3, padding, 1, &[4, 3, 3, 3]), 1)],
            inputs: vec![Id(0)],
            outputs: vec![Id(2)],
            notes: Vec::new(),
        }
    }

    #[test]
    fn it_goes_into_what_does_not_pad() {
        let (before, mut after) = (graph(0), graph(0));
        crate::fold::fold(&mut after).unwrap();
        assert_eq!(after.nodes.len(), 1);
        let all = samples::generated(&before.values[0], 4, 8);
        for i in 0..12 {
            let x = [samples::sample(&all, i)];
            let [a, b] = [&before, &after].map(|g| reference::outputs(g, &x).unwrap().remove(0).data);
            let (Data::F32(a), Data::F32(b)) = (a, b) else { panic!("floats") };
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4), "{a:?} {b:?}");
        }
    }

    #[test]
    fn it_stays_before_padding() {
        let mut after = graph(1);
        crate::fold::fold(&mut after).unwrap();
        assert_eq!(after.nodes.len(), 2);
    }
}
