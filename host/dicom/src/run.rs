//! Starts everything, waits for a signal, and ends in order.

use crate::args::Args;
use crate::intake::{Intake, Memory};
use crate::queue::Queue;
use crate::receive::{dimse, folder, stow};
use crate::send::{self, Sender};
use crate::work::{self, Worker};
use anyhow::{Context, Result, ensure};
use cxr_app::budget::Budget;
use cxr_app::classes::DISCLAIMER;
use cxr_app::model_file::ModelFile;
use cxr_app::prediction::Source;
use cxr_app::serve::logging;
use cxr_app::serve::signals::Signals;
use cxr_app::shipped;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Most time that work in hand is given at the end; what is not finished is found again by the next run.
const GRACE: Duration = Duration::from_secs(20);

/// Runs until it is told to stop.
///
/// # Errors
/// Bad usage, a model, a queue or an address that cannot be used.
pub fn run(args: &Args) -> Result<()> {
    logging::start(args.log, args.log_level);
    args.check()?;
    let (mut model, report) = shipped::find(args.model.as_deref())?;
    // Paths of this machine are nobody's business.
    model.name = model.name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
    // One model for as long as the program runs: workers borrow it.
    let model: &'static ModelFile = Box::leak(Box::new(model));
    let engine = model.engine()?;
    let source = Arc::new(Source::new(model, engine, report.as_ref()));
    let limits = &args.limits;
    let queue = Arc::new(Queue::open(&args.queue, limits.queue_size << 20)?);
    let intake = Arc::new(Intake {
        queue: Arc::clone(&queue),
        model_sha256: model.sha256.clone(),
        most: limits.max_object << 20,
        memory: Memory::new(limits.receive_memory << 20),
    });
    let sender = Sender {
        destination: args.to.clone(),
        title: args.ae_title.clone(),
        patience: limits.timeout(),
        headers: args.header_file.as_deref().map_or_else(|| Ok(Vec::new()), send::headers)?,
    };
    let pixels = Arc::new(Budget::new(limits.pixel_memory << 20));
    let worker = Worker { queue: Arc::clone(&queue), engine, source, pixels, most: limits.max_pixels << 20 };

    // Before anything is taken in: whoever starts it may stop it at once.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::new() }).context("signals cannot be heard")?;
    let dimse = args.listen.map(|address| TcpListener::bind(address).with_context(|| taken(address))).transpose()?;
    let stow = args.stow.map(|address| runtime.block_on(tokio::net::TcpListener::bind(address)).with_context(|| taken(address)));
    let stow = stow.transpose()?;

    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for _ in 0..limits.workers() {
        let worker = worker.clone();
        threads.push(std::thread::spawn(move || worker.run()));
    }
    threads.push(std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || work::deliver(&queue, &sender)
    }));
    for watched in args.watch.clone() {
        let (intake, step) = (Arc::clone(&intake), Duration::from_secs(limits.watch_step));
        threads.push(std::thread::spawn(move || folder::watch(&watched, step, &intake)));
    }
    let (waiting, unsent) = queue.waiting();
    let mut places = Vec::new();
    let listening = dimse.as_ref().map(TcpListener::local_addr).transpose()?;
    if let (Some(listener), Some(address)) = (dimse, listening) {
        places.push(format!("{}@{address}", args.ae_title.as_str()));
        let server = dimse::Server {
            intake: Arc::clone(&intake),
            access: args.access(),
            title: args.ae_title.clone(),
            associations: (limits.associations, limits.per_address),
            patience: limits.timeout(),
        };
        threads.push(std::thread::spawn(move || server.run(&listener)));
    }
    if let Some(listener) = stow {
        places.push(format!("http://{}/studies", listener.local_addr()?));
        let server = stow::Server {
            intake: Arc::clone(&intake),
            access: args.access(),
            token: args.token_file.as_deref().map(token).transpose()?,
            connections: limits.associations,
            head: Duration::from_secs(limits.head_timeout),
            patience: limits.timeout(),
            most: limits.max_objects,
        };
        runtime.spawn(server.run(listener));
    }
    places.extend(args.watch.iter().map(|folder| folder.display().to_string()));
    tracing::info!(?places, model = model.name, model_sha256 = &model.sha256[..16], waiting, unsent, "taking images");
    // Whoever started it may not listen.
    let _ = writeln!(std::io::stdout(), "{}\n{DISCLAIMER}", places.join("\n"));

    runtime.block_on(signals.next());
    tracing::info!("stopping: what is in hand is finished, what waits is kept");
    queue.stop();
    runtime.shutdown_background();
    if let Some(address) = listening {
        dimse::wake(address);
    }
    let end = Instant::now() + GRACE;
    while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    tracing::info!("stopped");
    Ok(())
}

fn taken(address: std::net::SocketAddr) -> String {
    format!("{address}: cannot listen there: is another server running? choose another address")
}

/// Shortest token.
const MIN_TOKEN: usize = 16;

/// The digest of a file's token.
fn token(path: &std::path::Path) -> Result<[u8; 32]> {
    let name = path.display();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("{name}: cannot be read: give a file that holds the token"))?;
    let token = text.trim();
    ensure!(
        token.len() >= MIN_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{name}: a token has at least {MIN_TOKEN} printable ASCII characters, for example of `openssl rand -hex 32`"
    );
    Ok(Sha256::digest(token).into())
}
