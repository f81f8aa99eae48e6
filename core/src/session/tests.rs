//! What cannot be by the arena's plan, made to be: never a verdict.

use super::*;
use std::vec;
use std::vec::Vec;

const TINY: &[u8] = include_bytes!("../../tests/tiny/tiny.cxr");
const DEFAULT: &[u8] = include_bytes!("../../../models/default.cxr");

fn rows(session: &mut Session<'_, '_>, value: u8) {
    for _ in 0..session.model.input().height {
        session.push_gray_row(&vec![value; session.model.input().width.into()]).unwrap();
    }
}

#[test]
fn an_arena_that_is_too_short_gives_no_verdict() {
    let model = Model::parse(TINY).unwrap();
    let mut arena = vec![0; model.arena_bytes()];
    for len in 0..=arena.len() {
        let mut session = Session::start(model, &mut arena[..len], &mut []);
        for gray in [true, false] {
            session.reset();
            for _ in 0..model.input().height {
                let (width, row_len) = (model.input().width.into(), model.input().row_len());
                let pushed = if gray { session.push_gray_row(&vec![9; width]) } else { session.push_row(&vec![9; row_len]) };
                pushed.unwrap();
            }
            let verdict = session.finish();
            assert!(
                if len == model.arena_bytes() { verdict.is_ok() } else { verdict == Err(Error::Internal) },
                "{len} {verdict:?}"
            );
        }
    }
}

#[test]
fn a_fault_ends_with_the_image() {
    let model = Model::parse(TINY).unwrap();
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).unwrap();
    rows(&mut session, 9);
    let verdict = session.finish().unwrap();
    session.is_faulty = true;
    assert_eq!(session.finish(), Err(Error::Internal));
    session.reset();
    rows(&mut session, 9);
    assert_eq!(session.finish(), Ok(verdict));
}

#[test]
fn a_fault_is_remembered_by_rows_that_follow() {
    let model = Model::parse(TINY).unwrap();
    let mut arena = vec![0; model.arena_bytes()];
    let mut session = Session::new(&model, &mut arena).unwrap();
    let whole = core::mem::take(&mut session.arena);
    session.push_gray_row(&[9; 16]).unwrap();
    session.arena = whole;
    session.rows = 0;
    // No layer saw that row, and each sees all of these.
    rows(&mut session, 9);
    assert_eq!(session.finish(), Err(Error::Internal));
}

#[test]
fn a_layer_that_lacks_a_row_gives_no_verdict() {
    let model = Model::parse(TINY).unwrap();
    let mut arena = vec![0; model.arena_bytes()];
    for i in 0..model.layer_count() {
        for (row, next) in [(1, 0), (0, 1), (1, 1), (u32::MAX, 0), (0, u32::MAX)] {
            let mut session = Session::new(&model, &mut arena).unwrap();
            rows(&mut session, 9);
            assert!(session.finish().is_ok());
            session.progress[i].row = session.progress[i].row.wrapping_add(row);
            session.progress[i].next = session.progress[i].next.wrapping_add(next);
            assert_eq!(session.finish(), Err(Error::Internal), "layer {i}: {row} {next}");
        }
    }
}

#[test]
fn memory_for_blocks_that_is_too_short_gives_no_verdict() {
    let model = Model::parse(DEFAULT).unwrap();
    for kernel in Kernel::available() {
        let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
        let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
        if prepared.extra() == 0 {
            continue;
        }
        let mut arena = vec![0; prepared.arena_bytes(&model)];
        let blocks: Vec<_> = (0..model.layer_count()).filter_map(|i| prepared.block(i)).collect();
        // A byte less of each part, and all of it.
        let lens = blocks.iter().flat_map(|block| [block.input, block.output, block.output + 1]).chain([prepared.extra(), 0]);
        for len in lens {
            let mut session = Session::new(&model, &mut arena).unwrap().with_prepared(&prepared).unwrap();
            let spare = core::mem::take(&mut session.spare);
            session.spare = &mut spare[..len];
            rows(&mut session, 9);
            let verdict = session.finish();
            assert!(if len == prepared.extra() { verdict.is_ok() } else { verdict == Err(Error::Internal) }, "{len} {verdict:?}");
            let pending = session.pending;
            session.pending = 1;
            assert_eq!(session.finish(), Err(Error::Internal), "{pending}");
        }
        // Packed filters that are not there.
        let mut short = prepared;
        short.forget_filters();
        let mut session = Session::new(&model, &mut arena).unwrap().with_prepared(&short).unwrap();
        rows(&mut session, 9);
        assert_eq!(session.finish(), Err(Error::Internal));
    }
}

#[test]
fn a_map_asked_for_in_the_middle_is_of_the_whole_next_image() {
    let model = Model::parse(TINY).unwrap();
    let (mut arena, mut map) = (vec![0; model.arena_bytes()], vec![-1; explain::map_len(&model)]);
    let mut session = Session::new(&model, &mut arena).unwrap();
    session.push_gray_row(&[9; 16]).unwrap();
    assert_eq!(session.rows(), 1);
    let mut session = session.with_map(&mut map).unwrap();
    assert_eq!(session.rows(), 0);
    rows(&mut session, 9);
    let verdict = session.finish().unwrap();
    for class in 0..model.class_count() {
        let cells: i32 = explain::class_map(&model, session.map(), class).iter().sum();
        assert_eq!(cells + explain::bias(&model, class), verdict.accumulators()[class]);
    }
}

#[test]
fn a_kernel_and_filters_given_in_the_middle_keep_the_rows() {
    let model = Model::parse(TINY).unwrap();
    let mut arena = vec![0; model.arena_bytes()];
    let image = vec![9; model.input().len()];
    let whole = Session::new(&model, &mut arena).unwrap().run(&image).unwrap();
    for kernel in Kernel::available() {
        let mut buffer = vec![0; Prepared::bytes(&model, &kernel)];
        let prepared = Prepared::new(&model, kernel, &mut buffer).unwrap();
        let mut session = Session::new(&model, &mut arena).unwrap();
        for y in 0..model.input().height {
            assert_eq!(session.rows(), y);
            session.push_gray_row(&[9; 16]).unwrap();
            session = if y % 4 < 2 { session.with_prepared(&prepared).unwrap() } else { session.with_kernel(kernel) };
        }
        assert_eq!(session.finish(), Ok(whole.clone()), "{}", kernel.name());
    }
}

#[test]
fn memory_for_blocks_that_is_missing_is_told() {
    let model = Model::parse(DEFAULT).unwrap();
    for kernel in Kernel::available() {
        let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
        let prepared = Prepared::blocks(&model, kernel, &mut buffer).unwrap();
        let needed = prepared.arena_bytes(&model);
        if prepared.extra() == 0 {
            continue;
        }
        // 63 bytes may lie before the first one that is aligned.
        let mut arena = vec![0; needed - 64];
        let told = Session::new(&model, &mut arena).unwrap().with_prepared(&prepared).err();
        let Some(Error::BufferTooSmall { needed: told, given }) = told else { panic!("{told:?}") };
        assert!(told as usize == needed && (needed - 127..=needed - 64).contains(&(given as usize)), "{told} {given}");
    }
}
