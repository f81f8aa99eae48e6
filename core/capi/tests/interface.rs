//! The C interface called as C calls it: the same results as the Rust interface, and every misuse is a status.

#![allow(unsafe_code)] // raw pointers are what is tested; every call below keeps to the contract of the function called

use cxr::*;
use cxr_core::format::Model;
use cxr_core::image::{BorrowedResizer, Row, Window};
use cxr_core::session::{AbstainReason, Decision, Session, Verdict};
use std::collections::HashSet;
use std::ffi::CStr;
use std::ptr::{null, null_mut};

#[path = "../../tests/tiny/mod.rs"]
mod tiny;

fn file() -> Vec<u8> {
    tiny::model(16, 24, 3)
}

// What the header's inline functions do.

/// # Safety
/// As [`cxr_model_parse_sized`].
unsafe fn cxr_model_parse(model: *mut CxrModel, file: *const u8, len: usize, error: *mut CxrError) -> CxrStatus {
    // SAFETY: the caller's.
    unsafe { cxr_model_parse_sized(CXR_ABI_VERSION, model, size_of::<CxrModel>(), file, len, error, size_of::<CxrError>()) }
}

/// # Safety
/// As [`cxr_model_info_sized`].
unsafe fn cxr_model_info(model: *const CxrModel, info: *mut CxrInfo) -> CxrStatus {
    // SAFETY: the caller's.
    unsafe { cxr_model_info_sized(model, info, size_of::<CxrInfo>()) }
}

/// # Safety
/// As [`cxr_session_init_sized`].
unsafe fn cxr_session_init(session: *mut CxrSession, model: *const CxrModel, arena: *mut i8, len: usize) -> CxrStatus {
    // SAFETY: the caller's.
    unsafe { cxr_session_init_sized(session, size_of::<CxrSession>(), model, arena, len) }
}

/// # Safety
/// As [`cxr_resizer_init_sized`].
unsafe fn cxr_resizer_init(
    resizer: *mut CxrResizer,
    session: *mut CxrSession,
    memory: *mut u32,
    words: usize,
    image: *const CxrImage,
) -> CxrStatus {
    // SAFETY: the caller's.
    unsafe { cxr_resizer_init_sized(resizer, size_of::<CxrResizer>(), session, memory, words, image) }
}

/// # Safety
/// As [`cxr_finish_sized`].
unsafe fn cxr_finish(session: *mut CxrSession, verdict: *mut CxrVerdict) -> CxrStatus {
    // SAFETY: the caller's.
    unsafe { cxr_finish_sized(session, verdict, size_of::<CxrVerdict>()) }
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
        refusal_score: 7.0,
        class_count: 7,
        scores: [CxrScore { accumulator: 7, logit: 7.0, probability: 7.0 }; CXR_MAX_CLASSES],
    }
}

const fn no_error() -> CxrError {
    CxrError { status: CxrStatus::ErrorOther, offset: 0, expected: 0, found: 0, field: null(), field_len: 0 }
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
    let scores = &out.scores[..out.class_count as usize];
    assert!(scores.iter().map(|score| score.logit).eq(expected.logits().iter().copied()));
    assert!(scores.iter().map(|score| score.probability).eq(expected.probabilities().iter().copied()));
    assert!(scores.iter().map(|score| score.accumulator).eq(expected.accumulators().iter().copied()));
    assert_eq!(Some(out.refusal_score), expected.refusal_score());
    match expected.decision() {
        Decision::Class(class) => {
            assert_eq!((status, out.class_index, out.refusal), (CxrStatus::Ok, class as i32, CxrRefusal::None));
        }
        Decision::Abstain(reason) => {
            let expected = match reason {
                AbstainReason::OutOfDistribution => CxrRefusal::OutOfDistribution,
                AbstainReason::DoubtfulClass => CxrRefusal::DoubtfulClass,
                _ => CxrRefusal::LowConfidence,
            };
            assert_eq!((status, out.class_index, out.refusal), (CxrStatus::Refused, -1, expected));
        }
    }
}

