//! A row of any convolution: converted once, then computed group after group of channels.

use super::isa::{Isa, layout};
use super::job::Job;
use super::scratch::{SCRATCH, Scratch};
use super::tile::{TAIL, Tile};
use crate::kernels::checked::WORD;
use crate::kernels::pack::HEADER;

/// One output row; false, with nothing written, where rows or filters are too large for the buffers.
///
/// `BLOCKS` blocks of channels and `COLUMNS` columns are computed together; of a block alone, `ALONE` columns.
///
/// # Safety
/// The processor has the instructions of `I`.
#[inline(always)]
pub unsafe fn conv<I: Isa, const BLOCKS: usize, const COLUMNS: usize, const ALONE: usize>(job: &mut Job<'_>) -> bool {
    let (shape, element, width) = (*job.layer().shape(), WORD / I::TAPS, job.width());
    let room = SCRATCH / shape.height / 64 * 64;
    let Some(spare) = (room.saturating_sub(TAIL) / element).checked_sub(shape.span) else { return false };
    let at_once = (spare / shape.step + 1).min(width);
    let prepared = layout::<I>(BLOCKS);
    let is_prepared = job.packed().first() == Some(&0) && job.packed().len() >= prepared.len(&shape);
    let single = layout::<I>(1);
    if !is_prepared && single.group_len(&shape, 1) > SCRATCH {
        return false;
    }
    let mut scratch = Scratch::new();
    let mut from = 0;
    while from < width {
        let count = at_once.min(width - from);
        let len = (count - 1) * shape.step + shape.span;
        let pitch = (len * element + TAIL).next_multiple_of(64);
        for (y, row) in job.rows().iter().enumerate() {
            // SAFETY: every row holds the windows of `count` columns from there; `room` holds them and the tail.
            unsafe { convert::<I>(row.as_ptr().add(from * shape.step), len, scratch.as_mut_ptr().add(y * pitch)) };
        }
        let tile = Tile { shape, zero_point: job.zero_point(), rows: scratch.as_mut_ptr(), pitch, count };
        // SAFETY: `count` columns from `from` on lie in the output.
        let out = unsafe { job.out().as_mut_ptr().add(from * shape.channels) };
        if is_prepared {
            // SAFETY: `packed` is as long as all groups.
            let mut group = unsafe { job.packed().as_ptr().add(HEADER) };
            for (first, blocks) in prepared.groups(shape.channels) {
                // SAFETY: as above.
                unsafe {
                    if blocks == BLOCKS {
                        tile.columns::<I, BLOCKS, COLUMNS>(group, first, out);
                    } else {
                        tile.columns::<I, 1, ALONE>(group, first, out);
                    }
                    group = group.add(prepared.group_len(&shape, blocks));
                }
            }
        } else {
            let mut group = Group([0; SCRATCH]);
            for (first, blocks) in single.groups(shape.channels) {
                let len = single.group_len(&shape, blocks);
                single.pack_group(job.layer(), first, blocks, group.0.get_mut(..len).unwrap_or(&mut []));
                // SAFETY: a group was just packed, and `len` fits.
                unsafe { tile.columns::<I, 1, ALONE>(group.0.as_ptr(), first, out) };
            }
        }
        from += count;
    }
    true
}

#[repr(align(64))]
struct Group([u8; SCRATCH]);

/// `len` int8 values to the elements of `I`, then zeros.
///
/// # Safety
/// `from` has `len` values, `to` room for them and [`TAIL`].
#[inline(always)]
unsafe fn convert<I: Isa>(from: *const i8, len: usize, to: *mut u8) {
    // SAFETY: the caller's.
    unsafe {
        if I::TAPS == 4 {
            let flip = if I::FLIPPED { 0x80 } else { 0 };
            for i in 0..len {
                *to.add(i) = *from.add(i) as u8 ^ flip;
            }
            to.add(len).write_bytes(0, TAIL);
        } else {
            let to = to.cast::<i16>();
            for i in 0..len {
                *to.add(i) = i16::from(*from.add(i));
            }
            to.add(len).cast::<u8>().write_bytes(0, TAIL);
        }
    }
}
