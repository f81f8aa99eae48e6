//! What the fuzz targets do with bytes: no file may make the parser panic, loop or read out of bounds, and no order of
//! calls may make a session do so, write beyond its arena or depend on what was in it, by whatever kernel and with whatever
//! filters. No arguments may make a kernel or a resizer do so.
//!
//! The first byte of an input of the first two tells whether length and checksum are mended, so that mutations reach what lies behind.

mod kernels;
mod resizer;
pub mod seeds;

pub use kernels::kernels;
pub use resizer::resizer;

use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::Model;
use cxr_core::kernels::Kernel;
use cxr_core::prepared::Prepared;
use cxr_core::session::{Session, Verdict};
use cxr_testkit::mend;
use std::hint::black_box;

/// A target: what it does with an input, and inputs to start from.
pub struct Target {
    /// Its name, and that of its program in `fuzz_targets`.
    pub name: &'static str,
    /// Panics if something is wrong.
    pub run: fn(&[u8]),
    /// See [`seeds`].
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target { name: "parser", run: parser, seeds: seeds::parser },
    Target { name: "session", run: session, seeds: seeds::session },
    Target { name: "kernels", run: kernels, seeds: seeds::kernels },
    Target { name: "resizer", run: resizer, seeds: seeds::resizer },
    Target { name: "tflite", run: importer, seeds: seeds::tflite },
    Target { name: "onnx", run: importer, seeds: seeds::onnx },
];

/// Bytes that a model's arena may take here, and multiplications: more would only be slow.
const MAX_ARENA: usize = 1 << 18;
const MAX_MACS: u64 = 1 << 21;

/// Parses the bytes and reads everything that the model offers.
pub fn parser(data: &[u8]) {
    let Some((how, file)) = data.split_first() else { return };
    let mut file = file.to_vec();
    if how & 1 == 1 {
        mend(&mut file);
    }
    let model = match Model::parse(&file) {
        Ok(model) => model,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    for i in 0..model.layer_count() {
        let layer = model.layer(i).expect("a layer that is counted is there");
        assert!(!layer.input.is_empty() && !layer.output.is_empty());
        black_box((layer.bias_at(usize::from(*how)), layer.scale_at(usize::from(*how)), layer.macs()));
    }
    assert!(model.layer(model.layer_count()).is_none());
    for class in 0..=model.class_count() {
        black_box((model.class_name(class), explain::bias(&model, class), explain::scale(&model, class)));
    }
    if let Some(refusal) = model.refusal() {
        black_box(refusal.score((0..usize::from(*how)).map(|i| i as i32 * 1000)));
    }
    black_box((model.metadata(), model.macs(), model.temperature(), model.abstain_below(), explain::map_len(&model)));
    assert_eq!(model.arena_bytes(), cxr_core::plan::arena_bytes(&model));
}

/// Imports the bytes as a network, up to the plan: refused with a reason, or read.
pub fn importer(data: &[u8]) {
    // Float networks are folded before they are calibrated.
    if let Ok(mut graph) = rownet_convert::import::read(data) {
        black_box(rownet_convert::fold::fold(&mut graph).is_ok());
    }
    match rownet_convert::package::prepare(data) {
        Ok(prepared) => black_box(prepared.lowered.operators.len()),
        Err(error) => black_box(format!("{error:#}").len()),
    };
}

/// A model (after a length of two bytes) and an order of calls.
pub fn session(data: &[u8]) {
    let [how, low, high, rest @ ..] = data else { return };
    let Some((file, calls)) = rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high]))) else { return };
    let mut file = file.to_vec();
    if how & 1 == 1 {
        mend(&mut file);
    }
    let Ok(model) = Model::parse(&file) else { return };
    if model.arena_bytes() > MAX_ARENA || model.macs() > MAX_MACS || model.input().len() > MAX_ARENA {
        return;
    }
    let map_len = explain::map_len(&model);
    // Any kernel of this machine, with filters as they are in the file, packed for rows, packed for blocks of rows.
    let all: Vec<Kernel> = Kernel::available().collect();
    let kernel = all[usize::from(how >> 3 & 7) % all.len()];
    let mut buffer = vec![0; Prepared::bytes(&model, &kernel).max(Prepared::blocks_bytes(&model, &kernel))];
    let prepared = match how >> 6 {
        0 => None,
        1 => Some(Prepared::new(&model, kernel, &mut buffer)),
        _ => Some(Prepared::blocks(&model, kernel, &mut buffer)),
    };
    let prepared = prepared.map(|prepared| prepared.expect("the buffer is long enough"));
    // On the heap at their exact lengths, so that a sanitizer sees the first byte beyond; longer, to see it without one.
    let spare = usize::from(how & 2) * 16;
    let arena_len = prepared.as_ref().map_or(model.arena_bytes(), |prepared| prepared.arena_bytes(&model));
    let mut arena = vec![0x5A; arena_len + spare];
    let mut map = vec![0x5A5A; map_len + spare];
    assert!(matches!(Session::new(&model, &mut arena[..model.arena_bytes() - 1]), Err(Error::BufferTooSmall { .. })));
    let mut session = Session::new(&model, &mut arena).expect("the arena is long enough").with_kernel(kernel);
    if let Some(prepared) = &prepared {
        session = session.with_prepared(prepared).expect("the arena is long enough for blocks");
    }
    if how & 4 == 4 {
        session = session.with_map(&mut map).expect("the map is long enough");
    }
    drive(&model, &mut session, calls);
    drop(session);
    assert!(arena[arena_len..].iter().all(|byte| *byte == 0x5A), "written beyond the arena");
    assert!(map[map_len..].iter().all(|cell| *cell == 0x5A5A), "written beyond the map");
}

