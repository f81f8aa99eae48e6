//! What the writer makes of a network, and what it refuses: each number on both sides of its limit.

mod tiny;

use cxr_core::error::Error;
use cxr_core::format::{Doubt, LayerSpec, Model, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::shape::{Padding, Shape, Window2d};

const ONE: Window2d = Window2d { kernel: [1, 1], stride: [1, 1], pad: Padding { top: 0, left: 0, bottom: 0, right: 0 } };
/// Changes nothing, of one pixel.
const POOL: LayerSpec<'_> = LayerSpec {
    op: Op::MaxPool2d(ONE),
    output: Shape::new(1, 1, 1),
    input_zero_point: 0,
    output_zero_point: 0,
    groups: 1,
    weights: &[],
    bias: &[],
    scales: &[],
};
/// Two classes of one value.
const DENSE: LayerSpec<'_> =
    LayerSpec { op: Op::Dense, output: Shape::new(1, 1, 2), weights: &[1, -1], bias: &[0; 2], scales: &[0.01; 2], ..POOL };
/// Of a map with one channel.
const HEAD: RefusalSpec<'_> =
    RefusalSpec { coefficients: &[1.0; 3], scales: &[1.0; 3], bias: &[0; 3], weights: &[1; 3], back: 0, refuse_above: 0.5 };

