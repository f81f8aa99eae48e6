//! The C interface for networks called as C calls it: the Rust interface's outputs, and every misuse is a status.

#![allow(unsafe_code)] // raw pointers are what is tested; every call below keeps to the contract of the function called

use cxr::network::*;
use cxr_testkit::Lcg;
use rownet::model::Model;
use rownet::session::Session;
use std::ffi::CStr;
use std::ptr::{null, null_mut};

/// Every operator and storage; two outputs or more.
const EVERY: &[u8] = include_bytes!("../../engine/tests/every.rnet");
const TINY: &[u8] = include_bytes!("../../engine/tests/tiny.rnet");

const NO_MODEL: RownetModel = RownetModel { opaque: [0; ROWNET_MODEL_WORDS] };
const NO_SESSION: RownetSession = RownetSession { opaque: [0; ROWNET_SESSION_WORDS] };

/// What the header's inline function does.
fn parse(model: &mut RownetModel, file: &[u8], error: *mut RownetError) -> RownetStatus {
    let (model_size, error_size) = (size_of::<RownetModel>(), size_of::<RownetError>());
    // SAFETY: both are whole; the file is constant or outlives the model.
    unsafe { rownet_model_parse_sized(ROWNET_ABI_VERSION, model, model_size, file.as_ptr(), file.len(), error, error_size) }
}

fn info(model: &RownetModel) -> RownetInfo {
    let mut info = std::mem::MaybeUninit::<RownetInfo>::uninit();
    // SAFETY: a parsed network, a place for the numbers.
    let status = unsafe { rownet_model_info_sized(model, info.as_mut_ptr(), size_of::<RownetInfo>()) };
    assert_eq!(status, RownetStatus::Ok);
    // SAFETY: written.
    unsafe { info.assume_init() }
}

fn init(session: &mut RownetSession, model: &RownetModel, arena: &mut [i8]) -> RownetStatus {
    // SAFETY: the tests give the arena to nobody else.
    unsafe { rownet_session_init_sized(session, size_of::<RownetSession>(), model, arena.as_mut_ptr(), arena.len()) }
}

fn output(session: &mut RownetSession, index: u32) -> Result<RownetOutput, RownetStatus> {
    let mut output = std::mem::MaybeUninit::<RownetOutput>::uninit();
    // SAFETY: a session and a place for the output, which is written whatever the status.
    let (status, output) = unsafe {
        let status = rownet_output_sized(session, index, output.as_mut_ptr(), size_of::<RownetOutput>());
        (status, output.assume_init())
    };
    assert_eq!(status == RownetStatus::Ok, !output.data.is_null());
    if status == RownetStatus::Ok { Ok(output) } else { Err(status) }
}

/// Generated rows, as long as the session wants some; by either call.
fn push_all(session: &mut RownetSession, row_len: usize, as_u8: bool) {
    let mut input = Lcg(1);
    loop {
        // SAFETY: a session.
        let y = unsafe { rownet_next_row(session) };
        if y < 0 {
            return;
        }
        if y == 0 {
            input = Lcg(1);
        }
        let row: Vec<i8> = (0..row_len).map(|_| input.byte() as i8).collect();
        let bytes: Vec<u8> = row.iter().map(|q| (*q as u8) ^ 0x80).collect();
        // SAFETY: a session, whole rows.
        let status = unsafe {
            if as_u8 {
                rownet_push_row_u8(session, bytes.as_ptr(), row_len)
            } else {
                rownet_push_row(session, row.as_ptr(), row_len)
            }
        };
        assert_eq!(status, RownetStatus::Ok);
    }
}

#[test]
fn outputs_are_those_of_the_rust_interface() {
    // Miri takes minutes for the larger one.
    let files: &[&[u8]] = if cfg!(miri) { &[TINY] } else { &[EVERY, TINY] };
    for file in files {
        let network = Model::parse(file).unwrap();
        let shape = network.shape(0);
        let mut input = Lcg(1);
        let pixels: Vec<i8> = (0..shape.len()).map(|_| input.byte() as i8).collect();
        let mut buffer = vec![0; network.arena_bytes()];
        let mut session = Session::new(&network, &mut buffer).unwrap();
        let wanted = session.run(&pixels).unwrap();

        let mut model = NO_MODEL;
        assert_eq!(parse(&mut model, file, null_mut()), RownetStatus::Ok);
        let numbers = info(&model);
        assert_eq!(numbers.arena_bytes as usize, network.arena_bytes());
        assert_eq!([numbers.height, numbers.width, numbers.channels], [shape.height, shape.width, shape.channels].map(u32::from));
        assert_eq!(numbers.output_count as usize, wanted.len());
        assert_eq!(numbers.passes as usize, network.input_passes());
        let value = network.value(0).unwrap();
        assert_eq!((numbers.scale, numbers.zero_point), (value.scale, i32::from(value.zero_point)));

        let (mut arena, mut session) = (vec![0; numbers.arena_bytes as usize], NO_SESSION);
        assert_eq!(init(&mut session, &model, &mut arena), RownetStatus::Ok);
        for as_u8 in [false, true] {
            push_all(&mut session, shape.row_len(), as_u8);
            for i in 0..wanted.len() {
                let found = output(&mut session, i as u32).unwrap();
                // SAFETY: the session's bytes, until its next row.
                let bytes = unsafe { std::slice::from_raw_parts(found.data, found.len as usize) };
                assert_eq!(bytes, wanted.bytes(i).unwrap());
                let value = wanted.value(i).unwrap();
                assert_eq!(
                    [found.height, found.width, found.channels],
                    [value.shape.height, value.shape.width, value.shape.channels].map(u32::from)
                );
                assert_eq!((found.scale, found.zero_point), (value.scale, i32::from(value.zero_point)));
            }
            assert_eq!(output(&mut session, numbers.output_count).unwrap_err(), RownetStatus::ErrorOutput);
            // SAFETY: a session.
            assert_eq!(unsafe { rownet_reset(&mut session) }, RownetStatus::Ok);
        }
    }
}

