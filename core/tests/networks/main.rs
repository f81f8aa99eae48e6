//! Random small networks: the streaming session against a direct reference that shares no code with it.

mod net;
mod reference;

use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::Model;
use cxr_core::kernels::Kernel;
use cxr_core::prepared::Prepared;
use cxr_core::session::{AbstainReason, Decision, Session};
use net::{Random, file, network, wide_network};
use proptest::prelude::*;
use reference::reference;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn streaming_equals_the_reference(seed: u64) {
        let net = network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x5555);
        let image: Vec<u8> = (0..net.input.len()).map(|_| r.i8() as u8).collect();
        let (maps, logits, score) = reference(&net, &image);

        // Bytes past the arena must stay as they were: a canary.
        let mut arena = vec![0x5A; model.arena_bytes() + 64];
        let mut map = vec![0; explain::map_len(&model)];
        let mut session = Session::new(&model, &mut arena).unwrap().with_map(&mut map).unwrap();
        for _ in 0..2 {
            let mut seen: Vec<Vec<i8>> = vec![Vec::new(); net.layers.len() - 1];
            session.reset();
            for row in image.chunks_exact(net.input.row_len()) {
                session.push_row_observed(row, &mut |layer, y, values| {
                    assert_eq!(y * values.len(), seen[layer].len(), "rows come in order, once");
                    seen[layer].extend_from_slice(values);
                }).unwrap();
            }
            prop_assert_eq!(&seen, &maps);
            let verdict = session.finish().unwrap();
            prop_assert_eq!(verdict.logits(), &logits[..]);
            prop_assert_eq!(verdict.refusal_score().map(f32::to_bits), score.map(f32::to_bits));
            let refused = score.zip(net.refusal.as_ref()).is_some_and(|(score, r)| score > r.above);
            prop_assert_eq!(refused, verdict.decision() == Decision::Abstain(AbstainReason::OutOfDistribution));
            for (k, sum) in verdict.accumulators().iter().enumerate() {
                let cells = explain::class_map(&model, session.map(), k);
                prop_assert_eq!(cells.iter().sum::<i32>() + explain::bias(&model, k), *sum);
                prop_assert_eq!(*sum as f32 * explain::scale(&model, k), verdict.logits()[k]);
            }
            prop_assert!((verdict.probabilities().iter().sum::<f32>() - 1.0).abs() < 1e-5);
        }
        prop_assert!(arena[model.arena_bytes()..].iter().all(|b| *b == 0x5A));
    }

    #[test]
    fn blocks_of_rows_equal_the_reference(seed: u64, gray: bool, shift in 0usize..64) {
        let net = wide_network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x1111);
        let channels = usize::from(net.input.channels);
        let extreme = r.below(4) == 0;
        let pixels: Vec<u8> = (0..net.input.len() / channels).map(|_| if extreme { 0 } else { r.i8() as u8 }).collect();
        let image: Vec<u8> = if gray {
            pixels.iter().flat_map(|v| std::iter::repeat_n(*v, channels)).collect()
        } else {
            (0..net.input.len()).map(|_| r.i8() as u8).collect()
        };
        let (maps, logits, score) = reference(&net, &image);
        for kernel in Kernel::available().filter(|kernel| kernel.name() != "scalar") {
            let mut buffer = vec![0xA5; Prepared::blocks_bytes(&model, &kernel)];
            let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
            let needed = prepared.arena_bytes(&model);
            let mut arena = vec![0x5A; shift + needed + 64];
            let mut session = Session::new(&model, &mut arena[shift..]).unwrap().with_prepared(&prepared).unwrap();
            for _ in 0..2 {
                let mut seen: Vec<Vec<i8>> = vec![Vec::new(); net.layers.len() - 1];
                session.reset();
                let mut observe = |layer: usize, y: usize, values: &[i8]| {
                    assert_eq!(y * values.len(), seen[layer].len(), "rows come in order, once");
                    seen[layer].extend_from_slice(values);
                };
                for (row, gray_row) in image.chunks(net.input.row_len()).zip(pixels.chunks(net.input.width.into())) {
                    if gray {
                        session.push_gray_row_observed(gray_row, &mut observe).unwrap();
                    } else {
                        session.push_row_observed(row, &mut observe).unwrap();
                    }
                }
                prop_assert_eq!(&seen, &maps, "{}", kernel.name());
                let verdict = session.finish().unwrap();
                prop_assert_eq!(verdict.logits(), &logits[..]);
                prop_assert_eq!(verdict.refusal_score().map(f32::to_bits), score.map(f32::to_bits));
            }
            prop_assert!(arena[..shift].iter().chain(&arena[shift + needed..]).all(|b| *b == 0x5A));
        }
    }

    #[test]
    fn every_byte_of_the_arena_is_written(seed: u64) {
        let net = network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x7777);
        let image: Vec<u8> = (0..net.input.len()).map(|_| r.i8() as u8).collect();
        // A byte that nothing writes keeps what it held before, and differs.
        let after = |fill: i8| {
            let mut arena = vec![fill; model.arena_bytes()];
            let _ = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
            arena
        };
        prop_assert_eq!(after(0x5A), after(-0x5B));
    }

    #[test]
    fn gray_rows_are_coloured_rows(seed: u64, mixed: u16) {
        let net = network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut r = Random(seed ^ 0x3333);
        let [width, height] = [net.input.width, net.input.height].map(usize::from);
        let gray: Vec<u8> = (0..width * height).map(|_| r.i8() as u8).collect();
        let image: Vec<u8> = gray.iter().flat_map(|v| std::iter::repeat_n(*v, net.input.channels.into())).collect();
        let mut arena = vec![0; model.arena_bytes()];
        let mut session = Session::new(&model, &mut arena).unwrap();
        let whole = session.run(&image).unwrap();
        for pattern in [u16::MAX, mixed] {
            session.reset();
            for (y, row) in gray.chunks_exact(width).enumerate() {
                if pattern >> (y % 16) & 1 == 1 {
                    session.push_gray_row(row).unwrap();
                } else {
                    session.push_row(&image[y * net.input.row_len()..][..net.input.row_len()]).unwrap();
                }
            }
            prop_assert_eq!(session.finish().unwrap(), whole.clone());
        }
    }

    #[test]
    fn damaged_files_are_refused_and_never_panic(seed in 0u64..64, at: u32, value: u8, cut: u32, fix: bool) {
        let mut bytes = file(&network(seed)).unwrap();
        let i = at as usize % bytes.len();
        let changed = bytes[i] != value;
        bytes[i] = value;
        if fix {
            // With the checksum mended, the structure checks must hold on their own.
            let crc = cxr_testkit::CRC32.checksum(&bytes[16..]);
            bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        }
        match Model::parse(&bytes) {
            Ok(model) => {
                prop_assert!(fix || !changed);
                if model.arena_bytes() < 1 << 24 && model.macs() < 1 << 26 {
                    let mut arena = vec![0; model.arena_bytes()];
                    let image = vec![7; model.input().len()];
                    let _ = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
                }
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
        let cut = cut as usize % bytes.len();
        prop_assert!(Model::parse(&bytes[..cut]).is_err());
    }
}

#[test]
fn misuse_is_an_error_and_the_session_survives_it() {
    let net = network(3);
    let bytes = file(&net).unwrap();
    let model = Model::parse(&bytes).unwrap();
    let mut small = vec![0; model.arena_bytes() - 1];
    assert!(matches!(Session::new(&model, &mut small), Err(Error::BufferTooSmall { .. })));
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).unwrap();
    let image = vec![200; net.input.len()];
    let whole = session.run(&image).unwrap();
    assert_eq!(session.push_row(&image[..net.input.row_len()]), Err(Error::TooManyRows));
    assert_eq!(session.push_gray_row(&image[..usize::from(net.input.width)]), Err(Error::TooManyRows));
    session.reset();
    assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
    assert!(matches!(session.push_row(&[]), Err(Error::RowLength { .. })));
    let gray = vec![200; usize::from(net.input.width)];
    for _ in 0..net.input.height {
        session.push_gray_row(&gray).unwrap();
    }
    assert_eq!(session.finish().unwrap(), whole);
    assert!(session.run(&image[1..]).is_err());
}