const fn spec<'a>(input: Shape, layers: &'a [LayerSpec<'a>]) -> ModelSpec<'a> {
    ModelSpec {
        input,
        layers,
        class_names: &["a", "b"],
        metadata: "{}",
        temperature: 1.0,
        abstain_below: 0.0,
        doubt: None,
        refusal: None,
    }
}

/// The network of a pixel.
const PLAIN: ModelSpec<'_> = spec(Shape::new(1, 1, 1), &[POOL, DENSE]);

fn file(spec: &ModelSpec<'_>) -> Result<Vec<u8>, Error> {
    let mut file = vec![0xA5; encoded_len(spec)];
    assert_eq!(encode(spec, &mut file)?, file.len());
    Ok(file)
}

/// What is wrong with it; nothing: 0 and an empty text.
fn wrong(spec: &ModelSpec<'_>) -> (u32, &'static str) {
    match file(spec) {
        Ok(_) => FINE,
        Err(Error::InvalidField { offset, field }) => (offset, field),
        Err(other) => panic!("{other:?}"),
    }
}

const FINE: (u32, &str) = (0, "");

/// Where a field of the record of layer `i` lies.
const fn record(i: u32, field: u32) -> u32 {
    80 + 40 * i + field
}

#[test]
fn a_file_says_what_was_written() {
    let doubt = Some(Doubt { class: 1, above: 2.5 });
    let written = ModelSpec {
        class_names: &["normal", "", "pneumonia ü"],
        metadata: r#"{"of":"noise"}"#,
        temperature: 1.75,
        abstain_below: 0.625,
        doubt,
        refusal: Some(HEAD),
        layers: &[POOL, LayerSpec { output: Shape::new(1, 1, 3), weights: &[1; 3], bias: &[0; 3], scales: &[1.0; 3], ..DENSE }],
        ..PLAIN
    };
    let bytes = file(&written).unwrap();
    let model = Model::parse(&bytes).unwrap();
    assert_eq!([0, 1, 2, 3].map(|i| model.class_name(i)), ["normal", "", "pneumonia ü", ""]);
    assert_eq!((model.class_count(), model.metadata()), (3, r#"{"of":"noise"}"#));
    assert_eq!((model.temperature(), model.abstain_below(), model.doubt()), (1.75, 0.625, doubt));
    assert_eq!((model.checksum(), model.as_bytes()), (cxr_testkit::CRC32.checksum(&bytes[16..]), &bytes[..]));
    assert_eq!((model.layer_count(), model.layer(1).unwrap().filter_len(), model.layer(2).is_none()), (2, 1, true));
    let head = model.refusal().unwrap();
    assert_eq!((head.rows(), head.layer(), head.refuse_above()), (3, 0, 0.5));
    // 7 + 7 * 7 + 7 * 7
    assert_eq!((head.score([7].into_iter()), head.measure([7].into_iter())), (105.0, (105.0, 98.0)));

    // 8 x 8 x 8 sums of 27, 4 x 4 x 8 of 9, maxima, 3 sums of 32.
    let bytes = tiny::model(16, 16, 3);
    let model = Model::parse(&bytes).unwrap();
    assert_eq!(model.macs(), 8 * 8 * 8 * 27 + 4 * 4 * 8 * 9 + 3 * 32);
    assert_eq!([0, 1, 2, 3].map(|i| model.layer(i).unwrap().filter_len()), [27, 9, 0, 32]);
}

#[test]
fn the_buffer_is_long_enough_or_it_is_told() {
    let needed = encoded_len(&PLAIN);
    let mut buffer = vec![0xA5; needed + 9];
    assert_eq!(encode(&PLAIN, &mut buffer), Ok(needed));
    assert_eq!((&buffer[..needed], &buffer[needed..]), (&file(&PLAIN).unwrap()[..], &[0xA5; 9][..]));
    let told = Error::BufferTooSmall { needed: needed as u32, given: needed as u32 - 1 };
    assert_eq!(encode(&PLAIN, &mut buffer[..needed - 1]), Err(told));
}

#[test]
fn layers_are_one_to_thirty_two() {
    let layers = |n: usize| [vec![POOL; n - 1], vec![DENSE]].concat();
    for n in [1, 2, 31, 32] {
        assert_eq!(wrong(&ModelSpec { layers: &layers(n), ..PLAIN }), FINE, "{n}");
    }
    // 65,537 would be 1 in 16 bits.
    for n in [33, 34, 65_537] {
        assert_eq!(wrong(&ModelSpec { layers: &layers(n), ..PLAIN }), (22, "layer count"), "{n}");
    }
    assert_eq!(wrong(&ModelSpec { layers: &[], ..PLAIN }), (22, "layer count"));
}

#[test]
fn classes_have_names() {
    let classes = |n: usize, class_names: &[&str]| {
        let (weights, bias, scales) = (vec![1; n], vec![0; n], vec![1.0; n]);
        let dense = LayerSpec { output: Shape::new(1, 1, n as u16), weights: &weights, bias: &bias, scales: &scales, ..DENSE };
        wrong(&ModelSpec { layers: &[dense], class_names, ..PLAIN })
    };
    assert_eq!([classes(1, &["a"]), classes(8, &["a"; 8])], [FINE; 2]);
    assert_eq!(classes(9, &["a"; 9]), (24, "class count"));
    assert_eq!([classes(1, &[""]), classes(2, &["a\nb", "c"])], [(44, "class names"); 2]);
}

#[test]
fn weights_are_as_many_as_the_shapes_say() {
    let told = "weights (their number does not fit the shapes)";
    for weights in [&[1][..], &[1; 3]] {
        let dense = LayerSpec { weights, ..DENSE };
        for n in 0..4 {
            let layers = [vec![POOL; n], vec![dense]].concat();
            assert_eq!(wrong(&ModelSpec { layers: &layers, ..PLAIN }), (record(n as u32, 24), told));
        }
    }
    // Biases and scales are the parser's to count.
    let layer = |bias, scales| wrong(&ModelSpec { layers: &[LayerSpec { bias, scales, ..DENSE }], metadata: "", ..PLAIN });
    assert_eq!(layer(&[0; 2], &[1.0; 2]), FINE);
    assert_ne!(layer(&[], &[]), FINE);
}

#[test]
fn the_refusal_head_fits_its_map() {
    let head = |refusal| wrong(&ModelSpec { refusal: Some(refusal), ..PLAIN });
    assert_eq!(head(HEAD), FINE);
    for parts in [
        RefusalSpec { scales: &[1.0; 2], ..HEAD },
        RefusalSpec { bias: &[0; 4], ..HEAD },
        RefusalSpec { weights: &[1; 4], ..HEAD },
        RefusalSpec { coefficients: &[1.0; 2], ..HEAD },
        RefusalSpec { coefficients: &[], scales: &[], bias: &[], weights: &[], ..HEAD },
    ] {
        assert_eq!(head(parts), (64, "refusal head"), "{parts:?}");
    }
    for back in [1, 2, u16::MAX] {
        assert_eq!(head(RefusalSpec { back, ..HEAD }), (70, "refusal head (no such feature map)"));
    }
    assert_eq!(wrong(&ModelSpec { refusal: Some(HEAD), layers: &[DENSE], ..PLAIN }), (70, "refusal head (no such feature map)"));
    // Sums over 2^23 cells are within 32 bits.
    for (height, told) in [(4096, FINE), (4097, (64, "refusal head (the feature map is too large)"))] {
        let map = LayerSpec { output: Shape::new(height, 2048, 1), ..POOL };
        let layers = [map, LayerSpec { op: Op::GlobalMaxPool2d, ..POOL }, DENSE];
        let refusal = Some(RefusalSpec { back: 1, ..HEAD });
        assert_eq!(wrong(&ModelSpec { refusal, ..spec(map.output, &layers) }), told, "{height}");
    }
}

#[test]
fn what_pools_the_whole_map_gives_a_cell_of_as_many_channels() {
    for op in [Op::GlobalMaxPool2d, Op::GlobalAveragePool2d] {
        for (shape, told) in [([1, 1, 3], FINE), ([2, 1, 3], SHAPE), ([1, 2, 3], SHAPE), ([1, 1, 4], SHAPE), ([4, 4, 3], SHAPE)] {
            let output = Shape::new(shape[0], shape[1], shape[2]);
            let is_mean = op == Op::GlobalAveragePool2d;
            let (bias, scales): (&[i32], &[f32]) = if is_mean { (&[0], &[1.0]) } else { (&[], &[]) };
            let weights = vec![1; 2 * output.len()];
            let layers = [LayerSpec { op, output, bias, scales, ..POOL }, LayerSpec { weights: &weights, ..DENSE }];
            assert_eq!(wrong(&spec(Shape::new(4, 4, 3), &layers)), told, "{op:?} {shape:?}");
        }
    }
}

const SHAPE: (u32, &str) = (record(0, 18), "output shape");

#[test]
fn groups_divide_the_channels_before_and_after() {
    for (input, groups, output, told) in [
        (4, 2, 6, FINE),
        (4, 4, 4, FINE),
        (3, 3, 8, (record(0, 36), "groups")),
        (3, 2, 4, (record(0, 36), "groups")),
        (5, 2, 7, (record(0, 36), "groups")),
    ] {
        let (weights, n) = (vec![1; usize::from(input / groups * output)], usize::from(output));
        let convolution = LayerSpec {
            op: Op::Conv2d(ONE),
            output: Shape::new(1, 1, output),
            groups,
            weights: &weights,
            bias: &vec![0; n],
            scales: &vec![1.0; n],
            ..POOL
        };
        let dense = LayerSpec { weights: &vec![1; 2 * n], ..DENSE };
        assert_eq!(wrong(&spec(Shape::new(1, 1, input), &[convolution, dense])), told, "{input} {groups} {output}");
    }
}

#[test]
fn sums_stay_within_32_bits() {
    let told = (record(0, 24), "weights (an accumulator could overflow)");
    let two = Window2d { kernel: [2, 2], stride: [2, 2], ..ONE };
    // Means, of so many values, each of at most 128.
    for (op, side, output, taps) in [
        (Op::GlobalAveragePool2d, 4, Shape::new(1, 1, 1), 16),
        (Op::AveragePool2d(two), 2, Shape::new(1, 1, 1), 4),
        (Op::GlobalAveragePool2d, 1, Shape::new(1, 1, 1), 1),
    ] {
        let most = i32::MAX - 128 * taps;
        let mean = |bias: i32| {
            let layers = [LayerSpec { op, output, bias: &[bias], scales: &[1e-9], ..POOL }, DENSE];
            wrong(&spec(Shape::new(side, side, 1), &layers))
        };
        assert_eq!([most, -most, most + 1, -most - 1].map(mean), [FINE, FINE, told, told], "{op:?}");
    }
    // 2^24 values are too many.
    for (width, told) in [(4095, FINE), (4096, told), (4097, told)] {
        let layers = [LayerSpec { op: Op::GlobalAveragePool2d, bias: &[0], scales: &[1e-9], ..POOL }, DENSE];
        assert_eq!(wrong(&spec(Shape::new(4096, width, 1), &layers)), told, "{width}");
    }
    // Six cells share the weights of three channels.
    for class in 0..2 {
        let weights = [1, -2, 3, 40, -50, 60];
        let most = i32::MAX - 128 * 6 * [6, 150][class];
        let shared = |number: i32| {
            let mut bias = [0; 2];
            bias[class] = number;
            let dense = LayerSpec { groups: 6, weights: &weights, bias: &bias, scales: &[1e-9; 2], ..DENSE };
            let pool = LayerSpec { output: Shape::new(2, 3, 3), ..POOL };
            wrong(&spec(pool.output, &[pool, dense]))
        };
        let told = (record(1, 24), told.1);
        assert_eq!([most, -most, most + 1, -most - 1].map(shared), [FINE, FINE, told, told], "{class}");
    }
}

#[test]
fn results_stay_below_their_limits() {
    // 128 times the scale is what is rounded, and must be below 2^22.
    let mean = |scale: f32| {
        let layers = [LayerSpec { op: Op::AveragePool2d(ONE), bias: &[0], scales: &[scale], ..POOL }, DENSE];
        wrong(&ModelSpec { layers: &layers, ..PLAIN })
    };
    let limit = 32_768f32;
    assert_eq!([limit.next_down(), limit, f32::INFINITY].map(mean), [FINE, (record(0, 32), "scale"), (record(0, 32), "scale")]);
    // Of a logit that is its bias, 1, the scale itself. Without weights and bias the bound is 0, and yet no scale is infinite.
    let logit = |bias: i32, scale: f32| {
        let dense = LayerSpec { weights: &[0; 2], bias: &[bias; 2], scales: &[scale; 2], ..DENSE };
        wrong(&ModelSpec { layers: &[dense], ..PLAIN })
    };
    let limit = 1e30f32;
    assert_eq!([logit(1, limit.next_down()), logit(1, limit)], [FINE, (record(0, 32), "scale")]);
    assert_eq!([logit(0, f32::MAX), logit(0, f32::INFINITY)], [FINE, (record(0, 32), "scale")]);
}
