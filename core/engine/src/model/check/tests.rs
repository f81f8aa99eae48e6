//! Each condition at its edge: what just fits is taken, what just does not is refused.

use super::super::desc::{External, Pads, Storage, Window};
use super::*;
extern crate std;
use std::vec;
use std::vec::Vec;

const WRONG: Checker = Checker { operator: 7 };

/// The field that is refused, or nothing.
fn refused(result: Result<(), Error>) -> &'static str {
    match result {
        Ok(()) => "",
        Err(Error::InvalidOperator { operator: 7, field }) => field.split(' ').next().unwrap_or("unnamed"),
        Err(other) => panic!("{other:?}"),
    }
}

fn window(kernel: [u16; 2], stride: [u8; 2]) -> Window {
    Window { kernel, stride, dilation: [1; 2], pads: Pads::default() }
}

fn shape(height: u16, width: u16, channels: u16) -> Shape {
    Shape::new(height, width, channels)
}

fn shaped(op: Op, a: Shape, b: Shape, out: Shape) -> &'static str {
    refused(shapes::check(op, a, b, out).or_else(|field| WRONG.is(field)))
}

/// What follows from the input's shape is taken; each extent one more or one less is refused.
fn follows(op: Op, a: Shape, b: Shape, out: Shape) {
    assert_eq!(shaped(op, a, b, out), "", "{op:?}");
    let Shape { height, width, channels } = out;
    for wrong in [shape(height + 1, width, channels), shape(height, width + 1, channels), shape(height - 1, width, channels)] {
        assert_ne!(shaped(op, a, b, wrong), "", "{op:?} {wrong:?}");
    }
    assert_ne!(shaped(op, a, b, shape(height, width - 1, channels)), "", "{op:?}");
}

#[test]
fn outputs_follow_from_inputs() {
    let a = shape(6, 8, 4);
    for op in [
        Op::Conv2d { window: window([3, 3], [1, 1]), groups: 1 },
        Op::Conv2d { window: window([3, 3], [1, 1]), groups: 2 },
        Op::DepthwiseConv2d { window: window([3, 3], [1, 1]) },
        Op::AveragePool2d { window: window([3, 3], [1, 1]) },
        Op::MaxPool2d { window: window([3, 3], [1, 1]) },
    ] {
        follows(op, a, a, shape(4, 6, 4));
    }
    for op in [Op::Add, Op::Mul] {
        follows(op, a, a, a);
        follows(op, a, shape(1, 1, 4), a);
        for b in [shape(1, 1, 3), shape(1, 8, 4), shape(6, 1, 4), shape(5, 8, 4)] {
            assert_eq!(shaped(op, a, b, a), "shapes", "{b:?}");
        }
        assert_eq!(shaped(op, a, a, shape(6, 8, 3)), "shapes");
    }
    follows(Op::Mean { kernel: [3, 4] }, a, a, shape(2, 2, 4));
    assert_eq!(shaped(Op::Mean { kernel: [3, 4] }, a, a, shape(2, 2, 3)), "shapes");
    follows(Op::Concat, a, shape(6, 8, 3), shape(6, 8, 7));
    for (b, out) in [(shape(5, 8, 3), shape(6, 8, 7)), (shape(6, 7, 3), shape(6, 8, 7)), (shape(6, 8, 3), shape(6, 8, 8))] {
        let taken = shaped(Op::Concat, a, b, out);
        // The second input's extents are checked where its channels are counted.
        assert!(taken == "shapes" || out.channels == 7, "{b:?} {out:?}: {taken}");
    }
    let pads = Pads { top: 1, left: 2, bottom: 3, right: 4 };
    follows(Op::Pad { pads, value: 0 }, a, a, shape(10, 14, 4));
    assert_eq!(shaped(Op::Pad { pads, value: 0 }, a, a, shape(10, 14, 5)), "shapes");
    assert_eq!(shaped(Op::ResizeNearest, a, a, shape(12, 24, 4)), "");
    for out in [shape(13, 24, 4), shape(12, 25, 4), shape(12, 24, 5)] {
        assert_eq!(shaped(Op::ResizeNearest, a, a, out), "shapes", "{out:?}");
    }
    for op in [Op::Table, Op::Softmax { diff_min: 0 }] {
        follows(op, a, a, a);
        assert_eq!(shaped(op, a, a, shape(6, 8, 5)), "shapes");
    }
    assert_eq!(shaped(Op::Reshape, a, a, shape(1, 1, 192)), "");
    assert_eq!(shaped(Op::Reshape, a, a, shape(1, 1, 193)), "shapes");
    assert_eq!(shaped(Op::Dense { shared: false }, a, a, shape(1, 1, 9)), "");
    assert_eq!(shaped(Op::Dense { shared: false }, a, a, shape(2, 1, 9)), "shapes");
    assert_eq!(shaped(Op::Dense { shared: true }, a, a, shape(1, 2, 9)), "shapes");
    assert_eq!(shaped(Op::Crop { left: 5 }, a, a, shape(6, 3, 4)), "");
    for (left, out) in [(6, shape(6, 3, 4)), (5, shape(5, 3, 4)), (5, shape(6, 3, 3))] {
        assert_eq!(shaped(Op::Crop { left }, a, a, out), "shapes", "{left} {out:?}");
    }
    follows(Op::ConcatColumns, a, shape(6, 3, 4), shape(6, 11, 4));
    for (b, out) in [(shape(5, 3, 4), shape(6, 11, 4)), (shape(6, 3, 5), shape(6, 11, 4)), (shape(6, 3, 4), shape(6, 11, 5))] {
        let taken = shaped(Op::ConcatColumns, a, b, out);
        assert!(taken == "shapes" || b.channels == 5, "{b:?} {out:?}: {taken}");
    }
}

