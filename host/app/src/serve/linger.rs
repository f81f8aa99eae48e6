//! An answer before the end of a request's body.
//!
//! A client that is still writing when the server closes loses the answer to a reset. So the server reads on for a while,
//! throws away what comes, and then ends the connection.

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{Stream, StreamExt};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

/// How long the rest of a body is read.
const LINGER: Duration = Duration::from_secs(2);

/// A body that its reader may leave unfinished.
#[derive(Clone)]
struct Rest(Arc<Mutex<State>>);

struct State {
    stream: BodyDataStream,
    is_begun: bool,
    is_done: bool,
}

impl Rest {
    fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(State { stream: body.into_data_stream(), is_begun: false, is_done: false })))
    }

    /// Was some of it asked for, and was it read to its end?
    fn progress(&self) -> (bool, bool) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.is_begun, state.is_done)
    }
}

impl Stream for Rest {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_begun = true;
        let next = state.stream.poll_next_unpin(context);
        // A broken body has no rest.
        state.is_done |= matches!(next, Poll::Ready(None | Some(Err(_))));
        next
    }
}

/// Reads on where an answer left part of the body, and has the connection end if there is still more.
pub(super) async fn linger(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    // Who waits for leave to send has not begun: asking for the rest would give it.
    let waits = parts.headers.contains_key(header::EXPECT);
    let mut rest = Rest::new(body);
    let mut response = next.run(Request::from_parts(parts, Body::from_stream(rest.clone()))).await;
    if let (is_begun, false) = rest.progress() {
        if is_begun || !waits {
            let _ = timeout(LINGER, async { while rest.next().await.is_some_and(|chunk| chunk.is_ok()) {} }).await;
        }
        if !rest.progress().1 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tower::ServiceExt;

    /// Answers without reading; how many of `count` chunks were taken, and whether the connection ends.
    async fn left_over(count: usize, is_endless: bool, expects: bool) -> (usize, bool) {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let chunks = futures_util::stream::iter(0..count).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Bytes::from_static(b"x"))
        });
        let body =
            if is_endless { Body::from_stream(chunks.chain(futures_util::stream::pending())) } else { Body::from_stream(chunks) };
        let mut request = Request::post("/");
        if expects {
            request = request.header("expect", "100-continue");
        }
        let router = Router::new().route("/", post(|| async { StatusCode::PAYLOAD_TOO_LARGE })).layer(from_fn(linger));
        let answer = router.oneshot(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        (taken.load(Ordering::Relaxed), answer.headers().get(header::CONNECTION).is_some_and(|value| value == "close"))
    }

    #[tokio::test]
    async fn the_rest_is_read_and_what_never_ends_is_left() {
        assert_eq!(left_over(30, false, false).await, (30, false));
        assert_eq!(left_over(30, true, false).await, (30, true));
        // Nothing is asked of a client that waits for leave.
        assert_eq!(left_over(30, false, true).await, (0, true));
    }
}
