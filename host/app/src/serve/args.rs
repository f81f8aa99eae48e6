//! What `host serve` is asked for.

use super::limits::Limits;
use super::logging;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Arguments of `host serve`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address and port; port 0 takes a free one. The default is reachable from this machine alone.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Model file; models/default.cxr if found, else the one in this program.
    #[arg(long, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// A folder that `host evaluate --report` wrote: its report.html, failure gallery included, is linked beside each verdict.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// Folder with cxr.simd128.wasm and cxr.wasm, with which the page offers to classify on the device that shows it;
    /// cxr-wasm beside the program or above it if absent.
    #[arg(long, value_name = "DIR")]
    pub wasm: Option<PathBuf>,
    /// Opens the page in the browser.
    #[arg(long)]
    pub open: bool,
    /// Asks for `Authorization: Bearer TOKEN` on the API; the token is this file's only line. Also: CXR_SERVE_TOKEN.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A host name by which a proxy or a browser may ask for the page, besides this machine's own; repeatable.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// How logs are written to standard error.
    #[arg(long, value_enum, default_value_t = logging::Format::Human)]
    pub log: logging::Format,
    /// Least level logged: error, warn, info, debug.
    #[arg(long, default_value = "info")]
    pub log_level: tracing::Level,
    /// Limits.
    #[command(flatten)]
    pub limits: Limits,
}
