//! Winograd both ways: a block of output rows in tiles of 4x4, by an [`Axis`]: 36 products of 144, or 81 with stride 2.
//!
//! What the tiles of a block have at one of the products' points are rows of a matrix, multiplied with that point's weights
//! ([`products`]). Sums come out times both axes' scales, 576 or 36, modulo 2^32. The odd part, 9, is divided by through its inverse; the
//! power of two, 64 or 4, is left to the scale of requantisation, where it is exact. So outputs need only be under 2^25 or 2^29.
//! Weights fit i16 (144 * 128 at most), and so do the inputs' factors (100 * 128).

mod axis;
mod pack;
mod places;
mod products;
mod tile;
mod tiles;

use crate::kernels::blocks::{BlockRows, Blocks, Plan};
use crate::kernels::checked::{Covered, Shape};
use crate::kernels::pack::{HEADER, put, word};
use crate::kernels::vector::isa::Isa;
use axis::{Axis, Four, FourByTwo, OUTPUTS};
use pack::{group_len, groups, len, pack_form};
use places::places;
pub use products::Products;
use products::{SIDE, multiply};
use tile::{Finish, transform};
pub use tiles::Tiles;

/// Tiles that are computed together: what reading the weights is divided by.
const TILES: usize = 8;
/// Input channels from which on products saved are worth the transforms.
const LEAST: usize = 16;

