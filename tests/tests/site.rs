//! `host site`: the page without a server. The same bytes as `host` gives, in node, Chromium and Firefox, with vectors and
//! without; without a network; without a request to another origin.

use cxr_tests::browser::Browser;
use cxr_tests::host::run;
use cxr_tests::http::predict;
use cxr_tests::root;
use cxr_tests::server::Server;
use cxr_tests::static_host::{FOLDER, StaticHost};
use cxr_tests::wasm::{MODULES, files, modules, node, site};
use serde_json::Value;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::tempdir;

/// What does not depend on who answers: all but the time and the model's path; of a problem its sort and its words.
fn comparable(mut answer: Value) -> Value {
    for other in ["file", "milliseconds", "image", "model", "title", "status"] {
        answer.as_object_mut().expect("an object").remove(other);
    }
    // A browser writes 0.0 as 0.
    for share in answer["frame"].as_object_mut().into_iter().flatten() {
        *share.1 = share.1.as_f64().into();
    }
    answer
}

/// What `host serve` answers for a file, whose bytes are those of `host predict` (tests/serve.rs).
fn served(server: &Server, path: &Path) -> Value {
    let bytes = std::fs::read(path).expect("a file");
    let answer = predict(server.address, "?maps=true&preview=768", &bytes).json();
    comparable(if answer["predictions"].is_array() { answer["predictions"][0].clone() } else { answer })
}

/// A server that takes as much as the page.
fn server() -> Server {
    Server::start(["--max-pixels", "512", "--pixel-memory", "512", "--max-body", "256", "--upload-memory", "1024"])
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn modules_give_the_bytes_of_host() {
    let Some(folder) = modules() else { return };
    let (server, files) = (server(), files());
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let expected: Vec<Value> = paths.iter().map(|path| served(&server, path)).collect();
    for module in MODULES {
        let answers = node(&folder.join(module), &root().join("models/default.cxr"), &paths, 1);
        println!("{module}: kernel {}, {} files", answers[0]["kernel"], paths.len());
        assert_eq!(answers.len(), paths.len() + 1);
        for ((path, expected), answer) in paths.iter().zip(&expected).zip(&answers[1..]) {
            assert_eq!(comparable(answer.clone()), *expected, "{module}: {}", path.display());
        }
        let answered = answers.iter().filter(|answer| answer["logits"].is_array()).count();
        assert!(answered > 20, "{answered} files were classified");
    }
}

/// An imported network in a module: its outputs are those of `host run`.
#[test]
fn modules_run_imported_networks() {
    let Some(folder) = modules() else { return };
    let place = tempdir().expect("a temporary folder");
    let [network, input, output] = ["small.cxr", "x.npy", "y.npy"].map(|name| place.path().join(name));
    imported(place.path());
    run(place.path(), ["run", "small.cxr", "--input", "x.npy", "--output", "y.npy"]).success();
    let expected = if output.is_file() { output } else { place.path().join("y.0.npy") };
    let expected = npy_int8(&expected);
    for module in MODULES {
        let answers = node(&folder.join(module), &network, &["--run".as_ref(), &input], 1);
        assert!(answers[0]["layers"].is_array(), "{}", answers[0]);
        let values = answers[1]["outputs"][0]["values"].as_array().unwrap_or_else(|| panic!("{}", answers[1])).clone();
        assert_eq!(values, expected, "{module}");
        assert_eq!(answers[1]["layers"].as_array().map(Vec::len), answers[0]["layers"].as_array().map(Vec::len));
    }
}

/// `small.cxr`, imported from the converter's fixture, and `x.npy`, a ramp for it.
fn imported(folder: &Path) {
    let fixture = root().join("host/convert/tests/fixtures/small.tflite");
    run(folder, ["import".as_ref(), fixture.as_os_str(), "--out".as_ref(), "small".as_ref()]).success();
    let about = run(folder, ["inspect", "small.cxr", "--json"]).success();
    let about: Value = serde_json::from_str(&about.stdout).expect("JSON");
    let shape: Vec<u64> = about["inputs"][0]["shape"].as_array().expect("extents").iter().filter_map(Value::as_u64).collect();
    assert_eq!(about["inputs"][0]["type"], "int8");
    let extents = shape.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let head = format!("{{'descr': '|i1', 'fortran_order': False, 'shape': ({extents},), }}");
    let padded = format!("{head:<width$}\n", width = (10 + head.len()).next_multiple_of(64) + 64 - 11);
    let mut file = [b"\x93NUMPY\x01\x00", &(padded.len() as u16).to_le_bytes()[..], padded.as_bytes()].concat();
    file.extend((0..shape.iter().product::<u64>()).map(|i| (i * 37 % 251) as u8));
    std::fs::write(folder.join("x.npy"), file).expect("a temporary file");
}

/// The values of an int8 array.
fn npy_int8(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).expect("an array");
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[start..].iter().map(|byte| Value::from(byte.cast_signed())).collect()
}

