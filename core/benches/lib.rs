//! `cargo bench -p cxr-core-benches`: see `network.rs`.