#[test]
fn windows_have_limits() {
    let tall = shape(40, 4, 4);
    for (rows, told) in [(16, ""), (17, "kernel")] {
        let (window, out) = (window([rows, 1], [1, 1]), shape(41 - rows, 4, 4));
        assert_eq!(shaped(Op::Conv2d { window, groups: 1 }, tall, tall, out), told);
        assert_eq!(shaped(Op::DepthwiseConv2d { window }, tall, tall, out), told);
    }
    let one = window([1, 1], [1, 1]);
    let a = shape(2, 2, 6);
    for (groups, channels, told) in [(3, 9, ""), (0, 6, "groups"), (4, 8, "groups"), (3, 8, "groups"), (6, 6, "")] {
        let out = shape(2, 2, channels);
        assert_eq!(shaped(Op::Conv2d { window: one, groups }, a, a, out), told, "{groups} {channels}");
    }
    for (channels, told) in [(6, ""), (12, ""), (9, "shapes")] {
        assert_eq!(shaped(Op::DepthwiseConv2d { window: one }, a, a, shape(2, 2, channels)), told);
    }
    // Pools: no dilation, no more cells than a sum can hold, the input's channels.
    let large = shape(1024, 1025, 1);
    for op in [|window| Op::AveragePool2d { window }, |window| Op::MaxPool2d { window }] as [fn(Window) -> Op; 2] {
        assert_eq!(shaped(op(window([1024, 1024], [1, 1])), large, large, shape(1, 2, 1)), "");
        assert_eq!(shaped(op(window([1024, 1025], [1, 1])), large, large, shape(1, 1, 1)), "shapes");
        assert_eq!(shaped(op(one), a, a, shape(2, 2, 5)), "shapes");
        for dilation in [[2, 1], [1, 2]] {
            assert_eq!(shaped(op(Window { dilation, ..one }), a, a, a), "shapes");
        }
    }
    for (rows, told) in [(1024, ""), (1025, "shapes")] {
        let map = shape(rows, 1024, 1);
        assert_eq!(shaped(Op::Mean { kernel: [rows, 1024] }, map, map, shape(1, 1, 1)), told);
    }
    for (channels, told) in [(511, ""), (512, "channels")] {
        let map = shape(1, 1, channels);
        assert_eq!(shaped(Op::Softmax { diff_min: 0 }, map, map, map), told);
    }
}

