//! Errors as `application/problem+json` (RFC 9457).

use super::upload::Interrupted;
use crate::budget::Exhausted;
use crate::decode::{Kind, Refusal};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error that a client is told.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// Names the sort of problem: `urn:cxr:problem:SLUG`.
    slug: &'static str,
    title: &'static str,
    detail: String,
    /// Seconds after which the same request may succeed.
    retry_after: Option<u32>,
}

macro_rules! problems {
    ($($name:ident: $status:ident, $slug:literal, $title:literal, $retry:expr;)*) => {
        impl Problem {
            $(#[doc = $title] pub(super) fn $name(detail: impl Into<String>) -> Self {
                Self { status: StatusCode::$status, slug: $slug, title: $title, detail: detail.into(), retry_after: $retry }
            })*
        }
    };
}

problems! {
    empty: BAD_REQUEST, "empty", "The request holds no image", None;
    malformed: BAD_REQUEST, "malformed", "The request cannot be understood", None;
    unauthorized: UNAUTHORIZED, "unauthorized", "A token is needed", None;
    cross_site: FORBIDDEN, "cross-site", "Requests from other sites are refused", None;
    not_found: NOT_FOUND, "not-found", "There is nothing here", None;
    method_not_allowed: METHOD_NOT_ALLOWED, "method-not-allowed", "This method is not served here", None;
    timeout: REQUEST_TIMEOUT, "timeout", "The request took too long to arrive", None;
    too_large: PAYLOAD_TOO_LARGE, "too-large", "Larger than this server takes", None;
    not_an_image: UNSUPPORTED_MEDIA_TYPE, "not-an-image", "Not an image that is read here", None;
    misdirected: MISDIRECTED_REQUEST, "misdirected", "Not a name of this server", None;
    damaged: UNPROCESSABLE_ENTITY, "damaged", "The image is damaged", None;
    unsupported: UNPROCESSABLE_ENTITY, "unsupported", "An image of a sort that is not read here", None;
    per_client: TOO_MANY_REQUESTS, "too-many-requests", "Too many requests from this address", Some(1);
    busy: SERVICE_UNAVAILABLE, "busy", "The server is busy", Some(1);
    internal: INTERNAL_SERVER_ERROR, "internal", "The server failed", None;
}

impl Problem {
    /// What makes an image unusable.
    pub(super) fn of_image(error: &anyhow::Error) -> Self {
        if error.is::<Exhausted>() {
            return Self::busy(Exhausted.to_string());
        }
        let detail = format!("{error:#}");
        match error.downcast_ref::<Refusal>().map(|refusal| refusal.kind) {
            Some(Kind::Empty) => Self::empty(detail),
            Some(Kind::NotAnImage) => Self::not_an_image(detail),
            Some(Kind::Damaged) => Self::damaged(detail),
            Some(Kind::TooLarge) => Self::too_large(detail),
            Some(Kind::Unsupported) => Self::unsupported(detail),
            None => Self::internal("this image could not be classified"),
        }
    }

    /// The sort of problem.
    pub(super) fn slug(&self) -> &'static str {
        self.slug
    }

    /// The body.
    pub(super) fn to_json(&self) -> Value {
        json!({
            "type": format!("urn:cxr:problem:{}", self.slug),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        })
    }
}

impl From<Interrupted> for Problem {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::TooLarge(limit) => {
                Self::too_large(format!("a request may have {} MiB: send fewer or smaller images", limit >> 20))
            }
            Interrupted::TooLate => Self::timeout("the body did not arrive in time: try again on a faster connection"),
            Interrupted::NoMemory => Self::busy("too many uploads at once: try again in a moment"),
            Interrupted::Broken => Self::malformed("the body broke off"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        const TYPE: (HeaderName, HeaderValue) = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [TYPE], self.to_json().to_string()).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