#[test]
fn blocks_of_rows_begin_anew_and_want_their_memory() {
    for seed in 0..20 {
        let net = wide_network(seed);
        let bytes = file(&net).unwrap();
        let model = Model::parse(&bytes).unwrap();
        let mut buffer = vec![0; Prepared::blocks_bytes(&model, &Kernel::best())];
        let missing =
            buffer.len().checked_sub(1).map(|short| Prepared::blocks(&model, Kernel::best(), &mut buffer[..short]).err());
        assert!(matches!(missing, None | Some(Some(Error::BufferTooSmall { .. }))));
        for kernel in Kernel::available() {
            let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
            let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
            let needed = prepared.arena_bytes(&model);
            if needed == model.arena_bytes() {
                continue;
            }
            assert!(["avx2", "avx-vnni"].contains(&kernel.name()));
            let mut arena = vec![0; needed];
            let short = Session::new(&model, &mut arena[..needed - 64]).unwrap().with_prepared(&prepared).err();
            assert!(matches!(short, Some(Error::BufferTooSmall { .. })));
            let image = vec![200; net.input.len()];
            let whole = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
            let mut session = Session::new(&model, &mut arena).unwrap();
            session.push_row(&image[..net.input.row_len()]).unwrap();
            let mut session = session.with_prepared(&prepared).unwrap();
            assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
            session.push_row(&image[..net.input.row_len()]).unwrap();
            let mut session = session.with_prepared(&prepared).unwrap();
            assert_eq!(session.run(&image).unwrap(), whole);
            let mut session = session.with_kernel(Kernel::SCALAR);
            assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
            assert_eq!(session.run(&image).unwrap(), whole);
            // Filters by which a row at a time is computed know nothing of rows that blocks keep.
            let mut buffer = vec![0; Prepared::bytes(&model, &kernel)];
            let single = Prepared::new(&model, kernel, &mut buffer).unwrap();
            let mut arena = vec![0; needed];
            let mut session = Session::new(&model, &mut arena).unwrap().with_prepared(&prepared).unwrap();
            session.push_row(&image[..net.input.row_len()]).unwrap();
            let mut session = session.with_prepared(&single).unwrap();
            assert!(matches!(session.finish(), Err(Error::MissingRows { given: 0, .. })));
            assert_eq!(session.run(&image).unwrap(), whole);
        }
    }
}

#[test]
fn the_writer_refuses_what_would_overflow() {
    let mut net = network(3);
    let dense = net.layers.last_mut().unwrap();
    dense.bias[0] = i32::MAX;
    assert!(matches!(file(&net), Err(Error::InvalidField { field, .. }) if field.contains("overflow")));
    let mut net = network(3);
    net.layers.last_mut().unwrap().scales[0] = f32::NAN;
    assert!(matches!(file(&net), Err(Error::InvalidField { field: "scale", .. })));
}
