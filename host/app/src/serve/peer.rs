//! Who asks.

use std::net::SocketAddr;

/// The client's address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);