const READY: &str = "document.body.dataset.ready === 'device' && document.querySelectorAll('#headline dt').length > 0";

/// A page beside the site's that classifies the host's `files/0`, `files/1`, ... and shows the answers. The page itself lets no
/// stranger's script in.
const PROBE: &str =
    "<!doctype html><base href=\"../\"><script type=\"module\" src=\"probe.js\"></script><pre id=\"answers\"></pre>";

/// In a browser: the bytes of `host` with both modules, then the page itself, then the page without a network.
fn in_browser<F: Future<Output = Option<Browser>>>(name: &str, start: impl FnOnce() -> F) {
    let Some(folder) = modules() else { return };
    runtime().block_on(async {
        let Some(browser) = start().await else { return };
        let place = tempdir().expect("a temporary folder");
        let [written, given] = ["site", "files"].map(|name| place.path().join(name));
        site(&written, &folder);
        std::fs::create_dir(&given).expect("a temporary folder");
        // All of the project's own; every third of the others, since node has compared them all.
        let files: Vec<PathBuf> = files()
            .into_iter()
            .enumerate()
            .filter(|(i, path)| i % 3 == 0 || path.starts_with(root().join("data")))
            .map(|(_, path)| path)
            .collect();
        for (i, path) in files.iter().enumerate() {
            std::fs::copy(path, given.join(i.to_string())).expect("a temporary file");
        }
        std::fs::write(given.join("probe.html"), PROBE).expect("a temporary file");
        std::fs::copy(root().join("tests/src/probe.js"), written.join("probe.js")).expect("a temporary file");
        let host = StaticHost::start(&written, &given);
        browser.client.goto(&host.url()).await.expect("the page");
        browser.until(READY).await;
        let loaded =
            browser.eval("performance.now() - performance.timing.loadEventEnd + performance.timing.navigationStart").await;
        let server = server();
        let expected: Vec<Value> = files.iter().map(|path| served(&server, path)).collect();
        for query in ["", "&kernel=portable"] {
            browser.client.goto(&format!("{}files/probe.html?count={}{query}", host.url(), files.len())).await.expect("a page");
            let answered = "document.getElementById('answers')?.textContent";
            browser.within(Duration::from_secs(600), &format!("{answered}?.length > 0")).await;
            let mut text: Value = serde_json::from_str(browser.eval(answered).await.as_str().expect("text")).expect("JSON");
            let answers: Vec<Value> = serde_json::from_value(text["all"].take()).expect("a list");
            assert_eq!(text["module"] == "cxr.wasm", query.contains("portable"), "{name}{query}");
            for ((path, expected), answer) in files.iter().zip(&expected).zip(answers) {
                assert_eq!(comparable(answer), *expected, "{name}{query}: {}", path.display());
            }
        }
        println!("{name}: {} files with and without vectors; ready {loaded} ms after loading", files.len());

        // The first verdict of a page that has just been opened.
        browser.client.goto(&host.url()).await.expect("the page");
        browser.eval("document.querySelector('[data-example=\"normal.png\"]').click()").await;
        browser.until(DONE).await;
        let first = browser.eval("performance.now()").await;
        println!("{name}: first verdict {first} ms after navigation");
        assert!(browser.text("#where-note").await.contains("stay on this device"));
        assert!(browser.text(".notice").await.contains("not a medical device"));
        let before = browser.eval("document.querySelector('.record').textContent.match(/Logits.*?Took/)[0]").await;

        // Without a network: the page comes from what it kept, and classifies as before.
        browser.until("document.body.dataset.offline === 'yes'").await;
        assert!(host.asked().iter().all(|path| path.starts_with(FOLDER) || path == "/favicon.ico"), "{:?}", host.asked());
        let url = host.url();
        drop(host);
        for page in ["report.html", ""] {
            browser.client.goto(&format!("{url}{page}")).await.expect("the page that was kept");
            browser.until("document.querySelectorAll('.figures dt').length > 0").await;
        }
        browser.until(READY).await;
        browser.eval("document.querySelector('[data-example=\"normal.png\"]').click()").await;
        browser.until(DONE).await;
        assert_eq!(browser.eval("document.querySelector('.record').textContent.match(/Logits.*?Took/)[0]").await, before);
        let place = browser.eval("performance.getEntriesByType('resource').map((entry) => entry.name)").await;
        for asked in place.as_array().expect("names") {
            assert!(asked.as_str().is_some_and(|asked| asked.starts_with(&url)), "{name} asked for {asked}");
        }
        browser.screenshot(&format!("site-{name}-offline")).await;
    });
}

