//! Who may ask, and what every answer says about itself.

use super::app::App;
use super::metrics;
use super::problem::Problem;
use crate::page::POLICY;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Instant;

const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=(), geolocation=(), payment=(), usb=()"),
];

/// Outermost: checks the names, adds the headers, counts and logs.
pub(super) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    // A path that is not a route could be anything that a client likes to see in a log.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let mut response = match check(&app, &method, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    if !app.is_ready() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    app.metrics.requests.get_or_create(&metrics::Request { route: route.clone(), status }).inc();
    app.metrics.request_seconds.observe(seconds);
    tracing::debug!(%method, route, status, milliseconds = (seconds * 1e4).round() / 10.0, "request");
    response
}

/// Asks for the token, where there is one.
pub(super) async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match may_use(&app, request.headers()) {
        true => next.run(request).await,
        false => Problem::unauthorized("give the header `Authorization: Bearer TOKEN` with this server's token").into_response(),
    }
}

/// True for those who give the token, and for everyone where there is none.
pub(super) fn may_use(app: &App, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).map_or(&b""[..], HeaderValue::as_bytes);
    let token = match given.split_at_checked(7) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => token,
        _ => b"",
    };
    !app.has_token() || app.token_is(token)
}

/// Refuses names that are not this server's (a page elsewhere can point its own name here) and requests that other sites make.
fn check(app: &App, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).unwrap_or_default().to_lowercase();
    if let Some(hosts) = &app.hosts
        && !hosts.iter().any(|known| known == name_of(&host))
    {
        return Err(Problem::misdirected(
            "this server listens for its own machine: start it with --allow-host NAME to serve another name",
        ));
    }
    // A link elsewhere may lead here; a script or a form elsewhere may not use this.
    let is_link = text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate") && method.is_safe();
    let is_foreign = match text(HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin" | "none") => false,
        Some(_) => !is_link,
        None => headers.get(header::ORIGIN).is_some_and(|origin| !is_own(origin, &host)),
    };
    if is_foreign {
        return Err(Problem::cross_site("ask from a page of this server, or without a browser"));
    }
    Ok(())
}

/// True for an origin of this host, whatever its scheme: a proxy may speak TLS. `null`, of a sandbox, is nobody's.
fn is_own(origin: &HeaderValue, host: &str) -> bool {
    let name = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    name.is_some_and(|(_, name)| name.to_lowercase() == host)
}

/// A `Host` without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_cut_off_names_and_not_off_addresses() {
        assert_eq!(
            ["localhost:8080", "localhost", "[::1]:80", "[::1]", ""].map(name_of),
            ["localhost", "localhost", "[::1]", "[::1]", ""]
        );
    }
}
