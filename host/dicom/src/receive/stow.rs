//! STOW-RS (PS3.18, 10.5): `POST /studies` and `POST /studies/STUDY`, multipart/related of application/dicom.

use crate::access::Access;
use crate::identity::Identity;
use crate::intake::{Held, Intake, Refused, Taken};
use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutWriter;

/// A server of STOW-RS.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where files go.
    pub intake: Arc<Intake>,
    /// Who may send: addresses; a request has no AE title.
    pub access: Access,
    /// SHA-256 of the token that is asked for.
    pub token: Option<[u8; 32]>,
    /// Connections at once.
    pub connections: usize,
    /// Longest time for a request's head.
    pub head: Duration,
    /// Longest time for a request's body.
    pub patience: Duration,
    /// Most objects in a request.
    pub most: usize,
}

/// Largest request head.
const HEAD_BYTES: usize = 32 << 10;

type Answer = Response<Full<Bytes>>;

impl Server {
    /// Takes connections for ever.
    pub async fn run(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(self.connections));
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head).max_buf_size(HEAD_BYTES).max_headers(64);
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if !self.access.allows_address(address.ip()) {
                tracing::warn!("an address that is not allowed was turned away");
                continue;
            }
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
            let (server, http) = (self.clone(), http.clone());
            tokio::spawn(async move {
                server.serve(http, stream).await;
                drop(slot);
            });
        }
    }

    async fn serve(self, http: http1::Builder, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(self.patience));
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        // Errors are the client's: it went, stalled or spoke no HTTP.
        let _ = http.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().trim_end_matches('/').to_owned();
        let study = match path.strip_prefix("/studies") {
            Some("") => None,
            Some(rest) if rest.starts_with('/') && !rest[1..].contains('/') => Some(rest[1..].to_owned()),
            _ if path == "/healthz" => return plain(StatusCode::OK, "ok"),
            _ => return plain(StatusCode::NOT_FOUND, "POST /studies, GET /healthz"),
        };
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "POST objects here");
        }
        if !self.is_allowed(request.headers().get(header::AUTHORIZATION)) {
            return plain(StatusCode::UNAUTHORIZED, "give the header `Authorization: Bearer TOKEN`");
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(boundary) = boundary(kind) else {
            return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send multipart/related; type=\"application/dicom\"; boundary=...");
        };
        let server = self.clone();
        let gathered = tokio::time::timeout(self.patience, server.gather(request, boundary, study)).await;
        match gathered {
            Ok(Ok(stored)) => stored.answer(),
            Ok(Err((status, why))) => plain(status, why),
            Err(_) => plain(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
        }
    }

    fn is_allowed(&self, given: Option<&HeaderValue>) -> bool {
        let given = given.map_or(&b""[..], HeaderValue::as_bytes);
        let token = match given.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
            _ => b"",
        };
        self.token.is_none_or(|known| known.ct_eq(&<[u8; 32]>::from(Sha256::digest(token))).into())
    }

    async fn gather(
        self,
        request: Request<Incoming>,
        boundary: String,
        study: Option<String>,
    ) -> Result<Stored, (StatusCode, &'static str)> {
        let mut parts = multer::Multipart::new(request.into_body().into_data_stream(), boundary);
        let broken = |_| (StatusCode::BAD_REQUEST, "a body that is no multipart/related or breaks off");
        let mut stored = Stored::default();
        while let Some(mut part) = parts.next_field().await.map_err(broken)? {
            if stored.count() == self.most {
                return Err((StatusCode::PAYLOAD_TOO_LARGE, "more objects than a request may have (--max-objects)"));
            }
            let mut object = Arriving { bytes: Vec::new(), held: self.intake.memory.hold(), refused: None };
            while let Some(chunk) = part.chunk().await.map_err(broken)? {
                object.gather(&chunk, self.intake.most);
            }
            let Arriving { bytes, held, refused } = object;
            let taken = match refused {
                Some(refused) => Err(refused),
                None => {
                    let intake = Arc::clone(&self.intake);
                    let study = study.clone();
                    // The disk is waited for.
                    let work = tokio::task::spawn_blocking(move || take(&intake, &bytes, study.as_deref())).await;
                    work.unwrap_or_else(|_| Err(Refused::Damaged("this object could not be read".to_owned())))
                }
            };
            drop(held);
            stored.add(taken);
        }
        Ok(stored)
    }
}

struct Arriving<'m> {
    bytes: Vec<u8>,
    held: Held<'m>,
    refused: Option<Refused>,
}