#[test]
fn rescaling_stays_in_range() {
    let fixed = |multiplier: i32, shift: i8, bound: i64| {
        let (multipliers, shifts) = (multiplier.to_le_bytes(), [shift as u8]);
        refused(bounded(WRONG, Rescale::Fixed { multipliers: &multipliers, shifts: &shifts }, 0, bound, true))
    };
    for (multiplier, shift, bound, told) in [
        (0, -31, i64::from(i32::MAX), ""),
        (i32::MAX, 30, 1, ""),
        (i32::MAX, 0, i64::from(i32::MAX), ""),
        (5, 1, FIXED_LIMIT / 2, ""),
        (5, 1, FIXED_LIMIT / 2 + 1, "shift"),
        (5, 30, 2, "shift"),
        (-1, 0, 1, "multiplier"),
        (5, -32, 1, "multiplier"),
        (5, 31, 0, "multiplier"),
    ] {
        assert_eq!(fixed(multiplier, shift, bound), told, "{multiplier} {shift} {bound}");
    }
    // Of several, each channel has its own; of one, all have it.
    let (multipliers, shifts) = ([1i32.to_le_bytes(), (-1i32).to_le_bytes()].concat(), [0, 40]);
    let two = Rescale::Fixed { multipliers: &multipliers, shifts: &shifts };
    assert_eq!([0, 1].map(|c| refused(bounded(WRONG, two, c, 1, true))), ["", "multiplier"]);
    let one = Rescale::Fixed { multipliers: &multipliers[..4], shifts: &shifts[..1] };
    assert_eq!(refused(bounded(WRONG, one, 1, 1, true)), "");

    let float = |scales: &[f32], c, bound, is_i8| {
        let scales: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        refused(bounded(WRONG, Rescale::Float { scales: &scales }, c, bound, is_i8))
    };
    for (scale, told) in [(1.0, ""), (0.0, "scale"), (-1.0, "scale"), (f32::NAN, "scale"), (f32::INFINITY, "scale")] {
        assert_eq!(float(&[scale], 0, 1, true), told, "{scale}");
    }
    let most = ROUND_LIMIT as i64;
    for (bound, is_i8, told) in [(most - 1, true, ""), (most, true, "scale"), (most, false, ""), (i64::MAX, false, "")] {
        assert_eq!(float(&[1.0], 0, bound, is_i8), told, "{bound} {is_i8}");
    }
    assert_eq!(float(&[1e30], 0, 1, false), "scale");
    assert_eq!([0, 1].map(|c| float(&[1.0, 0.0], c, 1, true)), ["", "scale"]);
    assert_eq!(float(&[1.0], 1, 1, true), "");
}

