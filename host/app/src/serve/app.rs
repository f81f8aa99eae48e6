//! What requests share.

use super::args::Args;
use super::classify::{Job, Outcome, Workshop};
use super::limits::Limits;
use super::metrics::Metrics;
use super::model_info;
use super::pool::Pool;
use super::upload::Memory;
use crate::budget::Budget;
use crate::model_file::ModelFile;
use crate::page::{self, Asset, Modules, Offered};
use crate::prediction::Source;
use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq;

/// The server's state; none of it survives a restart, so replicas need nothing of each other.
pub(super) struct App {
    pub(super) model: &'static ModelFile,
    /// The page's files, the module for browsers among them if there is one.
    pub(super) page: Vec<Asset>,
    /// `GET /api/v1/model`.
    pub(super) model_json: Bytes,
    pub(super) report: Option<Bytes>,
    pub(super) pool: Pool<Job, Result<Outcome>>,
    pub(super) metrics: Metrics,
    /// For what arrives and what is being sent.
    pub(super) memory: Memory,
    /// For the pixels of all images that are being decoded.
    pixels: Arc<Budget>,
    pub(super) limits: Limits,
    pub(super) clients: Clients,
    /// Names by which this server may be addressed; any if `None`.
    pub(super) hosts: Option<Vec<String>>,
    token: Option<[u8; 32]>,
    stopping: AtomicBool,
}

/// Shortest token: 16 characters hold 80 bits where they are random.
const MIN_TOKEN: usize = 16;

impl App {
    pub(super) fn new(args: &Args) -> Result<Self> {
        let limits = json!({ "body_bytes": args.limits.max_body << 20, "files": args.limits.max_files });
        let served = model_info::load(args.model.as_deref(), args.report.as_deref(), &limits)?;
        let modules = Modules::find(args.wasm.as_deref())?;
        let mut page = page::files(if modules.is_some() { Offered::Both } else { Offered::Server });
        page.extend(modules.into_iter().flat_map(Modules::assets));
        // One model for as long as the program runs: workers borrow it.
        let model: &'static ModelFile = Box::leak(Box::new(served.file));
        let engine = model.engine()?;
        let source = Arc::new(Source::new(model, engine, None));
        let limits = args.limits.clone();
        let pixels = Arc::new(Budget::new(limits.pixel_memory << 20));
        let workshop =
            Workshop { engine, source, pixels: Arc::clone(&pixels), most: limits.max_pixels << 20, patience: limits.timeout() };
        let hosts = args.listen.ip().is_loopback().then(|| {
            let own = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
            own.into_iter()
                .chain([args.listen.ip().to_string()])
                .chain(args.allow_host.iter().map(|host| host.to_lowercase()))
                .collect()
        });
        Ok(Self {
            model,
            page,
            model_json: served.json.to_string().into(),
            report: served.report.map(Into::into),
            pool: Pool::start(limits.workers(), limits.queue, move || workshop.clone().worker()),
            metrics: Metrics::new(),
            memory: Memory::new(limits.upload_memory << 20),
            pixels,
            clients: Clients { limit: limits.per_client, in_hand: Mutex::default() },
            hosts,
            token: token(args)?,
            stopping: AtomicBool::new(false),
            limits,
        })
    }

    /// True if the API asks for a token.
    pub(super) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// What passes are made with, where there is a token.
    pub(super) fn pass_key(&self) -> Option<&[u8; 32]> {
        self.token.as_ref()
    }

    /// Compares in a time that tells nothing: digests of equal length, all bytes of them.
    pub(super) fn token_is(&self, given: &[u8]) -> bool {
        self.token.is_some_and(|token| token.ct_eq(&<[u8; 32]>::from(Sha256::digest(given))).into())
    }

    /// Lets `/readyz` say no.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// True until the server stops.
    pub(super) fn is_ready(&self) -> bool {
        !self.stopping.load(Ordering::Relaxed)
    }

    /// Bytes held by uploads and answers.
    pub(super) fn upload_bytes(&self) -> usize {
        (self.limits.upload_memory << 20).saturating_sub(self.memory.free())
    }

    /// Bytes set aside for pixels.
    pub(super) fn pixel_bytes(&self) -> u64 {
        self.pixels.bytes() - self.pixels.free()
    }
}

/// The token's digest, from the file or the environment.
fn token(args: &Args) -> Result<Option<[u8; 32]>> {
    let (text, origin) = match &args.token_file {
        Some(path) => {
            let name = path.display().to_string();
            (
                std::fs::read_to_string(path)
                    .with_context(|| format!("{name}: cannot be read: give a file that holds the token"))?,
                name,
            )
        }
        None => match std::env::var("CXR_SERVE_TOKEN") {
            Ok(text) => (text, "CXR_SERVE_TOKEN".to_owned()),
            Err(_) => return Ok(None),
        },
    };
    let token = text.trim();
    ensure!(
        token.len() >= MIN_TOKEN && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{origin}: a token has at least {MIN_TOKEN} printable ASCII characters, for example of `openssl rand -hex 32`"
    );
    Ok(Some(Sha256::digest(token).into()))
}

/// Prediction requests in hand, by address.
pub(super) struct Clients {
    limit: usize,
    in_hand: Mutex<HashMap<IpAddr, usize>>,
}

/// A request in hand; dropping it ends it.
pub(super) struct Visit<'c>(&'c Clients, IpAddr);

impl Clients {
    /// One more request of `address`, or none if it has enough.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Visit<'_>> {
        let mut in_hand = self.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        let count = in_hand.entry(address).or_default();
        if self.limit > 0 && *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Visit(self, address))
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut in_hand = self.0.in_hand.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = in_hand.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                in_hand.remove(&self.1);
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    /// Arguments of `host serve`.
    pub(in super::super) fn args(words: &[&str]) -> Args {
        <Command as clap::Parser>::parse_from(["serve"].iter().chain(words)).args
    }

    /// A server's state with these arguments; a token goes to a file whose name is the last of them.
    pub(in super::super) fn app(words: &[&str], secret: Option<&str>) -> App {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, secret.unwrap_or_default()).unwrap();
        let words: Vec<&str> = words.iter().copied().chain(secret.map(|_| path)).collect();
        App::new(&args(&words)).unwrap()
    }

    #[test]
    fn an_address_has_so_many_requests_at_once() {
        let clients = Clients { limit: 2, in_hand: Mutex::default() };
        let [a, b] = [1, 2].map(|n| IpAddr::from(Ipv4Addr::new(127, 0, 0, n)));
        let first = clients.enter(a);
        let second = clients.enter(a);
        assert!(first.is_some() && second.is_some() && clients.enter(a).is_none() && clients.enter(b).is_some());
        drop(first);
        assert!(clients.enter(a).is_some());
        drop(second);
        assert!(clients.in_hand.lock().unwrap().is_empty());
    }
}
