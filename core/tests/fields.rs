//! Each field of a file at its edge: what the parser refuses is named with its place, what just fits is read.

mod tiny;

use cxr_core::error::Error;
use cxr_core::format::Model;

/// Conv2d, DepthwiseConv2d, MaxPool2d, Dense for 16 x 16 x 3, with gray weights and a refusal head: tests/tiny/mod.rs.
const FILE: &[u8] = include_bytes!("tiny/tiny.cxr");
const RECORD: usize = 40;

fn long(at: usize) -> usize {
    u32::from_le_bytes(FILE[at..at + 4].try_into().unwrap()) as usize
}

/// Where the record of layer `i` begins.
fn record(i: usize) -> usize {
    long(40) + RECORD * i
}

/// Where the weights (0), biases (1) or scales (2) of layer `i` begin.
fn constants(i: usize, which: usize) -> usize {
    long(record(i) + 24 + 4 * which)
}

/// What is wrong with the file once `bytes` stand at `at` and the checksum is mended; nothing: 0 and an empty text.
fn edited(at: usize, bytes: &[u8]) -> (usize, &'static str) {
    edited_of(FILE, at, bytes)
}

fn edited_of(file: &[u8], at: usize, bytes: &[u8]) -> (usize, &'static str) {
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let crc = cxr_testkit::CRC32.checksum(&file[16..]);
    file[12..16].copy_from_slice(&crc.to_le_bytes());
    match Model::parse(&file) {
        Ok(_) => (0, ""),
        Err(Error::InvalidField { offset, field }) => (offset as usize, field),
        Err(other) => panic!("{at}: {other:?}"),
    }
}

const FINE: (usize, &str) = (0, "");

#[test]
fn the_head_of_a_file() {
    for at in [0, 1, 2, 3] {
        let mut file = FILE.to_vec();
        file[at] ^= 1;
        assert_eq!(Model::parse(&file).unwrap_err(), Error::BadMagic);
    }
    for length in [0, 3, 4, 79] {
        assert_eq!(Model::parse(&FILE[..length]).unwrap_err(), Error::Truncated { offset: 0, needed: 80 });
    }
    let cut = Model::parse(&FILE[..FILE.len() - 7]).unwrap_err();
    assert_eq!(cut, Error::Truncated { offset: FILE.len() as u32 - 7, needed: 7 });
    let (head, rest) = (80, FILE.len() as u32 - 80);
    assert_eq!(Model::parse(&FILE[..80]).unwrap_err(), Error::Truncated { offset: head, needed: rest });
    let longer = [FILE, &[0]].concat();
    assert_eq!(Model::parse(&longer).unwrap_err(), Error::InvalidField { offset: 8, field: "file length" });
    let mut damaged = FILE.to_vec();
    damaged[200] ^= 1;
    assert!(matches!(Model::parse(&damaged), Err(Error::BadChecksum { .. })));
    assert_eq!(edited(6, &[81, 0]), (6, "header length"));
    for layers in [0u16, 33] {
        assert_eq!(edited(22, &layers.to_le_bytes()), (22, "layer count"), "{layers}");
    }
    assert_eq!(edited(22, &[32, 0]), (40, "layer table"));
    assert_eq!(edited(40, &[0xff; 4]), (40, "layer table"));
    for shape in [[0, 0, 16, 0, 3, 0], [16, 0, 0, 0, 3, 0], [16, 0, 16, 0, 0, 0], [16, 0, 0xff, 0xff, 17, 0]] {
        assert_eq!(edited(16, &shape), (16, "input shape"), "{shape:?}");
    }
    // A row of 2^20 values is one that can be.
    assert_eq!(edited(18, &[0, 0x80, 32, 0]), (record(0) + 12, "input shape (it is not what the layer before gives)"));
    for (classes, told) in [
        (0, (24, "class count")),
        (9, (24, "class count")),
        (2, (44, "class names")),
        (4, (44, "class names")),
        (8, (44, "class names")),
    ] {
        assert_eq!(edited(24, &[classes, 0]), told, "{classes}");
    }
    for (temperature, told) in
        [(1e-3, FINE), (1e3, FINE), (9e-4, (28, "temperature")), (1001.0, (28, "temperature")), (f32::NAN, (28, "temperature"))]
    {
        assert_eq!(edited(28, &temperature.to_le_bytes()), told, "{temperature}");
    }
    let threshold = (32, "abstention threshold");
    for (below, told) in [(0.0, FINE), (1.0, FINE), (-1e-6, threshold), (1.000_001, threshold), (f32::NAN, threshold)] {
        assert_eq!(edited(32, &f32::to_le_bytes(below)), told, "{below}");
    }
    // Without a class that is doubted, nobody reads its threshold.
    assert_eq!(edited(76, &f32::NAN.to_le_bytes()), FINE);
    let arena = long(36) as u32;
    for wrong in [arena - 1, arena + 1] {
        assert_eq!(edited(36, &wrong.to_le_bytes()), (36, "arena length"));
    }
    for (at, bytes) in [(44, &[0xff; 4][..]), (48, &[0; 4]), (48, &[0xff; 4]), (long(44), &[0xff])] {
        assert_eq!(edited(at, bytes), (44, "class names"), "{at}");
    }
    for (at, bytes) in [(52, &[0xff; 4][..]), (56, &[0xff; 4]), (long(52), &[0xff])] {
        assert_eq!(edited(at, bytes), (52, "metadata"), "{at}");
    }
}