#[test]
fn labels_are_terminated_and_cut_to_fit() {
    let mut model = NO_MODEL;
    assert_eq!(parse(&mut model, EVERY, null_mut()), RownetStatus::Ok);
    let label = |index, capacity| {
        let mut text = [b'x' as std::ffi::c_char; 8];
        // SAFETY: a parsed network, room for as many.
        let len = unsafe { rownet_label(&model, index, text.as_mut_ptr(), capacity) };
        (len, text.map(|byte| byte as u8))
    };
    assert_eq!(label(0, 8), (3, *b"one\0\0\0\0\0"));
    assert_eq!(label(1, 3), (3, *b"tw\0xxxxx"));
    assert_eq!(label(2, 1), (0, *b"\0xxxxxxx"));
    assert_eq!(label(1, 0), (3, *b"xxxxxxxx"));
}

#[test]
fn misuse_is_a_status() {
    let mut model = NO_MODEL;
    let (mut session, mut arena, row) = (NO_SESSION, [0; 4096], [0i8; 64]);
    // Nothing is there yet.
    assert_eq!(init(&mut session, &model, &mut arena), RownetStatus::ErrorUninitialised);
    assert_eq!(output(&mut session, 0).unwrap_err(), RownetStatus::ErrorUninitialised);
    // SAFETY: zeroed objects and null pointers are what the contract allows.
    unsafe {
        assert_eq!(rownet_next_row(&mut session), -1);
        assert_eq!(rownet_next_row(null_mut()), -1);
        assert_eq!(rownet_push_row(&mut session, row.as_ptr(), 4), RownetStatus::ErrorUninitialised);
        assert_eq!(rownet_reset(null_mut()), RownetStatus::ErrorPointer);
        assert_eq!(rownet_label(&model, 0, null_mut(), 0), 0);
        let sized = |abi, size, file: *const u8, len| {
            let mut model = NO_MODEL;
            rownet_model_parse_sized(abi, &mut model, size, file, len, null_mut(), 0)
        };
        let size = size_of::<RownetModel>();
        assert_eq!(sized(ROWNET_ABI_VERSION + 1, size, TINY.as_ptr(), TINY.len()), RownetStatus::ErrorAbi);
        assert_eq!(sized(ROWNET_ABI_VERSION, size - 8, TINY.as_ptr(), TINY.len()), RownetStatus::ErrorAbi);
        assert_eq!(sized(ROWNET_ABI_VERSION, size, null(), TINY.len()), RownetStatus::ErrorPointer);
    }

    // Damaged files leave no network, and say what is wrong.
    let mut error = RownetError { status: RownetStatus::Ok, at: 0, expected: 0, found: 0, field: null(), field_len: 0 };
    assert_eq!(parse(&mut model, b"CXRM", &mut error), error.status);
    assert!([RownetStatus::ErrorBadMagic, RownetStatus::ErrorLength].contains(&error.status));
    let mut damaged = TINY.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert_eq!(parse(&mut model, &damaged, &mut error), RownetStatus::ErrorChecksum);
    assert_ne!(error.expected, error.found);
    assert_eq!(parse(&mut model, &TINY[..TINY.len() - 1], &mut error), RownetStatus::ErrorLength);
    assert_eq!((error.expected as usize, error.found as usize), (TINY.len(), TINY.len() - 1));
    assert_eq!(init(&mut session, &model, &mut arena), RownetStatus::ErrorUninitialised);

    assert_eq!(parse(&mut model, TINY, null_mut()), RownetStatus::Ok);
    let numbers = info(&model);
    assert_eq!(init(&mut session, &model, &mut arena[..numbers.arena_bytes as usize - 1]), RownetStatus::ErrorBuffer);
    assert_eq!(init(&mut session, &model, &mut arena), RownetStatus::Ok);
    let row_len = (numbers.width * numbers.channels) as usize;
    // SAFETY: a session, rows of 64.
    unsafe {
        assert_eq!(rownet_push_row(&mut session, row.as_ptr(), row_len + 1), RownetStatus::ErrorRowLength);
        assert_eq!(rownet_push_row(&mut session, null(), row_len), RownetStatus::ErrorPointer);
        assert_eq!(rownet_next_row(&mut session), 0);
    }
    assert_eq!(output(&mut session, 0).unwrap_err(), RownetStatus::ErrorMissingRows);
    push_all(&mut session, row_len, false);
    // SAFETY: as above.
    assert_eq!(unsafe { rownet_push_row(&mut session, row.as_ptr(), row_len) }, RownetStatus::ErrorTooManyRows);
    assert!(output(&mut session, 0).is_ok());
}

#[test]
fn every_status_has_a_sentence() {
    // SAFETY: terminated, whatever the number.
    let text = |status| unsafe { CStr::from_ptr(rownet_status_text(status)) };
    let mut texts: Vec<_> = (-16..=1).map(text).collect();
    // The two beyond either end are alike.
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), 17);
}
