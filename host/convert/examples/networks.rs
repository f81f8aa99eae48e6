//! The table of docs/networks.md: `cargo run --release -p rownet-convert --example networks -- NET.tflite...`
//!
//! Imports each network, plans it, and compares the engine with the interpreter on every value and with TFLite Micro on every
//! output, on 100 random and 20 structured inputs.

use rownet_convert::{execute::Network, package, verify};
use std::path::Path;

fn main() -> anyhow::Result<()> {
    println!(
        "| network | arena, bytes | constants, bytes | multiply-accumulates | operators | segments | values compared with the interpreter | differ | bytes compared with TFLite Micro | differ |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for path in std::env::args().skip(1) {
        let path = Path::new(&path);
        let package = package::import(&std::fs::read(path)?, "", "", "", None)?;
        let network = Network::parse(&package.file)?;
        let report = verify::verify("", &network, path, None)?;
        let sums =
            |counts: &[verify::Count]| [counts.iter().map(|c| c.compared).sum(), counts.iter().map(|c| c.differing).sum::<u64>()];
        let ([values, wrong], [outputs, unlike]) = (sums(&report.values), sums(&report.outputs));
        let outputs = report.referee.map_or_else(|| "not run".to_owned(), |_| grouped(outputs));
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {wrong} | {outputs} | {unlike} |",
            path.file_name().unwrap_or_default().to_string_lossy(),
            grouped(package.plan.bytes as u64),
            grouped(rownet_convert::inspect::inspect(&network).weights_bytes),
            grouped(package.plan.macs),
            network.model.operator_count(),
            package.plan.segments.len(),
            grouped(values)
        );
    }
    Ok(())
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
