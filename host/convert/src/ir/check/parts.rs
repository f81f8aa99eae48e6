//! What holds of windows, weights and reductions.

use crate::ir::{Axes, Node, Refusal, Weights, Window};

pub(super) type Checked = Result<(), Refusal>;

/// Largest extent of a window, its dilation included.
const LARGEST_SPAN: usize = 4096;

pub(super) const BATCH: &str = "export the network for a batch of one, with fixed shapes";

pub(super) fn windowed(node: &Node, window: &Window, h: usize, w: usize) -> Result<[usize; 2], Refusal> {
    let sound = window.kernel.iter().chain(&window.stride).chain(&window.dilation).all(|n| (1..=LARGEST_SPAN).contains(n));
    let p = window.padding;
    if !sound || [p.top, p.left, p.bottom, p.right].iter().any(|&n| n > LARGEST_SPAN) {
        return Err(node.refuse("window", format!("{window:?} is out of range"), format!("use 1 to {LARGEST_SPAN}")));
    }
    window
        .output(h, w)
        .ok_or_else(|| node.refuse("window", format!("it is larger than its map of {h} x {w}"), "use a larger input"))
}

pub(super) fn check_weights(node: &Node, weights: &Weights, biases: usize) -> Checked {
    let (held, scales) = match weights {
        Weights::Int8 { data, scales, .. } => (data.len(), Some(scales)),
        Weights::Float { data, .. } => (data.len(), None),
    };
    let counted = scales.is_none_or(|s| s.len() == 1 || s.len() == weights.outputs());
    if held != weights.len() || held == 0 || biases != weights.outputs() || !counted {
        return Err(node.refuse("weights", "weights, scales and biases differ in number", "export the network again"));
    }
    if scales.is_some_and(|s| s.iter().any(|s| !s.is_finite() || *s < 0.0)) {
        return Err(node.refuse("weights", "a scale is negative or not finite", "quantise the network again"));
    }
    Ok(())
}

/// A reduction drops its axes or keeps them with the extent 1.
pub(super) fn reduced(node: &Node, input: &[usize], output: &[usize], axes: &Axes) -> Result<Vec<usize>, Refusal> {
    let sound = !axes.is_empty() && axes.iter().all(|&axis| axis > 0 && axis < input.len());
    let kept: Vec<usize> = (0..input.len()).map(|i| if axes.contains(&i) { 1 } else { input[i] }).collect();
    let dropped: Vec<usize> = (0..input.len()).filter(|i| !axes.contains(i)).map(|i| input[i]).collect();
    match sound {
        false => Err(node.refuse(
            "axes",
            format!("{axes:?} of {} axes", input.len()),
            "reduce rows, columns or channels, not the batch",
        )),
        true if dropped == output => Ok(dropped),
        true => Ok(kept),
    }
}