#[test]
fn the_verdict_is_that_of_the_rust_interface() {
    // Of this width, images of noise come to all three.
    let file = tiny::model(16, if cfg!(miri) { 24 } else { 256 }, 3);
    let parsed = Model::parse(&file).unwrap();
    let (mut model, mut session, _) = zeroed();
    let info = parse(&file, &mut model);
    assert_eq!(info.arena_bytes as usize, parsed.arena_bytes());
    let (input, row_len) = (parsed.input(), parsed.input().row_len());
    assert_eq!([info.height, info.width, info.channels], [input.height, input.width, input.channels].map(u32::from));

    let (mut rust_arena, mut arena) = (vec![0; info.arena_bytes as usize], vec![0i8; info.arena_bytes as usize]);
    let (mut rust_map, mut map) = (vec![0; info.map_len as usize], vec![-1i32; info.map_len as usize]);
    let mut rust = Session::new(&parsed, &mut rust_arena).unwrap().with_map(&mut rust_map).unwrap();
    let (mut out, mut decisions) = (verdict(), HashSet::new());
    // SAFETY: references are valid pointers, lengths are the buffers' own, all outlive the session.
    unsafe {
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        assert_eq!(cxr_explain(&mut session, map.as_mut_ptr(), map.len()), CxrStatus::Ok);
        for seed in (0..64).step_by(if cfg!(miri) { 21 } else { 1 }) {
            // From flat to full contrast.
            let mut noise = cxr_testkit::Lcg(seed);
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
    assert!(cfg!(miri) || decisions.len() == 3, "verdicts and both refusals: {decisions:?}");
    assert_eq!(map, rust.map());
    assert!(map.iter().any(|cell| *cell != 0));
}

#[test]
fn images_of_another_size_are_resized_on_the_way() {
    // Of any width, one that is no multiple of four among them.
    for width in if cfg!(miri) { vec![11] } else { vec![8, 11, 32, 256, 300] } {
        resized(&tiny::model(16, width, 3));
    }
}

fn resized(file: &[u8]) {
    let parsed = Model::parse(file).unwrap();
    let (mut model, mut session, mut resizer) = zeroed();
    let info = parse(file, &mut model);
    let (width, height) = (100usize, 40usize);
    let image: Vec<u16> = (0..width * height).map(|i| (i as u16).wrapping_mul(31_337) >> 4).collect();

    let mut rust_arena = vec![0; info.arena_bytes as usize];
    let mut rust = Session::new(&parsed, &mut rust_arena).unwrap();
    let window = Window { low: 100, high: 4000, invert: true };
    let (columns, rows) = (info.width as usize, info.height as usize);
    let (mut sums, mut out) = (vec![0; 2 * columns], vec![0; columns]);
    let mut resize = BorrowedResizer::new(&mut sums, &mut out, [width, height], [columns, rows], window).unwrap();
    for row in image.chunks_exact(width) {
        resize.push_row(Row::Gray16(row), |out| rust.push_gray_row(out).unwrap()).unwrap();
    }
    let expected = rust.finish().unwrap();

    let (mut arena, mut out) = (vec![0i8; info.arena_bytes as usize], verdict());
    let mut memory = vec![u32::MAX; info.resizer_words as usize];
    let kind = CxrImage { width: width as u32, height: height as u32, low: 100, high: 4000, invert: 1 };
    // SAFETY: as above.
    unsafe {
        // One pointer to each object, as C has it.
        let (session, resizer) = (&raw mut session, &raw mut resizer);
        let (words, memory) = (memory.len(), memory.as_mut_ptr());
        let init = |kind: &CxrImage| cxr_resizer_init(resizer, session, memory, words, kind);
        let push = |row: &[u16], channels| cxr_resize_row_16(resizer, session, row.as_ptr(), row.len(), channels);
        assert_eq!(cxr_session_init(session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        assert_eq!(init(&kind), CxrStatus::Ok);
        assert_eq!(push(&image[..width], 3), CxrStatus::ErrorRowLength);
        assert_eq!(push(&image[..width], 2), CxrStatus::ErrorRowLength);
        // An image that is cut short, then a whole one, twice: the resizer begins anew with the session.
        for rows in [height / 2, height, height] {
            for row in image.chunks_exact(width).take(rows) {
                assert_eq!(push(row, 1), CxrStatus::Ok);
            }
            if rows == height {
                assert_eq!(push(&image[..width], 1), CxrStatus::ErrorTooManyRows);
                let status = cxr_finish(session, &mut out);
                same(&out, status, &expected);
            }
            assert_eq!(cxr_reset(session), CxrStatus::Ok);
        }

        let mut other = zeroed().1;
        let mut other_arena = vec![0i8; arena.len()];
        assert_eq!(cxr_session_init(&mut other, &model, other_arena.as_mut_ptr(), other_arena.len()), CxrStatus::Ok);
        let row = &image[..width];
        let pushed = cxr_resize_row_16(resizer, &mut other, row.as_ptr(), row.len(), 1);
        assert_eq!(pushed, CxrStatus::ErrorPointer, "the session of another image");

        assert_eq!(cxr_resizer_init(resizer, session, null_mut(), words, &kind), CxrStatus::ErrorPointer);
        assert_eq!(cxr_resizer_init(resizer, session, memory, words, null()), CxrStatus::ErrorPointer);
        assert_eq!(cxr_resizer_init(resizer, session, memory, words - 1, &kind), CxrStatus::ErrorBuffer);
        assert_eq!(cxr_resizer_init_sized(resizer, 8, session, memory, words, &kind), CxrStatus::ErrorAbi);
        assert_eq!(init(&CxrImage { low: 9, high: 9, ..kind }), CxrStatus::ErrorWindow);
        for (width, height) in [(0, 9), (9, 0), (8193, 9), (u32::MAX, u32::MAX)] {
            assert_eq!(init(&CxrImage { width, height, ..kind }), CxrStatus::ErrorImageSize);
        }
        // A failed start leaves no resizer behind.
        let gray = [0u8; 9];
        assert_eq!(cxr_resize_row_8(resizer, session, gray.as_ptr(), 9, 1), CxrStatus::ErrorUninitialised);
    }
}

#[test]
fn headers_of_another_version_are_refused() {
    let file = file();
    let (mut model, mut session, _) = zeroed();
    let (all, error_size) = (size_of::<CxrModel>(), size_of::<CxrError>());
    let mut error = no_error();
    // SAFETY: valid pointers; the sizes are at most those of the objects.
    unsafe {
        let model = &raw mut model;
        let mut parse = |abi, size| cxr_model_parse_sized(abi, model, size, file.as_ptr(), file.len(), &mut error, error_size);
        assert_eq!(parse(CXR_ABI_VERSION, all), CxrStatus::Ok);
        for (abi, size) in [(0, all), (CXR_ABI_VERSION + 1, all), (CXR_ABI_VERSION, 0), (CXR_ABI_VERSION, 8)] {
            assert_eq!(parse(abi, size), CxrStatus::ErrorAbi);
        }
        let mut info = CxrInfo::default();
        parse(CXR_ABI_VERSION + 1, all);
        assert_eq!(cxr_model_info(model, &mut info), CxrStatus::ErrorUninitialised, "a refused model is no model any more");
        assert_eq!(parse(CXR_ABI_VERSION, all), CxrStatus::Ok);
        assert_eq!(cxr_model_info(model, &mut info), CxrStatus::Ok);
        let mut arena = vec![0i8; info.arena_bytes as usize];
        let init = |size| cxr_session_init_sized(&mut session, size, model, arena.as_mut_ptr(), arena.len());
        assert_eq!([0, 8, 64].map(init), [CxrStatus::ErrorAbi; 3]);
    }
    assert_eq!(error.status, CxrStatus::Ok);
}

#[test]
fn results_are_written_as_far_as_the_header_knows_them() {
    let file = file();
    let (mut model, mut session, _) = zeroed();
    let info = parse(&file, &mut model);
    let mut arena = vec![0i8; info.arena_bytes as usize];
    // SAFETY: buffers have the lengths that are passed, aligned as the structs are.
    unsafe {
        // Of an older header, and of a newer one.
        let mut words = [u32::MAX; 16];
        assert_eq!(cxr_model_info_sized(&model, words.as_mut_ptr().cast(), 12), CxrStatus::Ok);
        assert_eq!(words[..4], [info.arena_bytes, info.map_len, info.height, u32::MAX]);
        assert_eq!(cxr_model_info_sized(&model, words.as_mut_ptr().cast(), 60), CxrStatus::Ok);
        assert_eq!(words[2..], [16, 24, 3, 3, 2, 3, info.resizer_words, 0, 0, 0, 0, 0, 0, u32::MAX]);
        assert_eq!(cxr_model_info_sized(&model, null_mut(), 60), CxrStatus::ErrorPointer);

        let session = &raw mut session;
        assert_eq!(cxr_session_init(session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        for _ in 0..info.height {
            assert_eq!(cxr_push_gray_row(session, [9u8; 24].as_ptr(), 24), CxrStatus::Ok);
        }
        let mut out = verdict();
        let status = cxr_finish(session, &mut out);
        assert!(matches!(status, CxrStatus::Ok | CxrStatus::Refused));
        // Three classes of twelve bytes after sixteen.
        let mut words = [u32::MAX; 40];
        for (size, expected) in
            [(0, CxrStatus::ErrorBuffer), (8, CxrStatus::ErrorBuffer), (51, CxrStatus::ErrorBuffer), (52, status)]
        {
            words = [u32::MAX; 40];
            assert_eq!(cxr_finish_sized(session, words.as_mut_ptr().cast(), size), expected);
            assert!(words.iter().enumerate().skip(size.div_ceil(4)).all(|(_, word)| *word == u32::MAX));
            if expected == CxrStatus::ErrorBuffer && size > 4 {
                assert_eq!(words[..2], [u32::MAX, CxrRefusal::NoVerdict as u32], "no class without the scores");
            }
        }
        assert_eq!(words[..4], [out.class_index as u32, out.refusal as u32, out.refusal_score.to_bits(), 3]);
        assert_eq!(
            words[4..7],
            [out.scores[0].accumulator as u32, out.scores[0].logit.to_bits(), out.scores[0].probability.to_bits()]
        );
        assert_eq!(cxr_finish_sized(session, words.as_mut_ptr().cast(), 156), status);
        assert_eq!(words[28..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, u32::MAX]);
    }
}

#[test]
fn structs_have_the_layout_that_fixed_widths_give() {
    use std::mem::offset_of;
    assert_eq!((size_of::<CxrStatus>(), size_of::<CxrRefusal>(), size_of::<CxrInfo>()), (4, 4, 36));
    assert_eq!((size_of::<CxrScore>(), size_of::<CxrVerdict>(), offset_of!(CxrVerdict, scores)), (12, 16 + 12 * 8, 16));
    assert_eq!((size_of::<CxrImage>(), offset_of!(CxrImage, low), offset_of!(CxrImage, invert)), (16, 8, 12));
    assert_eq!((offset_of!(CxrError, field), offset_of!(CxrError, field_len)), (16, 16 + size_of::<usize>()));
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
        let mut arena = vec![0i8; info.arena_bytes as usize];
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), arena.len() - 1), CxrStatus::ErrorBuffer);
        assert_eq!(cxr_session_init(&mut session, &model, null_mut(), arena.len()), CxrStatus::ErrorPointer);
        assert_eq!(cxr_reset(&mut session), CxrStatus::ErrorUninitialised);
        assert_eq!(cxr_session_init(&mut session, &model, arena.as_mut_ptr(), arena.len()), CxrStatus::Ok);
        assert_eq!(cxr_push_row(&mut session, row.as_ptr(), 8), CxrStatus::ErrorRowLength);
        assert_eq!(cxr_push_gray_row(&mut session, row.as_ptr(), 8), CxrStatus::ErrorRowLength);
        assert_eq!(cxr_push_row(&mut session, null(), 8), CxrStatus::ErrorPointer);
        assert_eq!(cxr_finish(&mut session, &mut out), CxrStatus::ErrorMissingRows);
        let mut map = vec![0i32; info.map_len as usize];
        assert_eq!(cxr_explain(&mut session, map.as_mut_ptr(), map.len() - 1), CxrStatus::ErrorBuffer);
        assert_eq!(cxr_explain(&mut session, null_mut(), map.len()), CxrStatus::ErrorPointer);
        // The session is still there. A map of part of an image would add up to nothing.
        let gray = vec![0u8; info.width as usize];
        assert_eq!(cxr_push_gray_row(&mut session, gray.as_ptr(), gray.len()), CxrStatus::Ok);
        assert_eq!(cxr_explain(&mut session, map.as_mut_ptr(), map.len()), CxrStatus::ErrorStarted);
        assert_eq!(cxr_reset(&mut session), CxrStatus::Ok);
        assert_eq!(cxr_explain(&mut session, map.as_mut_ptr(), map.len()), CxrStatus::Ok);
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
        let mut error = no_error();
        // SAFETY: valid pointers; the field's name is static.
        let field = unsafe {
            assert_eq!(cxr_model_parse(&mut model, file.as_ptr(), file.len(), &mut error), status);
            assert_eq!(cxr_model_info(&model, &mut CxrInfo::default()), CxrStatus::ErrorUninitialised);
            std::slice::from_raw_parts(error.field.cast::<u8>(), error.field_len as usize)
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
        assert_eq!(cxr_class_name(&model, 0, name.as_mut_ptr(), name.len()), first.len() as u32);
        assert_eq!(CStr::from_ptr(name.as_ptr()).to_str().unwrap(), &first[..3.min(first.len())]);
        assert_eq!(cxr_class_name(&model, -1, name.as_mut_ptr(), name.len()), 0);
        assert_eq!(CStr::from_ptr(name.as_ptr()).to_bytes(), b"");
        assert_eq!(cxr_class_name(&model, 0, null_mut(), 9), first.len() as u32);
        assert_eq!(cxr_class_name(null(), 0, name.as_mut_ptr(), name.len()), 0);
        let texts: HashSet<&CStr> = (-17..=2).map(|status| CStr::from_ptr(cxr_status_text(status))).collect();
        assert_eq!(texts.len(), 20, "a sentence for each status, and one for a number that is none");
    }
}