impl Arriving<'_> {
    fn gather(&mut self, chunk: &[u8], most: usize) {
        if self.refused.is_some() {
            return;
        }
        if self.bytes.len() + chunk.len() > most {
            self.refused = Some(Refused::TooLarge);
        } else if !self.held.grow(chunk.len() as u64) {
            self.refused = Some(Refused::Later("too many objects at once".to_owned()));
        } else {
            self.bytes.extend_from_slice(chunk);
            return;
        }
        self.bytes = Vec::new();
    }
}

fn take(intake: &Intake, bytes: &[u8], study: Option<&str>) -> Result<Identity, Refused> {
    if let Some(study) = study {
        let identity = Identity::read(bytes, "received").map_err(|error| Refused::Damaged(format!("{error:#}")))?;
        if identity.study != study {
            return Err(Refused::Mismatch);
        }
    }
    let (taken, identity) = intake.take(bytes, None)?;
    if taken == Taken::Own {
        tracing::debug!("an answer of ours came back");
    }
    Ok(identity)
}

/// What became of the objects of a request.
#[derive(Default)]
struct Stored {
    good: Vec<Value>,
    bad: Vec<Value>,
    is_busy: bool,
}

impl Stored {
    fn count(&self) -> usize {
        self.good.len() + self.bad.len()
    }

    fn add(&mut self, taken: Result<Identity, Refused>) {
        match taken {
            Ok(identity) => self.good.push(json!({
                "00081150": { "vr": "UI", "Value": [identity.class] },
                "00081155": { "vr": "UI", "Value": [identity.instance] },
            })),
            Err(refused) => {
                tracing::warn!(why = %refused, "an object was not taken");
                self.is_busy |= matches!(refused, Refused::Later(_));
                let reason = match &refused {
                    Refused::Later(_) | Refused::TooLarge => 0xa700,
                    Refused::Class(_) => 0x0122,
                    Refused::Mismatch => 0xa900,
                    Refused::Damaged(_) => 0xc000,
                };
                let class = if let Refused::Class(class) = &refused { json!([class]) } else { json!([]) };
                self.bad.push(json!({
                    "00081150": { "vr": "UI", "Value": class },
                    "00081197": { "vr": "US", "Value": [reason] },
                }));
            }
        }
    }

    fn answer(self) -> Answer {
        let status = match (self.good.is_empty(), self.bad.is_empty()) {
            (true, true) => return plain(StatusCode::BAD_REQUEST, "the request holds no object"),
            (false, true) => StatusCode::OK,
            (false, false) => StatusCode::ACCEPTED,
            (true, false) if self.is_busy => StatusCode::SERVICE_UNAVAILABLE,
            (true, false) => StatusCode::CONFLICT,
        };
        let mut body = json!({});
        for (tag, items) in [("00081199", self.good), ("00081198", self.bad)] {
            if !items.is_empty() {
                body[tag] = json!({ "vr": "SQ", "Value": items });
            }
        }
        let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
        *answer.status_mut() = status;
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/dicom+json"));
        answer
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status.is_client_error() {
        // Its body may still be on the way.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

/// The boundary of a multipart/related of DICOM objects.
fn boundary(content_type: &str) -> Option<String> {
    let mut words = content_type.split(';').map(str::trim);
    if !words.next()?.eq_ignore_ascii_case("multipart/related") {
        return None;
    }
    let parameters: Vec<(String, &str)> = words
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.trim().to_lowercase(), value.trim().trim_matches('"')))
        .collect();
    let of = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
    let is_dicom = of("type").is_none_or(|kind| kind.eq_ignore_ascii_case("application/dicom"));
    // RFC 2046 allows 70 characters, and Orthanc writes 73.
    of("boundary").filter(|boundary| is_dicom && (1..=200).contains(&boundary.len())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_those_of_dicom_objects() {
        assert_eq!(boundary("multipart/related; type=\"application/dicom\"; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(boundary("Multipart/Related;boundary=\"a b\"").as_deref(), Some("a b"));
        let orthanc = "c96821ae-debf-4ddf-87c4-7c732cb496fa-c96821ae-debf-4ddf-87c4-7c732cb496fa";
        assert_eq!(boundary(&format!("multipart/related; boundary={orthanc}")).as_deref(), Some(orthanc));
        for wrong in [
            "",
            "application/dicom",
            "multipart/form-data; boundary=x",
            "multipart/related; type=\"application/dicom+xml\"; boundary=x",
            "multipart/related",
            "multipart/related; boundary=",
        ] {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
    }
}
