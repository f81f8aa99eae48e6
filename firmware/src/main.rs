//! One inference on a Cortex-M4, row by row, with the arena that the model asks for and not a byte more;
//! then the same image again with every layer's bytes checked against onnxruntime.
//!
//! Prints to the debugger (semihosting) and ends with exit status 0 only if all checks hold.
//! Research software, not a medical device.

#![no_std]
#![no_main]

mod golden;

use cxr_board::{self as board, entry, println as hprintln};
use cxr_core::error::Error;
use cxr_core::format::Model;
use cxr_core::session::{Decision, Session, Verdict};
use static_cell::ConstStaticCell;

/// A model that does not parse does not compile.
#[allow(long_running_const_eval)]
const MODEL: Model<'static> = Model::parse_or_panic(cxr_board::embed!(env!("CXR_MODEL_PATH")));

/// Bytes of one input row.
const ROW: usize = MODEL.input().row_len();

use portable_atomic as _; // chooses how cores without atomic swaps take a static

#[entry]
fn main() -> ! {
    static ARENA: ConstStaticCell<[i8; MODEL.arena_bytes()]> = ConstStaticCell::new([0; MODEL.arena_bytes()]);
    static PIXELS: ConstStaticCell<[u8; ROW]> = ConstStaticCell::new([0; ROW]);

    let status = match self_test(ARENA.take(), PIXELS.take()) {
        Ok(0) => {
            hprintln!("self-test: passed");
            true
        }
        Ok(wrong) => {
            hprintln!("self-test: FAILED, {} differences", wrong);
            false
        }
        Err(error) => {
            hprintln!("self-test: FAILED, {}", error);
            false
        }
    };
    board::exit(status)
}

/// Runs the fixture twice and returns the number of differences.
fn self_test(arena: &mut [i8], pixels: &mut [u8]) -> Result<usize, Error> {
    let input = MODEL.input();
    hprintln!(
        "model: {} bytes, {} layers, input {}x{}x{}, arena {} bytes",
        MODEL.as_bytes().len(),
        MODEL.layer_count(),
        input.height,
        input.width,
        input.channels,
        arena.len()
    );

    let mut session = Session::new(&MODEL, arena)?;
    board::paint_stack();
    let (verdict, instructions) = measure(&mut session, pixels)?;
    let stack = board::stack_used();
    report(&verdict);
    hprintln!("instructions: {}", instructions);
    hprintln!("stack: {} bytes", stack);

    let mut wrong = 0;
    let bits = verdict.logits().iter().map(|logit| logit.to_bits());
    if !bits.eq(golden::LOGITS_BITS) {
        hprintln!("logits differ from onnxruntime: expected {:08x?}", golden::LOGITS_BITS);
        wrong += 1;
    }
    wrong += check_layers(&mut session, pixels)?;
    Ok(wrong)
}

/// One inference, and the instructions spent in the session (not in making pixels).
fn measure(session: &mut Session<'_, '_>, row: &mut [u8]) -> Result<(Verdict, u64), Error> {
    let empty = board::Stopwatch::start().instructions();
    let mut instructions = 0;

    session.reset();
    let mut image = golden::Pixels::new();
    for _ in 0..MODEL.input().height {
        image.fill(row);
        let watch = board::Stopwatch::start();
        session.push_row(row)?;
        instructions += watch.instructions() - empty;
    }
    let watch = board::Stopwatch::start();
    let verdict = session.finish()?;
    instructions += watch.instructions() - empty;
    Ok((verdict, instructions))
}

/// Prints a verdict and its checksum, by which runs on different targets are compared.
fn report(verdict: &Verdict) {
    let mut crc = golden::crc32();
    for (class, logit) in verdict.logits().iter().enumerate() {
        crc.update(&logit.to_bits().to_le_bytes());
        hprintln!(
            "{}: logit bits {:08x}, probability {:.4}",
            MODEL.class_name(class),
            logit.to_bits(),
            verdict.probabilities()[class]
        );
    }
    match verdict.decision() {
        Decision::Class(class) => hprintln!("verdict: {}", MODEL.class_name(class)),
        Decision::Abstain(reason) => hprintln!("verdict: withheld ({:?})", reason),
    }
    hprintln!("logits crc32: {:08x}", crc.finalize());
}

/// Runs the fixture again and compares every int8 layer's bytes with onnxruntime's, by CRC-32.
fn check_layers(session: &mut Session<'_, '_>, row: &mut [u8]) -> Result<usize, Error> {
    let mut sums: [golden::Crc32; golden::LAYERS.len()] = core::array::from_fn(|_| golden::crc32());
    session.reset();
    let mut image = golden::Pixels::new();
    for _ in 0..MODEL.input().height {
        image.fill(row);
        session.push_row_observed(row, &mut |layer, _, values| {
            if let Some(sum) = sums.get_mut(layer) {
                values.iter().for_each(|&value| sum.update(&value.to_le_bytes()));
            }
        })?;
    }
    let mut wrong = 0;
    for ((name, expected), sum) in golden::LAYERS.into_iter().zip(sums) {
        let found = sum.finalize();
        if found != expected {
            hprintln!("layer {}: crc32 {:08x}, onnxruntime {:08x}", name, found, expected);
            wrong += 1;
        }
    }
    hprintln!("layers checked against onnxruntime: {}", golden::LAYERS.len());
    Ok(wrong)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    hprintln!("{}", info);
    board::exit(false)
}
