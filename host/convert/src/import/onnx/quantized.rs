//! QuantizeLinear, DequantizeLinear, and the softmax that ends a network.

use super::attributes::Reading;
use super::constants::Kind;
use super::flow::{Flow, Form};
use crate::ir::{Element, Op, Quantization, Refusal, Value};

pub fn quantize_linear(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let name = r.output_name();
    if matches!(input.form, Form::Bytes { .. }) {
        return Err(r.node.refuse("input", "it is of bytes already", "quantise floats"));
    }
    if input.form == Form::Final {
        r.set(name, input);
        return Ok(());
    }
    let (quantization, mut unsigned) = r.scales(1, 2)?;
    if r.name(2).is_none() && r.int("output_dtype", 0) == 3 {
        return Err(r.node.refuse("output_dtype", "int8 without a zero point", "give it a zero point"));
    }
    if let Some(kind) = r.constant(2).map(|c| c.kind) {
        unsigned = kind == Kind::U8;
    }
    let form = Form::Bytes { unsigned };
    if input.form == Form::Real {
        let made = r.requantized(&input, quantization);
        r.set(name, Flow { form, ..made });
        return Ok(());
    }
    let from = r.reader.graph.value(input.id).clone();
    let value =
        Value { name: super::reader::short(name), element: Element::I8, quantization: Some(quantization), shape: from.shape };
    let id = r.push(Op::Quantize, vec![input.id], value);
    r.set(name, Flow { id, axes: input.axes, form });
    Ok(())
}

pub fn dequantize_linear(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let (input, name) = (r.flow(0)?, r.output_name());
    if input.form == Form::Final {
        r.set(name, input);
        return Ok(());
    }
    let bytes = r.bytes(0, 1, 2)?;
    r.set(name, Flow { form: Form::Real, ..bytes });
    Ok(())
}

/// Softmax at the end: it changes no order of classes, and the engine gives what stands before it.
pub fn softmax(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    last(r, input)
}

/// As [`softmax`], on bytes.
pub fn qlinear_softmax(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.bytes(0, 1, 2)?;
    last(r, input)
}

fn last(r: &mut Reading<'_, '_>, input: Flow) -> Result<(), Refusal> {
    let name = r.output_name();
    let (mut at, mut left) = (name, 64);
    loop {
        left -= 1;
        if r.reader.outputs.contains(at) {
            break;
        }
        let next = r.reader.consumers.get(at).filter(|all| all.len() == 1).map(|all| &r.reader.proto.node[all[0]]);
        let passes = |kind: &str| matches!(kind, "QuantizeLinear" | "DequantizeLinear" | "Identity");
        match next.filter(|node| left > 0 && passes(&node.op_type)).and_then(|node| node.output.first()) {
            Some(next) => at = next,
            None => return Err(r.node.refuse("operator", "a softmax inside the network", "use it at the end only")),
        }
    }
    let note = format!("{} ({}): left out; the output is what goes into it", r.node.name, r.node.kind);
    r.reader.graph.notes.push(note);
    let known = super::reader::short(r.name(0).unwrap_or_default());
    let value = r.reader.graph.value(input.id).clone();
    let id = match input.form {
        Form::Real => {
            let value = Value { name: known, element: Element::F32, quantization: None, ..value };
            r.push(Op::Dequantize, vec![input.id], value)
        }
        Form::Bytes { unsigned: true } => {
            let quantization = value.quantization.map(|q| Quantization { zero_point: q.zero_point + 128, ..q });
            r.push(Op::Quantize, vec![input.id], Value { name: known, element: Element::U8, quantization, ..value })
        }
        _ => input.id,
    };
    r.set(name, Flow { id, axes: input.axes, form: Form::Final });
    Ok(())
}
