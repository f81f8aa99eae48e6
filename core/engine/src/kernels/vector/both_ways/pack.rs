//! Filters at the points of an algorithm, in the order in which they are multiplied.

use super::axis::Axis;
use super::tiles::Tiles;
use crate::kernels::checked::{Covered, Shape, WORD};
use crate::kernels::pack::{HEADER, put, word};

/// Groups of blocks of channels: first channel, blocks.
pub fn groups<I: Tiles>(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    divided(channels.div_ceil(I::LANES), I::BLOCKS).map(|(first, blocks)| (first * I::LANES, blocks))
}

/// Blocks in groups of `most`, 2 or 3: first block, blocks. Rather than after threes a block alone there are more twos.
fn divided(blocks: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let in_twos = if most < 3 { blocks } else { [0, 4, 2][blocks % 3] };
    let mut done = 0;
    core::iter::from_fn(move || {
        let (first, left) = (done, blocks - done);
        let size = if left > in_twos { left.min(3) } else { left.min(2) };
        done += size;
        (size > 0).then_some((first, size))
    })
}

/// A group is its biases, its scales, then for each filter and each word of input channels a vector a block.
/// The largest number, as of no slice, where they do not fit one.
pub const fn group_len<I: Tiles, A: Axis>(shape: &Shape, blocks: usize) -> usize {
    (shape.span / 3 / 2).saturating_mul(A::FILTERS * A::FILTERS).saturating_add(2).saturating_mul(blocks * I::VECTOR)
}

pub fn len<I: Tiles, A: Axis>(shape: &Shape) -> usize {
    groups::<I>(shape.channels).map(|(_, blocks)| group_len::<I, A>(shape, blocks)).fold(HEADER, usize::saturating_add)
}

pub fn pack_form<I: Tiles, A: Axis>(layer: &Covered<'_>, out: &mut [u8]) {
    let (shape, filters) = (layer.shape(), layer.filters());
    let (channels, scale) = (shape.span / 3, A::SCALE * A::SCALE);
    let power = 1.0 / (1u32 << scale.trailing_zeros()) as f32;
    let mut start = HEADER;
    for (first, blocks) in groups::<I>(shape.channels) {
        for (lane, channel) in (first..shape.channels).take(blocks * I::LANES).enumerate() {
            let bias = word(filters.bias, channel).wrapping_mul(scale);
            let real = f32::from_bits(word(filters.scales, channel) as u32) * power;
            put(out, start + lane * WORD, &bias.to_le_bytes());
            put(out, start + (blocks * I::LANES + lane) * WORD, &real.to_le_bytes());
            let (block, lane) = (lane / I::LANES, lane % I::LANES);
            for c in 0..channels {
                let taps = [0, 1, 2];
                let g = taps.map(|y| taps.map(|x| layer.weight(channel, y * shape.span + x * channels + c)));
                for (f, down) in A::WEIGHTS.iter().enumerate() {
                    for (k, across) in A::WEIGHTS.iter().enumerate() {
                        let row = |row: &[i32; 3]| row.iter().zip(across).map(|(g, by)| g * by).sum::<i32>();
                        let value = g.iter().zip(down).map(|(taps, by)| row(taps) * by).sum::<i32>() as i16;
                        let vector = (2 + (f * A::FILTERS + k) * (channels / 2) + c / 2) * blocks + block;
                        put(out, start + I::VECTOR * vector + lane * WORD + c % 2 * 2, &value.to_le_bytes());
                    }
                }
            }
        }
        start += group_len::<I, A>(shape, blocks);
    }
}

#[cfg(test)]
mod tests {
    use super::divided;
    use std::vec::Vec;

    #[test]
    fn groups_of_threes_leave_no_block_alone() {
        for (most, blocks) in [2, 3].into_iter().flat_map(|most| (2..40).map(move |blocks| (most, blocks))) {
            let groups: Vec<_> = divided(blocks, most).collect();
            assert_eq!(groups.iter().map(|(_, blocks)| blocks).sum::<usize>(), blocks);
            assert_eq!(groups.iter().filter(|(_, blocks)| *blocks == 1).count(), usize::from(most == 2 && blocks % 2 == 1));
            assert!(groups.windows(2).all(|pair| pair[1].0 == pair[0].0 + pair[0].1));
        }
        assert_eq!(divided(1, 3).collect::<Vec<_>>(), [(0, 1)]);
    }
}
