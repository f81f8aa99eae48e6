//! Windows, and what pools under them.

use super::attributes::Reading;
use super::emit::Target;
use super::flow::{Flow, Form, channels_last};
use crate::ir::{Activation, Op, Padding, Refusal, Window};

/// A window of one cell.
pub const POINT: Window = Window { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], padding: Padding::NONE };

/// Where the last window may end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Inside the padded map.
    Down,
    /// Beyond it, if it begins inside.
    Up,
}

const BATCH: &str = "export the network for a batch of one, with fixed shapes";

impl<'a> Reading<'_, 'a> {
    /// The window of `kernel` (one or two extents) over a map.
    pub(super) fn window(&self, kernel: &[usize], map: [usize; 2], rounding: Rounding) -> Result<Window, Refusal> {
        let count = kernel.len();
        let two = |all: Vec<usize>, single: usize| if count == 1 { [single, all[0]] } else { [all[0], all[1]] };
        let kernel = two(kernel.to_vec(), 1);
        let stride = two(self.counts("strides", count, 1)?, 1);
        let dilation = two(self.counts("dilations", count, 1)?, 1);
        if kernel.iter().chain(&stride).chain(&dilation).any(|&n| n == 0 || n > 1 << 16) {
            return Err(self.node.refuse("kernel_shape, strides, dilations", "one is out of range", "use 1 to 4096"));
        }
        let span = [0, 1].map(|i| (kernel[i] - 1) * dilation[i] + 1);
        let pads = self.counts("pads", 2 * count, 0)?;
        if pads.iter().any(|&n| n > 1 << 16) {
            return Err(self.node.refuse("pads", format!("{pads:?}"), "use 0 to 4096"));
        }
        let padding = match self.text("auto_pad", "NOTSET") {
            "NOTSET" if count == 1 => Padding { top: 0, left: pads[0], bottom: 0, right: pads[1] },
            "NOTSET" => Padding { top: pads[0], left: pads[1], bottom: pads[2], right: pads[3] },
            "VALID" => Padding::NONE,
            same @ ("SAME_UPPER" | "SAME_LOWER") => {
                let total = |i: usize| ((map[i].div_ceil(stride[i]) - 1) * stride[i] + span[i]).saturating_sub(map[i]);
                let (less, more) = ([0, 1].map(|i| total(i) / 2), [0, 1].map(|i| total(i) - total(i) / 2));
                let [before, behind] = if same == "SAME_UPPER" { [less, more] } else { [more, less] };
                Padding { top: before[0], left: before[1], bottom: behind[0], right: behind[1] }
            }
            other => return Err(self.node.refuse("auto_pad", other.to_owned(), "use explicit pads")),
        };
        let mut window = Window { kernel, stride, dilation, padding };
        if rounding == Rounding::Up {
            let p = &mut window.padding;
            let more = |extent: usize, before: usize, behind: usize, i: usize| {
                let room = extent.saturating_add(before).saturating_add(behind).saturating_sub(span[i]);
                let mut windows = room.div_ceil(stride[i]) + 1;
                // A window that begins in the padding behind is none.
                while windows > 1 && (windows - 1) * stride[i] >= extent + before {
                    windows -= 1;
                }
                ((windows - 1) * stride[i] + span[i]).saturating_sub(extent + before)
            };
            p.bottom = more(map[0], p.top, p.bottom, 0);
            p.right = more(map[1], p.left, p.right, 1);
        }
        Ok(window)
    }

    /// A map with its channels last.
    fn map(&mut self, flow: &Flow) -> Result<(Flow, [usize; 3]), Refusal> {
        if flow.axes.len() != 4 {
            let why = format!("its shape is {:?}", flow.shape(&self.reader.graph));
            return Err(self.node.refuse("input", why, "give it four axes"));
        }
        let laid = self.arranged(flow, &channels_last(4));
        match self.reader.graph.value(laid.id).shape[..] {
            [1, h, w, c] => Ok((laid, [h, w, c])),
            _ => Err(self.node.refuse("input", "it is a batch", BATCH)),
        }
    }

    fn kernel(&self) -> Result<Vec<usize>, Refusal> {
        match self.ints("kernel_shape") {
            Some(k) if k.len() == 2 => self.counts("kernel_shape", 2, 1),
            _ => Err(self.node.refuse("kernel_shape", "it is missing, or not of two axes", "pool over rows and columns")),
        }
    }

    fn rounding(&self) -> Rounding {
        if self.int("ceil_mode", 0) != 0 { Rounding::Up } else { Rounding::Down }
    }

    fn average(&mut self, input: &Flow, target: Option<Target<'a>>) -> Result<(), Refusal> {
        let (mut laid, [h, w, c]) = self.map(input)?;
        let mut window = self.window(&self.kernel()?, [h, w], self.rounding())?;
        let p = window.padding;
        if self.int("count_include_pad", 0) != 0 && p != Padding::NONE {
            if self.rounding() == Rounding::Up {
                return Err(self.node.refuse("ceil_mode, count_include_pad", "both are set", "pad explicitly"));
            }
            // Padding counts: it is made first.
            let shape = vec![1, h + p.top + p.bottom, w + p.left + p.right, c];
            let pads = vec![[0, 0], [p.top, p.bottom], [p.left, p.right], [0, 0]];
            laid = self.moved(Op::Pad { pads }, &laid, shape, channels_last(4));
            window.padding = Padding::NONE;
        }
        let shape = self.reader.graph.value(laid.id).shape.clone();
        let [oh, ow] = self.fitting(&window, [shape[1], shape[2]])?;
        let op = Op::AveragePool { window, activation: Activation::None };
        match target {
            Some(target) => self.emit_bytes(op, &[&laid], vec![1, oh, ow, c], channels_last(4), target),
            None => self.emit(op, &[&laid], vec![1, oh, ow, c], channels_last(4)),
        }
    }

    fn fitting(&self, window: &Window, [h, w]: [usize; 2]) -> Result<[usize; 2], Refusal> {
        window
            .output(h, w)
            .ok_or_else(|| self.node.refuse("kernel_shape", format!("it is larger than {h} x {w}"), "use a larger input"))
    }

    /// A reduction over axes of the file that are kept with the extent 1, or dropped.
    pub(super) fn reduce(
        &mut self,
        maximum: bool,
        input: &Flow,
        (axes, keep): (&[usize], bool),
        target: Option<Target<'a>>,
    ) -> Result<(), Refusal> {
        let mut here: Vec<usize> = axes.iter().map(|&axis| input.position(axis)).collect();
        here.sort_unstable();
        if axes.is_empty() || here.contains(&input.position(0)) {
            return Err(self.node.refuse("axes", format!("{axes:?}"), "reduce rows and columns, not the batch"));
        }
        let from = self.reader.graph.value(input.id).shape.clone();
        let kept = |k: &usize| keep || !here.contains(k);
        let shape = (0..from.len()).filter(kept).map(|k| if here.contains(&k) { 1 } else { from[k] }).collect();
        // Axes that are left, numbered anew.
        let number = |axis: usize| (0..axis).filter(|a| keep || !axes.contains(a)).count();
        let left = (0..from.len()).filter(kept).map(|k| number(input.axes[k])).collect();
        if maximum {
            let name = self.output_name();
            if self.form(&[input])? == Form::Float {
                return self.emit(Op::Max { axes: here }, &[input], shape, left);
            }
            let made = self.moved(Op::Max { axes: here }, input, shape, left);
            self.set(name, made);
            return Ok(());
        }
        match target {
            Some(target) => self.emit_bytes(Op::Mean { axes: here }, &[input], shape, left, target),
            None => self.emit(Op::Mean { axes: here }, &[input], shape, left),
        }
    }

    fn reduced_axes(&self, rank: usize) -> Result<Vec<usize>, Refusal> {
        let listed = match self.ints("axes") {
            Some(axes) => axes.to_vec(),
            None => self.wholes(1)?.unwrap_or_else(|| (0..rank as i64).collect()),
        };
        listed.into_iter().map(|axis| self.axis("axes", axis, rank)).collect()
    }
}

