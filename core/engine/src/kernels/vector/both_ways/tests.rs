use super::TILES;
use crate::kernels::{BlockRows, Blocks, Covered, Filters, Kernel, Shape};
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
