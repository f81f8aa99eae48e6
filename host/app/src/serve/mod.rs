//! `host serve`: the upload page and its API, [`cxr_core`] in process.
//!
//! Requests are read by hyper on a few async threads, decoded and classified on threads of their own ([`pool`]), and
//! answered from memory: nothing of an image is written or logged but the file's hash. docs/serve.md describes it for users,
//! docs/deploy.md for operators.

mod access;
mod app;
mod classify;
mod connection;
mod evaluation;
mod limits;
mod linger;
mod logging;
mod metrics;
pub(crate) mod model_info;
pub mod pool;
mod predictions;
mod problem;
mod routes;
mod upload;

pub use limits::Limits;

use crate::classes::DISCLAIMER;
use anyhow::{Context, Result};
use app::App;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

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

/// Runs the server until it is told to stop.
///
/// # Errors
/// A model, token or report that cannot be read, an address that cannot be bound.
pub fn run(args: &Args) -> Result<()> {
    logging::start(args.log, args.log_level);
    args.limits.check()?;
    let app = Arc::new(App::new(args)?);
    let wanted = args.limits.connections as u64 + 256;
    // Fewer open files mean fewer connections, no failure.
    if rlimit::increase_nofile_limit(wanted).is_ok_and(|granted| granted < wanted) {
        tracing::warn!("the system allows fewer than {wanted} open files: raise `ulimit -n`, or lower --connections");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await.with_context(|| {
            format!("{}: cannot listen there: is another server running? choose another port with --listen", args.listen)
        })?;
        let address = listener.local_addr()?;
        // Before anyone learns the address: who starts it may stop it at once.
        let signals = Signals::new().context("signals cannot be heard")?;
        announce(args, address, &app);
        connection::serve(listener, Arc::clone(&app), &args.limits, signals).await;
        Ok::<_, anyhow::Error>(())
    })?;
    // Work that outlived the grace is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    tracing::info!("stopped");
    Ok(())
}

/// Says where the page is and, if others can reach it, what that means.
fn announce(args: &Args, address: SocketAddr, app: &App) {
    let url = format!("http://{address}/");
    tracing::info!(%url, model = app.model.name, model_sha256 = &app.model.sha256[..16], workers = args.limits.workers(), memory_mib = args.limits.memory(), "listening");
    args.limits.warn();
    // Whoever started it may not listen.
    let _ = writeln!(std::io::stdout(), "{url}\n{DISCLAIMER}");
    if !address.ip().is_loopback() {
        let token = if app.has_token() { "a token is asked for" } else { "no token is asked for (--token-file)" };
        tracing::warn!(
            "reachable from other machines, unencrypted; {token}: put a proxy with TLS before it, see docs/deploy.md, or listen on 127.0.0.1"
        );
    }
    if args.open
        && let Err(error) = open::that_detached(&url)
    {
        tracing::warn!("no browser could be opened ({error}): open {url} yourself");
    }
}

/// SIGINT and SIGTERM, heard from when this is made.
struct Signals {
    #[cfg(unix)]
    heard: [tokio::signal::unix::Signal; 2],
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            Ok(Self { heard: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?] })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = &mut self.heard;
            tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
