//! How long an inference takes, by every kernel of this processor: `cargo run --release -p rownet --example time FILE...`
//!
//! One thread; the shortest of fifty inferences or more, in a second or more. Outputs must be equal.

use rownet::kernels::Kernel;
use rownet::model::Model;
use rownet::prepared::Prepared;
use rownet::session::Session;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let file = std::fs::read(&path).map_err(|error| format!("{path}: {error}; name a network file"))?;
        let model = Model::parse(&file).map_err(|error| format!("{path}: {error}"))?;
        let input: Vec<i8> = (0..model.shape(0).len() as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as i8).collect();
        let mut arena = vec![0; model.arena_bytes()];
        let mut expected = None;
        println!("{path}: {} multiply-accumulates, {} bytes of arena", model.macs(), model.arena_bytes());
        for kernel in Kernel::available() {
            let mut buffer = vec![0; Prepared::bytes(&model, &kernel)];
            let packed = buffer.len();
            let prepared = Prepared::new(&model, kernel, &mut buffer)?;
            for is_prepared in [true, false] {
                let mut session = Session::new(&model, &mut arena)?.with_kernel(kernel);
                if is_prepared {
                    session = session.with_prepared(prepared)?;
                }
                let (mut times, start) = (Vec::new(), Instant::now());
                while times.len() < 50 || start.elapsed() < Duration::from_secs(1) {
                    let before = Instant::now();
                    let outputs = session.run(&input)?;
                    times.push(before.elapsed());
                    let bytes: Vec<u8> = (0..outputs.len())
                        .flat_map(|i| outputs.bytes(i).unwrap_or_default().iter().map(|q| *q as u8).collect::<Vec<_>>())
                        .collect();
                    assert_eq!(*expected.get_or_insert_with(|| bytes.clone()), bytes, "{}", kernel.name());
                }
                let how = if is_prepared { format!("prepared, {packed} bytes") } else { "not prepared".to_owned() };
                println!("  {:12} {:9.1} us  {how}", kernel.name(), times.iter().min().map_or(0.0, Duration::as_secs_f64) * 1e6);
            }
        }
    }
    Ok(())
}
