//! Every route and who may ask for it.

use super::access::{authorize, guard};
use super::app::App;
use super::linger::linger;
use super::problem::Problem;
use super::{evaluation, predictions};
use crate::page::Asset;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;

/// Who may ask where a token is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    /// Anyone: nothing in it is about an image, a person or the use of this server.
    Open,
    /// Those with the token.
    Token,
    /// Those with the token or a pass that it bought: what a browser navigates to has no header of ours.
    Pass,
}

/// A path, who may ask for it, and its methods.
struct Route(String, Access, MethodRouter<Arc<App>>);

/// Other addresses of a file of the page.
const ALIASES: [(&str, &str); 2] = [("/report", "report.html"), ("/favicon.ico", "assets/icon.svg")];
/// The interface's description.
const OPENAPI: &str = include_str!("../../assets/openapi.json");

/// All of them: the router is made of nothing else.
fn routes(page: &[Asset]) -> Vec<Route> {
    let mut routes = vec![
        Route("/api/v1/predictions".to_owned(), Access::Token, post(predictions::post)),
        Route("/api/v1/model".to_owned(), Access::Token, get(model)),
        Route("/api/v1/evaluation-pass".to_owned(), Access::Token, post(evaluation::pass)),
        Route("/metrics".to_owned(), Access::Token, get(metrics)),
        Route("/evaluation".to_owned(), Access::Pass, get(evaluation::page)),
        Route("/healthz".to_owned(), Access::Open, get(|| async { "ok\n" })),
        Route("/readyz".to_owned(), Access::Open, get(ready)),
    ];
    let json = |text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, "application/json")], text) });
    routes.push(Route("/openapi.json".to_owned(), Access::Open, json(OPENAPI)));
    routes.push(Route("/device/model.cxr".to_owned(), Access::Token, get(model_file)));
    // The page's own files and drawings, the same for everyone and in every copy of the program.
    for asset in page {
        let (kind, bytes) = (asset.kind, Bytes::from(asset.bytes.to_vec()));
        let file = get(move || async move { ([(header::CONTENT_TYPE, kind)], bytes) });
        let others = ALIASES.into_iter().filter(|(_, path)| *path == asset.path).map(|(alias, _)| alias.to_owned());
        routes.extend(others.chain([format!("/{}", asset.path)]).map(|path| Route(path, Access::Open, file.clone())));
    }
    routes
}

/// Answers all requests.
pub(super) fn router(app: &Arc<App>) -> Router {
    let with = |router: Router<Arc<App>>, Route(path, access, methods): Route| {
        let methods = match access {
            Access::Open => methods,
            Access::Token => methods.route_layer(from_fn_with_state(Arc::clone(app), authorize)),
            Access::Pass => methods.route_layer(from_fn_with_state(Arc::clone(app), evaluation::authorize)),
        };
        router.route(&path, methods)
    };
    routes(&app.page)
        .into_iter()
        .fold(Router::new(), with)
        .fallback(|| async { Problem::not_found("see /openapi.json for what there is") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed("see /openapi.json for what there is") })
        .layer(CatchPanicLayer::custom(|_| {
            Problem::internal("this request made the server fail; the server goes on").into_response()
        }))
        .layer(from_fn_with_state(Arc::clone(app), guard))
        .layer(from_fn(linger))
        .with_state(Arc::clone(app))
}

async fn model(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], app.model_json.clone()).into_response()
}

/// The model itself, for those whose browser classifies.
async fn model_file(State(app): State<Arc<App>>) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], app.model.as_bytes()).into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let text = app.metrics.text(app.upload_bytes(), app.pixel_bytes());
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.is_ready() { "ready\n".into_response() } else { Problem::busy("stopping").into_response() }
}

#[cfg(test)]
mod tests {
    use super::super::app::tests::app;
    use super::super::peer::Peer;
    use super::*;
    use crate::page::{self, Offered};
    use axum::body::Body;
    use axum::http::{Method, Request, StatusCode};
    use std::collections::BTreeSet;
    use tower::ServiceExt;

    const TOKEN: &str = "correct-horse-battery-staple";

