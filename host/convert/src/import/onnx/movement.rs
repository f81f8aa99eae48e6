//! Operators that move nothing: shapes, axes, names.

use super::attributes::Reading;
use super::flow::{Flow, Form};
use crate::ir::{Op, Quantization, Refusal};

/// A shape as Reshape's second input asks for it: 0 keeps an extent, -1 takes the rest.
pub fn resolve(asked: &[i64], from: &[usize], zero_is_zero: bool) -> Option<Vec<usize>> {
    let total: usize = from.iter().product();
    let kept = |(i, &n): (usize, &i64)| if n == 0 && !zero_is_zero { from.get(i).map(|&n| n as i64) } else { Some(n) };
    let mut shape = asked.iter().enumerate().map(kept).collect::<Option<Vec<i64>>>()?;
    let known = shape.iter().filter(|&&n| n != -1).try_fold(1usize, |all, &n| all.checked_mul(usize::try_from(n).ok()?))?;
    if let Some(open) = shape.iter_mut().find(|n| **n == -1) {
        *open = total.checked_div(known)? as i64;
    }
    let shape = shape.into_iter().map(|n| usize::try_from(n).ok()).collect::<Option<Vec<usize>>>()?;
    (shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n))? == total).then_some(shape)
}

impl<'a> Reading<'_, 'a> {
    /// The elements in the order of the file, in another shape.
    fn reshaped(&mut self, flow: &Flow, shape: Vec<usize>) -> Result<(), Refusal> {
        if shape.is_empty() || shape.len() > 4 {
            return Err(self.node.refuse("shape", format!("{shape:?}"), "use one to four axes"));
        }
        let from = flow.shape(&self.reader.graph);
        let name = self.output_name();
        if from == shape {
            self.set(name, flow.clone());
            return Ok(());
        }
        let given: Vec<usize> = (0..from.len()).collect();
        let laid = self.arranged(flow, &given);
        let axes = (0..shape.len()).collect();
        let made = self.moved(Op::Reshape, &laid, shape, axes);
        self.set(name, made);
        Ok(())
    }

    fn listed_axes(&self, rank: usize) -> Result<Option<Vec<usize>>, Refusal> {
        let listed = match self.ints("axes") {
            Some(axes) => Some(axes.to_vec()),
            None => self.wholes(1)?,
        };
        listed.map(|l| l.into_iter().map(|axis| self.axis("axes", axis, rank)).collect()).transpose()
    }

    /// Bytes of one scale and zero point at those of another.
    pub(super) fn requantized(&mut self, flow: &Flow, to: Quantization) -> Flow {
        let value = self.reader.graph.value(flow.id).clone();
        if value.quantization.is_none_or(|q| q == to) {
            return flow.clone();
        }
        let id = self.push(Op::Quantize, vec![flow.id], crate::ir::Value { quantization: Some(to), ..value });
        Flow { id, ..flow.clone() }
    }
}

/// The same value under another name.
pub fn identity(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    if r.constant(2).and_then(|c| c.wholes()).is_some_and(|w| w.contains(&1)) {
        return Err(r.node.refuse("training_mode", "it is set", "export the network for inference"));
    }
    r.set(r.output_name(), input);
    Ok(())
}

pub fn cast(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    if r.int("to", 0) != 1 || !matches!(input.form, Form::Float | Form::Real | Form::Final) {
        return Err(r.node.refuse("to", "its type changes", "leave casts of values out"));
    }
    r.set(r.output_name(), input);
    Ok(())
}

pub fn reshape(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let from = input.shape(&r.reader.graph);
    let asked = r.wholes(1)?.unwrap_or_default();
    let Some(mut shape) = resolve(&asked, &from, r.int("allowzero", 0) != 0) else {
        return Err(r.node.refuse(
            "shape",
            format!("{asked:?} of {from:?}"),
            "export the network for a batch of one, with fixed shapes",
        ));
    };
    // A scalar is a vector of one.
    if shape.is_empty() {
        shape.push(1);
    }
    r.reshaped(&input, shape)
}

pub fn flatten(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let from = input.shape(&r.reader.graph);
    let axis = r.int("axis", 1);
    let axis = if axis == from.len() as i64 { from.len() } else { r.axis("axis", axis, from.len())? };
    let shape = vec![from[..axis].iter().product(), from[axis..].iter().product()];
    r.reshaped(&input, shape)
}

pub fn squeeze(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let from = input.shape(&r.reader.graph);
    let axes = r.listed_axes(from.len())?.unwrap_or_else(|| (0..from.len()).filter(|&i| from[i] == 1).collect());
    if axes.iter().any(|&axis| from[axis] != 1) {
        return Err(r.node.refuse("axes", format!("{axes:?} of {from:?}"), "squeeze axes of 1"));
    }
    let shape = (0..from.len()).filter(|axis| !axes.contains(axis)).map(|axis| from[axis]).collect();
    r.reshaped(&input, shape)
}

pub fn unsqueeze(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let from = input.shape(&r.reader.graph);
    let count = r.ints("axes").map_or_else(|| r.wholes(1).map(|w| w.map_or(0, |w| w.len())), |axes| Ok(axes.len()))?;
    if count > 4 {
        return Err(r.node.refuse("axes", format!("there are {count}"), "use up to four axes"));
    }
    let axes = r.listed_axes(from.len() + count)?.unwrap_or_default();
    let mut rest = from.iter().copied();
    let shape = (0..from.len() + count).map(|axis| if axes.contains(&axis) { 1 } else { rest.next().unwrap_or(1) }).collect();
    r.reshaped(&input, shape)
}

pub fn transpose(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let rank = input.axes.len();
    let perm: Vec<usize> = match r.ints("perm") {
        Some(perm) => perm.iter().map(|&axis| r.axis("perm", axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    if !sorted.into_iter().eq(0..rank) {
        return Err(r.node.refuse("perm", format!("{perm:?} of {rank} axes"), "export the network again"));
    }
    // Axes get other numbers, pixels stay.
    let axes = input.axes.iter().map(|axis| perm.iter().position(|p| p == axis).unwrap_or(0)).collect();
    r.set(r.output_name(), Flow { axes, ..input });
    Ok(())
}
