//! The page of `host evaluate`, with its gallery of dataset images, for those who have the token.
//!
//! A browser that follows a link sends no `Authorization`. So the page asks for a pass first: a cookie for this one path,
//! for a minute. It is an HMAC under the token, so replicas that share a token know each other's passes and keep no state.

use super::access;
use super::app::App;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds for which a pass is good.
const SECONDS: u64 = 60;
const COOKIE: &str = "cxr_evaluation";

/// Gives a pass for [`page`], where one is needed.
pub(super) async fn pass(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let Some(key) = app.pass_key() else { return StatusCode::NO_CONTENT.into_response() };
    let until = now() + SECONDS;
    // Behind a proxy that says it speaks TLS, the pass never goes without.
    let is_secure = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if is_secure { "; Secure" } else { "" };
    let tag = hex(&mac(key, until).finalize().into_bytes());
    let cookie = format!("{COOKIE}={until}.{tag}; Path=/evaluation; Max-Age={SECONDS}; HttpOnly; SameSite=Strict{secure}");
    // Digits and letters alone.
    let cookie = HeaderValue::try_from(cookie).unwrap_or(HeaderValue::from_static(""));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// Asks for the token or a pass, where there is a token.
pub(super) async fn authorize(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match access::may_use(&app, request.headers()) || has_pass(&app, request.headers(), now()) {
        true => next.run(request).await,
        false => Problem::unauthorized("open this page by the link on the first page, which asks for the token").into_response(),
    }
}

/// The evaluation's own page: styles of its own, no script, apart from this origin.
pub(super) async fn page(State(app): State<Arc<App>>) -> Response {
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

fn has_pass(app: &App, headers: &HeaderMap, now: u64) -> bool {
    let Some(key) = app.pass_key() else { return true };
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut passes =
        cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='));
    passes.any(|pass| is_good(key, pass, now))
}

fn is_good(key: &[u8; 32], pass: &str, now: u64) -> bool {
    let Some((until, tag)) = pass.split_once('.') else { return false };
    let (Ok(until), Some(tag)) = (until.parse::<u64>(), unhex(tag)) else { return false };
    // Compared in constant time.
    until > now && until <= now + SECONDS && mac(key, until).verify_slice(&tag).is_ok()
}

fn mac(key: &[u8; 32], until: u64) -> Hmac<Sha256> {
    let mac = <Hmac<Sha256> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.chain_update(b"evaluation").chain_update(until.to_le_bytes())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_good_for_a_minute_under_its_own_token() {
        let key = [7; 32];
        let pass = |until: u64| format!("{until}.{}", hex(&mac(&key, until).finalize().into_bytes()));
        assert!(is_good(&key, &pass(1060), 1000) && is_good(&key, &pass(1060), 1059));
        assert!(!is_good(&key, &pass(1060), 1060) && !is_good(&[8; 32], &pass(1060), 1000));
        // Nobody but the holder of the token makes one, and none for longer.
        assert!(!is_good(&key, &pass(9999), 1000));
        assert!(!is_good(&key, &pass(1060).replace("1060", "1059"), 1000));
        for nonsense in ["", ".", "1060", "1060.", "1060.0", "1060.zz", "x.00", "1060.\u{e4}"] {
            assert!(!is_good(&key, nonsense, 1000), "{nonsense}");
        }
    }
}
