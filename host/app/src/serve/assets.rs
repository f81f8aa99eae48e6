//! The page: files of host/assets, in the program.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Path, media type and content of a file.
pub(super) type Asset = (&'static str, &'static str, &'static [u8]);

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! asset {
    ($path:literal, $kind:expr, $file:literal) => {
        ($path, $kind, include_bytes!(concat!("../../assets/", $file)) as &[u8])
    };
}

/// All of them.
pub(super) const ASSETS: &[Asset] = &[
    asset!("/", HTML, "index.html"),
    asset!("/report", HTML, "report.html"),
    asset!("/assets/style.css", "text/css; charset=utf-8", "style.css"),
    asset!("/assets/app.js", SCRIPT, "app.js"),
    asset!("/assets/api.js", SCRIPT, "api.js"),
    asset!("/assets/camera.js", SCRIPT, "camera.js"),
    asset!("/assets/dom.js", SCRIPT, "dom.js"),
    asset!("/assets/export.js", SCRIPT, "export.js"),
    asset!("/assets/figures.js", SCRIPT, "figures.js"),
    asset!("/assets/report.js", SCRIPT, "report.js"),
    asset!("/assets/theme.js", SCRIPT, "theme.js"),
    asset!("/assets/verdict.js", SCRIPT, "verdict.js"),
    asset!("/assets/viewer.js", SCRIPT, "viewer.js"),
    asset!("/assets/icon.svg", "image/svg+xml", "icon.svg"),
    asset!("/favicon.ico", "image/svg+xml", "icon.svg"),
    asset!("/openapi.json", "application/json", "openapi.json"),
    ("/examples/normal.png", "image/png", include_bytes!("../../../../data/samples/normal.png")),
    ("/examples/pneumonia.png", "image/png", include_bytes!("../../../../data/samples/pneumonia.png")),
    ("/examples/covid-19.png", "image/png", include_bytes!("../../../../data/samples/covid-19.png")),
];

/// Answers with a file.
pub(super) fn respond(asset: Asset) -> Response {
    ([(header::CONTENT_TYPE, asset.1)], asset.2).into_response()
}
