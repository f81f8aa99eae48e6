//! `host serve`: the upload page and its API, [`cxr_core`] in process.
//!
//! Requests are read by hyper on a few async threads, decoded and classified on threads of their own ([`pool`]), and
//! answered from memory: nothing of an image is written or logged but the file's hash. docs/serve.md describes it for users,
//! docs/deploy.md for operators.

mod access;
mod app;
mod args;
mod classify;
mod connection;
mod evaluation;
mod limits;
mod linger;
pub mod logging;
mod metrics;
pub(crate) mod model_info;
mod peer;
pub mod pool;
mod predictions;
mod problem;
mod routes;
pub mod signals;
mod upload;

pub use args::Args;
pub use limits::Limits;

use crate::classes::DISCLAIMER;
use anyhow::{Context, Result};
use app::App;
use signals::Signals;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

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
