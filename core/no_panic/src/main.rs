//! Calls every public function of cxr-core with arguments that the compiler cannot know. It is linked, never run:
//! `cargo xtask test --only no-panic` reads its symbols, and the panic handler must not be among them.
//!
//! Left out: [`Model::parse_or_panic`], whose panics are the compiler's messages and which has no caller at run time.
//!
//! Research software, not a medical device.

#![no_std]
#![no_main]
// Its entry has a name for the linker.
#![allow(unsafe_code)]

use core::fmt::Write;
use core::hint::black_box;
use cxr_core::embed::Arena;
use cxr_core::error::Error;
use cxr_core::explain;
use cxr_core::format::{LayerSpec, Model, ModelSpec, Op, RefusalSpec, encode, encoded_len};
use cxr_core::image::{BorrowedResizer, Resizer, Row, Window};
use cxr_core::kernels::{ConvRow, DepthwiseRow, Filters, GrayRow, Kernel};
use cxr_core::plan;
use cxr_core::prepared::Prepared;
use cxr_core::quant;
use cxr_core::session::{Session, Verdict};
use cxr_core::shape::{Padding, Shape, Window2d};
use cxr_core::softmax;

cxr_core::embed_model!(struct Embedded, concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/default.cxr"));

/// Everything that comes from outside. The linker's entry takes it, so that nothing about it is known here.
pub struct Outside<'a> {
    file: &'a [u8],
    arena: &'a mut [i8],
    map: &'a mut [i32],
    bytes: &'a [u8],
    words: &'a [u16],
    out: &'a mut [u8],
    sums: &'a mut [u32],
    values: &'a mut [i8],
    weights: &'a [i16],
    bias: &'a [i32],
    wide: &'a [i64],
    floats: &'a [f32],
    text: &'a str,
    texts: &'a [&'a str],
    rows: &'a [&'a [i8]],
    numbers: [usize; 8],
    window: Window,
    window_2d: Window2d,
    shape: Shape,
    op: Op,
}

#[unsafe(no_mangle)]
extern "Rust" fn exercise(outside: &mut Outside<'_>, embedded: &'static mut Arena<Embedded>) -> f32 {
    let mut sum = 0.0;
    if let Err(error) = from_file(outside, &mut sum) {
        report(error);
    }
    let session = Session::embedded::<Embedded, _>(embedded);
    match push(session, outside) {
        Ok(verdict) => sum += judge(&verdict),
        Err(error) => report(error),
    }
    for result in [resize::<256>(outside), resize::<1>(outside), resize_borrowed(outside), write(outside)] {
        if let Err(error) = result {
            report(error);
        }
    }
    operators(outside);
    #[cfg(feature = "control")]
    black_box(outside.bytes[outside.numbers[0]]);
    sum
}

fn from_file(outside: &mut Outside<'_>, sum: &mut f32) -> Result<(), Error> {
    let model = Model::parse(outside.file)?;
    describe(&model, outside.numbers, sum);
    let kernels = Kernel::available();
    let kernel = kernels.last().unwrap_or(Kernel::SCALAR);
    black_box(kernel.name());
    let blocks = Prepared::blocks(&model, kernel, outside.out)?;
    black_box((Prepared::blocks_bytes(&model, &kernel), blocks.arena_bytes(&model)));
    let prepared = Prepared::new(&model, kernel, outside.out)?;
    black_box((Prepared::bytes(&model, &kernel), prepared.kernel(), prepared.is_of(&model)));
    let session = Session::new(&model, outside.arena)?.with_map(outside.map)?.with_kernel(kernel);
    let mut session = session.with_prepared(&prepared)?;
    *sum += judge(&session.run(outside.bytes)?);
    session.reset();
    black_box(prepared.index());
    black_box((session.map(), session.rows()));
    black_box(explain::class_map(&model, session.map(), outside.numbers[0]));
    Ok(())
}

fn describe(model: &Model<'_>, numbers: [usize; 8], sum: &mut f32) {
    let [i, j, c, ..] = numbers;
    if let Some(layer) = model.layer(i) {
        black_box((layer.bias_at(c), layer.filter_len(), layer.macs(), layer.op, layer.input, layer.output));
        *sum += layer.scale_at(c);
    }
    if let Some(refusal) = model.refusal() {
        *sum += refusal.coefficient(j) + refusal.scale(j) + refusal.refuse_above();
        black_box((refusal.rows(), refusal.bias(j), refusal.weight(j, c)));
        *sum += refusal.score([i as i32, j as i32].into_iter());
    }
    black_box((model.input(), model.layer_count(), model.class_count(), model.macs(), model.arena_bytes()));
    black_box((model.class_name(i), model.metadata(), model.as_bytes(), model.gray_weights()));
    *sum += model.temperature() + model.abstain_below() + explain::scale(model, c);
    black_box((explain::bias(model, c), explain::map_shape(model), explain::map_len(model), plan::arena_bytes(model)));
    black_box(plan::Arena::of(model));
}

