//! Rows that exist in strips only: between a convolution and a window over it, and between a window and a 1x1 convolution of what
//! it makes, or what is computed value by value. So the wide rows inside of an inverted residual take no room as wholes.

use crate::model::Model;
use crate::model::desc::{Form, IN_PLACE, Op, Pads, Storage, ValueId};

/// How the strips of a value come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// There are none, or may be none.
    Whole,
    /// A convolution makes them from whole rows, and a window takes them.
    First,
    /// A window makes them, from whole rows or strips, and what works pixel by pixel takes them at once, or sums do.
    Second,
}

/// True for a convolution of single pixels.
pub const fn is_pointwise(op: &Op) -> bool {
    let Op::Conv2d { window, .. } = op else { return false };
    let Pads { top, left, bottom, right } = window.pads;
    let is_one = window.kernel[0] == 1 && window.kernel[1] == 1 && window.stride[0] == 1 && window.stride[1] == 1;
    is_one && top == 0 && left == 0 && bottom == 0 && right == 0
}

/// True for what makes a pixel from a pixel of its input, or one of each: the last of those that work on strips.
pub const fn takes_pixels(op: &Op) -> bool {
    is_pointwise(op) || works_by_value(op)
}

/// True for what adds the pixels of a row to sums, in any order.
pub const fn sums_pixels(op: &Op, form: Form) -> bool {
    matches!(form, Form::Accumulate { .. }) && matches!(op, Op::AveragePool2d { .. } | Op::Mean { .. })
}

/// Pixels from the first tap of a convolution's window to its last.
const fn reach(op: &Op) -> Option<u32> {
    match op {
        Op::Conv2d { window, .. } | Op::DepthwiseConv2d { window } => Some(window.reach(1)),
        _ => None,
    }
}

/// The one reader of a value that waits.
pub const fn reader(model: &Model<'_>, id: ValueId) -> Option<u16> {
    let mut i = id;
    while (i as usize) < model.operator_count() {
        if model.reads(i, id) {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// Pixels of the strips of value `id`; 0 where it has whole rows.
pub const fn strip(model: &Model<'_>, id: ValueId) -> u16 {
    match model.storage(id) {
        Storage::Waiting { strip, .. } | Storage::Recomputed { strip, .. } => strip,
        Storage::Ring { .. } | Storage::Columns { .. } => 0,
    }
}

/// What the strips of value `id` are; `Whole` where its operators or neighbours do not allow any.
pub const fn role(model: &Model<'_>, id: ValueId) -> Role {
    let (Storage::Waiting { rows, strip: pixels, .. } | Storage::Recomputed { rows, strip: pixels, .. }) = model.storage(id)
    else {
        return Role::Whole;
    };
    let (Some(maker), Some(taker)) = (id.checked_sub(1), reader(model, id)) else { return Role::Whole };
    let (Some(makes), Some(takes)) = (model.op(maker), model.op(taker)) else { return Role::Whole };
    let (is_fed, feeds) = (strip(model, model.inputs(maker).0) > 0, strip(model, taker + 1) > 0);
    // The one pixel of an addition is taken for many.
    if model.shape(id).width != model.shape(taker + 1).width && matches!(takes, Op::Add | Op::Mul) {
        return Role::Whole;
    }
    let role = role_of([&makes, &takes], sums_pixels(&takes, model.form(taker)), rows, pixels, is_fed, feeds);
    if is_in_place(model, id) && !(matches!(role, Role::Second) && works_by_value(&takes)) {
        return Role::Whole;
    }
    role
}

/// True if the strips of value `id` lie in the row that is made of them.
pub const fn is_in_place(model: &Model<'_>, id: ValueId) -> bool {
    matches!(model.storage(id), Storage::Waiting { at: IN_PLACE, strip: 1.., .. })
}

/// True for what makes a value from a value of its input, or one of each.
pub const fn works_by_value(op: &Op) -> bool {
    matches!(op, Op::Add | Op::Mul | Op::Table)
}

/// The role of strips of so many pixels between two operators, of a value that keeps so many rows; `sums` if the second sums pixels;
/// `is_fed` by strips, `feeds` strips.
pub const fn role_of(operators: [&Op; 2], sums: bool, rows: u16, pixels: u16, is_fed: bool, feeds: bool) -> Role {
    let [makes, takes] = operators;
    if pixels == 0 {
        return Role::Whole;
    }
    if rows == 0 && !feeds && reach(makes).is_some() && (takes_pixels(takes) || sums) {
        return Role::Second;
    }
    match reach(takes) {
        Some(width) if !is_fed && reach(makes).is_some() && pixels as u32 >= width => Role::First,
        _ => Role::Whole,
    }
}

/// True if operator `reader` is still at the row before when `maker` writes: it makes the strips that `maker`'s row is made from.
/// `may`: or could, were its value in strips.
pub const fn feeds_strips(model: &Model<'_>, reader: u16, maker: u16, may: bool) -> bool {
    let (mut i, mut depth) = (maker, 0);
    // A convolution, a window, and what works pixel by pixel.
    while depth < 2 {
        let (a, b) = model.inputs(i);
        let id = if has_strips(model, a, may) {
            a
        } else if has_strips(model, b, may) {
            b
        } else {
            return false;
        };
        let Some(before) = id.checked_sub(1) else { return false };
        if before == reader {
            return true;
        }
        (i, depth) = (before, depth + 1);
    }
    false
}

const fn has_strips(model: &Model<'_>, id: ValueId, may: bool) -> bool {
    let rows = match model.storage(id) {
        Storage::Waiting { rows, .. } => rows,
        Storage::Recomputed { .. } => return true,
        Storage::Ring { .. } | Storage::Columns { .. } => return false,
    };
    let strip = strip(model, id);
    if strip > 0 || !may {
        return strip > 0;
    }
    let (Some(maker), Some(taker)) = (id.checked_sub(1), reader(model, id)) else { return false };
    let (Some(makes), Some(takes)) = (model.op(maker), model.op(taker)) else { return false };
    !matches!(role_of([&makes, &takes], sums_pixels(&takes, model.form(taker)), rows, u16::MAX, false, false), Role::Whole)
}

/// Pixels of strips from which a window makes so many pixels at a time.
#[cfg(feature = "encode")]
pub const fn pixels(takes: &Op, made: u32) -> u32 {
    match takes {
        Op::Conv2d { window, .. } | Op::DepthwiseConv2d { window } => window.reach(1) + (made - 1) * window.stride[1] as u32,
        _ => made,
    }
}
