//! Calls every public function of rownet with arguments that the compiler cannot know, as main.rs does for cxr-core.
//!
//! A network of every operator is in the image, and a file from outside is run as well. Left out: `Model::parse_or_panic` at run
//! time, whose panics are the compiler's messages.

#![no_std]
#![no_main]
// Its entry has a name for the linker.
#![allow(unsafe_code)]

use core::fmt::Write;
use core::hint::black_box;
use rownet::error::Error;
use rownet::image::{BorrowedResizer, ColorResizer, Resizer, Row, Window};
use rownet::kernels::general::{self, Columns};
use rownet::kernels::{ConvRow, Covered, DepthwiseRow, Filters, GrayRow, Kernel, Shape as Layer};
use rownet::model::Model;
use rownet::model::desc::{Op, Rescale, Shape, ValueId};
use rownet::plan;
use rownet::prepared::Prepared;
use rownet::quant;
use rownet::session::{Outputs, Session};

#[allow(long_running_const_eval)]
const EVERY: Model<'static> = rownet::include_network!(concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/every.rnet"));

/// Everything that comes from outside. The linker's entry takes it, so that nothing about it is known here.
pub struct Outside<'a> {
    file: &'a [u8],
    arena: &'a mut [i8],
    bytes: &'a [u8],
    room: &'a mut [u8],
    words: &'a [u16],
    totals: &'a mut [u32],
    row: &'a [i8],
    rows: &'a [&'a [i8]],
    out: &'a mut [i8],
    sums: &'a mut [i32],
    numbers: [usize; 8],
    columns: Columns,
    window: Window,
    layer: Layer,
    rescale: Rescale<'a>,
    op: Op,
    shape: Shape,
    x: f32,
}

#[unsafe(no_mangle)]
extern "Rust" fn exercise(outside: &mut Outside<'_>, arena: &mut [i8; EVERY.arena_bytes()]) -> f32 {
    let mut sum = 0.0;
    let embedded = Session::new(&EVERY, arena).and_then(|session| push(session, outside, &mut sum));
    let loaded = Model::parse(outside.file).and_then(|model| {
        describe(&model, outside.numbers);
        let arena = core::mem::take(&mut outside.arena);
        push(Session::new(&model, arena)?, outside, &mut sum)
    });
    let prepared = prepare(outside);
    let resized = [resize::<96>(outside), resize_borrowed(outside), resize_color(outside)];
    for result in [embedded, loaded, prepared].into_iter().chain(resized) {
        if let Err(error) = result {
            report(error);
        }
    }
    kernels(outside);
    arithmetic(outside);
    #[cfg(feature = "control")]
    black_box(outside.bytes[outside.numbers[0]]);
    sum
}

fn push(session: Session<'_, '_>, outside: &Outside<'_>, sum: &mut f32) -> Result<(), Error> {
    let kernels = Kernel::available();
    let mut session = session.with_kernel(kernels.last().unwrap_or(Kernel::SCALAR));
    black_box(session.next_input_row());
    session.push_row(outside.row)?;
    session.push_row_u8(outside.bytes)?;
    let mut seen = 0;
    session.push_row_observed(outside.row, &mut |value, row, bytes| seen += u32::from(value) + row + bytes.len() as u32)?;
    black_box(seen);
    describe(session.model(), outside.numbers);
    read(&session.finish()?, outside.numbers, sum)?;
    session.reset();
    black_box(session.next_input_row());
    read(&session.run(outside.row)?, outside.numbers, sum)
}

fn read(outputs: &Outputs<'_, '_>, [i, ..]: [usize; 8], sum: &mut f32) -> Result<(), Error> {
    black_box((outputs.len(), outputs.is_empty(), outputs.value(i)));
    black_box((outputs.bytes(i)?, outputs.int8(i)?));
    *sum += outputs.real(i)?.sum::<f32>();
    Ok(())
}

fn describe(model: &Model<'_>, [i, j, ..]: [usize; 8]) {
    let (id, operator) = (i as ValueId, j as u16);
    black_box((model.arena_bytes(), model.operator_count(), model.output_count(), model.segment_count(), model.segment(i)));
    black_box((model.output(i), model.labels(), model.metadata(), model.head(), model.shape(id), model.row_bytes(id)));
    black_box((model.storage(id), model.value(id), model.op(operator), model.operator(operator), model.checksum()));
    black_box((model.macs(), model.constant_bytes(), model.operator_macs(operator), model.input_passes()));
    let storage = model.storage(id);
    black_box((storage.over(), storage.whole(operator, i)));
}

fn prepare(outside: &mut Outside<'_>) -> Result<(), Error> {
    let kernel = Kernel::best();
    black_box(Prepared::bytes(&EVERY, &kernel));
    let prepared = Prepared::new(&EVERY, kernel, outside.room)?;
    black_box((prepared.kernel(), prepared.is_of(&EVERY)));
    black_box(Session::new(&EVERY, outside.out)?.with_prepared(prepared)?.next_input_row());
    Ok(())
}

