//! A whole network on a generated image, from its rows to its verdict.

use crate::{Counter, Fnv};
use cxr_core::error::Error;
use cxr_core::format::{MAX_LAYERS, Model};
use cxr_core::kernels::Kernel;
use cxr_core::session::Session;
use cxr_testkit::Lcg;

/// What an inference took.
pub struct Report {
    /// Instructions from the first row to the verdict, rows of all channels.
    pub instructions: u64,
    /// The same for rows of one gray value a pixel.
    pub gray_instructions: u64,
    /// Instructions of each layer, the rows' way in and out included; the last entry in use is the dense layer's, with
    /// what rows need that no layer answers at once.
    pub layers: [u64; MAX_LAYERS],
    /// Hash of every row that a layer computes, in order, and of the bits of the logits: of the image in colour, then in gray.
    pub hash: u64,
}

/// Runs the model four times. `arena` and `row` are as long as the model asks for; `deepest` is told before and after the
/// first two, for a look at the stack.
///
/// # Errors
/// Those of [`Session`].
pub fn network<C: Counter>(
    model: &Model<'_>,
    kernel: Kernel,
    arena: &mut [i8],
    row: &mut [u8],
    counter: &C,
    deepest: &mut dyn FnMut(),
) -> Result<Report, Error> {
    let input = model.input();
    let mut session = Session::new(model, arena)?.with_kernel(kernel);
    let empty = counter.since(&counter.start());
    let mut report = Report { instructions: 0, gray_instructions: 0, layers: [0; MAX_LAYERS], hash: 0 };

    deepest();
    for gray in [false, true] {
        let mut bytes = Lcg(1);
        let mut total = 0;
        session.reset();
        for _ in 0..input.height {
            let row = row.get_mut(..if gray { input.width as usize } else { input.row_len() }).unwrap_or_default();
            row.fill_with(|| bytes.byte());
            let start = counter.start();
            if gray {
                session.push_gray_row(row)?;
            } else {
                session.push_row(row)?;
            }
            total += counter.since(&start) - empty;
        }
        let start = counter.start();
        let _ = core::hint::black_box(session.finish()?);
        total += counter.since(&start) - empty;
        if gray {
            report.gray_instructions = total;
        } else {
            report.instructions = total;
        }
    }
    deepest();

    let mut hash = Fnv::new();
    let last = model.layer_count().saturating_sub(1);
    for gray in [false, true] {
        let mut bytes = Lcg(1);
        session.reset();
        for _ in 0..input.height {
            let row = row.get_mut(..if gray { input.width as usize } else { input.row_len() }).unwrap_or_default();
            row.fill_with(|| bytes.byte());
            let mut start = counter.start();
            let layers = &mut report.layers;
            let mut observe = |layer: usize, _, values: &[i8]| {
                if let (false, Some(sum)) = (gray, layers.get_mut(layer)) {
                    *sum += counter.since(&start) - empty;
                }
                hash.update(values.iter().map(|v| *v as u8));
                start = counter.start();
            };
            if gray {
                session.push_gray_row_observed(row, &mut observe)?;
            } else {
                session.push_row_observed(row, &mut observe)?;
            }
            if let (false, Some(sum)) = (gray, layers.get_mut(last)) {
                *sum += counter.since(&start) - empty;
            }
        }
        for logit in session.finish()?.logits() {
            hash.update(logit.to_bits().to_le_bytes());
        }
    }
    report.hash = hash.get();
    Ok(report)
}
