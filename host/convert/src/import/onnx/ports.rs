//! Inputs and outputs of a file.

use super::constants::{Kind, kind_name};
use super::flow::{self, Flow, Form, Slot};
use super::reader::{Reader, refuse, short};
use super::schema;
use crate::ir::check::MOST_ELEMENTS;
use crate::ir::{Element, Id, Node, Value};
use anyhow::{Result, bail, ensure};

impl<'a> Reader<'a> {
    pub(super) fn input(&mut self, input: &'a schema::ValueInfo) -> Result<()> {
        let refused = |attribute: &str, why: String, remedy: &str| refuse(&input.name, "input", attribute, why, remedy);
        let kind = input.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
        let Some((kind, shape)) = kind.and_then(|t| Some((t.elem_type, t.shape.as_ref()?))) else {
            bail!(refused("type", "it is no tensor of a known shape".to_owned(), "export the network with a fixed input shape"));
        };
        let element = match Kind::of(kind) {
            Some(Kind::F32) => Element::F32,
            Some(Kind::U8) => Element::U8,
            Some(Kind::I8) => Element::I8,
            _ => bail!(refused("type", format!("{} inputs do not run", kind_name(kind)), "give it float32, uint8 or int8")),
        };
        ensure!(
            (1..=4).contains(&shape.dim.len()),
            refused("shape", format!("it has {} axes", shape.dim.len()), "use one to four: batch, channels, rows, columns")
        );
        let extents: Vec<Option<usize>> =
            shape.dim.iter().map(|d| usize::try_from(d.dim_value).ok().filter(|&n| n > 0)).collect();
        // A batch of any size is a batch of one.
        let fixed: Option<Vec<usize>> =
            extents.iter().enumerate().map(|(axis, n)| n.or((axis == 0 && extents.len() > 1).then_some(1))).collect();
        let fits = |s: &Vec<usize>| s.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).is_some_and(|n| n <= MOST_ELEMENTS);
        let Some(fixed) = fixed.filter(fits) else {
            bail!(refused(
                "shape",
                "an extent is not known, or too large".to_owned(),
                "export the network with a fixed input shape"
            ));
        };
        let axes = self.input_layout(&input.name, fixed.len());
        let value = Value {
            name: short(&input.name),
            shape: axes.iter().map(|&axis| fixed[axis]).collect(),
            element,
            quantization: None,
        };
        let id = self.graph.add(value);
        self.graph.inputs.push(id);
        self.input_axes.push(axes.clone());
        let form = match element {
            Element::F32 => Form::Float,
            Element::U8 => Form::Bytes { unsigned: true },
            Element::I8 => Form::Bytes { unsigned: false },
        };
        self.slots.insert(&input.name, Slot::Flow(Flow { id, axes, form }));
        Ok(())
    }

    /// Axes of an input as they lie here: channels last where the network reads them first.
    fn input_layout(&self, name: &'a str, rank: usize) -> Vec<usize> {
        let given: Vec<usize> = (0..rank).collect();
        let mut name = name;
        for _ in 0..64 {
            let Some(&reader) = self.consumers.get(name).and_then(|all| all.first()) else { break };
            let node = &self.proto.node[reader];
            match node.op_type.as_str() {
                "Conv" | "QLinearConv" | "ConvInteger" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "Resize"
                | "Upsample" => {
                    return flow::channels_last(rank);
                }
                "Transpose" | "Reshape" | "Flatten" | "Gemm" | "MatMul" | "QLinearMatMul" | "QGemm" => return given,
                _ => {}
            }
            let Some(next) = node.output.first() else { break };
            name = next;
        }
        if rank == 4 { flow::channels_last(4) } else { given }
    }

    pub(super) fn output(&mut self, name: &'a str) -> Result<()> {
        let Some(Slot::Flow(flow)) = self.slots.get(name).cloned() else {
            bail!(refuse(name, "output", "value", "no node makes it from the input".to_owned(), "export the network again"));
        };
        self.output_axes.push(flow.axes.clone());
        let value = self.graph.value(flow.id).clone();
        let kind = match flow.form {
            Form::Real => Some(Element::F32),
            Form::Bytes { unsigned: true } if value.element == Element::I8 => Some(Element::U8),
            _ => None,
        };
        let Some(element) = kind else {
            self.graph.outputs.push(flow.id);
            return Ok(());
        };
        let mut node = Node {
            name: short(name),
            kind: "output".to_owned(),
            op: if element == Element::F32 { crate::ir::Op::Dequantize } else { crate::ir::Op::Quantize },
            inputs: vec![flow.id],
            output: Id(0),
        };
        let quantization = value.quantization.filter(|_| element == Element::U8);
        let quantization = quantization.map(|q| crate::ir::Quantization { zero_point: q.zero_point + 128, ..q });
        node.output = self.graph.add(Value { name: short(name), shape: value.shape, element, quantization });
        self.graph.outputs.push(node.output);
        self.graph.nodes.push(node);
        Ok(())
    }
}
