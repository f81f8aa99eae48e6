//! Clamps go into their producers where both have one scale.

use crate::ir::{Activation, Graph, Op};

pub fn fold(graph: &mut Graph) -> bool {
    for index in 0..graph.nodes.len() {
        let Op::Clip { activation } = graph.nodes[index].op else { continue };
        let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
        if activation == Activation::None && graph.value(input).quantization == graph.value(output).quantization {
            super::detach::bypass(graph, index);
            return true;
        }
        if graph.uses(input) > 1 || graph.value(input).quantization != graph.value(output).quantization {
            continue;
        }
        let Some(producer) = graph.producer(input) else { continue };
        if let Op::Conv2d { activation: own, .. }
        | Op::Dense { activation: own, .. }
        | Op::Add { activation: own }
        | Op::Mul { activation: own }
        | Op::AveragePool { activation: own, .. }
        | Op::MaxPool { activation: own, .. } = &mut graph.nodes[producer].op
        {
            *own = both(*own, activation);
            // The value keeps the name of the clamp's output, under which the referee knows it.
            graph.nodes[producer].output = output;
            graph.nodes.remove(index);
            return true;
        }
    }
    false
}

/// One clamp after another.
fn both(first: Activation, second: Activation) -> Activation {
    match (first, second) {
        (Activation::None, other) | (other, Activation::None) => other,
        (Activation::Clip { low: a, high: b }, Activation::Clip { low, high }) => {
            Activation::Clip { low: a.max(low).min(high), high: b.min(high).max(low) }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Activation, Id, Op, Padding, Quantization, Window};

    const WINDOW: Window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: Padding::NONE };

    #[test]
    fn clamps_go_into_producers() {
        for activation in [Activation::RELU, Activation::RELU6, Activation::None] {
            let mut graph = start(&[1, 4, 4, 2]);
            let x = then(&mut graph, conv(WINDOW, 2, 3, 1), &[Id(0)], &[1, 4, 4, 3]);
            then(&mut graph, Op::Clip { activation }, &[x], &[1, 4, 4, 3]);
            assert_eq!(folded(&graph), ["conv_2d"]);
        }
    }

    #[test]
    fn what_others_read_or_another_scale_stays() {
        let mut graph = start(&[1, 4, 4, 2]);
        let x = then(&mut graph, conv(WINDOW, 2, 3, 1), &[Id(0)], &[1, 4, 4, 3]);
        let y = then(&mut graph, Op::Clip { activation: Activation::RELU }, &[x], &[1, 4, 4, 3]);
        graph.outputs = vec![x, y];
        assert_eq!(folded(&graph), ["conv_2d", "clip"]);
        graph.outputs = vec![y];
        graph.values[y.0].quantization = Some(Quantization { scale: 0.03, zero_point: -128 });
        assert_eq!(folded(&graph), ["conv_2d", "clip"]);
    }
}
