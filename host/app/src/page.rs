//! The page: files of host/app/assets, in the program, the same for `host serve` and `host site`; and the module that lets a
//! browser classify, which `cargo xtask site` builds beside the program.

use crate::files;
use anyhow::{Context, Result, ensure};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A file of the page.
#[derive(Clone, Debug)]
pub(crate) struct Asset {
    /// Below the page's address; empty for the page itself.
    pub(crate) path: &'static str,
    /// Media type.
    pub(crate) kind: &'static str,
    pub(crate) bytes: Cow<'static, [u8]>,
}

/// Who classifies, for whom a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// `host serve` without a module for browsers.
    Server,
    /// `host serve` with one.
    Both,
    /// `host site`: no server.
    Device,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const WASM: &str = "application/wasm";
const PNG: &str = "image/png";

/// Scripts, styles and requests of this origin alone; none inline, no frames, no plug-ins, no forms. Compiling WebAssembly is
/// allowed, evaluating text is not.
macro_rules! policy {
    () => {
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types page"
    };
}

/// The policy as a header.
pub(crate) const POLICY: &str = concat!(policy!(), "; frame-ancestors 'none'");

/// What only a page without a server has in its head: the policy (a `meta` cannot forbid frames) and what makes it installable.
const SITE_HEAD: &str = concat!(
    "<meta charset=\"utf-8\">\n  <meta http-equiv=\"Content-Security-Policy\" content=\"",
    policy!(),
    "\">\n  <meta name=\"referrer\" content=\"no-referrer\">\n  <link rel=\"manifest\" href=\"manifest.webmanifest\">\n  <link rel=\"apple-touch-icon\" href=\"assets/icon-192.png\">"
);

macro_rules! asset {
    ($path:literal, $kind:expr, $file:literal) => {
        Asset { path: $path, kind: $kind, bytes: Cow::Borrowed(include_bytes!(concat!("../assets/", $file))) }
    };
}

macro_rules! scripts {
    ($($file:literal),*) => {
        [$(Asset { path: concat!("assets/", $file), kind: SCRIPT, bytes: Cow::Borrowed(include_bytes!(concat!("../assets/", $file))) }),*]
    };
}

/// All of them but the model and what is said of it.
pub(crate) fn files(offered: Offered) -> Vec<Asset> {
    let page = |path, text: &str| Asset { path, kind: HTML, bytes: Cow::Owned(html(text, offered).into_bytes()) };
    let mut all = vec![
        page("", include_str!("../assets/index.html")),
        page("report.html", include_str!("../assets/report.html")),
        asset!("assets/style.css", "text/css; charset=utf-8", "style.css"),
        asset!("assets/icon.svg", "image/svg+xml", "icon.svg"),
    ];
    all.extend(scripts![
        "app.js",
        "camera.js",
        "classifiers.js",
        "device.js",
        "dom.js",
        "export.js",
        "failure.js",
        "figures.js",
        "files.js",
        "intake.js",
        "network.js",
        "offline.js",
        "queue.js",
        "report.js",
        "scripts.js",
        "server.js",
        "theme.js",
        "verdict.js",
        "viewer.js",
        "worker.js"
    ]);
    macro_rules! example {
        ($name:literal) => {
            Asset {
                path: concat!("examples/", $name),
                kind: PNG,
                bytes: Cow::Borrowed(include_bytes!(concat!("../shipped/samples/", $name))),
            }
        };
    }
    all.extend([example!("normal.png"), example!("pneumonia.png"), example!("covid-19.png")]);
    all
}

/// What a page without a server has beside [`files`].
pub(crate) fn installable() -> [Asset; 3] {
    [
        asset!("manifest.webmanifest", "application/manifest+json", "manifest.webmanifest"),
        asset!("assets/icon-192.png", PNG, "icon-192.png"),
        asset!("assets/icon-512.png", PNG, "icon-512.png"),
    ]
}

/// A page for those who classify.
fn html(text: &str, offered: Offered) -> String {
    let names = match offered {
        Offered::Server => return text.to_owned(),
        Offered::Both => "server device",
        Offered::Device => "device",
    };
    let mut text = text.replace("name=\"classifier\" content=\"server\"", &format!("name=\"classifier\" content=\"{names}\""));
    if offered == Offered::Device {
        text = text.replace("<meta charset=\"utf-8\">", SITE_HEAD);
        while let Some((before, rest)) = text.split_once("<!--server-->") {
            let after = rest.split_once("<!--/server-->").map_or("", |(_, after)| after);
            text = format!("{before}{after}");
        }
    }
    text
}

