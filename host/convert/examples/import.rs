//! Imports a network for `cargo xtask bench --network`: `cargo run --release -p rownet-convert --example import -- NET OUT.cxr`.

use anyhow::{Context, Result};
use rownet_convert::package;

fn main() -> Result<()> {
    let paths: Vec<String> = std::env::args().skip(1).collect();
    let [network, out] = &paths[..] else { anyhow::bail!("give a network and the file to write") };
    let file = std::fs::read(network).with_context(|| network.clone())?;
    let package = package::import(&file, network, "", "", None).with_context(|| network.clone())?;
    std::fs::write(out, package.file).with_context(|| out.clone())
}
