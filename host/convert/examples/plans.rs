//! Arena and cuts of each network that is named.
fn main() {
    for path in std::env::args().skip(1) {
        let started = std::time::Instant::now();
        let mut graph = rownet_convert::import::read(&std::fs::read(&path).unwrap()).unwrap();
        rownet_convert::fold::fold(&mut graph).unwrap();
        let lowered = rownet_convert::lower::lower(&graph).unwrap();
        match rownet_convert::plan::plan(&graph, &lowered) {
            Ok(plan) => {
                println!("{path}: {} bytes, cuts {:?}, {:.1} s", plan.bytes, plan.segments, started.elapsed().as_secs_f32())
            }
            Err(error) => println!("{path}: {error:#}"),
        }
    }
}
