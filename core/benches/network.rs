//! The model that ships, by every kernel of the processor, prepared and not, gray and in colour.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use cxr_core::error::Error;
use cxr_core::format::Model;
use cxr_core::kernels::Kernel;
use cxr_core::prepared::Prepared;
use cxr_core::session::Session;

const FILE: &[u8] = include_bytes!("../../models/default.cxr");

fn infer(session: &mut Session<'_, '_>, image: &[u8], row_len: usize, gray: bool) -> Result<f32, Error> {
    session.reset();
    for row in image.chunks_exact(row_len) {
        if gray { session.push_gray_row(row)? } else { session.push_row(row)? }
    }
    Ok(session.finish()?.likeliest_regardless().1)
}

fn network(criterion: &mut Criterion) {
    let model = Model::parse(FILE).expect("models/default.cxr is whole");
    let mut group = criterion.benchmark_group("default");
    group.throughput(Throughput::Elements(model.macs()));
    let image: Vec<u8> = (0..model.input().len() as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let gray_len = usize::from(model.input().width);
    let gray_image = &image[..gray_len * usize::from(model.input().height)];
    for kernel in Kernel::available() {
        let mut buffer = vec![0; Prepared::blocks_bytes(&model, &kernel)];
        let filters = Prepared::blocks(&model, kernel, &mut buffer).expect("the buffer is long enough");
        let mut arena = vec![0; filters.arena_bytes(&model)];
        for (form, gray, prepared) in [("gray", true, true), ("colour", false, true), ("gray, not prepared", true, false)] {
            let mut session = Session::new(&model, &mut arena).expect("the arena is long enough").with_kernel(kernel);
            if prepared {
                session = session.with_prepared(&filters).expect("the same model");
            }
            let (image, row_len) = if gray { (gray_image, gray_len) } else { (&image[..], model.input().row_len()) };
            group.bench_function(format!("{}/{form}", kernel.name()), |bencher| {
                bencher.iter(|| infer(&mut session, image, row_len, gray));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, network);
criterion_main!(benches);
