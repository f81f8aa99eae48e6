//! What holds for every graph between the passes: order, shapes, types, scales. Readers and folds are checked by it, so
//! that what comes after need not be.

mod parts;

use super::{Arithmetic, Element, Graph, Id, Node, Op, Refusal, Weights, Window};
use parts::{BATCH, Checked, check_weights, reduced, windowed};

/// Most elements of a value.
pub const MOST_ELEMENTS: usize = 1 << 24;
/// Most nodes of a graph.
pub const MOST_NODES: usize = 1024;

impl Graph {
    /// Checks the graph.
    ///
    /// # Errors
    /// The first node, value or attribute that breaks a rule.
    pub fn check(&self) -> Checked {
        let whole = |attribute: &str, why: String| Refusal {
            node: "-".to_owned(),
            operator: "graph".to_owned(),
            attribute: attribute.to_owned(),
            why,
            remedy: "export the network again".to_owned(),
        };
        if self.nodes.len() > MOST_NODES {
            return Err(whole("nodes", format!("{} nodes, more than {MOST_NODES}", self.nodes.len())));
        }
        for value in &self.values {
            let elements = value.shape.iter().try_fold(1usize, |all, &extent| all.checked_mul(extent));
            let fits = elements.is_some_and(|n| (1..=MOST_ELEMENTS).contains(&n));
            if value.shape.is_empty() || value.shape.len() > 4 || !fits {
                let why = format!("value {} has the shape {:?}, not 1 to 4 extents above 0", value.name, value.shape);
                return Err(whole("shape", why));
            }
            if let Some(q) = value.quantization {
                let range = match value.element {
                    Element::I8 => -128..=127,
                    Element::U8 => 0..=255,
                    Element::F32 => 0..=0,
                };
                if !(q.scale.is_finite() && q.scale > 0.0 && range.contains(&q.zero_point)) {
                    let why = format!("value {} has the scale {} and the zero point {}", value.name, q.scale, q.zero_point);
                    return Err(whole("quantization", why));
                }
            }
        }
        if self.inputs.is_empty() || self.outputs.is_empty() {
            return Err(whole("inputs and outputs", "there is none".to_owned()));
        }
        let mut made = vec![false; self.values.len()];
        let mut make = |id: Id| made.get_mut(id.0).is_some_and(|made| !std::mem::replace(made, true));
        for &input in &self.inputs {
            if !make(input) {
                return Err(whole("inputs", "a value is an input twice, or is not there".to_owned()));
            }
        }
        let mut known = made.clone();
        for node in &self.nodes {
            if let Some(id) = node.inputs.iter().find(|id| !known.get(id.0).copied().unwrap_or(false)) {
                return Err(node.refuse(
                    "inputs",
                    format!("value {} is not made before it is read", id.0),
                    "sort the nodes topologically",
                ));
            }
            match known.get_mut(node.output.0) {
                Some(made) if !*made => *made = true,
                _ => return Err(node.refuse("outputs", "the value is made twice, or is not there", "export the network again")),
            }
            self.check_node(node)?;
        }
        match self.outputs.iter().find(|id| !known.get(id.0).copied().unwrap_or(false)) {
            Some(id) => Err(whole("outputs", format!("no node makes value {}", id.0))),
            None => Ok(()),
        }
    }

