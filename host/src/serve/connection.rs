//! Connections: accepted up to a limit, timed out where they stall, finished before the server stops.

use super::access::{authorize, guard};
use super::app::App;
use super::assets::{ASSETS, respond};
use super::problem::Problem;
use super::{Limits, predictions};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
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
use tower_http::catch_panic::CatchPanicLayer;

/// The client's address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Longest time in which a client takes nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Most header lines.
const MAX_HEADERS: usize = 64;
/// Said to connections beyond the limit; they are not read.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves `listener` until `stop`, then finishes what is in hand.
pub(super) async fn serve(listener: TcpListener, app: Arc<App>, limits: &Limits, stop: impl Future<Output = ()>) {
    let router = router(&app);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.head_timeout))
        .max_buf_size(Limits::HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            // No file descriptor is left, or the client is gone already.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            let _ = stream.try_write(FULL);
            continue;
        };
        open(stream, address, slot, &http, &router, &app, &graceful);
    }
    drop(listener);
    app.stop();
    let grace = Duration::from_secs(limits.grace);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(seconds = limits.grace, "some requests were not finished in time");
    }
}

fn open(
    stream: TcpStream,
    address: SocketAddr,
    slot: OwnedSemaphorePermit,
    http: &http1::Builder,
    router: &Router,
    app: &Arc<App>,
    graceful: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(WRITE_TIMEOUT));
    let router = router.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(address));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    let connections = app.metrics.connections.clone();
    connections.inc();
    tokio::spawn(async move {
        // Errors are the client's: it went, stalled or spoke no HTTP.
        let _ = connection.await;
        connections.dec();
        drop(slot);
    });
}

/// All routes. Those of the API ask for the token; files and probes do not.
pub(super) fn router(app: &Arc<App>) -> Router {
    let api = Router::new()
        .route("/api/v1/predictions", post(predictions::post))
        .route("/api/v1/model", get(model))
        .route("/metrics", get(metrics))
        .route_layer(from_fn_with_state(Arc::clone(app), authorize));
    let files = ASSETS.iter().fold(Router::new(), |router, asset| router.route(asset.0, get(move || async { respond(*asset) })));
    api.merge(files)
        .route("/evaluation", get(evaluation))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .fallback(|| async { Problem::not_found("see /openapi.json for what there is") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed("see /openapi.json for what there is") })
        .layer(CatchPanicLayer::custom(|_| {
            Problem::internal("this request made the server fail; the server goes on").into_response()
        }))
        .layer(from_fn(at_once))
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .with_state(Arc::clone(app))
}

/// Lets an answer that left part of the body unread end the connection.
async fn at_once(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
    let mut response = next.run(request).await;
    if matches!(response.status().as_u16(), 408 | 413) {
        response.headers_mut().insert(header::CONNECTION, axum::http::HeaderValue::from_static("close"));
    }
    response
}

async fn model(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.model_json.clone()).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.text(app.upload_bytes());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_ready() { "ready\n".into_response() } else { Problem::busy("stopping").into_response() }
}

/// The evaluation's own page: styles of its own, no script, apart from this origin.
async fn evaluation(State(app): State<Arc<App>>) -> Response {
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox";
    match &app.report {
        Some(report) => {
            let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
            (headers, report.clone()).into_response()
        }
        None => Problem::not_found("start the server with --report DIR, a folder that `host evaluate --report DIR` wrote")
            .into_response(),
    }
}
