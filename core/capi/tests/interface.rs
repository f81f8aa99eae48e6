//! The C interface called as C calls it: the same results as the Rust interface, and every misuse is a status.

#![allow(unsafe_code)] // raw pointers are what is tested; every call below keeps to the contract of the function called

use cxr::*;
use cxr_core::format::Model;
use cxr_core::image::{Resizer, Row, Window};
use cxr_core::session::{AbstainReason, Decision, Session, Verdict};
use std::collections::HashSet;
use std::ffi::CStr;
use std::ptr::{null, null_mut};

#[path = "../../tests/tiny/mod.rs"]
mod tiny;

/// A model of the resizer's width.
fn file() -> Vec<u8> {
    tiny::model(16, 256, 3)
}

fn zeroed() -> (CxrModel, CxrSession, CxrResizer) {
    (
        CxrModel { opaque: [0; CXR_MODEL_WORDS] },
        CxrSession { opaque: [0; CXR_SESSION_WORDS] },
        CxrResizer { opaque: [0; CXR_RESIZER_WORDS] },
    )
}

fn verdict() -> CxrVerdict {
    CxrVerdict {
        class_index: 7,
        refusal: CxrRefusal::None,
        class_count: 7,
        refusal_score: 7.0,
        logits: [7.0; CXR_MAX_CLASSES],
        probabilities: [7.0; CXR_MAX_CLASSES],
        accumulators: [7; CXR_MAX_CLASSES],
    }
}

fn parse(file: &[u8], model: &mut CxrModel) -> CxrInfo {
    let mut info = CxrInfo::default();
    // SAFETY: references are valid pointers; `file` outlives the model in every test.
    unsafe {
        assert_eq!(cxr_model_parse(model, file.as_ptr(), file.len(), null_mut()), CxrStatus::Ok);
        assert_eq!(cxr_model_info(model, &mut info), CxrStatus::Ok);
    }
    info
}

fn same(out: &CxrVerdict, status: CxrStatus, expected: &Verdict) {
    let n = out.class_count as usize;
    assert_eq!(out.logits[..n], *expected.logits());
    assert_eq!(out.probabilities[..n], *expected.probabilities());
    assert_eq!(out.accumulators[..n], *expected.accumulators());
    assert_eq!(Some(out.refusal_score), expected.refusal_score());
    match expected.decision() {
        Decision::Class(class) => {
            assert_eq!((status, out.class_index, out.refusal), (CxrStatus::Ok, class as i32, CxrRefusal::None));
        }
        Decision::Abstain(reason) => {
            let expected = match reason {
                AbstainReason::OutOfDistribution => CxrRefusal::OutOfDistribution,
                _ => CxrRefusal::LowConfidence,
            };
            assert_eq!((status, out.class_index, out.refusal), (CxrStatus::Refused, -1, expected));
        }
    }
}

#[test]
fn the_verdict_is_that_of_the_rust_interface() {
    let file = file();
    let parsed = Model::parse(&file).unwrap();
    let (mut model, mut session, _) = zeroed();
    let info = parse(&file, &mut model);
    assert_eq!(info.arena_bytes, parsed.arena_bytes());
    let (input, row_len) = (parsed.input(), parsed.input().row_len());
    assert_eq!([info.height, info.width, info.channels], [input.height, input.width, input.channels].map(u32::from));

    let (mut rust_arena, mut arena) = (vec![0; info.arena_bytes], vec![0i8; info.arena_bytes]);
    let (mut rust_map, mut map) = (vec![0; info.map_len], vec![-1i32; info.map_len]);
    let mut rust = Session::new(&parsed, &mut rust_arena).unwrap().with_map(&mut rust_map).unwrap();
    let (mut out, mut decisions) = (verdict(), HashSet::new());
    // SAFETY: references are valid pointers, lengths are the buffers' own, all outlive the session.
    unsafe {
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        assert_eq!(cxr_explain(&mut session, map.as_mut_ptr(), map.len()), CxrStatus::Ok);
        for seed in 0..64 {
            // From flat to full contrast.
            let mut noise = tiny::Noise(seed);
            let image: Vec<u8> = (0..input.len()).map(|_| (u32::from(noise.byte()) * seed / 64) as u8).collect();
            let expected = rust.run(&image).unwrap();
            assert_eq!(cxr_reset(&mut session), CxrStatus::Ok);
            for row in image.chunks_exact(row_len) {
                assert_eq!(cxr_push_row(&mut session, row.as_ptr(), row.len()), CxrStatus::Ok);
            }
            let status = cxr_finish(&mut session, &mut out);
            same(&out, status, &expected);
            decisions.insert(out.refusal as u32);
        }
    }
    assert_eq!(decisions.len(), 3, "verdicts and both refusals: {decisions:?}");
    assert_eq!(map, rust.map());
    assert!(map.iter().any(|cell| *cell != 0));
}