    async fn ask(router: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.extension(Peer(([127, 0, 0, 1], 1).into())).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn every_route_keeps_its_policy_with_every_method() {
        let app = Arc::new(app(&["--token-file"], Some(TOKEN)));
        let router = router(&app);
        let bearer = format!("Bearer {TOKEN}");
        for Route(path, access, _) in routes(&app.page) {
            let path = &path[..];
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                let status = ask(&router, method.clone(), path, &[]).await.status();
                let wrong = ask(&router, method.clone(), path, &[("authorization", "Bearer wrong-horse-battery-staple")]).await;
                let known = ask(&router, method.clone(), path, &[("authorization", &bearer)]).await;
                assert_ne!(known.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
                // A method that is not served tells nothing.
                let is_shut = status == StatusCode::UNAUTHORIZED || status == StatusCode::METHOD_NOT_ALLOWED;
                let is_served = known.status() != StatusCode::METHOD_NOT_ALLOWED;
                match access {
                    Access::Open => assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}"),
                    Access::Token | Access::Pass if is_served => assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {path}"),
                    Access::Token | Access::Pass => assert!(is_shut, "{method} {path}: {status}"),
                }
                assert_eq!(wrong.status(), status, "{method} {path}");
            }
        }
    }

    #[test]
    fn what_is_open_is_what_was_meant_to_be() {
        let page = page::files(Offered::Both);
        let open: BTreeSet<String> =
            routes(&page).into_iter().filter(|route| route.1 == Access::Open).map(|route| route.0).collect();
        let files = page.iter().map(|asset| format!("/{}", asset.path));
        let others = ["/healthz", "/readyz", "/openapi.json", "/report", "/favicon.ico"].map(str::to_owned);
        let meant: BTreeSet<String> = files.chain(others).collect();
        assert_eq!(open, meant);
        // The page's files: nothing of them comes from a dataset or from this server's use.
        for Asset { path, .. } in page {
            let is_page = ["", "report.html"].contains(&path);
            assert!(is_page || path.starts_with("assets/") || path.starts_with("examples/"), "{path}");
        }
    }

    #[tokio::test]
    async fn a_pass_opens_the_evaluation_and_nothing_else() {
        let app = Arc::new(app(&["--token-file"], Some(TOKEN)));
        let router = router(&app);
        let bearer = format!("Bearer {TOKEN}");
        let answer = ask(&router, Method::POST, "/api/v1/evaluation-pass", &[("authorization", &bearer)]).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let cookie = answer.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
        for told in ["HttpOnly", "SameSite=Strict", "Path=/evaluation", "Max-Age=60"] {
            assert!(cookie.contains(told), "{cookie}");
        }
        let pass = cookie.split(';').next().unwrap();
        // There is no report to show, but it may be asked for.
        assert_eq!(ask(&router, Method::GET, "/evaluation", &[("cookie", pass)]).await.status(), StatusCode::NOT_FOUND);
        let several = format!("other=1; {pass}; more=2");
        assert_eq!(ask(&router, Method::GET, "/evaluation", &[("cookie", &several)]).await.status(), StatusCode::NOT_FOUND);
        for forged in [pass.replace('=', "=1"), pass[..pass.len() - 1].to_owned(), "cxr_evaluation=".to_owned()] {
            let answer = ask(&router, Method::GET, "/evaluation", &[("cookie", &forged)]).await;
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{forged}");
        }
        for path in ["/api/v1/model", "/metrics"] {
            assert_eq!(ask(&router, Method::GET, path, &[("cookie", pass)]).await.status(), StatusCode::UNAUTHORIZED, "{path}");
        }
    }

    #[tokio::test]
    async fn other_origins_are_refused_the_opaque_one_too() {
        let router = router(&Arc::new(app(&[], None)));
        let get = |headers: &'static [(&'static str, &'static str)]| ask(&router, Method::GET, "/api/v1/model", headers);
        for own in [&[][..], &[("origin", "http://localhost")], &[("sec-fetch-site", "same-origin")]] {
            assert_eq!(get(own).await.status(), StatusCode::OK, "{own:?}");
        }
        for foreign in [
            &[("origin", "null")][..],
            &[("origin", "https://elsewhere.example")],
            &[("origin", "nonsense")],
            &[("origin", "http://localhost.elsewhere.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert_eq!(get(foreign).await.status(), StatusCode::FORBIDDEN, "{foreign:?}");
        }
        // A link elsewhere may lead here; a form elsewhere may not send anything.
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(ask(&router, Method::GET, "/", &link).await.status(), StatusCode::OK);
        assert_eq!(ask(&router, Method::POST, "/api/v1/predictions", &link).await.status(), StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn readiness_ends_when_it_stops() {
        let app = Arc::new(app(&[], None));
        let router = router(&app);
        assert_eq!(ask(&router, Method::GET, "/readyz", &[]).await.status(), StatusCode::OK);
        app.stop();
        let answer = ask(&router, Method::GET, "/readyz", &[]).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        // Whoever has a connection makes the next one elsewhere.
        assert_eq!(answer.headers()[header::CONNECTION], "close");
        assert_eq!(ask(&router, Method::GET, "/healthz", &[]).await.status(), StatusCode::OK);
    }
}
