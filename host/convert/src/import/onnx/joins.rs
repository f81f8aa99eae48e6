//! Operators that move cells without computing: concatenation, padding, resizing.

use super::attributes::Reading;
use super::constants::Numbers;
use super::flow::{Flow, Form, channels_last};
use crate::ir::{Op, Refusal};

impl Reading<'_, '_> {
    /// Joins flows along an axis of the file.
    pub(super) fn joined(&mut self, flows: &[Flow], axis: usize) -> Result<Flow, Refusal> {
        let axes = flows[0].axes.clone();
        let mut laid = Vec::with_capacity(flows.len());
        for flow in flows {
            if flow.axes.len() != axes.len() {
                return Err(self.node.refuse("inputs", "they have not one rank", "export the network again"));
            }
            laid.push(self.arranged(flow, &axes));
        }
        let here = flows[0].position(axis);
        let mut shape = self.reader.graph.value(laid[0].id).shape.clone();
        let extents = laid.iter().map(|flow| self.reader.graph.value(flow.id).shape[here]);
        shape[here] = extents.fold(0usize, usize::saturating_add);
        let first = self.reader.graph.value(laid[0].id).clone();
        let value = crate::ir::Value { name: super::reader::short(self.output_name()), shape, ..first };
        let id = self.push(Op::Concat { axis: here }, laid.iter().map(|flow| flow.id).collect(), value);
        Ok(Flow { id, axes, form: flows[0].form })
    }
}

/// Most values that are joined at once.
const MOST_JOINED: usize = 256;

fn few(r: &Reading<'_, '_>) -> Result<(), Refusal> {
    match r.raw.input.len() {
        0..=MOST_JOINED => Ok(()),
        count => Err(r.node.refuse("inputs", format!("there are {count}"), format!("join at most {MOST_JOINED}"))),
    }
}