#[test]
fn images_of_another_size_are_resized_on_the_way() {
    let file = file();
    let parsed = Model::parse(&file).unwrap();
    let (mut model, mut session, mut resizer) = zeroed();
    let info = parse(&file, &mut model);
    let (width, height) = (300usize, 40usize);
    let image: Vec<u16> = (0..width * height).map(|i| (i as u16).wrapping_mul(31_337) >> 4).collect();

    let mut rust_arena = vec![0; info.arena_bytes];
    let mut rust = Session::new(&parsed, &mut rust_arena).unwrap();
    let window = Window { low: 100, high: 4000, invert: true };
    let mut resize = Resizer::<256>::new(width, height, usize::from(parsed.input().height), window).unwrap();
    for row in image.chunks_exact(width) {
        resize.push_row(Row::Gray16(row), |out| rust.push_gray_row(out).unwrap()).unwrap();
    }
    let expected = rust.finish().unwrap();

    let (mut arena, mut out) = (vec![0i8; info.arena_bytes], verdict());
    // SAFETY: as above.
    unsafe {
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        let window = CxrWindow { low: 100, high: 4000, invert: 1 };
        assert_eq!(cxr_resizer_init(&mut resizer, &mut session, width, height, window), CxrStatus::Ok);
        assert_eq!(cxr_resize_row_16(&mut resizer, &mut session, image.as_ptr(), width, 3), CxrStatus::ErrorRowLength);
        assert_eq!(cxr_resize_row_16(&mut resizer, &mut session, image.as_ptr(), width, 2), CxrStatus::ErrorRowLength);
        for row in image.chunks_exact(width) {
            assert_eq!(cxr_resize_row_16(&mut resizer, &mut session, row.as_ptr(), row.len(), 1), CxrStatus::Ok);
        }
        assert_eq!(cxr_resize_row_16(&mut resizer, &mut session, image.as_ptr(), width, 1), CxrStatus::ErrorTooManyRows);
        let status = cxr_finish(&mut session, &mut out);
        same(&out, status, &expected);

        let empty = CxrWindow { low: 9, high: 9, invert: 0 };
        assert_eq!(cxr_resizer_init(&mut resizer, &mut session, 9, 9, empty), CxrStatus::ErrorWindow);
        let full = CxrWindow { low: 0, high: 255, invert: 0 };
        assert_eq!(cxr_resizer_init(&mut resizer, &mut session, 0, 9, full), CxrStatus::ErrorImageSize);
        // A failed start leaves no resizer behind.
        let gray = [0u8; 9];
        assert_eq!(cxr_resize_row_8(&mut resizer, &mut session, gray.as_ptr(), 9, 1), CxrStatus::ErrorUninitialised);
    }
}