const DONE: &str =
    "document.querySelector('.verdict-title') !== null && !/Being|Waiting/.test(document.getElementById('items').innerText)";

#[test]
fn chromium_gives_the_same_bytes_and_needs_no_network() {
    in_browser("chromium", Browser::start);
}

#[test]
fn firefox_gives_the_same_bytes_and_needs_no_network() {
    in_browser("firefox", Browser::firefox);
}

/// Many files and folders, cancelling, a network of one's own, a phone: in Chromium, which is looked at by axe-core.
#[test]
fn many_files_a_folder_and_a_network() {
    let Some(modules) = modules() else { return };
    runtime().block_on(async {
        let Some(browser) = Browser::start().await else { return };
        let place = tempdir().expect("a temporary folder");
        let [written, many] = ["site", "many"].map(|name| place.path().join(name));
        site(&written, &modules);
        std::fs::create_dir(&many).expect("a temporary folder");
        for i in 0..30 {
            std::fs::copy(root().join("data/samples/pneumonia.png"), many.join(format!("{i:02}.png"))).expect("a temporary file");
        }
        std::fs::write(many.join("notes.txt"), "no image").expect("a temporary file");
        let host = StaticHost::start(&written, &many);
        browser.client.goto(&host.url()).await.expect("the page");
        browser.until(READY).await;
        let complaints = browser.axe().await;
        assert!(complaints.is_empty(), "{complaints:?}");
        browser.full_screenshot("site-start");
        browser.resize(390, 844, true);
        browser.full_screenshot("site-start-phone");
        browser.resize(1280, 900, false);

        // A folder: its images are classified, its other files passed over and counted.
        let folder = browser.client.find(fantoccini::Locator::Css("#folder")).await.expect("a field");
        folder.send_keys(many.to_str().expect("UTF-8")).await.expect("a folder chosen");
        browser.until("document.getElementById('count').textContent === '30 of 30 done'").await;
        browser.until("document.getElementById('passed-over').textContent.startsWith('1 file')").await;
        assert!(browser.text("#items").await.contains("many/00.png"));
        assert_eq!(browser.eval("document.getElementById('running').hidden").await, true);
        browser.full_screenshot("site-folder");

        // Cancelling: what was not begun says so, and can be tried again.
        let files: Vec<PathBuf> = (0..30).map(|i| many.join(format!("{i:02}.png"))).collect();
        browser.click("#clear").await;
        browser.eval("new MutationObserver(() => { const button = document.getElementById('cancel'); if (button.checkVisibility()) button.click(); }).observe(document.getElementById('running'), { attributes: true })").await;
        browser.choose(&files).await;
        browser.until("document.getElementById('count').textContent === '30 of 30 done'").await;
        assert!(browser.text("#items").await.contains("Cancelled"));

        // A network of `host import`: a picture and an array go through it until it is closed.
        imported(place.path());
        browser.choose(&[place.path().join("small.cxr")]).await;
        browser.until("!document.getElementById('network').hidden").await;
        browser.choose(&[place.path().join("x.npy")]).await;
        browser.until("document.querySelector('.network-answer h3')?.textContent === 'x.npy'").await;
        let panel = browser.text("#network").await;
        for told in ["small.tflite", "bytes", "ms an inference", "not a medical device"] {
            assert!(panel.contains(told), "{told} in {panel}");
        }
        browser.choose(&files[..1]).await;
        browser.until("document.querySelector('.network-answer h3')?.textContent === '00.png' || document.getElementById('alert').textContent !== ''").await;
        let complaints = browser.axe().await;
        assert!(complaints.is_empty(), "{complaints:?}");
        browser.full_screenshot("site-network");
        browser.resize(390, 844, true);
        browser.full_screenshot("site-network-phone");
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth").await, true);
        browser.resize(1280, 900, false);
        browser.eval("document.querySelector('.network-head button').click()").await;
        assert_eq!(browser.eval("document.getElementById('network').hidden").await, true);

        // A classifier is no such network, and a torn file neither.
        browser.choose(&[root().join("models/default.cxr")]).await;
        browser.until("document.getElementById('alert').textContent.includes('host import')").await;
        assert_eq!(browser.complaints(), Vec::<String>::new());
        let own = host.url().to_string();
        for url in browser.requests() {
            assert!(url.starts_with(&own) || url.starts_with("blob:http://127.0.0.1") || url.starts_with("data:"), "the page asked for {url}");
        }
    });
}

