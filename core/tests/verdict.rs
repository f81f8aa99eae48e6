//! The model that ships, whole, by every kernel of the processor at hand: each layer gives onnxruntime's bytes.
//!
//! `cargo xtask test --only targets` runs it on aarch64 and WebAssembly, too, and compares the hashes that it prints;
//! they are those of `cargo xtask bench`.

use cxr_core::format::Model;
use cxr_core::kernels::Kernel;
use cxr_core::prepared::Prepared;
use cxr_core::session::Session;
use cxr_testkit::{CRC32, Lcg};

const MODEL: &[u8] = include_bytes!("../../models/default.cxr");
/// What onnxruntime computes, layer by layer, written by scripts/make_golden.py.
const GOLDEN: &str = include_str!("../../tests/golden/default.json");

/// CRC-32 of every layer's rows for a picture in colour, then for one in gray; FNV-1a of all rows, as they come, and logits of both.
fn run(model: &Model<'_>, kernel: Kernel, filters: Option<&Prepared<'_>>) -> ([Vec<u32>; 2], u64) {
    let mut arena = vec![0; filters.map_or(model.arena_bytes(), |filters| filters.arena_bytes(model))];
    let mut hash = 0xCBF2_9CE4_8422_2325u64;
    let mut update = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    let layers = [false, true].map(|gray| {
        let mut layers = vec![CRC32.digest(); model.layer_count() - 1];
        let mut session = Session::new(model, &mut arena).unwrap().with_kernel(kernel);
        if let Some(filters) = filters {
            session = session.with_prepared(filters).unwrap();
        }
        let mut bytes = Lcg(1);
        let mut row = vec![0; if gray { usize::from(model.input().width) } else { model.input().row_len() }];
        for _ in 0..model.input().height {
            row.fill_with(|| bytes.byte());
            let mut observe = |layer: usize, _: usize, values: &[i8]| {
                for value in values {
                    update(*value as u8);
                    layers[layer].update(&[*value as u8]);
                }
            };
            if gray { session.push_gray_row_observed(&row, &mut observe) } else { session.push_row_observed(&row, &mut observe) }
                .unwrap();
        }
        for logit in session.finish().unwrap().logits() {
            logit.to_bits().to_le_bytes().into_iter().for_each(&mut update);
        }
        layers.into_iter().map(|crc| crc.finalize()).collect()
    });
    (layers, hash)
}

/// `CXR_EXPECT_KERNELS` names what this machine has, by somebody else's word: a kernel that is not offered is not tested.
#[test]
fn every_kernel_of_this_machine_is_offered() {
    let offered: Vec<&str> = Kernel::available().map(|kernel| kernel.name()).collect();
    let expected = std::env::var("CXR_EXPECT_KERNELS").unwrap_or_default();
    for name in expected.split(',').filter(|name| !name.is_empty()) {
        assert!(offered.contains(&name), "{name} is expected, and there are {offered:?}");
    }
}

#[test]
fn every_kernel_gives_the_bytes_of_onnxruntime() {
    let model = Model::parse(MODEL).unwrap();
    let golden: Vec<u32> = GOLDEN
        .split("\"crc32\":")
        .skip(1)
        .map(|text| text.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap())
        .collect();
    let (mut hashes, mut grays) = (Vec::new(), Vec::new());
    for kernel in Kernel::available() {
        let mut buffer = vec![0; Prepared::bytes(&model, &kernel)];
        let filters = Prepared::new(&model, kernel, &mut buffer).unwrap();
        let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
        let blocks = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
        assert_eq!(blocks.arena_bytes(&model) > model.arena_bytes(), ["avx2", "avx-vnni", "simd128"].contains(&kernel.name()));
        for filters in [None, Some(&filters)] {
            let ([layers, gray], hash) = run(&model, kernel, filters);
            assert_eq!(layers, golden, "{}", kernel.name());
            grays.push(gray);
            hashes.push(hash);
        }
        // The rows of two layers come in another order.
        let ([layers, gray], _) = run(&model, kernel, Some(&blocks));
        assert_eq!(layers, golden, "{} in blocks of rows", kernel.name());
        grays.push(gray);
        println!("verdict hash {:016x} of kernel {}", hashes.last().unwrap(), kernel.name());
    }
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:x?}");
    assert!(grays.iter().all(|gray| *gray == grays[0]), "{grays:x?}");
}
