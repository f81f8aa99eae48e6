//! Reductions over axes, and operators that move elements.

use super::numbers;
use super::tensor::{Data, Tensor};
use crate::ir::{Graph, Node, Refusal};
use anyhow::{Result, bail};

/// Coordinates of an element.
fn coordinates(shape: &[usize], mut at: usize) -> Vec<usize> {
    let mut result = vec![0; shape.len()];
    for (i, extent) in shape.iter().enumerate().rev() {
        result[i] = at % extent;
        at /= extent;
    }
    result
}

/// Index of an element.
fn index(shape: &[usize], at: &[usize]) -> usize {
    shape.iter().zip(at).fold(0, |index, (extent, at)| index * extent + at)
}

/// Folds all elements into those that remain when `axes` are dropped; how many there are in each, too.
fn reduce<T: Copy, A: Copy>(shape: &[usize], axes: &[usize], x: &[T], start: A, step: impl Fn(A, T) -> A) -> (Vec<A>, usize) {
    let kept: Vec<usize> = shape.iter().enumerate().map(|(i, &n)| if axes.contains(&i) { 1 } else { n }).collect();
    let mut result = vec![start; kept.iter().product()];
    for (i, &x) in x.iter().enumerate() {
        let mut at = coordinates(shape, i);
        axes.iter().for_each(|&axis| at[axis] = 0);
        let slot = &mut result[index(&kept, &at)];
        *slot = step(*slot, x);
    }
    let count = x.len() / result.len();
    (result, count)
}

/// Means of bytes.
pub fn mean_i8(graph: &Graph, node: &Node, axes: &[usize], x: &[i8]) -> Result<Vec<i8>, Refusal> {
    let (zx, zy) = (
        numbers::quantization(graph, node, node.inputs[0])?.zero_point,
        numbers::quantization(graph, node, node.output)?.zero_point,
    );
    let (sums, count) = reduce(&graph.value(node.inputs[0]).shape, axes, x, 0i32, |sum, x| sum.wrapping_add(i32::from(x) - zx));
    let rescale = numbers::mean_rescale(graph, node, count)?;
    Ok(sums.into_iter().map(|sum| rescale.apply(sum).saturating_add(zy).clamp(-128, 127) as i8).collect())
}

/// Means of floats.
pub fn mean_f32(shape: &[usize], axes: &[usize], x: &[f32]) -> Vec<f32> {
    let (sums, count) = reduce(shape, axes, x, 0.0f32, |sum, x| sum + x);
    sums.into_iter().map(|sum| sum / count as f32).collect()
}

/// Maxima.
pub fn max<T: Copy + PartialOrd>(shape: &[usize], axes: &[usize], x: &[T], least: T) -> Vec<T> {
    reduce(shape, axes, x, least, |best, x| if x > best { x } else { best }).0
}

/// Applies a rearrangement to whatever the elements are.
fn gather(data: &Data, take: impl Iterator<Item = Option<usize>>, zero: i32) -> Data {
    match data {
        Data::I8(d) => Data::I8(take.map(|i| i.map_or(zero as i8, |i| d[i])).collect()),
        Data::U8(d) => Data::U8(take.map(|i| i.map_or(zero as u8, |i| d[i])).collect()),
        Data::F32(d) => Data::F32(take.map(|i| i.map_or(zero as f32, |i| d[i])).collect()),
    }
}

/// `zero` around a value.
pub fn pad(shape: &[usize], pads: &[[usize; 2]], data: &Data, zero: i32) -> Data {
    let padded: Vec<usize> = shape.iter().zip(pads).map(|(n, [before, behind])| n + before + behind).collect();
    let take = (0..padded.iter().product()).map(|i| {
        let at = coordinates(&padded, i);
        let inner = at.iter().zip(pads).zip(shape).map(|((at, [before, _]), n)| at.checked_sub(*before).filter(|at| at < n));
        inner.collect::<Option<Vec<usize>>>().map(|at| index(shape, &at))
    });
    gather(data, take, zero)
}

/// Each cell `factors` times down and to the right.
pub fn resize_nearest([height, width, channels]: [usize; 3], factors: [usize; 2], data: &Data) -> Data {
    let shape = [height * factors[0], width * factors[1], channels];
    let take = (0..shape.iter().product()).map(|i| {
        let at = coordinates(&shape, i);
        Some(index(&[height, width, channels], &[at[0] / factors[0], at[1] / factors[1], at[2]]))
    });
    gather(data, take, 0)
}

/// Axes in another order.
pub fn transpose(shape: &[usize], permutation: &[usize], data: &Data) -> Data {
    let turned: Vec<usize> = permutation.iter().map(|&axis| shape[axis]).collect();
    let take = (0..turned.iter().product()).map(|i| {
        let mut at = vec![0; shape.len()];
        coordinates(&turned, i).iter().zip(permutation).for_each(|(&c, &axis)| at[axis] = c);
        Some(index(shape, &at))
    });
    gather(data, take, 0)
}

/// Values one behind the other along an axis.
pub fn concat(inputs: &[&Tensor], axis: usize) -> Result<Data> {
    fn join<T: Copy>(parts: &[(&[T], usize)], outer: usize) -> Vec<T> {
        (0..outer).flat_map(|i| parts.iter().flat_map(move |(data, inner)| data[i * inner..][..*inner].iter().copied())).collect()
    }
    let inner = |tensor: &Tensor| tensor.shape[axis..].iter().product::<usize>();
    let outer: usize = inputs[0].shape[..axis].iter().product();
    macro_rules! joined {
        ($kind:ident) => {{
            let parts = inputs.iter().map(|t| if let Data::$kind(d) = &t.data { Some((d.as_slice(), inner(t))) } else { None });
            match parts.collect::<Option<Vec<_>>>() {
                Some(parts) => Ok(Data::$kind(join(&parts, outer))),
                None => bail!("values of several types are concatenated"),
            }
        }};
    }
    match inputs[0].data {
        Data::I8(_) => joined!(I8),
        Data::U8(_) => joined!(U8),
        Data::F32(_) => joined!(F32),
    }
}