/// `host serve` with the modules: the same answer from either side, and nothing of a picture is sent where it stays.
#[test]
fn a_server_offers_the_device() {
    let Some(_) = modules() else { return };
    runtime().block_on(async {
        let Some(browser) = Browser::start().await else { return };
        let server = Server::start::<&str>([]);
        browser.client.goto(&format!("{}/", server.origin())).await.expect("the page");
        browser.until("document.querySelectorAll('#where-choices input').length === 2").await;
        let logits = "document.querySelector('.record').textContent.match(/Logits.*?Took/)[0]";
        let mut found = Vec::new();
        for (place, note) in [("server", "memory alone"), ("device", "stay on this device")] {
            browser.eval(&format!("document.querySelector('#where-choices input[value={place}]').click()")).await;
            browser.until(&format!("document.body.dataset.ready === '{place}'")).await;
            assert!(browser.text("#where-note").await.contains(note));
            browser.requests();
            browser.eval("document.querySelector('[data-example=\"covid-19.png\"]').click()").await;
            browser.until("document.getElementById('items').children.length > 0").await;
            browser.until(DONE).await;
            found.push(browser.eval(logits).await);
            let is_sent = browser.requests().iter().any(|url| url.contains("/api/v1/predictions"));
            assert_eq!(is_sent, place == "server", "{place}");
            browser.full_screenshot(&format!("serve-{place}"));
            browser.click("#clear").await;
        }
        assert_eq!(found[0], found[1]);
        assert_eq!(browser.complaints(), Vec::<String>::new());
    });
}

#[test]
fn what_is_missing_is_named_with_its_remedy() {
    let place = tempdir().expect("a temporary folder");
    let out = place.path().join("site");
    let empty = place.path().join("empty");
    std::fs::create_dir(&empty).expect("a temporary folder");
    let arguments = ["site".as_ref(), "--out".as_ref(), out.as_os_str(), "--wasm".as_ref(), empty.as_os_str()];
    run(root(), arguments).error(2, &["cargo xtask site", "cxr.simd128.wasm"]);
    assert!(!out.exists());
}
