use clap::Parser;
#[derive(Parser)]
struct C { #[command(flatten)] args: cxr_dicom::Args }
fn main() -> anyhow::Result<()> { cxr_dicom::run(&C::parse().args) }
