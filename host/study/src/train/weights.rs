//! Burn's records of a network.

use crate::network::Network;
use anyhow::{Context, Result};
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;

/// Reads a network record into `network`.
pub fn load_network(network: Network, bytes: Vec<u8>) -> Result<Network> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).context("network record")?;
    network.try_load_record(record).context("the checkpoint's network is not the recipe's")
}

/// The record of `network`.
pub fn record_bytes(network: Network) -> Result<Vec<u8>> {
    Ok(network.into_record().into_bytes().context("network record")?.to_vec())
}