pub fn concat(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    few(r)?;
    let flows = (0..r.raw.input.len()).map(|i| r.flow(i)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = flows.first() else {
        return Err(r.node.refuse("inputs", "there is none", "export the network again"));
    };
    let axis = r.axis("axis", r.int("axis", 0), first.axes.len())?;
    if r.form(&flows.iter().collect::<Vec<_>>())? == Form::Float {
        let made = r.joined(&flows, axis)?;
        r.set(r.output_name(), made);
        return Ok(());
    }
    // Each value is quantised as all together are: rounding does not ask what stands beside.
    let target = r.quantized()?;
    let mut clamped = Vec::with_capacity(flows.len());
    for flow in &flows {
        let mut flow = r.requantized(flow, target.quantization);
        for &activation in &target.clamps {
            let value = r.reader.graph.value(flow.id).clone();
            flow.id = r.push(Op::Clip { activation }, vec![flow.id], value);
        }
        clamped.push(flow);
    }
    let made = r.joined(&clamped, axis)?;
    for name in target.names {
        r.set(name, Flow { form: Form::Bytes { unsigned: target.unsigned }, ..made.clone() });
    }
    Ok(())
}

pub fn qlinear_concat(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    few(r)?;
    let target = r.own_target(0, 1)?;
    let mut flows = Vec::new();
    for position in (2..r.raw.input.len()).step_by(3) {
        let flow = r.bytes(position, position + 1, position + 2)?;
        flows.push(r.requantized(&flow, target.quantization));
    }
    let Some(first) = flows.first() else {
        return Err(r.node.refuse("inputs", "there is none", "export the network again"));
    };
    let axis = r.axis("axis", r.int("axis", 0), first.axes.len())?;
    let made = r.joined(&flows, axis)?;
    r.set(r.output_name(), Flow { form: Form::Bytes { unsigned: target.unsigned }, ..made });
    Ok(())
}

pub fn pad(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    r.computable(&input)?;
    let rank = input.axes.len();
    let mode = r.text("mode", "constant");
    if mode != "constant" {
        return Err(r.node.refuse("mode", mode.to_owned(), "pad with zeros"));
    }
    let value = r.constant(2).map_or(0.0, |c| match &*c.data {
        Numbers::Float(all) => all.first().copied().unwrap_or(0.0),
        Numbers::Whole(all) => all.first().map_or(0.0, |&w| w as f32),
    });
    let value = if r.has("value") { r.real("value", 0.0) } else { value };
    let zero = match (input.form, r.reader.graph.value(input.id).quantization) {
        // Bytes are padded with the zero point.
        (Form::Bytes { unsigned }, Some(q)) => (q.zero_point + if unsigned { 128 } else { 0 }) as f32,
        _ => 0.0,
    };
    if value != zero {
        return Err(r.node.refuse("constant_value", format!("{value}"), "pad with zeros"));
    }
    let counts = match r.ints("pads") {
        Some(pads) => pads.to_vec(),
        None => r.wholes(1)?.unwrap_or_default(),
    };
    let axes: Vec<usize> = match r.wholes(3)? {
        Some(axes) => axes.into_iter().map(|axis| r.axis("axes", axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let natural: Option<Vec<usize>> = counts.iter().map(|&n| usize::try_from(n).ok().filter(|&n| n < 1 << 16)).collect();
    let Some(counts) = natural.filter(|c| c.len() == 2 * axes.len()) else {
        return Err(r.node.refuse("pads", format!("{counts:?}"), "use counts of 0 or more, two for each axis"));
    };
    let (mut pads, mut shape) = (vec![[0, 0]; rank], r.reader.graph.value(input.id).shape.clone());
    for (i, &axis) in axes.iter().enumerate() {
        let here = input.position(axis);
        pads[here] = [counts[i], counts[axes.len() + i]];
        shape[here] += counts[i] + counts[axes.len() + i];
    }
    let made = r.moved(Op::Pad { pads }, &input, shape, input.axes.clone());
    r.set(r.output_name(), made);
    Ok(())
}

pub fn resize(r: &mut Reading<'_, '_>) -> Result<(), Refusal> {
    let input = r.flow(0)?;
    let laid = r.arranged(&input, &channels_last(input.axes.len()));
    let [1, h, w, c] = r.reader.graph.value(laid.id).shape[..] else {
        return Err(r.node.refuse("input", "it is no map", "resize rows and columns"));
    };
    if r.text("mode", "nearest") != "nearest" {
        return Err(r.node.refuse("mode", r.text("mode", "").to_owned(), "resize to the nearest neighbour"));
    }
    // Upsample and opset 10: scales at 1; later: a region, scales, sizes.
    let upsample = r.raw.op_type == "Upsample";
    let scales = r.constant(if upsample { 1 } else { 2 }).and_then(|c| c.floats()).filter(|f| f.len() == 4).map(<[f32]>::to_vec);
    let sizes = if upsample { None } else { r.wholes(3)? };
    let to = match (&scales, sizes) {
        (_, Some(s)) if s.len() == 4 => [s[2] as f64 / h as f64, s[3] as f64 / w as f64],
        (Some(s), _) if s[..2] == [1.0, 1.0] => [f64::from(s[2]), f64::from(s[3])],
        _ => return Err(r.node.refuse("scales, sizes", "neither is a constant of four", "export the network with fixed shapes")),
    };
    let whole = |f: f64| (f >= 1.0 && f.fract() == 0.0 && f < 65536.0).then_some(f as usize);
    let [Some(down), Some(across)] = to.map(whole) else {
        return Err(r.node.refuse("scales", format!("{to:?}"), "resize to whole multiples"));
    };
    let (place, nearest) = (
        r.text("coordinate_transformation_mode", if upsample { "asymmetric" } else { "half_pixel" }),
        r.text("nearest_mode", if upsample { "floor" } else { "round_prefer_floor" }),
    );
    let cell = |i: usize, factor: usize, extent: usize| -> Option<usize> {
        let (i, f) = (i as f64, factor as f64);
        let x = match place {
            "half_pixel" => (i + 0.5) / f - 0.5,
            "pytorch_half_pixel" if factor * extent > 1 => (i + 0.5) / f - 0.5,
            "asymmetric" => i / f,
            _ => return None,
        };
        let x = match nearest {
            "floor" => x.floor(),
            "ceil" => x.ceil(),
            "round_prefer_floor" => (x - 0.5).ceil(),
            "round_prefer_ceil" => (x + 0.5).floor(),
            _ => return None,
        };
        Some(x.clamp(0.0, extent as f64 - 1.0) as usize)
    };
    let repeats = |factor: usize, extent: usize| (0..factor * extent.min(4)).all(|i| cell(i, factor, extent) == Some(i / factor));
    if !repeats(down, h) || !repeats(across, w) {
        let why = format!("{place} and {nearest} do not repeat each cell as often");
        return Err(r.node.refuse("coordinate_transformation_mode, nearest_mode", why, "use asymmetric and floor"));
    }
    let made = r.moved(
        Op::ResizeNearest { factors: [down, across] },
        &laid,
        vec![1, h.saturating_mul(down), w.saturating_mul(across), c],
        channels_last(4),
    );
    r.set(r.output_name(), made);
    Ok(())
}
