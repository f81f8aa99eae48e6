//! Winograd both ways, for AVX2: a block of output rows in tiles of 4x4, by an [`Axis`]: 36 products of 144, or 81 with stride 2.
//!
//! What the tiles of a block have at one of the products' points are rows of a matrix, multiplied with that point's weights
//! (`tile.rs`). Sums come out times both axes' scales, 576 or 36, modulo 2^32. The odd part, 9, is divided by through its inverse; the
//! power of two, 64 or 4, is left to the scale of requantisation, where it is exact. So outputs need only be under 2^25 or 2^29.
//! Weights fit i16 (144 * 128 at most), and so do the inputs' factors (100 * 128).

use super::axis::{Axis, Four, FourByTwo, OUTPUTS};
use super::tile::{CHANNELS, Finish, LANES, SIDE, SUMS, VECTOR, multiply, places, transform};
use crate::kernels::blocks::{BlockRows, Blocks, Plan};
use crate::kernels::checked::{Covered, Shape, WORD};
use crate::kernels::pack::{HEADER, put, word};

/// Tiles that are computed together: what reading the weights is divided by.
const TILES: usize = 8;

/// A way to compute a layer.
struct Form {
    /// Bytes of packed filters.
    len: fn(&Shape) -> usize,
    pack: fn(&Covered<'_>, &mut [u8]),
    /// Bytes of scratch memory for that many tiles.
    scratch: fn(&Shape, usize) -> usize,
    block: unsafe fn(&BlockRows<'_>, &mut [i8], &mut [i8]),
    scale: i32,
    stride: usize,
}

const fn form<A: Axis, const FUSED: bool>() -> Form {
    Form {
        len: len::<A>,
        pack: pack_form::<A>,
        scratch: scratch::<A>,
        block: block::<A, FUSED>,
        scale: A::SCALE * A::SCALE,
        stride: A::STRIDE,
    }
}

/// In the order of the first byte of packed filters, from [`FIRST`] on.
const FORMS: [Form; 4] = [form::<Four, false>(), form::<FourByTwo, false>(), form::<Four, true>(), form::<FourByTwo, true>()];
const FIRST: u8 = 2;

fn find(id: u8) -> Option<&'static Form> {
    const { &FORMS }.get(usize::from(id.checked_sub(FIRST)?))
}

/// For AVX2.
pub const BLOCKS: Blocks = Blocks { plan: plan_words, pack, run };
/// For AVX-VNNI.
pub const FUSED: Blocks = Blocks { plan: plan_fused, pack, run };

/// Input channels from which on stride 2 takes less time so than by `vpdpbusd`, whose products are twice as many an instruction.
const FUSED_FROM: usize = 48;

fn plan_words(layer: &Covered<'_>, stride: usize, size: [usize; 2]) -> Option<Plan> {
    plan(layer, size, [FIRST, FIRST + 1].get(stride.checked_sub(1)?).copied()?)
}

fn plan_fused(layer: &Covered<'_>, stride: usize, size: [usize; 2]) -> Option<Plan> {
    let is_slower = stride == 2 && layer.shape().span / 3 < FUSED_FROM;
    plan(layer, size, [FIRST + 2, FIRST + 3].get(stride.checked_sub(1)?).copied().filter(|_| !is_slower)?)
}

/// How a layer is computed in blocks of rows, if it is.
fn plan(layer: &Covered<'_>, [height, width]: [usize; 2], id: u8) -> Option<Plan> {
    let (form, shape) = (find(id)?, layer.shape());
    if !suits(shape, form) || width < OUTPUTS || !fits(layer, form.scale) {
        return None;
    }
    let across = width.div_ceil(OUTPUTS);
    let down = TILES.div_ceil(across.max(1)).min(height.div_ceil(OUTPUTS)).max(1);
    Some(Plan { rows: down * OUTPUTS, form: id, scratch: (form.scratch)(shape, down * across) })
}

/// True for what the loops are made for.
const fn suits(shape: &Shape, form: &Form) -> bool {
    let channels = shape.span / 3;
    let is_three = shape.height == 3 && shape.span == 3 * channels && shape.step == form.stride * channels;
    is_three && !shape.wide && !shape.fixed && channels >= CHANNELS && channels.is_multiple_of(2)
}

/// True if no output overflows times the power of two in `scale`, and requantisation by the rest of it is exact.
fn fits(layer: &Covered<'_>, scale: i32) -> bool {
    (0..layer.shape().channels).all(|channel| {
        let real = f32::from_bits(word(layer.filters().scales, channel) as u32);
        layer.largest(channel) << scale.trailing_zeros() < 1 << 31 && real > 1e-30
    })
}

/// Packs for a form; the bytes taken, written only if `out` is that long.
fn pack(form: u8, layer: &Covered<'_>, out: &mut [u8]) -> usize {
    let Some((id, form)) = Some(form).zip(find(form)) else { return 0 };
    let len = (form.len)(layer.shape());
    if let Some(out) = out.get_mut(..len) {
        out.fill(0);
        put(out, 0, &[id]);
        (form.pack)(layer, out);
    }
    len
}

/// Rows of a block; false, with nothing written, if something is short.
fn run(args: &BlockRows<'_>, scratch: &mut [i8], out: &mut [i8]) -> bool {
    let form = args.layer.filters().packed.first().and_then(|form| find(*form));
    let Some(form) = form.filter(|form| is_sound(args, form, scratch.len(), out.len()).unwrap_or(false)) else { return false };
    // SAFETY: a kernel with this function exists on a processor with AVX2 only; the rest is checked.
    unsafe { (form.block)(args, scratch, out) };
    true
}

/// True if all slices are long enough for a form; none where a length does not fit.
fn is_sound(args: &BlockRows<'_>, form: &Form, scratch: usize, out: usize) -> Option<bool> {
    let (shape, packed) = (args.layer.shape(), args.layer.filters().packed);
    if !suits(shape, form) || args.width < OUTPUTS {
        return Some(false);
    }
    let (down, across) = (args.rows.div_ceil(OUTPUTS), args.width.div_ceil(OUTPUTS));
    let row_len = args.width.checked_sub(1)?.checked_mul(shape.step)?.checked_add(shape.span)?;
    // Also for rows below the last wanted one, which are computed and not written.
    let rows = down.checked_mul(OUTPUTS)?.checked_sub(1)?.checked_mul(form.stride)?.checked_add(3)?;
    let sound = packed.len() >= (form.len)(shape)
        && args.row_len >= row_len
        && args.input.len() >= rows.checked_mul(args.row_len)?
        && out >= args.rows.checked_mul(args.width)?.checked_mul(shape.channels)?
        && scratch >= (form.scratch)(shape, down.checked_mul(across)?);
    Some(sound)
}

/// Groups of blocks of channels: first channel, blocks. Threes, then twos rather than a block alone.
fn groups(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let blocks = channels.div_ceil(LANES);
    let in_twos = [0, 4, 2][blocks % 3];
    let mut done = 0;
    core::iter::from_fn(move || {
        let (first, left) = (done * LANES, blocks - done);
        let size = if left > in_twos { left.min(3) } else { left.min(2) };
        done += size;
        (size > 0).then_some((first, size))
    })
}

/// A group is its biases, its scales, then for each filter and each word of input channels a vector a block.
/// The largest number, as of no slice, where they do not fit one.
const fn group_len<A: Axis>(shape: &Shape, blocks: usize) -> usize {
    (shape.span / 3 / 2).saturating_mul(A::FILTERS * A::FILTERS).saturating_add(2).saturating_mul(blocks * VECTOR)
}

fn len<A: Axis>(shape: &Shape) -> usize {
    groups(shape.channels).map(|(_, blocks)| group_len::<A>(shape, blocks)).fold(HEADER, usize::saturating_add)
}

fn pack_form<A: Axis>(layer: &Covered<'_>, out: &mut [u8]) {
    let (shape, filters) = (layer.shape(), layer.filters());
    let (channels, scale) = (shape.span / 3, A::SCALE * A::SCALE);
    let power = 1.0 / (1u32 << scale.trailing_zeros()) as f32;
    let mut start = HEADER;
    for (first, blocks) in groups(shape.channels) {
        for (lane, channel) in (first..shape.channels).take(blocks * LANES).enumerate() {
            let bias = word(filters.bias, channel).wrapping_mul(scale);
            let real = f32::from_bits(word(filters.scales, channel) as u32) * power;
            put(out, start + lane * WORD, &bias.to_le_bytes());
            put(out, start + (blocks * LANES + lane) * WORD, &real.to_le_bytes());
            let (block, lane) = (lane / LANES, lane % LANES);
            for c in 0..channels {
                let taps = [0, 1, 2];
                let g = taps.map(|y| taps.map(|x| layer.weight(channel, y * shape.span + x * channels + c)));
                for (f, down) in A::WEIGHTS.iter().enumerate() {
                    for (k, across) in A::WEIGHTS.iter().enumerate() {
                        let row = |row: &[i32; 3]| row.iter().zip(across).map(|(g, by)| g * by).sum::<i32>();
                        let value = g.iter().zip(down).map(|(taps, by)| row(taps) * by).sum::<i32>() as i16;
                        let vector = (2 + (f * A::FILTERS + k) * (channels / 2) + c / 2) * blocks + block;
                        put(out, start + VECTOR * vector + lane * WORD + c % 2 * 2, &value.to_le_bytes());
                    }
                }
            }
        }
        start += group_len::<A>(shape, blocks);
    }
}

/// Bytes of all factors and of the products of a group; the largest number where they fit no slice.
fn scratch<A: Axis>(shape: &Shape, tiles: usize) -> usize {
    let rows = A::POINTS * A::POINTS * tiles.min(TILES).next_multiple_of(SIDE);
    (shape.span / 3).saturating_mul(2).saturating_add(SUMS).saturating_mul(rows)
}

/// # Safety
/// AVX2, and all that [`run`] checks.
#[target_feature(enable = "avx2")]
unsafe fn block<A: Axis, const FUSED: bool>(args: &BlockRows<'_>, scratch: &mut [i8], out: &mut [i8]) {
    let (shape, filters, width) = (*args.layer.shape(), args.layer.filters(), args.width);
    let channels = shape.span / 3;
    let across = width.div_ceil(OUTPUTS).max(1);
    let all = args.rows.div_ceil(OUTPUTS) * across;
    // The last tile of a row may overlap the one before; rows below the last are computed from anything and not written.
    let place = |tile: usize| (tile / across * OUTPUTS, (tile % across * OUTPUTS).min(width - OUTPUTS));
    let (points, row) = (A::POINTS * A::POINTS, 2 * channels);
    // Four tiles side by side, point after point: `row` bytes a tile of factors, `SUMS` of products.
    let start = |tile: usize, row: usize| (tile / SIDE * points * SIDE + tile % SIDE) * row;
    let to = places::<A>().map(|places| places.map(|place| place * SIDE * row));
    let factors = scratch.as_mut_ptr().cast::<u8>();
    for first_tile in (0..all).step_by(TILES) {
        let tiles = TILES.min(all - first_tile);
        // SAFETY: `scratch` holds all factors, then the products of a group; input, filters and output are long enough.
        unsafe {
            for tile in 0..tiles {
                let (y, x) = place(first_tile + tile);
                let input = args.input.as_ptr().add(y * A::STRIDE * args.row_len + x * shape.step);
                for c in (0..channels).step_by(CHANNELS) {
                    let c = c.min(channels - CHANNELS);
                    transform::<A>(input.add(c), args.row_len, channels, factors.add(start(tile, row) + 2 * c), &to);
                }
            }
            let products = factors.add(points * tiles.next_multiple_of(SIDE) * row);
            let mut group = filters.packed.as_ptr().add(HEADER);
            for (first, blocks) in groups(shape.channels) {
                let weights = group.add(2 * blocks * VECTOR);
                let axis = [A::FILTERS, A::POINTS];
                match blocks {
                    3 => multiply::<3, FUSED>(axis, weights, factors, channels, tiles, products),
                    2 => multiply::<2, FUSED>(axis, weights, factors, channels, tiles, products),
                    _ => multiply::<1, FUSED>(axis, weights, factors, channels, tiles, products),
                }
                for tile in 0..tiles {
                    let (y, x) = place(first_tile + tile);
                    for b in 0..blocks {
                        let channel = first + b * LANES;
                        let finish = Finish {
                            parameters: group.add(b * VECTOR),
                            blocks,
                            zero_point: filters.zero_point,
                            to: out.as_mut_ptr().add((y * width + x) * shape.channels + channel),
                            pixel: shape.channels,
                            row: width * shape.channels,
                            rows: args.rows - y,
                            lanes: shape.channels - channel,
                        };
                        finish.tile::<A>(products.add(start(tile, SUMS) + b * VECTOR));
                    }
                }
                group = group.add(group_len::<A>(&shape, blocks));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{Filters, Kernel};
    use std::vec::Vec;

    fn plan(shape: &Shape, stride: usize, size: [usize; 2], filters: &Filters<'_>) -> Option<Plan> {
        plan_words(&Covered::new(*shape, *filters).unwrap(), stride, size)
    }

    #[test]
    fn outputs_may_grow_as_far_as_they_fit() {
        let weights = [127u8; 9 * 16 * 8];
        let scales: Vec<u8> = [1e-3f32; 8].iter().flat_map(|scale| scale.to_le_bytes()).collect();
        for (stride, bits) in [(1, 25), (2, 29)] {
            let shape = Shape { height: 3, span: 3 * 16, step: stride * 16, channels: 8, wide: false, fixed: false };
            let most = (1 << bits) - 1 - 128 * 127 * 9 * 16;
            for (bias, fits) in [(most, true), (-most, true), (most + 1, false), (-most - 1, false), (i32::MIN, false)] {
                let bias: Vec<u8> = [0, 0, 0, 0, 0, 0, 0, bias].iter().flat_map(|bias| bias.to_le_bytes()).collect();
                let filters =
                    Filters { weights: &weights, bias: &bias, scales: &scales, shifts: &[], zero_point: 0, packed: &[] };
                assert_eq!(plan(&shape, stride, [8, 8], &filters).is_some(), fits);
            }
            let filters = Filters { weights: &weights, bias: &[0; 32], scales: &scales, shifts: &[], zero_point: 0, packed: &[] };
            for size in [[1, 4], [300, 5], [7, 1000]] {
                assert!(plan(&shape, stride, size, &filters).is_some_and(|plan| plan.rows <= 4 * TILES));
            }
            assert!(plan(&shape, stride, [8, 3], &filters).is_none() && plan(&shape, 3 - stride, [8, 8], &filters).is_none());
            // Scales that a division by 64 would round.
            let filters = Filters { scales: &[0; 32], ..filters };
            assert!(plan(&shape, stride, [8, 8], &filters).is_none());
        }
    }

    #[test]
    fn short_slices_are_refused() {
        let shape = Shape { height: 3, span: 48, step: 16, channels: 8, wide: false, fixed: false };
        let scales: Vec<u8> = [1f32; 8].iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let filters =
            Filters { weights: &[1; 9 * 16 * 8], bias: &[0; 32], scales: &scales, shifts: &[], zero_point: 0, packed: &[] };
        let (plan, mut packed) = (plan(&shape, 1, [4, 4], &filters).unwrap(), [0; 32_768]);
        let len = pack(plan.form, &Covered::new(shape, filters).unwrap(), &mut packed);
        if !Kernel::available().any(|kernel| kernel.name() == "avx2") {
            return;
        }
        let full = [len, 6 * 6 * 16, plan.scratch, 4 * 4 * 8];
        for short in 0..=full.len() {
            let [packed_len, input, scratch, out] = core::array::from_fn(|i| full[i] - usize::from(i == short));
            let filters = Filters { packed: &packed[..packed_len], ..filters };
            let layer = Covered::new(shape, filters).unwrap();
            let args = BlockRows { layer, input: &[1; 6 * 6 * 16][..input], row_len: 6 * 16, rows: 4, width: 4 };
            let (mut scratch, mut out) = (std::vec![0; scratch], std::vec![0; out]);
            assert_eq!(run(&args, &mut scratch, &mut out), short == full.len());
            assert!(out.iter().all(|q| *q == if short == full.len() { 127 } else { 0 }));
        }
    }

    #[test]
    fn groups_leave_no_block_alone() {
        for blocks in 2..40 {
            let groups: Vec<_> = groups(blocks * LANES).collect();
            assert_eq!(groups.iter().map(|(_, blocks)| blocks).sum::<usize>(), blocks);
            assert!(groups.iter().all(|(_, blocks)| *blocks > 1), "{groups:?}");
            assert!(groups.windows(2).all(|pair| pair[1].0 == pair[0].0 + pair[0].1 * LANES));
        }
        assert_eq!(groups(5).collect::<Vec<_>>(), [(0, 1)]);
    }
}
