//! Constants that nodes compute before the network runs: shapes, weights that are turned, quantised or dequantised.

use super::attributes::Reading;
use super::constants::{Constant, Kind, Numbers, Origin};
use super::flow::Slot;
use super::reader::{Reader, template};
use super::{movement, schema};
use crate::ir::Refusal;
use std::rc::Rc;

/// Most elements of a constant that nodes compute from whole numbers.
const MOST_WHOLE: usize = 1 << 16;

/// The constant that a node makes; none where it depends on the network's input, or is to be read as an operator.
///
/// # Errors
/// A constant that cannot be read.
pub fn evaluate<'a>(reader: &mut Reader<'a>, number: usize, node: &'a schema::Node) -> Result<Option<Constant>, Refusal> {
    let known = |name: &String| name.is_empty() || matches!(reader.slots.get(name.as_str()), Some(Slot::Constant(_)));
    let shaped = node.op_type == "Shape" && node.input.first().is_some_and(|name| reader.slots.contains_key(name.as_str()));
    if reader.done[number] || node.output.len() != 1 || !(shaped || node.input.iter().all(known)) {
        return Ok(None);
    }
    let mut r = Reading { reader, raw: node, number, node: template(number, node) };
    Ok(match node.op_type.as_str() {
        "Constant" => Some(constant(&r)?),
        "Shape" => shape(&r),
        "Identity" | "Dropout" => r.constant(0).cloned(),
        "Cast" => cast(&r),
        "Transpose" => transpose(&r)?,
        "Reshape" => reshape(&r),
        "Flatten" => flatten(&r),
        "Squeeze" | "Unsqueeze" => squeeze(&r)?,
        "Gather" => gather(&r),
        "Concat" => concat(&r),
        "Slice" => slice(&r),
        "ConstantOfShape" => constant_of_shape(&r),
        "Add" | "Sub" | "Mul" | "Div" => arithmetic(&r),
        "QuantizeLinear" => quantize(&r),
        "DequantizeLinear" => dequantize(&mut r)?,
        _ => None,
    })
}

fn constant(r: &Reading<'_, '_>) -> Result<Constant, Refusal> {
    let attribute = r.raw.attribute.first();
    let Some(attribute) = attribute else {
        return Err(r.node.refuse("value", "it is missing", "export the network again"));
    };
    match (attribute.name.as_str(), &attribute.t) {
        ("value", Some(tensor)) => Constant::read(tensor).map_err(|(why, remedy)| r.node.refuse("value", why, remedy)),
        ("value_float", _) => Ok(Constant::float(Vec::new(), vec![attribute.f])),
        ("value_floats", _) => Ok(Constant::float(vec![attribute.floats.len()], attribute.floats.clone())),
        ("value_int", _) => Ok(Constant::whole(Vec::new(), Kind::I64, vec![attribute.i])),
        ("value_ints", _) => Ok(Constant::whole(vec![attribute.ints.len()], Kind::I64, attribute.ints.clone())),
        (other, _) => Err(r.node.refuse(other, "it is not read", "use value")),
    }
}

