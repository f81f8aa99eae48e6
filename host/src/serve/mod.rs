//! `host serve`: the upload page and its API, [`cxr_core`] in process.
//!
//! Requests are read by hyper on a few async threads, decoded and classified on threads of their own ([`pool`]), and
//! answered from memory: nothing of an image is written or logged but the file's hash. docs/serve.md describes it for users,
//! docs/deploy.md for operators.

mod access;
mod app;
mod assets;
mod classify;
mod connection;
mod logging;
mod metrics;
mod model_info;
pub mod pool;
mod predictions;
mod problem;
mod upload;

use crate::classes::DISCLAIMER;
use anyhow::{Context, Result, ensure};
use app::App;
use std::io::Write;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
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

/// What a client can make the server do.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Images decoded and classified at once; the number of cores if absent.
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Images waiting for a worker; more are answered with 503.
    #[arg(long, value_name = "N", default_value_t = 128)]
    pub queue: usize,
    /// Prediction requests of one address at once; more are answered with 429. 0: no limit, as behind a proxy.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub per_client: usize,
    /// Largest request body in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    pub max_body: usize,
    /// Most images in a request.
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub max_files: usize,
    /// Most memory that the pixels of one image may take, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub max_pixels: u64,
    /// Memory for uploads in progress, all requests together, in MiB; more are answered with 503.
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    pub upload_memory: usize,
    /// Open connections; more are answered with 503 and closed.
    #[arg(long, value_name = "N", default_value_t = 4096)]
    pub connections: usize,
    /// Seconds in which a request's head must arrive.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub head_timeout: u64,
    /// Seconds in which a request's body must arrive, and then its verdict be there.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
    /// Seconds that work in hand is given when the server is told to stop.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub grace: u64,
}

impl Limits {
    /// Largest request head in bytes.
    pub(crate) const HEAD_BYTES: usize = 32 << 10;

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// Worker threads.
    pub fn workers(&self) -> usize {
        self.workers.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// Runs the server until it is told to stop.
///
/// # Errors
/// A model, token or report that cannot be read, an address that cannot be bound.
pub fn run(args: &Args) -> Result<()> {
    logging::start(args.log, args.log_level);
    ensure!(args.limits.queue > 0, "--queue 0 would refuse every image: give 1 or more");
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
        announce(args, address, &app);
        connection::serve(listener, Arc::clone(&app), &args.limits, stop_signal()).await;
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
    tracing::info!(%url, model = app.model.name, model_sha256 = &app.model.sha256[..16], workers = args.limits.workers(), "listening");
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

/// Resolves at SIGINT or SIGTERM.
async fn stop_signal() {
    let interrupt = async { tokio::signal::ctrl_c().await.ok() };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<Option<()>>();
    tokio::select! { _ = interrupt => {}, _ = terminate => {} }
    tracing::info!("stopping: finishing what is in hand");
}
