use super::TILES;
use crate::kernels::{BlockRows, Blocks, ConvRow, Covered, Filters, Kernel, Shape};
use std::vec::Vec;

/// The loops in blocks of the least able kernel that has them; none where this processor has none.
fn least_able() -> Option<Blocks> {
    Kernel::available().filter_map(|kernel| kernel.blocks()).last()
}

#[test]
fn outputs_may_grow_as_far_as_they_fit() {
    let Some(blocks) = least_able() else { return };
    let plan = |shape: &Shape, stride, size, filters: &Filters<'_>| {
        (blocks.plan)(&Covered::new(*shape, *filters).unwrap(), stride, size)
    };
    let weights = [127u8; 9 * 16 * 8];
    let scales: Vec<u8> = [1e-3f32; 8].iter().flat_map(|scale| scale.to_le_bytes()).collect();
    for (stride, bits) in [(1, 25), (2, 29)] {
        let shape = Shape { height: 3, span: 3 * 16, step: stride * 16, channels: 8, wide: false, fixed: false };
        let most = (1 << bits) - 1 - 128 * 127 * 9 * 16;
        for (bias, fits) in [(most, true), (-most, true), (most + 1, false), (-most - 1, false), (i32::MIN, false)] {
            let bias: Vec<u8> = [0, 0, 0, 0, 0, 0, 0, bias].iter().flat_map(|bias| bias.to_le_bytes()).collect();
            let filters = Filters { weights: &weights, bias: &bias, scales: &scales, shifts: &[], zero_point: 0, packed: &[] };
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
    let Some(blocks) = least_able() else { return };
    let shape = Shape { height: 3, span: 48, step: 16, channels: 8, wide: false, fixed: false };
    let scales: Vec<u8> = [1f32; 8].iter().flat_map(|scale| scale.to_le_bytes()).collect();
    let filters = Filters { weights: &[1; 9 * 16 * 8], bias: &[0; 32], scales: &scales, shifts: &[], zero_point: 0, packed: &[] };
    let (layer, mut packed) = (Covered::new(shape, filters).unwrap(), [0; 32_768]);
    let plan = (blocks.plan)(&layer, 1, [4, 4]).unwrap();
    let len = (blocks.pack)(plan.form, &layer, &mut packed);
    let full = [len, 6 * 6 * 16, plan.scratch, 4 * 4 * 8];
    for short in 0..=full.len() {
        let [packed_len, input, scratch, out] = core::array::from_fn(|i| full[i] - usize::from(i == short));
        let filters = Filters { packed: &packed[..packed_len], ..filters };
        let layer = Covered::new(shape, filters).unwrap();
        let args = BlockRows { layer, input: &[1; 6 * 6 * 16][..input], row_len: 6 * 16, rows: 4, width: 4 };
        let (mut scratch, mut out) = (std::vec![0; scratch], std::vec![0; out]);
        assert_eq!((blocks.run)(&args, &mut scratch, &mut out), short == full.len());
        assert!(out.iter().all(|q| *q == if short == full.len() { 127 } else { 0 }));
    }
}

/// Sizes that straddle the edges of tiles, of groups of four, of vectors of channels; weights random or as large as they get.
#[test]
fn blocks_give_the_bytes_of_the_definition() {
    let mut state = 1u32;
    let mut below = move |limit: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as usize % limit
    };
    let mut computed = 0;
    for blocks in Kernel::available().filter_map(|kernel| kernel.blocks()) {
        for case in 0..120 {
            let (stride, inputs, channels) = (1 + below(2), 16 + 2 * below(12), 1 + below(40));
            let (height, width) = (1 + below(11), 4 + below(10));
            let extreme = case % 4 == 0;
            let mut byte = |_| if extreme { [0x80, 0x7F][below(2)] } else { below(256) as u8 };
            let row_len = (stride * (width - 1) + 3) * inputs;
            let input_rows = stride * (height.next_multiple_of(4 * TILES) - 1) + 3;
            let input: Vec<i8> = (0..input_rows * row_len).map(&mut byte).map(u8::cast_signed).collect();
            let (taps, filter) = (9 * inputs, (9 * inputs).next_multiple_of(4));
            let weights: Vec<u8> = (0..channels * filter).map(|i| if i % filter < taps { byte(i) } else { 0 }).collect();
            let bias: Vec<u8> = (0..4 * channels).map(|i| if i % 4 == 3 { 0 } else { byte(i) }).collect();
            let scales: Vec<u8> = (0..channels).flat_map(|_| (1e-6 * (1.0 + byte(0) as f32)).to_le_bytes()).collect();
            let shape = Shape { height: 3, span: 3 * inputs, step: stride * inputs, channels, wide: false, fixed: false };
            let zero_point = byte(0).cast_signed();
            let filters = Filters { weights: &weights, bias: &bias, scales: &scales, shifts: &[], zero_point, packed: &[] };
            let layer = Covered::new(shape, filters).unwrap();
            let Some(plan) = (blocks.plan)(&layer, stride, [height, width]) else { continue };
            computed += 1;
            let mut packed = std::vec![0; (blocks.pack)(plan.form, &layer, &mut [])];
            (blocks.pack)(plan.form, &layer, &mut packed);
            let (rows, mut scratch) = (plan.rows.min(height), std::vec![1; plan.scratch]);
            let mut out = std::vec![99; rows * width * channels + 32];
            let layer = Covered::new(shape, Filters { packed: &packed, ..filters }).unwrap();
            let args = BlockRows { layer, input: &input, row_len, rows, width };
            assert!((blocks.run)(&args, &mut scratch, &mut out));
            let (found, after) = out.split_at(rows * width * channels);
            assert!(after.iter().all(|value| *value == 99));
            for (y, found) in found.chunks_exact(width * channels).enumerate() {
                let row = |i: usize| &input[(stride * y + i) * row_len..][..row_len];
                let args = ConvRow { rows: &[row(0), row(1), row(2)], filters, span: shape.span, step: shape.step, channels };
                let mut expected = std::vec![0; width * channels];
                assert!(Kernel::SCALAR.conv_row(&args, &mut expected));
                assert_eq!(found, expected, "{shape:?}, {height}x{width}, row {y}");
            }
        }
    }
    assert!(computed > 100 || least_able().is_none());
}