fn push(mut session: Session<'_, '_>, outside: &Outside<'_>) -> Result<Verdict, Error> {
    let mut seen = 0;
    session.push_row(outside.bytes)?;
    session.push_gray_row(outside.bytes)?;
    session.push_row_observed(outside.bytes, &mut |layer, row, values| seen += layer + row + values.len())?;
    session.push_gray_row_observed(outside.bytes, &mut |layer, row, values| seen += layer + row + values.len())?;
    black_box(seen);
    session.finish()
}

fn judge(verdict: &Verdict) -> f32 {
    let _ = black_box(verdict.decision());
    black_box((verdict.accumulators(), verdict.likeliest_regardless()));
    let all = verdict.logits().iter().chain(verdict.probabilities()).sum::<f32>();
    all + verdict.refusal_score().unwrap_or_default()
}

fn resize<const W: usize>(outside: &mut Outside<'_>) -> Result<(), Error> {
    let [width, height, out_height, ..] = outside.numbers;
    let mut resizer = Resizer::<W>::new(width, height, out_height, outside.window)?;
    let (bytes, words) = (outside.bytes, outside.words);
    for row in [Row::Gray8(bytes), Row::Rgb8(bytes), Row::Rgba8(bytes), Row::Gray16(words), Row::Rgb16(words), Row::Rgba16(words)]
    {
        resizer.push_row(row, |out| {
            black_box(out);
        })?;
    }
    black_box(resizer.rows_left());
    Ok(())
}

fn resize_borrowed(outside: &mut Outside<'_>) -> Result<(), Error> {
    let [width, height, out_width, out_height, ..] = outside.numbers;
    let (sums, window) = (&mut *outside.sums, outside.window);
    let mut resizer = BorrowedResizer::new(sums, outside.out, [width, height], [out_width, out_height], window)?;
    let (bytes, words) = (outside.bytes, outside.words);
    for row in [Row::Gray8(bytes), Row::Rgb8(bytes), Row::Rgba8(bytes), Row::Gray16(words), Row::Rgb16(words), Row::Rgba16(words)]
    {
        resizer.push_row(row, |out| {
            black_box(out);
        })?;
    }
    resizer.restart();
    black_box((resizer.rows_left(), resizer.width()));
    Ok(())
}

fn write(outside: &mut Outside<'_>) -> Result<(), Error> {
    let Outside { bias, floats, shape, op, .. } = *outside;
    let layer = LayerSpec {
        op,
        output: shape,
        input_zero_point: 0,
        output_zero_point: 0,
        groups: shape.channels,
        weights: outside.values,
        bias,
        scales: floats,
    };
    let refusal = RefusalSpec {
        coefficients: floats,
        scales: floats,
        bias: outside.wide,
        weights: outside.weights,
        back: shape.height,
        refuse_above: 0.0,
    };
    let spec = ModelSpec {
        input: shape,
        layers: &[layer, layer],
        class_names: outside.texts,
        metadata: outside.text,
        temperature: 1.0,
        abstain_below: 0.0,
        doubt: None,
        refusal: Some(refusal),
    };
    black_box(encoded_len(&spec));
    black_box(encode(&spec, outside.out)?);
    Ok(())
}

fn operators(outside: &mut Outside<'_>) {
    let Outside { shape, op, window_2d, bytes, floats, bias, rows, .. } = *outside;
    let [a, b, c, d, ..] = outside.numbers;
    black_box((shape.row_len(), shape.len(), shape.is_empty(), shape.equals(&Shape::new(1, 2, 3)), window_2d.area()));
    let Padding { top, bottom, .. } = window_2d.pad;
    black_box(Window2d::output_extent(shape.height, top, bottom, window_2d.kernel[0], window_2d.stride[0]));
    black_box((plan::ring(op, shape, shape), plan::ring(op, shape, shape).bytes()));
    let accumulator = bias.first().copied().unwrap_or_default();
    let scale = floats.first().copied().unwrap_or_default();
    black_box((quant::round_ties_even(scale), quant::requantize(accumulator, scale, a as i8)));

    let mut probabilities = [0.0; 8];
    softmax::softmax(floats, scale, &mut probabilities);
    black_box(probabilities);

    // What a session cannot give to a kernel, a caller of the kernels can.
    let kernel = Kernel::best();
    let values = &mut *outside.values;
    let shifts = if d > a { bytes } else { &[] };
    let filters = Filters { weights: bytes, bias: bytes, scales: bytes, shifts, zero_point: 0, packed: bytes };
    let conv = ConvRow { rows, filters, span: a, step: b, channels: c };
    let gray = GrayRow { rows, filters, span: a, step: b, channels: c };
    let depthwise = DepthwiseRow { rows, filters, kernel_width: a, step: b, channels: c };
    black_box(kernel.conv_row(&conv, values));
    black_box(kernel.gray_row(&gray, values));
    black_box(kernel.depthwise_row(&depthwise, values));
    black_box(kernel.dot(values, bytes) + d as i32);
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