fn operator_of(op: Op, rescale: Rescale<'_>) -> Operator<'_> {
    Operator { op, a: 0, b: None, clamp: [-128, 127], weights: &[], bias: &[], rescale, form: Form::Rows }
}

#[test]
fn what_has_no_weights_is_bounded_by_its_cells() {
    let one = 1i32.to_le_bytes();
    let ones = [one; 3].concat();
    let shifted = |op: Op, shift: i8| {
        let shifts = [shift as u8];
        refused(rescale(WRONG, &operator_of(op, Rescale::Fixed { multipliers: &one, shifts: &shifts })))
    };
    // 255 * 64 * 64 is below 2^20, 255 * 64 * 65 above.
    assert_eq!(shifted(Op::Mean { kernel: [64, 64] }, 10), "");
    assert_eq!(shifted(Op::Mean { kernel: [64, 65] }, 10), "shift");
    assert_eq!(shifted(Op::Mean { kernel: [65, 64] }, 10), "shift");
    assert_eq!(shifted(Op::AveragePool2d { window: window([64, 64], [1, 1]) }, 10), "");
    assert_eq!(shifted(Op::AveragePool2d { window: window([64, 65], [1, 1]) }, 10), "shift");
    assert_eq!(shifted(Op::AveragePool2d { window: window([65, 64], [1, 1]) }, 10), "shift");
    assert_eq!([14, 15].map(|shift| shifted(Op::Mul, shift)), ["", "shift"]);
    // Softmax: half of its greatest difference, 255 where diff_min is beyond.
    for (diff_min, shift, told) in [
        (0, 30, ""),
        (1, 0, "diff_min"),
        (-3, 30, ""),
        (-4, 29, ""),
        (-4, 30, "shift"),
        (-255, 23, ""),
        (-255, 24, "shift"),
        (-256, 23, ""),
        (-256, 24, "shift"),
        (i32::MIN, 23, ""),
    ] {
        assert_eq!(shifted(Op::Softmax { diff_min }, shift), told, "{diff_min} {shift}");
    }
    // An addition shifts to the right alone.
    for (shifts, told) in [([0, 0, 0], ""), ([0, -1, -31], ""), ([1, 0, 0], "shift"), ([0, 1, 0], "shift"), ([0, 0, 1], "shift")]
    {
        let shifts = shifts.map(|shift: i8| shift as u8);
        let added = rescale(WRONG, &operator_of(Op::Add, Rescale::Fixed { multipliers: &ones, shifts: &shifts }));
        assert_eq!(refused(added), told, "{shifts:?}");
    }
    let scale = |op: Op, scale: f32| {
        let scales = scale.to_le_bytes();
        refused(rescale(WRONG, &operator_of(op, Rescale::Float { scales: &scales })))
    };
    assert_eq!([1.0, 0.0].map(|s| scale(Op::Mean { kernel: [2, 2] }, s)), ["", "scale"]);
    // None, and what has none.
    assert_eq!(refused(rescale(WRONG, &operator_of(Op::Add, Rescale::Float { scales: &[] }))), "");
    assert_eq!(scale(Op::Table, 0.0), "");
}

#[test]
fn accumulators_stay_within_32_bits() {
    let scales = 1e-9f32.to_le_bytes();
    let dense = |weights: &[u8], bias: i32, input: Shape, shared: bool| {
        let bias = bias.to_le_bytes();
        let operator = Operator { weights, bias: &bias, ..operator_of(Op::Dense { shared }, Rescale::Float { scales: &scales }) };
        refused(accumulators(WRONG, &operator, input, shape(1, 1, 1), true))
    };
    let pixel = shape(1, 1, 4);
    // 128 * (|1| + |-2| + |3| + |-128|) = 17152.
    let weights = [1, 0xfe, 3, 0x80];
    let room = i32::MAX - 17_152;
    for (bias, told) in [(room, ""), (room + 1, "weights"), (-room, ""), (-room - 1, "weights"), (i32::MIN, "weights")] {
        assert_eq!(dense(&weights, bias, pixel, false), told, "{bias}");
    }
    // Shared weights count once a cell.
    let map = shape(2, 3, 4);
    let room = i32::MAX - 6 * 17_152;
    assert_eq!([room, room + 1].map(|bias| dense(&weights, bias, map, true)), ["", "weights"]);
    // Filters are padded with zeros to four bytes.
    for (last, told) in [(0, ""), (1, "weights")] {
        assert_eq!(dense(&[1, 2, 3, last], 0, shape(1, 1, 3), false), told);
    }
    // A depthwise channel has every n-th weight.
    let biases: Vec<u8> = [room, i32::MAX - 128 * 4].iter().flat_map(|bias| bias.to_le_bytes()).collect();
    let depthwise = |weights: &[u8]| {
        let op = Op::DepthwiseConv2d { window: window([2, 1], [1, 1]) };
        let operator = Operator { weights, bias: &biases, ..operator_of(op, Rescale::Float { scales: &scales }) };
        refused(accumulators(WRONG, &operator, shape(2, 1, 2), shape(1, 1, 2), true))
    };
    assert_eq!(depthwise(&[9, 1, 9, 3]), "");
    assert_eq!(depthwise(&[9, 2, 9, 3]), "weights");
}

#[test]
fn constants_are_as_many_as_channels() {
    let (input, output) = (shape(2, 2, 3), shape(2, 2, 2));
    let op = Op::Conv2d { window: window([1, 1], [1, 1]), groups: 1 };
    let counted = |weights: usize, biases: usize, scales: usize| {
        let (weights, bias, scales) = (vec![0; weights], vec![0; biases], vec![0; scales]);
        let operator = Operator { weights: &weights, bias: &bias, ..operator_of(op, Rescale::Float { scales: &scales }) };
        refused(constants(WRONG, &operator, input, output))
    };
    for (weights, biases, scales, told) in [
        (8, 8, 4, ""),
        (8, 8, 8, ""),
        (7, 8, 4, "weights"),
        (9, 8, 4, "weights"),
        (8, 4, 4, "biases"),
        (8, 12, 4, "biases"),
        (8, 8, 0, "scales"),
        (8, 8, 12, "scales"),
    ] {
        assert_eq!(counted(weights, biases, scales), told, "{weights} {biases} {scales}");
    }
    let fixed = |op: Op, multipliers: usize, shifts: usize| {
        let (multipliers, shifts) = (vec![0; 4 * multipliers], vec![0; shifts]);
        let operator = operator_of(op, Rescale::Fixed { multipliers: &multipliers, shifts: &shifts });
        refused(constants(WRONG, &operator, input, input))
    };
    let pool = Op::AveragePool2d { window: window([1, 1], [1, 1]) };
    for (op, count) in [(Op::Add, 3), (Op::Mul, 1), (Op::Softmax { diff_min: 0 }, 1), (pool, 0), (Op::Mean { kernel: [1, 1] }, 1)]
    {
        assert_eq!(fixed(op, count, count), "", "{op:?}");
        assert_eq!(fixed(op, count + 1, count + 1), "scales", "{op:?}");
        assert_eq!(fixed(op, count + 1, count), "shifts", "{op:?}");
    }
    let float = |op: Op, count: usize| {
        let scales = vec![0; 4 * count];
        refused(constants(WRONG, &operator_of(op, Rescale::Float { scales: &scales }), input, input))
    };
    assert_eq!([0, 1].map(|count| float(Op::Add, count)), ["", "scales"]);
    assert_eq!([0, 1].map(|count| float(pool, count)), ["scales", ""]);
    assert_eq!(float(Op::Softmax { diff_min: 0 }, 0), "arithmetic");
}

#[test]
fn what_hands_bytes_on_keeps_their_meaning() {
    let value = |zero_point, scale| Value {
        shape: shape(2, 2, 2),
        element: Element::I8,
        external: External::I8,
        zero_point,
        scale,
        storage: Storage::Ring { at: 0, rows: 2, over: None },
    };
    let (like, moved, wider) = (value(3, 0.5), value(4, 0.5), value(3, 0.25));
    let kept = |op: Op, a: &Value, b: &Value, out: &Value, clamp: [i8; 2]| {
        let operator = Operator { clamp, ..operator_of(op, Rescale::Fixed { multipliers: &[], shifts: &[] }) };
        refused(quantisation(WRONG, &operator, a, b, out))
    };
    let all = [-128, 127];
    let one = window([1, 1], [1, 1]);
    for op in [
        Op::MaxPool2d { window: one },
        Op::Concat,
        Op::Pad { pads: Pads::default(), value: 0 },
        Op::ResizeNearest,
        Op::Reshape,
        Op::Crop { left: 0 },
        Op::ConcatColumns,
    ] {
        assert_eq!(kept(op, &like, &like, &like, all), "", "{op:?}");
        for other in [&moved, &wider] {
            assert_eq!(kept(op, other, &like, &like, all), "scale,", "{op:?}");
            assert_eq!(kept(op, &like, other, &like, all), "scale,", "{op:?}");
            assert_eq!(kept(op, &like, &like, other, all), "scale,", "{op:?}");
        }
    }
    assert_eq!([[-127, 127], [-128, 126]].map(|clamp| kept(Op::ConcatColumns, &like, &like, &like, clamp)), ["scale,"; 2]);
    assert_eq!(kept(Op::Concat, &like, &like, &like, [-127, 126]), "");
    // TFLite's average keeps them, ONNX's may not; what computes may change them.
    let pool = Op::AveragePool2d { window: one };
    assert_eq!(kept(pool, &like, &like, &moved, all), "scale,");
    let float = operator_of(pool, Rescale::Float { scales: &[] });
    assert_eq!(refused(quantisation(WRONG, &float, &like, &like, &moved)), "");
    assert_eq!(kept(Op::Add, &like, &moved, &wider, all), "");
}

#[test]
fn accumulating_is_for_some() {
    let accumulate = Form::Accumulate { at: 0 };
    let one = window([1, 1], [1, 1]);
    for (op, may) in [
        (Op::AveragePool2d { window: one }, true),
        (Op::MaxPool2d { window: one }, true),
        (Op::Mean { kernel: [1, 1] }, true),
        (Op::Dense { shared: false }, true),
        (Op::Conv2d { window: one, groups: 1 }, false),
        (Op::Add, false),
        (Op::Table, false),
    ] {
        assert_eq!(is_form_known(op, accumulate), may, "{op:?}");
        assert!(is_form_known(op, Form::Rows), "{op:?}");
    }
}
