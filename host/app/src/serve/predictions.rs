//! `POST /api/v1/predictions`: an image as the body, or several as multipart/form-data.

use super::app::App;
use super::classify::{Job, Options, Outcome};
use super::metrics;
use super::peer::Peer;
use super::problem::Problem;
use super::upload::{Arrival, Interrupted, Upload, chunks};
use crate::classes::DISCLAIMER;
use crate::detail::MAX_PREVIEW;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use multer::Multipart;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::time::timeout;

/// Longest name of a file that is given back.
const MAX_NAME: usize = 200;

/// The handler.
pub(super) async fn post(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    options: Result<Query<Options>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let answer = async {
        let Query(options) = options.map_err(|error| Problem::malformed(error.body_text()))?;
        if options.preview.is_some_and(|pixels| !(16..=MAX_PREVIEW).contains(&pixels)) {
            return Err(Problem::malformed(format!("preview is a number of pixels from 16 to {MAX_PREVIEW}")));
        }
        let too_many = || Problem::per_client(format!("{} requests in hand: wait for an answer", app.limits.per_client));
        let _visit = app.clients.enter(peer.0.ip()).ok_or_else(too_many)?;
        let declared =
            headers.get(header::CONTENT_TYPE).map_or(Ok(""), |value| value.to_str().map_err(|_| Problem::not_an_image(KINDS)))?;
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok()).unwrap_or(0);
        let limit = app.limits.max_body << 20;
        let arrival = Arrival::new(app.limits.timeout());
        let chunks = Box::pin(chunks(body, limit, Arc::clone(&arrival)));
        let kind = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let results = if kind == "multipart/form-data" {
            let boundary =
                multer::parse_boundary(declared).map_err(|_| Problem::malformed("multipart/form-data without a boundary"))?;
            multipart(&app, Multipart::new(chunks, boundary), &arrival, options).await
        } else if matches!(kind.as_str(), "" | "application/octet-stream" | "application/dicom") || kind.starts_with("image/") {
            let upload = app.memory.collect(chunks, length.min(limit)).await?;
            vec![classify(&app, "image".to_owned(), upload, options).await]
        } else {
            return Err(Problem::not_an_image(KINDS));
        };
        respond(&app, results)
    };
    answer.await.unwrap_or_else(IntoResponse::into_response)
}

const KINDS: &str = "send image/*, application/dicom, application/octet-stream or multipart/form-data as Content-Type";

/// An image's name and what became of it: JSON, or why there is none.
type Classified = (String, Result<Bytes, Problem>);

/// The name of what could not be told apart any more.
const REST: &str = "the rest of the request";

/// Classifies the files in the order in which they arrive, one in memory at a time; what goes wrong later costs no verdict
/// that is there.
async fn multipart(app: &App, mut form: Multipart<'_>, arrival: &Arrival, options: Options) -> Vec<Classified> {
    let mut results = Vec::new();
    loop {
        let field = match form.next_field().await {
            Ok(Some(field)) => field,
            Ok(None) => return results,
            Err(error) => {
                results.push(failed(app, REST.to_owned(), broken(error)));
                return results;
            }
        };
        let name = field.file_name().or_else(|| field.name()).unwrap_or("image");
        let name: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
        if results.len() == app.limits.max_files {
            let limit = app.limits.max_files;
            let problem = Problem::too_large(format!("a request may have {limit} images: send the others in another"));
            results.push(failed(app, name, problem));
            return results;
        }
        match app.memory.collect(FieldChunks(field), 0).await {
            Ok(upload) => results.push(arrival.pause(classify(app, name, upload, options)).await),
            // There may be memory for the next one.
            Err(Interrupted::NoMemory) => results.push(failed(app, name, Interrupted::NoMemory.into())),
            Err(interrupted) => {
                results.push(failed(app, name, interrupted.into()));
                return results;
            }
        }
    }
}

fn failed(app: &App, name: String, problem: Problem) -> Classified {
    app.metrics.failures.get_or_create(&metrics::Failure { problem: problem.slug() }).inc();
    tracing::info!(problem = problem.slug(), "not classified");
    (name, Err(problem))
}

/// A field's chunks with this server's errors.
struct FieldChunks<'f>(multer::Field<'f>);

impl futures_util::Stream for FieldChunks<'_> {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::pin::Pin::new(&mut self.0).poll_next(context).map_err(interrupted)
    }
}

fn interrupted(error: multer::Error) -> Interrupted {
    match error {
        multer::Error::StreamReadFailed(source) => source.downcast_ref().copied().unwrap_or(Interrupted::Broken),
        _ => Interrupted::Broken,
    }
}

fn broken(error: multer::Error) -> Problem {
    match &error {
        multer::Error::StreamReadFailed(_) => interrupted(error).into(),
        _ => Problem::malformed("the body is no multipart/form-data"),
    }
}

/// Has a worker classify an image.
async fn classify(app: &App, name: String, upload: Upload, options: Options) -> Classified {
    let result = async {
        let job = Job { name: name.clone(), upload, options };
        let reply = app.pool.submit(job).map_err(|_| Problem::busy("the queue is full: try again in a moment"))?;
        match timeout(app.limits.timeout(), reply).await {
            Err(_) => Err(Problem::busy("no worker was free in time: try again in a moment")),
            Ok(Ok(Ok(Ok(outcome)))) => app.memory.hold(count(app, outcome)).map_err(Problem::from),
            Ok(Ok(Ok(Err(error)))) => Err(Problem::of_image(&error)),
            Ok(Ok(Err(_)) | Err(_)) => Err(Problem::internal("this image made the decoder fail; the server goes on")),
        }
    };
    match result.await {
        Ok(answer) => (name, Ok(answer)),
        Err(problem) => failed(app, name, problem),
    }
}

fn count(app: &App, outcome: Outcome) -> String {
    let Outcome { text, verdict, sha256, waited, decoding, inference } = outcome;
    app.metrics.predictions.get_or_create(&metrics::Verdict { verdict }).inc();
    app.metrics.queue_seconds.observe(waited.as_secs_f64());
    app.metrics.decode_seconds.observe(decoding.as_secs_f64());
    app.metrics.inference_seconds.observe(inference.as_secs_f64());
    tracing::debug!(sha256, waited = ?waited, decoding = ?decoding, inference = ?inference, "classified");
    text
}

/// 200 if any image has a verdict; else the first one's problem.
fn respond(app: &App, results: Vec<Classified>) -> Result<Response, Problem> {
    if results.is_empty() {
        return Err(Problem::empty("no image in the request: send one as the body, or files as multipart/form-data"));
    }
    if !results.iter().any(|(_, result)| result.is_ok()) {
        let problem = results.into_iter().find_map(|(_, result)| result.err());
        return Err(problem.unwrap_or_else(|| Problem::internal("no image was classified")));
    }
    // Answers with previews are large: each is sent as it lies there, and its memory is free when it is gone.
    let model = json!({ "notice": DISCLAIMER, "model": app.model.name, "model_sha256": app.model.sha256 }).to_string();
    let mut parts = vec![Bytes::from(format!("{},\"predictions\":[", model.trim_end_matches('}')))];
    for (name, result) in results {
        if parts.len() > 1 {
            parts.push(Bytes::from_static(b","));
        }
        parts.push(result.unwrap_or_else(|problem| json!({ "image": name, "problem": problem.to_json() }).to_string().into()));
    }
    parts.push(Bytes::from_static(b"]}"));
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    let body = Body::from_stream(futures_util::stream::iter(parts.into_iter().map(Ok::<_, Infallible>)));
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    Ok(response)
}