/// What a session cannot give to a kernel, a caller of the kernels can.
fn kernels(outside: &mut Outside<'_>) {
    let [a, b, c, d, stride, ..] = outside.numbers;
    let (bytes, rows, out, sums) = (outside.bytes, outside.rows, &mut *outside.out, &mut *outside.sums);
    let kernel = Kernel::best();
    let shifts = if d > a { bytes } else { &[] };
    let filters = Filters { weights: bytes, bias: bytes, scales: bytes, shifts, zero_point: 0, packed: bytes };
    let conv = ConvRow { rows, filters, span: a, step: b, channels: c };
    let gray = GrayRow { rows, filters, span: a, step: b, channels: c };
    let depthwise = DepthwiseRow { rows, filters, kernel_width: a, step: b, channels: c };
    black_box((kernel.name(), filters.is_fixed()));
    black_box((kernel.conv_row(&conv, out), kernel.gray_row(&gray, out), kernel.depthwise_row(&depthwise, out)));
    black_box(kernel.dot(out, bytes));
    kernel.dots(outside.row, bytes, stride, sums);
    if let Some(covered) = Covered::new(outside.layer, filters) {
        black_box((kernel.packed_len(&covered), kernel.pack(&covered, outside.room)));
    }

    let filters = general::Filters {
        weights: bytes,
        bias: bytes,
        rescale: outside.rescale,
        input_zero_point: a as i8,
        zero_point: b as i8,
        clamp: [c as i8, d as i8],
        channels: a,
    };
    black_box(filters.dequantize(d, a as i32));
    filters.add_bias(b, sums);
    filters.requantize(c, sums, out);
    let columns = outside.columns;
    black_box((columns.tap(a, b), columns.inside(c)));
    (general::LOOPS.conv_row)(&general::ConvRow { rows, filters, columns, groups: b }, out);
    (general::LOOPS.depthwise_row)(&general::DepthwiseRow { rows, filters, columns }, out);
}

fn rows<'a>(outside: &Outside<'a>) -> [Row<'a>; 6] {
    let (bytes, words) = (outside.bytes, outside.words);
    [Row::Gray8(bytes), Row::Rgb8(bytes), Row::Rgba8(bytes), Row::Gray16(words), Row::Rgb16(words), Row::Rgba16(words)]
}

fn resize<const W: usize>(outside: &mut Outside<'_>) -> Result<(), Error> {
    let [width, height, out_height, ..] = outside.numbers;
    let mut resizer = Resizer::<W>::new(width, height, out_height, outside.window)?;
    for row in rows(outside) {
        resizer.push_row(row, |out| {
            black_box(out);
        })?;
        row.write_rgb(outside.room)?;
    }
    black_box(resizer.rows_left());
    Ok(())
}

fn resize_borrowed(outside: &mut Outside<'_>) -> Result<(), Error> {
    let ([width, height, out_width, out_height, ..], rows) = (outside.numbers, rows(outside));
    let (totals, window) = (&mut *outside.totals, outside.window);
    let mut resizer = BorrowedResizer::new(totals, outside.room, [width, height], [out_width, out_height], window)?;
    for row in rows {
        resizer.push_row(row, |out| {
            black_box(out);
        })?;
    }
    resizer.restart();
    black_box((resizer.rows_left(), resizer.width()));
    Ok(())
}

fn resize_color(outside: &mut Outside<'_>) -> Result<(), Error> {
    let ([width, height, out_width, out_height, ..], rows) = (outside.numbers, rows(outside));
    let (totals, window) = (&mut *outside.totals, outside.window);
    let mut resizer = ColorResizer::new(totals, outside.room, [width, height], [out_width, out_height], window)?;
    for row in rows {
        resizer.push_row(row, |out| {
            black_box(out);
        })?;
    }
    resizer.restart();
    black_box(resizer.rows_left());
    Ok(())
}

fn arithmetic(outside: &Outside<'_>) {
    let [a, b, c, ..] = outside.numbers;
    let (x, y) = (a as i32, b as i32);
    black_box((quant::round_ties_even(outside.x), quant::round_clamped(outside.x), quant::clamp(x, [b as i8, c as i8])));
    black_box((quant::doubling_high_mul(x, y), quant::rounding_divide_by_pot(x, c as u32)));
    black_box(quant::multiply_by_quantized_multiplier(x, y, c as i8));
    black_box((quant::requantize(x, outside.x, a as i8), quant::requantize_fixed(x, y, a as i8, b as i8)));
    black_box((plan::state_bytes(&outside.op, outside.shape), outside.op.macs(outside.shape, outside.shape)));
}

/// Errors can be printed, with numbers and names, without a panic too.
fn report(error: Error) {
    struct Sink;
    impl Write for Sink {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            black_box(text);
            Ok(())
        }
    }
    let _ = write!(Sink, "{error} {error:?}");
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