#[test]
fn the_records_of_layers() {
    let [first, depthwise, pool, dense] = [0, 1, 2, 3].map(record);
    for code in [0, 8, 255] {
        assert_eq!(edited(first, &[code]), (first, "operator"), "{code}");
    }
    for (at, code) in [(first, 3), (dense, 1), (dense, 6)] {
        assert_eq!(edited(at, &[code]), (at, "operator (dense is the last layer, and only that)"));
    }
    for at in [first, depthwise, pool, dense] {
        let told = (at + 12, "input shape (it is not what the layer before gives)");
        for field in [12, 14, 16] {
            assert_eq!(edited(at + field, &[77]), told);
        }
        assert_eq!(edited(at + 18, &[0, 0]), (at + 18, "output shape"));
        assert_eq!(edited(at + 20, &[0xff, 0xff, 17, 0]), (at + 18, "output shape"));
        if at != dense {
            for field in [18, 20] {
                assert_eq!(edited(at + field, &[77]), (at + 1, "window"), "{field}");
            }
            assert_eq!(edited(at + 20, &[0, 0x80, 32, 0]), (at + 1, "window"));
        }
        if at != pool {
            assert_eq!(edited(at + 24, &[0xff; 4]), (at + 24, "weights offset"));
            assert_eq!(edited(at + 28, &[0xff; 4]), (at + 28, "bias offset"));
            assert_eq!(edited(at + 32, &[0xff; 4]), (at + 32, "scales offset"));
        }
    }
    for at in [first, depthwise, pool] {
        for field in [1, 2, 3, 4] {
            assert_eq!(edited(at + field, &[5]), (at + 1, "window"), "{field}");
        }
    }
    // Pools have no padding, depthwise convolutions and pools the channels of their input.
    assert_eq!(edited(pool + 5, &[1]), (pool + 1, "window"));
    for at in [depthwise, pool] {
        assert_eq!(edited(at + 22, &[9]), (at + 1, "window"));
    }
    for (at, groups) in [(first, 0), (first, 2), (depthwise, 2), (pool, 2), (dense, 2), (dense, 0), (depthwise, 0)] {
        assert_eq!(edited(at + 36, &[groups]), (at + 36, "groups"), "{groups}");
    }
    for field in [18, 20] {
        assert_eq!(edited(dense + field, &[2]), (dense + 18, "output shape"));
    }
    assert_eq!(edited(dense + 22, &[2]), (dense + 18, "output shape"));
    for field in [9, 10] {
        assert_eq!(edited(pool + field, &[5]), (pool + 10, "output zero point"));
    }
}

