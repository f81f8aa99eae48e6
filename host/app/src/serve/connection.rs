//! Connections: accepted up to a limit, timed out where they stall, finished before the server stops.

use super::app::App;
use super::limits::Limits;
use super::peer::Peer;
use super::routes::router;
use super::signals::Signals;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt;

/// Longest time in which a client takes nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most header lines.
const MAX_HEADERS: usize = 64;
/// Said to connections beyond the limit; they are not read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves `listener` until a signal; then says so for a while, takes no more, and finishes what is in hand. A second signal
/// ends it at once.
pub(super) async fn serve(listener: TcpListener, app: Arc<App>, limits: &Limits, mut signals: Signals) {
    let server = Server {
        router: router(&app),
        http: http(limits),
        graceful: GracefulShutdown::new(),
        slots: Arc::new(Semaphore::new(limits.connections)),
        app,
    };
    tokio::select! {
        () = server.accept(&listener) => {}
        () = signals.next() => {}
    }
    server.app.stop();
    let drain = Duration::from_secs(limits.drain(listener.local_addr().is_ok_and(|address| address.ip().is_loopback())));
    tracing::info!(seconds = drain.as_secs(), "stopping: not ready, and finishing what is in hand");
    // Whoever balances the load learns from /readyz that it stops, and sends no more.
    tokio::select! {
        () = server.accept(&listener) => {}
        () = tokio::time::sleep(drain) => {}
        () = signals.next() => return,
    }
    drop(listener);
    tokio::select! {
        () = server.graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(limits.grace)) => {
            tracing::warn!(seconds = limits.grace, "some requests were not finished in time");
        }
        () = signals.next() => {}
    }
}

/// What connections share.
struct Server {
    router: Router,
    http: http1::Builder,
    graceful: GracefulShutdown,
    slots: Arc<Semaphore>,
    app: Arc<App>,
}

fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.head_timeout))
        .max_buf_size(Limits::HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    http
}

impl Server {
    /// Takes connections for ever.
    async fn accept(&self, listener: &TcpListener) {
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                // No file descriptor is left, or the client is gone already.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            match Arc::clone(&self.slots).try_acquire_owned() {
                Ok(slot) => self.open(stream, address, slot),
                Err(_) => drop(stream.try_write(FULL)),
            }
        }
    }

    fn open(&self, stream: TcpStream, address: SocketAddr, slot: OwnedSemaphorePermit) {
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(WRITE_TIMEOUT));
        let router = self.router.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(address));
            let router = router.clone();
            async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
        });
        let connection = self.graceful.watch(self.http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        let connections = self.app.metrics.connections.clone();
        connections.inc();
        tokio::spawn(async move {
            // Errors are the client's: it went, stalled or spoke no HTTP.
            let _ = connection.await;
            connections.dec();
            drop(slot);
        });
    }
}