fn shape(r: &Reading<'_, '_>) -> Option<Constant> {
    let shape = match r.reader.slots.get(r.name(0)?)? {
        Slot::Constant(constant) => constant.shape.clone(),
        Slot::Flow(flow) => flow.shape(&r.reader.graph),
    };
    let rank = shape.len() as i64;
    let bound = |name: &str, default: i64| {
        let at = r.int(name, default);
        (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    let part: Vec<i64> = shape.get(start..end)?.iter().map(|&n| n as i64).collect();
    Some(Constant::whole(vec![part.len()], Kind::I64, part))
}

fn cast(r: &Reading<'_, '_>) -> Option<Constant> {
    let from = r.constant(0)?;
    let kind = Kind::of(i32::try_from(r.int("to", 0)).ok()?)?;
    let data = match (&*from.data, kind) {
        (Numbers::Float(_), Kind::F32) => return Some(from.clone()),
        (Numbers::Whole(all), Kind::F32) => Numbers::Float(all.iter().map(|&w| w as f32).collect()),
        (Numbers::Whole(all), Kind::I32 | Kind::I64) => Numbers::Whole(all.clone()),
        (Numbers::Float(all), Kind::I32 | Kind::I64) => Numbers::Whole(all.iter().map(|&x| x as i64).collect()),
        _ => return None,
    };
    Some(Constant { shape: from.shape.clone(), kind, data: Rc::new(data), origin: None })
}

fn transpose(r: &Reading<'_, '_>) -> Result<Option<Constant>, Refusal> {
    let Some(from) = r.constant(0) else { return Ok(None) };
    let rank = from.shape.len();
    let perm: Vec<usize> = match r.ints("perm") {
        Some(perm) => perm.iter().map(|&axis| r.axis("perm", axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = perm.clone();
    sorted.sort_unstable();
    Ok(sorted.into_iter().eq(0..rank).then(|| from.transposed(&perm)))
}

fn reshape(r: &Reading<'_, '_>) -> Option<Constant> {
    let (from, asked) = (r.constant(0)?, r.constant(1)?.wholes()?);
    movement::resolve(asked, &from.shape, r.int("allowzero", 0) != 0).map(|shape| from.reshaped(shape))
}

fn flatten(r: &Reading<'_, '_>) -> Option<Constant> {
    let from = r.constant(0)?;
    let axis = r.axis("axis", r.int("axis", 1), from.shape.len() + 1).ok()?;
    Some(from.reshaped(vec![from.shape[..axis].iter().product(), from.shape[axis..].iter().product()]))
}

fn squeeze(r: &Reading<'_, '_>) -> Result<Option<Constant>, Refusal> {
    let Some(from) = r.constant(0) else { return Ok(None) };
    let given = match r.ints("axes") {
        Some(axes) => Some(axes.to_vec()),
        None => r.wholes(1)?,
    };
    let squeezes = r.raw.op_type == "Squeeze";
    let more = if squeezes { 0 } else { given.as_ref().map_or(0, Vec::len) };
    let rank = from.shape.len() + more;
    if rank > 8 {
        return Ok(None);
    }
    let axes = given.map(|axes| axes.into_iter().map(|axis| r.axis("axes", axis, rank)).collect::<Result<Vec<_>, _>>());
    let axes = axes.transpose()?;
    let shape: Vec<usize> = if squeezes {
        let gone = |axis: usize| axes.as_ref().map_or(from.shape[axis] == 1, |a| a.contains(&axis));
        (0..rank).filter(|&axis| !gone(axis)).map(|axis| from.shape[axis]).collect()
    } else {
        let (axes, mut rest) = (axes.unwrap_or_default(), from.shape.iter().copied());
        (0..rank).map(|axis| if axes.contains(&axis) { 1 } else { rest.next().unwrap_or(1) }).collect()
    };
    Ok((shape.iter().product::<usize>() == from.len()).then(|| from.reshaped(shape)))
}

fn gather(r: &Reading<'_, '_>) -> Option<Constant> {
    let (from, at) = (r.constant(0)?, r.constant(1)?);
    let (all, index) = (from.wholes()?, at.wholes()?);
    if from.shape.len() != 1 || r.int("axis", 0) != 0 || index.len() > MOST_WHOLE {
        return None;
    }
    let pick = |i: i64| all.get(usize::try_from(if i < 0 { i + all.len() as i64 } else { i }).ok()?).copied();
    let picked = index.iter().map(|&i| pick(i)).collect::<Option<Vec<_>>>()?;
    Some(Constant::whole(at.shape.clone(), from.kind, picked))
}

fn concat(r: &Reading<'_, '_>) -> Option<Constant> {
    let mut joined = Vec::new();
    for position in 0..r.raw.input.len() {
        let part = r.constant(position)?;
        if part.shape.len() != 1 || joined.len() + part.len() > MOST_WHOLE {
            return None;
        }
        joined.extend_from_slice(part.wholes()?);
    }
    Some(Constant::whole(vec![joined.len()], Kind::I64, joined))
}

fn slice(r: &Reading<'_, '_>) -> Option<Constant> {
    let from = r.constant(0)?;
    let all = from.wholes()?;
    let listed = |position: usize| r.constant(position).and_then(|c| c.wholes());
    let (starts, ends) = (listed(1)?, listed(2)?);
    let axes = if r.name(3).is_some() { listed(3)?.to_vec() } else { (0..starts.len() as i64).collect() };
    let steps = if r.name(4).is_some() { listed(4)?.to_vec() } else { vec![1; starts.len()] };
    if all.len() > MOST_WHOLE || [ends.len(), axes.len(), steps.len()].iter().any(|&n| n != starts.len()) {
        return None;
    }
    let mut kept: Vec<Vec<usize>> = from.shape.iter().map(|&n| (0..n).collect()).collect();
    for i in 0..starts.len() {
        let axis = r.axis("axes", axes[i], from.shape.len()).ok()?;
        let (length, step) = (from.shape[axis] as i64, steps[i]);
        let at = |x: i64| if x < 0 { x.saturating_add(length) } else { x };
        let (start, end) = match step {
            1.. => (at(starts[i]).clamp(0, length), at(ends[i]).clamp(0, length)),
            ..0 => (at(starts[i]).clamp(-1, length - 1), at(ends[i]).clamp(-1, length - 1)),
            0 => return None,
        };
        let inside = |x: &i64| if step > 0 { *x < end } else { *x > end };
        let indices = std::iter::successors(Some(start), |x| x.checked_add(step)).take_while(inside);
        kept[axis] = indices.map(usize::try_from).collect::<Result<_, _>>().ok()?;
    }
    let mut order = vec![0usize];
    for (indices, &extent) in kept.iter().zip(&from.shape) {
        order = order.iter().flat_map(|&at| indices.iter().map(move |&i| at * extent + i)).collect();
    }
    let shape = kept.iter().map(Vec::len).collect();
    Some(Constant::whole(shape, from.kind, order.iter().map(|&i| all[i]).collect()))
}

fn constant_of_shape(r: &Reading<'_, '_>) -> Option<Constant> {
    let shape = r.constant(0)?.wholes()?.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<_>>>()?;
    let count = shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n)).filter(|&n| n <= MOST_WHOLE)?;
    let value = r.raw.attribute.iter().find(|a| a.name == "value").and_then(|a| a.t.as_ref());
    let value = value.map_or_else(|| Some(Constant::float(Vec::new(), vec![0.0])), |t| Constant::read(t).ok())?;
    match &*value.data {
        Numbers::Whole(all) => Some(Constant::whole(shape, value.kind, vec![*all.first()?; count])),
        Numbers::Float(all) => Some(Constant::float(shape, vec![*all.first()?; count])),
    }
}

fn arithmetic(r: &Reading<'_, '_>) -> Option<Constant> {
    let (a, b) = (r.constant(0)?, r.constant(1)?);
    let (long, count) = if a.len() >= b.len() { (a, a.len()) } else { (b, b.len()) };
    if (a.shape != b.shape && a.len() != 1 && b.len() != 1) || count > MOST_WHOLE {
        return None;
    }
    let at = |length: usize, i: usize| if length == 1 { 0 } else { i };
    let kind = r.raw.op_type.as_str();
    match (&*a.data, &*b.data) {
        (Numbers::Whole(x), Numbers::Whole(y)) => {
            let one = |i: usize| {
                let (x, y) = (x[at(x.len(), i)], y[at(y.len(), i)]);
                match kind {
                    "Add" => x.checked_add(y),
                    "Sub" => x.checked_sub(y),
                    "Mul" => x.checked_mul(y),
                    _ => x.checked_div(y),
                }
            };
            let made = (0..count).map(one).collect::<Option<Vec<_>>>()?;
            Some(Constant::whole(long.shape.clone(), a.kind, made))
        }
        (Numbers::Float(x), Numbers::Float(y)) => {
            let one = |i: usize| {
                let (x, y) = (x[at(x.len(), i)], y[at(y.len(), i)]);
                match kind {
                    "Add" => x + y,
                    "Sub" => x - y,
                    "Mul" => x * y,
                    _ => x / y,
                }
            };
            Some(Constant::float(long.shape.clone(), (0..count).map(one).collect()))
        }
        _ => None,
    }
}

/// Scales, zero points (as many), the type of the bytes and the axis, of a constant under Q or DQ.
#[allow(clippy::type_complexity)] // of one caller
fn scales(r: &Reading<'_, '_>, constant: &Constant) -> Option<(Vec<f32>, Vec<i64>, Option<Kind>, usize)> {
    let scales = r.constant(1)?.floats()?.to_vec();
    let zero = if r.name(2).is_some() { Some(r.constant(2)?) } else { None };
    let zeros = zero.map_or_else(|| Some(vec![0; scales.len()]), |z| z.wholes().map(<[i64]>::to_vec))?;
    let axis = if scales.len() == 1 { 0 } else { r.axis("axis", r.int("axis", 1), constant.shape.len()).ok()? };
    let fits = scales.len() == 1 || constant.shape.get(axis) == Some(&scales.len());
    (fits && zeros.len() == scales.len() && r.int("block_size", 0) == 0).then_some((scales, zeros, zero.map(|z| z.kind), axis))
}

/// Which of so many scales an element has.
fn part(shape: &[usize], axis: usize, count: usize) -> impl Fn(usize) -> usize {
    let inner: usize = shape.iter().skip(axis + 1).product::<usize>().max(1);
    move |i| if count == 1 { 0 } else { i / inner % count }
}

fn quantize(r: &Reading<'_, '_>) -> Option<Constant> {
    let from = r.constant(0)?;
    let (scales, zeros, kind, axis) = scales(r, from)?;
    let kind = kind.unwrap_or(Kind::U8);
    let (least, greatest) = match kind {
        Kind::U8 => (0, 255),
        Kind::I8 => (-128, 127),
        _ => return None,
    };
    let part = part(&from.shape, axis, scales.len());
    let byte = |(i, &x): (usize, &f32)| {
        let c = part(i);
        ((x / scales[c]).round_ties_even() as i64).saturating_add(zeros[c]).clamp(least, greatest)
    };
    let whole = from.floats()?.iter().enumerate().map(byte).collect();
    Some(Constant::whole(from.shape.clone(), kind, whole))
}

fn dequantize(r: &mut Reading<'_, '_>) -> Result<Option<Constant>, Refusal> {
    let Some(from) = r.constant(0).cloned() else { return Ok(None) };
    let Some((scales, zeros, _, axis)) = scales(r, &from) else {
        return Err(r.node.refuse(
            "scale, zero point",
            "they are not constants along one axis",
            "quantise per tensor or per channel",
        ));
    };
    let Some(whole) = from.wholes() else { return Ok(None) };
    let part = part(&from.shape, axis, scales.len());
    let real = |(i, &w): (usize, &i64)| w.saturating_sub(zeros[part(i)]) as f32 * scales[part(i)];
    let floats = whole.iter().enumerate().map(real).collect();
    let origin = Origin { whole: Rc::new(whole.to_vec()), scales, zeros, axis };
    Ok(Some(Constant { origin: Some(origin), ..Constant::float(from.shape.clone(), floats) }))
}