/// The classifier for browsers, with 128-bit vectors and without.
pub(crate) struct Modules([Vec<u8>; 2]);

/// The names of [`Modules`], which the page asks for.
const MODULES: [&str; 2] = ["device/cxr.simd128.wasm", "device/cxr.wasm"];
/// The folder that `cargo xtask site` writes, beside the program or above it.
const FOLDER: &str = "cxr-wasm";

impl Modules {
    /// Reads them from `folder`, or from where `cargo xtask site` put them; `None` where they are not.
    ///
    /// # Errors
    /// A named folder without them.
    pub(crate) fn find(folder: Option<&Path>) -> Result<Option<Self>> {
        let program = std::env::current_exe().unwrap_or_default();
        let source = files::source_tree().map(|root| root.join("target"));
        let places = || program.ancestors().skip(1).map(Path::to_owned).chain(source).map(|place| place.join(FOLDER));
        let all = |folder: &PathBuf| MODULES.iter().all(|name| folder.join(file_name(name)).is_file());
        let found = folder.map(Path::to_owned).or_else(|| places().find(all));
        let Some(found) = found else { return Ok(None) };
        let read = |name: &str| -> Result<Vec<u8>> {
            let path = found.join(file_name(name));
            let bytes = files::read(&path).with_context(|| "`cargo xtask site` builds the modules for browsers")?;
            ensure!(bytes.starts_with(b"\0asm"), "{}: no WebAssembly: build it with `cargo xtask site`", path.display());
            Ok(bytes)
        };
        Ok(Some(Self([read(MODULES[0])?, read(MODULES[1])?])))
    }

    /// As files of the page.
    pub(crate) fn assets(self) -> impl Iterator<Item = Asset> {
        MODULES.into_iter().zip(self.0).map(|(path, bytes)| Asset { path, kind: WASM, bytes: Cow::Owned(bytes) })
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(offered: Offered, path: &str) -> String {
        let asset = files(offered).into_iter().find(|asset| asset.path == path).unwrap();
        String::from_utf8(asset.bytes.into_owned()).unwrap()
    }

    #[test]
    fn pages_say_who_classifies_and_a_site_asks_no_server() {
        for path in ["", "report.html"] {
            let [server, both, device] = [Offered::Server, Offered::Both, Offered::Device].map(|offered| text(offered, path));
            assert!(server.contains("content=\"server\"") && both.contains("content=\"server device\""), "{path}");
            assert!(device.contains("name=\"classifier\" content=\"device\""), "{path}");
            assert!(device.contains("Content-Security-Policy") && !both.contains("Content-Security-Policy"), "{path}");
            for left_out in ["openapi.json", "token-dialog", "api/v1", "<!--"] {
                assert!(!device.contains(left_out), "{left_out} in {path}");
            }
            assert!(server.contains("openapi.json") && server.contains("token-dialog"), "{path}");
        }
    }

    #[test]
    fn addresses_are_below_the_page_wherever_it_lies() {
        for asset in files(Offered::Device) {
            let Ok(text) = std::str::from_utf8(&asset.bytes) else { continue };
            for absolute in ["href=\"/", "src=\"/", "fetch(\"/", "fetch(`/", "from \"/", "href: \"/"] {
                assert!(!text.contains(absolute), "{absolute} in {}", asset.path);
            }
        }
    }

    #[test]
    fn every_script_that_is_imported_is_there() {
        let all = files(Offered::Device);
        for asset in all.iter().filter(|asset| asset.kind == SCRIPT) {
            let text = std::str::from_utf8(&asset.bytes).unwrap();
            for name in text.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(all.iter().any(|other| other.path == format!("assets/{name}")), "{name}, in {}", asset.path);
            }
        }
    }

    #[test]
    fn a_folder_without_modules_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = format!("{:#}", Modules::find(Some(folder.path())).err().unwrap());
        assert!(error.contains("cxr.simd128.wasm") && error.contains("cargo xtask site"), "{error}");
        for name in MODULES {
            std::fs::write(folder.path().join(file_name(name)), b"text").unwrap();
        }
        let error = Modules::find(Some(folder.path())).err().unwrap().to_string();
        assert!(error.contains("no WebAssembly"), "{error}");
    }
}
