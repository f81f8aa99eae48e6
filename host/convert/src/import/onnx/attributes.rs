//! What the reader of an operator may ask for.

use super::constants::Constant;
use super::flow::{Flow, Slot};
use super::reader::Reader;
use super::schema;
use crate::ir::{Activation, Node, Refusal};

/// One node of the file.
pub struct Reading<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) raw: &'a schema::Node,
    pub(super) number: usize,
    /// Name and kind for refusals and for the nodes that it becomes.
    pub(super) node: Node,
}

const AGAIN: &str = "export the network again";

impl<'a> Reading<'_, 'a> {
    fn attribute(&self, name: &str) -> Option<&'a schema::Attribute> {
        self.raw.attribute.iter().find(|a| a.name == name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    pub(super) fn real(&self, name: &str, default: f32) -> f32 {
        self.attribute(name).map_or(default, |a| a.f)
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    pub(super) fn text(&self, name: &str, default: &'a str) -> &'a str {
        self.attribute(name).map_or(default, |a| std::str::from_utf8(&a.s).unwrap_or("?"))
    }

    /// Counts of an attribute, or so many of the default.
    pub(super) fn counts(&self, name: &str, count: usize, default: usize) -> Result<Vec<usize>, Refusal> {
        let Some(listed) = self.ints(name).filter(|l| !l.is_empty()) else { return Ok(vec![default; count]) };
        let counts: Option<Vec<usize>> = listed.iter().map(|&n| usize::try_from(n).ok()).collect();
        counts
            .filter(|c| c.len() == count)
            .ok_or_else(|| self.node.refuse(name, format!("{listed:?}, not {count} counts"), AGAIN))
    }

    /// Name of an input; none where it is left out.
    pub(super) fn name(&self, position: usize) -> Option<&'a str> {
        self.raw.input.get(position).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The only output that is used.
    pub(super) fn one_output(&self) -> Result<(), Refusal> {
        let used = |name: &String| {
            !name.is_empty() && (self.reader.consumers.contains_key(name.as_str()) || self.reader.outputs.contains(name.as_str()))
        };
        match self.raw.output.split_first() {
            Some((first, rest)) if !first.is_empty() && !rest.iter().any(used) => Ok(()),
            _ => Err(self.node.refuse("outputs", "not only its first output is used", "use its first output alone")),
        }
    }

    pub(super) fn output_name(&self) -> &'a str {
        self.raw.output.first().map_or("", String::as_str)
    }

    /// A constant input; none where it is left out or no constant.
    pub(super) fn constant(&self, position: usize) -> Option<&Constant> {
        match self.reader.slots.get(self.name(position)?) {
            Some(Slot::Constant(constant)) => Some(constant),
            _ => None,
        }
    }

    /// A constant input that must be there.
    pub(super) fn needed(&self, position: usize) -> Result<&Constant, Refusal> {
        self.constant(position).ok_or_else(|| {
            self.node.refuse(&format!("input {position}"), "it is not a constant", "make it an initializer of the network")
        })
    }

    /// Whole numbers of a constant input; none where it is left out.
    pub(super) fn wholes(&self, position: usize) -> Result<Option<Vec<i64>>, Refusal> {
        if self.name(position).is_none() {
            return Ok(None);
        }
        match self.needed(position)?.wholes() {
            Some(all) => Ok(Some(all.to_vec())),
            None => Err(self.node.refuse(&format!("input {position}"), "it is not of whole numbers", AGAIN)),
        }
    }

    /// A value that depends on the network's input.
    pub(super) fn flow(&self, position: usize) -> Result<Flow, Refusal> {
        let refused = |why: &str, remedy: &str| Err(self.node.refuse(&format!("input {position}"), why, remedy));
        let Some(name) = self.name(position) else { return refused("it is missing", AGAIN) };
        match self.reader.slots.get(name) {
            Some(Slot::Flow(flow)) => Ok(flow.clone()),
            Some(Slot::Constant(_)) => {
                refused("it is a constant", "fold constants before the export (onnxruntime's quant_pre_process)")
            }
            None => refused("it is not made before it is read", "sort the nodes topologically"),
        }
    }

    pub(super) fn set(&mut self, name: &'a str, flow: Flow) {
        self.reader.slots.insert(name, Slot::Flow(flow));
    }

    /// An axis of the file, counted from behind where it is negative.
    pub(super) fn axis(&self, attribute: &str, axis: i64, rank: usize) -> Result<usize, Refusal> {
        let from_front = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        usize::try_from(from_front)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| self.node.refuse(attribute, format!("{axis} of {rank} axes"), AGAIN))
    }
}

impl Reader<'_> {
    /// The node that reads a value, where it is one and the value is no output.
    pub(super) fn only_reader(&self, name: &str) -> Option<usize> {
        match self.consumers.get(name)?[..] {
            [one] if !self.outputs.contains(name) => Some(one),
            _ => None,
        }
    }

    /// Clamp of a Relu or of a Clip with constant bounds.
    pub(super) fn clamp(&self, number: usize) -> Option<Activation> {
        let node = &self.proto.node[number];
        let bound = |position: usize, name: &str, unbounded: f32| {
            let given = node.input.get(position).filter(|name| !name.is_empty());
            match given.map(|name| self.slots.get(name.as_str())) {
                None => Some(node.attribute.iter().find(|a| a.name == name).map_or(unbounded, |a| a.f)),
                Some(Some(Slot::Constant(constant))) => constant.floats().filter(|all| all.len() == 1).map(|all| all[0]),
                Some(_) => None,
            }
        };
        // The greatest floats are how exporters write that there is no bound.
        let wide = |x: f32| if x.abs() >= f32::MAX { f32::INFINITY.copysign(x) } else { x };
        match node.op_type.as_str() {
            "Relu" => Some(Activation::RELU),
            "Clip" => {
                let low = wide(bound(1, "min", f32::NEG_INFINITY)?);
                let high = wide(bound(2, "max", f32::INFINITY)?);
                (low <= high).then_some(Activation::Clip { low, high })
            }
            _ => None,
        }
    }
}