/// A way to compute a layer.
pub struct Form {
    /// Bytes of packed filters.
    len: fn(&Shape) -> usize,
    pack: fn(&Covered<'_>, &mut [u8]),
    /// Bytes of scratch memory for that many tiles.
    scratch: fn(&Shape, usize) -> usize,
    block: unsafe fn(&BlockRows<'_>, &mut [i8], &mut [i8]),
    scale: i32,
    stride: usize,
}

/// With strides of 1 and of 2.
pub const fn forms<P: Products>() -> [Form; 2] {
    [form::<P, Four>(), form::<P, FourByTwo>()]
}

const fn form<P: Products, A: Axis>() -> Form {
    Form {
        len: len::<P::Isa, A>,
        pack: pack_form::<P::Isa, A>,
        scratch: scratch::<P::Isa, A>,
        block: block::<P, A>,
        scale: A::SCALE * A::SCALE,
        stride: A::STRIDE,
    }
}

/// The forms of a kernel.
///
/// # Safety
/// Its kernel exists only on a processor with the instructions of all forms.
pub unsafe trait Forms {
    /// For strides of 1 and of 2.
    const FORMS: [Form; 2];
    /// The first byte of filters packed for the first form; the second's follows. No two kernels' are the same.
    const FIRST: u8;

    /// True where rows one by one take less time.
    fn is_slower(_shape: &Shape, _stride: usize) -> bool {
        false
    }
}

/// The loops of a kernel.
pub const fn blocks<F: Forms>() -> Blocks {
    Blocks { plan: plan::<F>, pack: pack::<F>, run: run::<F> }
}

fn find<F: Forms>(id: u8) -> Option<&'static Form> {
    const { &F::FORMS }.get(usize::from(id.checked_sub(F::FIRST)?))
}

/// How a layer is computed in blocks of rows, if it is.
fn plan<F: Forms>(layer: &Covered<'_>, stride: usize, [height, width]: [usize; 2]) -> Option<Plan> {
    let id = F::FIRST.checked_add(u8::try_from(stride.checked_sub(1)?).ok()?)?;
    let (form, shape) = (find::<F>(id)?, layer.shape());
    if !suits(shape, form) || F::is_slower(shape, stride) || width < OUTPUTS || !fits(layer, form.scale) {
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
    is_three && !shape.wide && !shape.fixed && channels >= LEAST && channels.is_multiple_of(2)
}

/// True if no output overflows times the power of two in `scale`, and requantisation by the rest of it is exact.
fn fits(layer: &Covered<'_>, scale: i32) -> bool {
    (0..layer.shape().channels).all(|channel| {
        let real = f32::from_bits(word(layer.filters().scales, channel) as u32);
        layer.largest(channel) << scale.trailing_zeros() < 1 << 31 && real > 1e-30
    })
}

/// Packs for a form; the bytes taken, written only if `out` is that long.
fn pack<F: Forms>(form: u8, layer: &Covered<'_>, out: &mut [u8]) -> usize {
    let Some((id, form)) = Some(form).zip(find::<F>(form)) else { return 0 };
    let len = (form.len)(layer.shape());
    if let Some(out) = out.get_mut(..len) {
        out.fill(0);
        put(out, 0, &[id]);
        (form.pack)(layer, out);
    }
    len
}

/// Rows of a block; false, with nothing written, if something is short.
fn run<F: Forms>(args: &BlockRows<'_>, scratch: &mut [i8], out: &mut [i8]) -> bool {
    let form = args.layer.filters().packed.first().and_then(|form| find::<F>(*form));
    let Some(form) = form.filter(|form| is_sound(args, form, scratch.len(), out.len()).unwrap_or(false)) else { return false };
    // SAFETY: a kernel with this function exists on a processor with these instructions only; the rest is checked.
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

/// Bytes of all factors and of the products of a group; the largest number where they fit no slice.
fn scratch<I: Tiles, A: Axis>(shape: &Shape, tiles: usize) -> usize {
    let rows = A::POINTS * A::POINTS * tiles.min(TILES).next_multiple_of(SIDE);
    (shape.span / 3).saturating_mul(2).saturating_add(I::SUMS).saturating_mul(rows)
}

/// # Safety
/// The processor has the instructions of `P`, and all that [`run`] checks.
#[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2"))]
unsafe fn block<P: Products, A: Axis>(args: &BlockRows<'_>, scratch: &mut [i8], out: &mut [i8]) {
    let (shape, filters, width) = (*args.layer.shape(), args.layer.filters(), args.width);
    let channels = shape.span / 3;
    let across = width.div_ceil(OUTPUTS).max(1);
    let all = args.rows.div_ceil(OUTPUTS) * across;
    // The last tile of a row may overlap the one before; rows below the last are computed from anything and not written.
    let place = |tile: usize| (tile / across * OUTPUTS, (tile % across * OUTPUTS).min(width - OUTPUTS));
    let (points, row) = (A::POINTS * A::POINTS, 2 * channels);
    // Four tiles side by side, point after point: `row` bytes a tile of factors, [`SUMS`](Tiles::SUMS) of products.
    let four = |tile: usize, row: usize| tile / SIDE * points * SIDE * row;
    let to = places::<A>().map(|places| places.map(|place| place * SIDE * row));
    let factors = scratch.as_mut_ptr().cast::<u8>();
    for first_tile in (0..all).step_by(TILES) {
        let tiles = TILES.min(all - first_tile);
        // SAFETY: `scratch` holds all factors, then the products of a group; input, filters and output are long enough.
        unsafe {
            for tile in 0..tiles {
                let (y, x) = place(first_tile + tile);
                let input = args.input.as_ptr().add(y * A::STRIDE * args.row_len + x * shape.step);
                for c in (0..channels).step_by(P::Isa::CHANNELS) {
                    let c = c.min(channels - P::Isa::CHANNELS);
                    let at = four(tile, row) + tile % SIDE * row + 2 * c;
                    transform::<P::Isa, A>(input.add(c), args.row_len, channels, factors.add(at), &to);
                }
            }
            let products = factors.add(points * tiles.next_multiple_of(SIDE) * row);
            let mut group = filters.packed.as_ptr().add(HEADER);
            for (first, blocks) in groups::<P::Isa>(shape.channels) {
                let weights = group.add(2 * blocks * P::Isa::VECTOR);
                let axis = [A::FILTERS, A::POINTS];
                match blocks {
                    3 => multiply::<P, 3>(axis, weights, factors, channels, tiles, products),
                    2 => multiply::<P, 2>(axis, weights, factors, channels, tiles, products),
                    _ => multiply::<P, 1>(axis, weights, factors, channels, tiles, products),
                }
                for tile in 0..tiles {
                    let (y, x) = place(first_tile + tile);
                    for b in 0..blocks {
                        let channel = first + b * P::Isa::LANES;
                        let finish = Finish {
                            parameters: group.add(b * P::Isa::VECTOR),
                            blocks,
                            zero_point: filters.zero_point,
                            to: out.as_mut_ptr().add((y * width + x) * shape.channels + channel),
                            pixel: shape.channels,
                            row: width * shape.channels,
                            rows: args.rows - y,
                            lanes: shape.channels - channel,
                        };
                        finish.tile::<P::Isa, A>(
                            products.add(four(tile, P::Isa::SUMS) + tile % SIDE * P::Isa::SUMS + b * P::Isa::VECTOR),
                        );
                    }
                }
                group = group.add(group_len::<P::Isa, A>(&shape, blocks));
            }
        }
    }
}

#[cfg(test)]
mod tests;
