//! What the values of a float network are like on inputs.

use super::range::Histogram;
use super::rounding::Moments;
use crate::ir::{Graph, Node, Op};
use crate::reference::{self, Data, Tensor};
use anyhow::{Result, ensure};

/// Longest filter whose windows are gathered: the work grows with its square.
const LONGEST: usize = 1280;
/// Windows for each weight of a filter.
const WINDOWS: usize = 4;

/// Of each value, and of each node.
pub struct Statistics {
    /// Counts of each value's elements.
    pub histograms: Vec<Histogram>,
    /// Mean of each channel of each value.
    pub means: Vec<Vec<f32>>,
    /// Greatest magnitude of each channel of each value.
    pub greatest: Vec<Vec<f32>>,
    /// How what lies under the window of each node varies together; none where it is not rounded together.
    pub moments: Vec<Option<Moments>>,
}

/// Runs a float graph on inputs.
///
/// # Errors
/// An input that does not fit; a value that is not finite.
pub fn observe(graph: &Graph, inputs: &[Tensor]) -> Result<Statistics> {
    let channels = |id: usize| graph.values[id].map()[2];
    let ids = 0..graph.values.len();
    let mut sums: Vec<Vec<f64>> = ids.clone().map(|id| vec![0.0; channels(id)]).collect();
    let mut statistics = Statistics {
        histograms: vec![Histogram::default(); graph.values.len()],
        means: Vec::new(),
        greatest: ids.map(|id| vec![0.0; channels(id)]).collect(),
        moments: graph.nodes.iter().map(|node| filter_length(node).map(Moments::new)).collect(),
    };
    for (number, input) in inputs.iter().enumerate() {
        let tensors = reference::run(graph, std::slice::from_ref(input))?;
        for (id, tensor) in tensors.iter().enumerate() {
            let Some(Tensor { data: Data::F32(data), .. }) = tensor else { continue };
            ensure!(
                data.iter().all(|x| x.is_finite()),
                "{} is not finite; check the network and its inputs",
                graph.values[id].name
            );
            data.iter().for_each(|&x| statistics.histograms[id].add(x));
            for pixel in data.chunks_exact(channels(id)) {
                for (c, &x) in pixel.iter().enumerate() {
                    sums[id][c] += f64::from(x);
                    statistics.greatest[id][c] = statistics.greatest[id][c].max(x.abs());
                }
            }
        }
        for (node, moments) in graph.nodes.iter().zip(&mut statistics.moments) {
            let Some(moments) = moments else { continue };
            let Some(Tensor { data: Data::F32(x), .. }) = &tensors[node.inputs[0].0] else { continue };
            let wanted = (WINDOWS * moments.length()).div_ceil(inputs.len());
            gather(graph, node, x, (number, wanted), moments);
        }
    }
    let cells = |id: usize| (inputs.len() * graph.values[id].len() / channels(id)).max(1) as f64;
    statistics.means = sums.iter().enumerate().map(|(id, sums)| sums.iter().map(|s| (s / cells(id)) as f32).collect()).collect();
    Ok(statistics)
}

/// Values under a filter that reads all channels.
fn filter_length(node: &Node) -> Option<usize> {
    match &node.op {
        Op::Conv2d { groups: 1, weights, .. } | Op::Dense { weights, .. } => {
            Some(weights.len() / weights.outputs()).filter(|&length| length <= LONGEST)
        }
        _ => None,
    }
}

/// Adds windows that lie evenly over the map.
fn gather(graph: &Graph, node: &Node, x: &[f32], (number, wanted): (usize, usize), moments: &mut Moments) {
    let Op::Conv2d { window, .. } = &node.op else {
        moments.add(x);
        return;
    };
    let ([height, width, channels], [oh, ow, _]) = (graph.value(node.inputs[0]).map(), graph.value(node.output).map());
    let mut values = vec![0.0; moments.length()];
    let cells = oh * ow;
    let taken = wanted.clamp(1, cells);
    for i in 0..taken {
        // Other places of each input.
        let cell = (i * cells / taken + number * 7) % cells;
        let (top, left) = (cell / ow * window.stride[0], cell % ow * window.stride[1]);
        for (tap, under) in values.chunks_exact_mut(channels).enumerate() {
            let (ky, kx) = (tap / window.kernel[1], tap % window.kernel[1]);
            let row = (top + ky * window.dilation[0]).checked_sub(window.padding.top).filter(|&row| row < height);
            let column = (left + kx * window.dilation[1]).checked_sub(window.padding.left).filter(|&column| column < width);
            match row.zip(column) {
                Some((row, column)) => under.copy_from_slice(&x[(row * width + column) * channels..][..channels]),
                None => under.fill(0.0),
            }
        }
        moments.add(&values);
    }
}
