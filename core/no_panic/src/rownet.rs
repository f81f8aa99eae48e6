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
use rownet::image::{ColorResizer, Row, Window};
use rownet::kernels::Kernel;
use rownet::kernels::general::{Columns, ConvRow, DepthwiseRow, Filters, LOOPS};
use rownet::model::Model;
use rownet::model::desc::{Op, Rescale, Shape, ValueId};
use rownet::plan;
use rownet::quant;
use rownet::session::{Outputs, Session};

const EVERY: Model<'static> = rownet::include_network!(concat!(env!("CARGO_MANIFEST_DIR"), "/../engine/tests/every.rnet"));

/// Everything that comes from outside. The linker's entry takes it, so that nothing about it is known here.
pub struct Outside<'a> {
    file: &'a [u8],
    arena: &'a mut [i8],
    bytes: &'a [u8],
    row: &'a [i8],
    rows: &'a [&'a [i8]],
    out: &'a mut [i8],
    sums: &'a mut [i32],
    numbers: [usize; 8],
    columns: Columns,
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
    for result in [embedded, loaded] {
        if let Err(error) = result {
            report(error);
        }
    }
    kernels(outside);
    arithmetic(outside);
    if let Err(error) = images(outside) {
        report(error);
    }
    #[cfg(feature = "control")]
    black_box(outside.bytes[outside.numbers[0]]);
    sum
}

fn push(session: Session<'_, '_>, outside: &Outside<'_>, sum: &mut f32) -> Result<(), Error> {
    let kernels = Kernel::available();
    let mut session = session.with_kernel(kernels.last().unwrap_or(Kernel::PORTABLE));
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
    black_box((model.storage(id), model.value(id), model.op(operator), model.operator(operator)));
    black_box((model.macs(), model.constant_bytes(), model.operator_macs(operator), model.input_passes()));
    let storage = model.storage(id);
    black_box((storage.over(), storage.whole(operator, i)));
}

/// The resizer in colour, whose memory is three times the gray one's.
fn images(outside: &Outside<'_>) -> Result<(), Error> {
    let [width, height, out_width, out_height, low, high, ..] = outside.numbers;
    let window = Window { low: low as u16, high: high as u16, invert: low > high };
    let (mut sums, mut out) = ([0; 48], [0; 24]);
    let mut resizer = ColorResizer::new(&mut sums, &mut out, [width, height], [out_width, out_height], window)?;
    let (bytes, words) = (outside.bytes, [low as u16; 8]);
    for row in [Row::Gray8(bytes), Row::Rgb8(bytes), Row::Rgba8(bytes), Row::Yuyv(bytes), Row::Uyvy(bytes), Row::Rgb565(&words)] {
        resizer.push_row(row, |row| {
            black_box(row);
        })?;
        row.write_rgb(&mut [0; 24])?;
    }
    resizer.restart();
    black_box(resizer.rows_left());
    Ok(())
}

/// What a session cannot give to a kernel, a caller of the kernels can.
fn kernels(outside: &mut Outside<'_>) {
    let [a, b, c, d, stride, ..] = outside.numbers;
    let filters = Filters {
        weights: outside.bytes,
        bias: outside.bytes,
        rescale: outside.rescale,
        input_zero_point: a as i8,
        zero_point: b as i8,
        clamp: [c as i8, d as i8],
        channels: a,
    };
    let (rows, columns, out, sums) = (outside.rows, outside.columns, &mut *outside.out, &mut *outside.sums);
    let kernel = Kernel::best();
    black_box((kernel.name(), filters.bias_of(a)));
    filters.add_bias(b, sums);
    filters.requantize(c, sums, out);
    black_box(filters.dequantize(d, a as i32));
    (LOOPS.conv_row)(&ConvRow { rows, filters, columns, groups: b }, out);
    (LOOPS.depthwise_row)(&DepthwiseRow { rows, filters, columns }, out);
    kernel.dots(outside.row, outside.bytes, stride, sums);
}

fn arithmetic(outside: &Outside<'_>) {
    let [a, b, c, ..] = outside.numbers;
    let (x, y) = (a as i32, b as i32);
    black_box((quant::round_ties_even(outside.x), quant::round_clamped(outside.x), quant::clamp(x, [b as i8, c as i8])));
    black_box((quant::doubling_high_mul(x, y), quant::rounding_divide_by_pot(x, c as u32)));
    black_box(quant::multiply_by_quantized_multiplier(x, y, c as i8));
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