pub fn max_pool(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    r.computable(&input)?;
    let (laid, [h, w, c]) = r.map(&input)?;
    let window = r.window(&r.kernel()?, [h, w], r.rounding())?;
    if window.dilation != [1, 1] {
        return Err(r.node.refuse("dilations", format!("{:?}", window.dilation), "pool without dilation"));
    }
    let [oh, ow] = r.fitting(&window, [h, w])?;
    // The greatest byte stands for the greatest float.
    let made = r.moved(Op::MaxPool { window, activation: Activation::None }, &laid, vec![1, oh, ow, c], channels_last(4));
    r.set(r.output_name(), made);
    Ok(())
}

pub fn average_pool(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    r.average(&input, None)
}

pub fn qlinear_average_pool(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.bytes(0, 1, 2)?;
    channels_first(r)?;
    let target = r.own_target(3, 4)?;
    r.average(&input, Some(target))
}

pub fn global_average_pool(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let axes: Vec<usize> = (2..input.axes.len()).collect();
    r.reduce(false, &input, (&axes, true), None)
}

pub fn qlinear_global_average_pool(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.bytes(0, 1, 2)?;
    channels_first(r)?;
    let (axes, target): (Vec<usize>, _) = ((2..input.axes.len()).collect(), r.own_target(3, 4)?);
    r.reduce(false, &input, (&axes, true), Some(target))
}

pub fn global_max_pool(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let axes: Vec<usize> = (2..input.axes.len()).collect();
    r.reduce(true, &input, (&axes, true), None)
}

pub fn reduce_mean(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let axes = r.reduced_axes(input.axes.len())?;
    r.reduce(false, &input, (&axes, r.int("keepdims", 1) != 0), None)
}

pub fn reduce_max(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let axes = r.reduced_axes(input.axes.len())?;
    r.reduce(true, &input, (&axes, r.int("keepdims", 1) != 0), None)
}

fn channels_first(r: &Reading<'_, '_>) -> Result<(), Refusal> {
    match r.int("channels_last", 0) {
        0 => Ok(()),
        _ => Err(r.node.refuse("channels_last", "it is set", "quantise the network without layout transformation")),
    }
}