#[test]
fn the_constants_of_layers() {
    let [first, depthwise, dense] = [0, 1, 3].map(record);
    for (layer, i, channel) in [(first, 0, 0), (first, 0, 7), (depthwise, 1, 7), (dense, 3, 2)] {
        let (bias, scale) = (constants(i, 1) + 4 * channel, constants(i, 2) + 4 * channel);
        for wrong in [0.0, -1.0, f32::NAN, f32::INFINITY, if i == 3 { 1e30 } else { 4_194_304.0 }] {
            assert_eq!(edited(scale, &wrong.to_le_bytes()), (layer + 32, "scale"), "{wrong}");
        }
        for wrong in [i32::MAX, i32::MIN, -i32::MAX] {
            let told = (layer + 24, "weights (an accumulator could overflow)");
            assert_eq!(edited(bias, &wrong.to_le_bytes()), told, "{wrong}");
        }
    }
    // A large scale is right for a logit.
    assert_eq!(edited(constants(3, 2), &1e9f32.to_le_bytes()), FINE);
    // The bias that just fits beside the weights.
    for (i, taps, step) in [(0, 27, 1), (1, 9, 8), (3, 32, 1)] {
        let weights = (0..taps).map(|k| i64::from((FILE[constants(i, 0) + k * step] as i8).unsigned_abs())).sum::<i64>();
        let most = i32::MAX - 128 * weights as i32;
        // A scale so small that no result is out of range.
        let scaled = |bias: i32| {
            let mut file = FILE.to_vec();
            file[constants(i, 1)..][..4].copy_from_slice(&bias.to_le_bytes());
            file[constants(i, 2)..][..4].copy_from_slice(&1e-9f32.to_le_bytes());
            let crc = cxr_testkit::CRC32.checksum(&file[16..]);
            file[12..16].copy_from_slice(&crc.to_le_bytes());
            Model::parse(&file).is_ok()
        };
        assert_eq!([most, most + 1, -most, -most - 1].map(scaled), [true, false, true, false], "{i}");
    }
    // 27 taps of a filter are followed by a zero.
    for filter in [0, 7] {
        let told = (first + 24, "weights (a filter's padding is not zero)");
        assert_eq!(edited(constants(0, 0) + 28 * filter + 27, &[1]), told);
    }
}

#[test]
fn the_gray_weights_are_sums() {
    let (gray, told) = (long(60), (60, "gray weights (they are not the sums of the first layer's weights)"));
    // 9 taps of two bytes and two bytes of zeros, 8 filters.
    for at in [0, 16, 18, 20, 7 * 20 + 16, 7 * 20 + 18] {
        assert_eq!(edited(gray + at, &[FILE[gray + at] ^ 1]), told, "{at}");
    }
    assert_eq!(edited(60, &[0xff; 4]), (60, "gray weights offset"));
    assert_eq!(edited(60, &[0; 4]), FINE);
    // Of a convolution in groups they are none.
    assert_eq!(edited_of(&tiny::model(16, 16, 8), record(0) + 36, &[2]), (60, "gray weights offset"));
    // A weight that the sums do not know.
    assert_eq!(edited(constants(0, 0) + 26, &[FILE[constants(0, 0) + 26] ^ 1]), told);
}

#[test]
fn the_refusal_head_is_whole() {
    // Without one, its sums need no memory.
    assert_eq!(edited(64, &[0; 4]), (36, "arena length"));
    assert_eq!(edited(64, &[0xff; 4]), (64, "refusal head offset"));
    assert_eq!(edited(70, &[9]), (70, "refusal head (no such feature map)"));
    for wrong in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN] {
        assert_eq!(edited(72, &wrong.to_le_bytes()), (72, "refusal threshold"));
        assert_eq!(edited(long(64), &wrong.to_le_bytes()), (64, "refusal head (a coefficient or scale)"));
    }
    assert_eq!(edited(72, &(-5.0f32).to_le_bytes()), FINE);
    // Two rows: coefficients, scales, biases.
    for row in 0..2 {
        for wrong in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let told = (64, "refusal head (a coefficient or scale)");
            assert_eq!(edited(long(64) + 8 + 4 * row, &wrong.to_le_bytes()), told, "{wrong}");
        }
        let most = 1i64 << 61;
        let bias = |bias: i64| edited(long(64) + 16 + 8 * row, &bias.to_le_bytes());
        assert_eq!([most, -most].map(bias), [FINE; 2]);
        assert_eq!([most + 1, -most - 1].map(bias), [(64, "refusal head (a bias)"); 2]);
    }
}
