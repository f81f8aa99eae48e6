//! The self-test: the golden fixture, every layer's bytes and the logits compared with onnxruntime's.

use crate::{MODEL, golden};
use cxr_core::error::Error;
use cxr_core::session::Session;
use cxr_protocol::frame::{Crc32, crc32};
use cxr_protocol::message::SelfTest;

/// Counts what an inference costs; a board that cannot count says 0.
pub trait Gauge {
    /// Starts to count.
    fn start() -> Self;

    /// Instructions, or cycles, since the start.
    fn count(&self) -> u64;

    /// Bytes of stack used at the deepest since the board started.
    fn stack() -> u32;
}

/// Bytes of a row of the fixture.
const ROW: usize = MODEL.input().row_len();
const WIDTH: usize = MODEL.input().width as usize;
/// Rows between two signs of life.
const WORKING_ROWS: u16 = 16;

/// Runs the fixture, then a gray image against the gauge; `working` is called every now and then.
///
/// # Errors
/// Those of the session: the fixture is another model's.
pub fn run<G: Gauge>(session: &mut Session<'_, '_>, mut working: impl FnMut()) -> Result<SelfTest, Error> {
    let mut differences = layers(session, &mut working)?;
    let verdict = session.finish()?;
    let bits = verdict.logits().iter().map(|logit| logit.to_bits());
    differences += u16::from(!bits.clone().eq(golden::LOGITS_BITS));
    let mut crc = crc32();
    bits.for_each(|bits| crc.update(&bits.to_le_bytes()));
    let instructions = measure::<G>(session, &mut working)?;
    Ok(SelfTest {
        layers: golden::LAYERS.len() as u16,
        differences,
        verdict_crc: crc.finalize(),
        instructions,
        stack: G::stack(),
    })
}

/// Compares every int8 layer's bytes by CRC-32 and returns how many differ.
#[inline(never)]
fn layers(session: &mut Session<'_, '_>, working: &mut impl FnMut()) -> Result<u16, Error> {
    let mut sums: [Crc32; golden::LAYERS.len()] = core::array::from_fn(|_| crc32());
    let mut image = golden::Pixels::new();
    let mut row = [0; ROW];
    session.reset();
    for y in 0..MODEL.input().height {
        image.fill(&mut row);
        session.push_row_observed(&row, &mut |layer, _, values| {
            if let Some(sum) = sums.get_mut(layer) {
                values.iter().for_each(|value| sum.update(&value.to_le_bytes()));
            }
        })?;
        if y % WORKING_ROWS == 0 {
            working();
        }
    }
    let wrong = golden::LAYERS.into_iter().zip(sums).filter(|(expected, sum)| sum.clone().finalize() != *expected);
    Ok(wrong.count() as u16)
}

/// What the session spends on one gray image, making its pixels left out.
#[inline(never)]
fn measure<G: Gauge>(session: &mut Session<'_, '_>, working: &mut impl FnMut()) -> Result<u64, Error> {
    let empty = G::start().count();
    let mut image = golden::Pixels::new();
    let mut row = [0; WIDTH];
    let mut total = 0;
    session.reset();
    for y in 0..MODEL.input().height {
        image.fill(&mut row);
        let watch = G::start();
        session.push_gray_row(&row)?;
        total += watch.count().saturating_sub(empty);
        if y % WORKING_ROWS == 0 {
            working();
        }
    }
    let watch = G::start();
    let _ = session.finish()?;
    Ok(total + watch.count().saturating_sub(empty))
}