    fn check_node(&self, node: &Node) -> Checked {
        let shape = |id: Id| self.value(id).shape.as_slice();
        let output = shape(node.output);
        let count = match node.op {
            Op::Add { .. } | Op::Mul { .. } => 2,
            Op::Concat { .. } => node.inputs.len().max(1),
            _ => 1,
        };
        if node.inputs.len() != count {
            return Err(node.refuse(
                "inputs",
                format!("{} values are read, not {count}", node.inputs.len()),
                "export the network again",
            ));
        }
        self.check_elements(node)?;
        let input = shape(node.inputs[0]);
        let rank4 = || match input {
            [1, h, w, c] => Ok([*h, *w, *c]),
            _ => Err(node.refuse("input", format!("its shape is {input:?}, not 1 x height x width x channels"), BATCH)),
        };
        let expected: Vec<usize> = match &node.op {
            Op::Conv2d { window, groups, weights, bias, .. } => {
                let [h, w, c] = rank4()?;
                let [oh, ow] = windowed(node, window, h, w)?;
                let [out, kh, kw, per_group] = weights.shape()[..] else {
                    return Err(node.refuse("weights", "they have not four extents", "export the network again"));
                };
                let grouped = *groups > 0 && c % groups == 0 && out % groups == 0 && per_group == c / groups;
                if !grouped || [kh, kw] != window.kernel {
                    let why = format!(
                        "weights {:?} do not fit {c} channels in {groups} groups under {:?}",
                        weights.shape(),
                        window.kernel
                    );
                    return Err(node.refuse("weights", why, "export the network again"));
                }
                check_weights(node, weights, bias.len())?;
                vec![1, oh, ow, out]
            }
            Op::Dense { weights, bias, .. } => {
                let [out, inputs] = weights.shape()[..] else {
                    return Err(node.refuse("weights", "they have not two extents", "export the network again"));
                };
                if input[0] != 1 || input.iter().product::<usize>() != inputs || output.iter().product::<usize>() != out {
                    let why = format!("weights {:?} do not fit the input {input:?} and the output {output:?}", weights.shape());
                    return Err(node.refuse("weights", why, BATCH));
                }
                check_weights(node, weights, bias.len())?;
                output.to_vec()
            }
            Op::Add { .. } | Op::Mul { .. } => {
                let second = shape(node.inputs[1]);
                let vector = second.iter().product::<usize>() == *second.last().unwrap_or(&0) && second.last() == input.last();
                if input != second && !vector {
                    let why = format!("{input:?} and {second:?} meet");
                    return Err(node.refuse("inputs", why, "use values of one shape, or a map and a vector of its channels"));
                }
                input.to_vec()
            }
            Op::AveragePool { window, .. } | Op::MaxPool { window, .. } => {
                let [h, w, c] = rank4()?;
                let [oh, ow] = windowed(node, window, h, w)?;
                let Window { kernel, padding: p, .. } = window;
                if p.top >= kernel[0] || p.bottom >= kernel[0] || p.left >= kernel[1] || p.right >= kernel[1] {
                    return Err(node.refuse("padding", "a window would lie beside the map", "pad by less than the kernel"));
                }
                vec![1, oh, ow, c]
            }
            Op::Mean { axes } | Op::Max { axes } => reduced(node, input, output, axes)?,
            Op::Concat { axis } => {
                let mut all = input.to_vec();
                let total: usize = node.inputs.iter().map(|&id| shape(id).get(*axis).copied().unwrap_or(0)).sum();
                let rest = |s: &[usize]| s.iter().enumerate().filter(|(i, _)| i != axis).map(|(_, &n)| n).collect::<Vec<_>>();
                if *axis >= input.len() || node.inputs.iter().any(|&id| rest(shape(id)) != rest(input)) {
                    return Err(node.refuse(
                        "axis",
                        "the values differ in other extents than this one",
                        "concatenate along one axis",
                    ));
                }
                all[*axis] = total;
                all
            }
            Op::Pad { pads } => {
                if pads.len() != input.len() {
                    return Err(node.refuse("paddings", "there is not a pair for each axis", "export the network again"));
                }
                input.iter().zip(pads).map(|(&n, [before, behind])| n.saturating_add(*before).saturating_add(*behind)).collect()
            }
            Op::ResizeNearest { factors } => {
                let [h, w, c] = rank4()?;
                vec![1, h.saturating_mul(factors[0]), w.saturating_mul(factors[1]), c]
            }
            Op::Reshape => {
                if input.iter().product::<usize>() != output.iter().product::<usize>() {
                    return Err(node.refuse("shape", format!("{input:?} becomes {output:?}"), "keep the number of elements"));
                }
                output.to_vec()
            }
            Op::Transpose { permutation } => {
                let mut sorted = permutation.clone();
                sorted.sort_unstable();
                if !sorted.iter().copied().eq(0..input.len()) {
                    return Err(node.refuse(
                        "perm",
                        format!("{permutation:?} is no order of {} axes", input.len()),
                        "export the network again",
                    ));
                }
                permutation.iter().map(|&axis| input[axis]).collect()
            }
            Op::Clip { .. }
            | Op::HardSwish
            | Op::Swish
            | Op::HardSigmoid { .. }
            | Op::Logistic
            | Op::Tanh
            | Op::Scalar { .. }
            | Op::LeakyRelu { .. }
            | Op::Softmax { .. }
            | Op::Quantize
            | Op::Dequantize => input.to_vec(),
        };
        if expected != output {
            let why = format!("from {input:?} follows {expected:?}, the file says {output:?}");
            return Err(node.refuse("output shape", why, "export the network again with fixed shapes"));
        }
        Ok(())
    }

    /// Elements and scales of what a node reads and makes.
    fn check_elements(&self, node: &Node) -> Checked {
        let bytes = |id: Id| self.value(id).element != Element::F32;
        for &id in node.inputs.iter().chain([&node.output]) {
            let value = self.value(id);
            if bytes(id) != value.quantization.is_some() {
                let why =
                    format!("value {} is {} and has {} scale", value.name, value.element, if bytes(id) { "no" } else { "a" });
                return Err(node.refuse("quantization", why, "quantise all values of the network, or none"));
            }
        }
        let output = bytes(node.output);
        let holds = match node.op {
            Op::Quantize => output,
            Op::Dequantize => !output && bytes(node.inputs[0]),
            _ => node.inputs.iter().all(|&id| bytes(id) == output),
        };
        if !holds {
            return Err(node.refuse(
                "types",
                "bytes and floats meet in one operator",
                "quantise activations as well as weights (full integer quantisation)",
            ));
        }
        let held = match &node.op {
            Op::Conv2d { weights, .. } | Op::Dense { weights, .. } => Some(matches!(weights, Weights::Int8 { .. })),
            _ => None,
        };
        if held.is_some_and(|int8| int8 != output) {
            return Err(node.refuse(
                "weights",
                "int8 weights with float values, or the reverse",
                "quantise activations as well as weights (full integer quantisation)",
            ));
        }
        let same = |id: Id| self.value(id).quantization == self.value(node.output).quantization;
        let keeps = match &node.op {
            Op::Reshape
            | Op::Transpose { .. }
            | Op::Pad { .. }
            | Op::Max { .. }
            | Op::MaxPool { .. }
            | Op::ResizeNearest { .. } => true,
            Op::AveragePool { .. } | Op::Concat { .. } => self.arithmetic == Arithmetic::Tflite,
            _ => false,
        };
        if keeps && !node.inputs.iter().all(|&id| same(id)) {
            return Err(node.refuse(
                "quantization",
                "its output has another scale than its input",
                "export the network with equal scales there",
            ));
        }
        Ok(())
    }
}
