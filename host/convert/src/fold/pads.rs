//! Padding goes into the convolutions that read it: both pad with the zero point.

use crate::ir::{Graph, Op, Padding};

pub fn fold(graph: &mut Graph) -> bool {
    for index in 0..graph.nodes.len() {
        let Op::Pad { pads } = &graph.nodes[index].op else { continue };
        let &[[0, 0], [top, bottom], [left, right], [0, 0]] = pads.as_slice() else { continue };
        let (input, output) = (graph.nodes[index].inputs[0], graph.nodes[index].output);
        if [top, bottom, left, right] == [0; 4] {
            super::detach::bypass(graph, index);
            return true;
        }
        for reader in &mut graph.nodes {
            if reader.inputs == [output]
                && let Op::Conv2d { window, .. } = &mut reader.op
            {
                let (p, [rows, columns]) = (window.padding, window.span());
                let all = Padding { top: p.top + top, bottom: p.bottom + bottom, left: p.left + left, right: p.right + right };
                // The engine has no window that lies in padding alone.
                if all.top.max(all.bottom) < rows && all.left.max(all.right) < columns {
                    window.padding = all;
                    reader.inputs = vec![input];
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::fold::testing::*;
    use crate::ir::{Activation, Id, Op, Padding, Window};

    const WINDOW: Window = Window { kernel: [3, 3], stride: [2, 2], dilation: [1, 1], padding: Padding::NONE };

    #[test]
    fn padding_goes_into_convolutions() {
        let mut graph = start(&[1, 6, 7, 2]);
        let x = then(&mut graph, Op::Pad { pads: vec![[0, 0], [1, 1], [0, 2], [0, 0]] }, &[Id(0)], &[1, 8, 9, 2]);
        let y = then(&mut graph, conv(WINDOW, 2, 3, 1), &[x], &[1, 3, 4, 3]);
        let z = then(&mut graph, conv(WINDOW, 2, 3, 2), &[x], &[1, 3, 4, 3]);
        then(&mut graph, Op::Add { activation: Activation::None }, &[y, z], &[1, 3, 4, 3]);
        assert_eq!(folded(&graph), ["conv_2d", "conv_2d", "add"]);
    }

    #[test]
    fn more_padding_than_the_kernel_stays() {
        let mut graph = start(&[1, 6, 7, 2]);
        let x = then(&mut graph, Op::Pad { pads: vec![[0, 0], [3, 0], [0, 0], [0, 0]] }, &[Id(0)], &[1, 9, 7, 2]);
        then(&mut graph, conv(WINDOW, 2, 3, 1), &[x], &[1, 4, 3, 3]);
        assert_eq!(folded(&graph), ["pad", "conv_2d"]);
    }

    #[test]
    fn padding_of_maxima_stays() {
        let mut graph = start(&[1, 6, 7, 2]);
        let x = then(&mut graph, Op::Pad { pads: vec![[0, 0], [1, 1], [1, 1], [0, 0]] }, &[Id(0)], &[1, 8, 9, 2]);
        then(&mut graph, Op::MaxPool { window: WINDOW, activation: Activation::None }, &[x], &[1, 3, 4, 2]);
        assert_eq!(folded(&graph), ["pad", "max_pool_2d"]);
    }
}
