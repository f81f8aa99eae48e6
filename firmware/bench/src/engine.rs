//! A network of `rownet` on generated inputs: what the boards count and the host compares.

use crate::{Counter, Fnv};
use cxr_testkit::Lcg;
use rownet::error::Error;
use rownet::kernels::Kernel;
use rownet::model::Model;
use rownet::session::Session;

/// Operators that are counted one by one.
pub const OPERATORS: usize = 512;
/// Bytes of arena that the image has.
pub const ARENA: usize = 320 << 10;
/// Bytes of an input row that the image has.
pub const ROW: usize = 16 << 10;

/// What an inference took.
pub struct Report {
    /// Instructions from the first row to the outputs.
    pub instructions: u64,
    /// Hash of the outputs' bytes.
    pub output_hash: u64,
    /// Hash of every row that an operator makes, in the order in which they are made.
    pub values_hash: u64,
}

/// Told that what ran since the last call was operator `i`.
pub trait Marks {
    /// Operator `i` made a row, a piece of one, or took one; [`u16::MAX`]: none did.
    fn mark(&self, i: u16);
}

impl Marks for () {
    fn mark(&self, _: u16) {}
}

/// The generated input, from its first row as often as the network asks for it.
struct Input(Lcg);

impl Input {
    fn new() -> Self {
        Self(Lcg(1))
    }

    fn fill(&mut self, y: u32, row: &mut [i8]) {
        if y == 0 {
            *self = Self::new();
        }
        row.fill_with(|| self.0.byte() as i8);
    }
}

/// Runs the network three times: once counted as a whole, once operator by operator into `layers`, once under `marks`.
/// `arena` and `row` are as long as the model asks for, or longer; `deepest` is told before and after the first run, for a look at the stack.
///
/// # Errors
/// Those of [`Session`].
pub fn run<C: Counter, M: Marks>(
    model: &Model<'_>,
    kernel: Kernel,
    buffers: (&mut [i8], &mut [i8]),
    counter: &C,
    layers: &mut [u64],
    marks: &M,
    deepest: &mut dyn FnMut(),
) -> Result<Report, Error> {
    let (arena, row) = buffers;
    let shape = model.shape(0);
    let row = row.get_mut(..shape.row_len()).ok_or(Error::Internal)?;
    let mut session = Session::new(model, arena)?.with_kernel(kernel);
    let empty = counter.since(&counter.start());

    deepest();
    let mut instructions = 0;
    let mut input = Input::new();
    while let Some(y) = session.next_input_row() {
        input.fill(y, row);
        let start = counter.start();
        session.push_row(row)?;
        instructions += counter.since(&start) - empty;
    }
    deepest();
    let output_hash = hash(&session)?;

    let mut values = Fnv::new();
    session.reset();
    while let Some(y) = session.next_input_row() {
        input.fill(y, row);
        let (mut start, mut last) = (counter.start(), 0);
        session.push_row_observed(row, &mut |value, _, made| {
            last = usize::from(value).wrapping_sub(1);
            if let Some(sum) = layers.get_mut(last) {
                *sum += counter.since(&start) - empty;
            }
            values.update(made.iter().map(|q| *q as u8));
            start = counter.start();
        })?;
        // What follows the last row, as keeping it, is of its maker.
        if let Some(sum) = layers.get_mut(last) {
            *sum += counter.since(&start) - empty;
        }
    }
    let again = hash(&session)?;

    session.reset();
    while let Some(y) = session.next_input_row() {
        input.fill(y, row);
        marks.mark(u16::MAX);
        let mut last = 0;
        session.push_row_observed(row, &mut |value, _, _| {
            last = value.wrapping_sub(1);
            marks.mark(last);
        })?;
        marks.mark(last);
    }
    marks.mark(u16::MAX);
    if again != output_hash || hash(&session)? != output_hash {
        return Err(Error::Internal);
    }
    Ok(Report { instructions, output_hash, values_hash: values.get() })
}

/// Of all outputs.
fn hash(session: &Session<'_, '_>) -> Result<u64, Error> {
    let outputs = session.finish()?;
    let mut hash = Fnv::new();
    for i in 0..outputs.len() {
        hash.update(outputs.bytes(i)?.iter().map(|q| *q as u8));
    }
    Ok(hash.get())
}