fn drive(model: &Model<'_>, session: &mut Session<'_, '_>, calls: &[u8]) {
    let (input, mut image) = (model.input(), Vec::<u8>::new());
    let (height, row_len) = (usize::from(input.height), input.row_len());
    let mut next = calls.iter().copied();
    let mut budget = 8 * height;
    while let (Some(call), Some(left)) = (next.next(), budget.checked_sub(1)) {
        budget = left;
        let complete = image.len() == input.len();
        let seed = next.next().unwrap_or(call);
        let row: Vec<u8> = (0..row_len).map(|x| seed.wrapping_mul(x as u8 | 1).wrapping_add(call)).collect();
        match call % 16 {
            0..=5 => {
                assert_eq!(session.push_row(&row), if complete { Err(Error::TooManyRows) } else { Ok(()) });
                if !complete {
                    image.extend_from_slice(&row);
                }
            }
            6..=10 => {
                let gray = &row[..usize::from(input.width)];
                assert_eq!(session.push_gray_row(gray), if complete { Err(Error::TooManyRows) } else { Ok(()) });
                if !complete {
                    image.extend(gray.iter().flat_map(|v| std::iter::repeat_n(*v, usize::from(input.channels))));
                }
            }
            11 => assert!(session.push_row(&row[1..]).is_err() && session.push_row(&[row, vec![0]].concat()).is_err()),
            12 => {
                let mut wrong = vec![seed; usize::from(input.width)];
                wrong.push(call);
                assert!(session.push_gray_row(&wrong).is_err() && session.push_gray_row(&[]).is_err());
            }
            13 => {
                session.reset();
                image.clear();
            }
            14 => match session.finish() {
                Ok(verdict) => {
                    assert!(complete, "a verdict on part of an image");
                    check(model, session, &verdict, &image);
                }
                Err(error) => {
                    let given = (image.len() / row_len) as u16;
                    assert_eq!((complete, error), (false, Error::MissingRows { given, expected: input.height }));
                }
            },
            _ => {
                let whole: Vec<u8> = (0..height).flat_map(|_| row.iter().copied()).collect();
                let verdict = session.run(&whole).expect("a whole image");
                image = whole;
                check(model, session, &verdict, &image);
            }
        }
    }
}

/// The same image in an arena that held something else, by the definition, gives the same verdict, and the maps add up.
fn check(model: &Model<'_>, session: &Session<'_, '_>, verdict: &Verdict, image: &[u8]) {
    let mut arena = vec![-3; model.arena_bytes()];
    let again = Session::new(model, &mut arena).map(|session| session.with_kernel(Kernel::SCALAR));
    let again = again.and_then(|mut session| session.run(image)).expect("a whole image");
    // Not ==: a score that is not a number differs from itself.
    assert_eq!(format!("{verdict:?}"), format!("{again:?}"));
    if !session.map().is_empty() {
        for (class, sum) in verdict.accumulators().iter().enumerate() {
            let cells: i64 = explain::class_map(model, session.map(), class).iter().map(|cell| i64::from(*cell)).sum();
            assert_eq!(cells + i64::from(explain::bias(model, class)), i64::from(*sum));
        }
    }
}