#[test]
fn misuse_is_a_status() {
    let file = file();
    let (mut model, mut session, _) = zeroed();
    let (mut info, mut out) = (CxrInfo::default(), verdict());
    let row = [0u8; 8];
    // SAFETY: pointers are null or valid, objects zeroed or initialised: what the contract allows.
    unsafe {
        assert_eq!(cxr_model_parse(null_mut(), file.as_ptr(), file.len(), null_mut()), CxrStatus::ErrorPointer);
        assert_eq!(cxr_model_parse(&mut model, null(), 5, null_mut()), CxrStatus::ErrorPointer);
        assert_eq!(cxr_model_parse(&mut model, null(), 0, null_mut()), CxrStatus::ErrorTruncated);
        assert_eq!(cxr_model_info(&model, &mut info), CxrStatus::ErrorUninitialised);
        assert_eq!(cxr_session_init(&mut session, &model, null_mut(), 0), CxrStatus::ErrorUninitialised);
        assert_eq!(cxr_push_row(&mut session, row.as_ptr(), 8), CxrStatus::ErrorUninitialised);
        assert_eq!(cxr_finish(&mut session, &mut out), CxrStatus::ErrorUninitialised);
        assert_eq!((out.class_index, out.refusal, out.class_count), (-1, CxrRefusal::NoVerdict, 0));
        assert_eq!(cxr_finish(&mut session, null_mut()), CxrStatus::ErrorPointer);
        assert_eq!(cxr_reset(null_mut()), CxrStatus::ErrorPointer);

        let info = parse(&file, &mut model);
        let mut arena = vec![0i8; info.arena_bytes];
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), info.arena_bytes - 1), CxrStatus::ErrorBuffer);
        assert_eq!(cxr_session_init(&mut session, &model, null_mut(), info.arena_bytes), CxrStatus::ErrorPointer);
        assert_eq!(cxr_reset(&mut session), CxrStatus::ErrorUninitialised);
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        assert_eq!(cxr_push_row(&mut session, row.as_ptr(), 8), CxrStatus::ErrorRowLength);
        assert_eq!(cxr_push_gray_row(&mut session, row.as_ptr(), 8), CxrStatus::ErrorRowLength);
        assert_eq!(cxr_push_row(&mut session, null(), 8), CxrStatus::ErrorPointer);
        assert_eq!(cxr_finish(&mut session, &mut out), CxrStatus::ErrorMissingRows);
        let mut map = vec![0i32; info.map_len];
        assert_eq!(cxr_explain(&mut session, map.as_mut_ptr(), info.map_len - 1), CxrStatus::ErrorBuffer);
        assert_eq!(cxr_explain(&mut session, null_mut(), info.map_len), CxrStatus::ErrorPointer);
        // The session is still there.
        let gray = vec![0u8; info.width as usize];
        for _ in 0..info.height {
            assert_eq!(cxr_push_gray_row(&mut session, gray.as_ptr(), gray.len()), CxrStatus::Ok);
        }
        assert_eq!(cxr_push_gray_row(&mut session, gray.as_ptr(), gray.len()), CxrStatus::ErrorTooManyRows);
        assert!(matches!(cxr_finish(&mut session, &mut out), CxrStatus::Ok | CxrStatus::Refused));
    }
}

#[test]
fn a_bad_file_is_refused_with_its_place() {
    let good = file();
    let check = |file: &[u8], status| {
        let (mut model, ..) = zeroed();
        let mut error = CxrError { status: CxrStatus::Ok, offset: 0, expected: 0, found: 0, field: null(), field_len: 0 };
        // SAFETY: valid pointers; the field's name is static.
        let field = unsafe {
            assert_eq!(cxr_model_parse(&mut model, file.as_ptr(), file.len(), &mut error), status);
            assert_eq!(cxr_model_info(&model, &mut CxrInfo::default()), CxrStatus::ErrorUninitialised);
            std::slice::from_raw_parts(error.field.cast::<u8>(), error.field_len)
        };
        assert_eq!(error.status, status);
        (error.offset, error.expected, error.found, String::from_utf8(field.to_vec()).unwrap())
    };
    let change = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    check(&change(0, b'X'), CxrStatus::ErrorBadMagic);
    assert_eq!(check(&change(4, 99), CxrStatus::ErrorVersion).2, 99);
    assert_eq!(check(&change(6, 99), CxrStatus::ErrorField), (6, 0, 0, "header length".into()));
    let (_, stored, computed, _) = check(&change(good.len() - 1, !good[good.len() - 1]), CxrStatus::ErrorChecksum);
    assert_ne!(stored, computed);
    assert_eq!(check(&good[..good.len() - 3], CxrStatus::ErrorTruncated).1, 3);
}

#[test]
fn names_and_texts_are_terminated() {
    let file = file();
    let (mut model, ..) = zeroed();
    parse(&file, &mut model);
    let first = Model::parse(&file).unwrap().class_name(0);
    let mut name = [0x7F; 4];
    // SAFETY: the buffer has the length that is passed; texts are static.
    unsafe {
        assert_eq!(cxr_class_name(&model, 0, name.as_mut_ptr(), name.len()), first.len());
        assert_eq!(CStr::from_ptr(name.as_ptr()).to_str().unwrap(), &first[..3.min(first.len())]);
        assert_eq!(cxr_class_name(&model, -1, name.as_mut_ptr(), name.len()), 0);
        assert_eq!(CStr::from_ptr(name.as_ptr()).to_bytes(), b"");
        assert_eq!(cxr_class_name(&model, 0, null_mut(), 9), first.len());
        assert_eq!(cxr_class_name(null(), 0, name.as_mut_ptr(), name.len()), 0);
        let texts: HashSet<&CStr> = (-14..=2).map(|status| CStr::from_ptr(cxr_status_text(status))).collect();
        assert_eq!(texts.len(), 17, "a sentence for each status, and one for a number that is none");
    }
}
