//! The page of `host serve` in headless Chromium: what a person does, what a screen reader hears, what axe-core finds,
//! and that no request leaves the origin. Screenshots are kept to be looked at.

use cxr_testkit::Lcg;
use cxr_tests::browser::{Browser, screenshots};
use cxr_tests::root;
use cxr_tests::server::Server;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::{Value, json};
use std::future::Future;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

/// Runs a test with a server and a browser on its page; at the end nothing may have been asked of another origin
/// and the browser may have no complaint.
fn with_page<F: Future<Output = (Browser, Server)>>(test: impl FnOnce(Browser, Server) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let Some(browser) = Browser::start().await else { return };
        let server = Server::start::<&str>([]);
        browser.client.goto(&format!("{}/", server.origin())).await.expect("the page");
        browser
            .until("document.querySelectorAll('#headline dt').length > 0 || /No evaluation/.test(document.body.innerText)")
            .await;
        let (browser, server) = test(browser, server).await;
        let origin = server.origin();
        let requests = browser.requests();
        assert!(!requests.is_empty());
        for url in requests {
            let own = url.starts_with(&origin) || url.starts_with(&format!("blob:{origin}")) || url.starts_with("data:");
            assert!(own, "the page asked for {url}");
        }
        assert_eq!(browser.complaints(), Vec::<String>::new());
    });
}

fn sample(name: &str) -> PathBuf {
    root().join("data/samples").join(name)
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/golden/dicom").join(name)
}

/// A picture that gets an answer: a real X-ray where they lie beside the checkout, else a drawing whose refusal is taken back
/// between server and page.
async fn answered(browser: &Browser, server: &Server) -> PathBuf {
    let folder = root().join("../shared/data/external/images");
    let real = cxr_tests::files(&folder, "png").into_iter().chain(cxr_tests::files(&folder, "jpg")).take(40);
    for path in real {
        let answer = cxr_tests::http::predict(server.address, "", &std::fs::read(&path).expect("an image")).json();
        if answer["predictions"][0]["label"].is_string() {
            return path;
        }
    }
    replace_answers(browser, "label: 'Pneumonia/COVID-19', abstained: false, reason: null").await;
    sample("covid-19.png")
}

/// Has the page get answers with other fields than the server gave.
async fn replace_answers(browser: &Browser, fields: &str) {
    let script = "(() => { const ask = window.fetch; window.fetch = async (path, options) => { const answer = await ask(path, options); \
        if (!String(path).includes('predictions')) return answer; const body = await answer.json(); \
        Object.assign(body.predictions[0], { FIELDS }); return new Response(JSON.stringify(body), { status: 200 }); }; })()";
    browser.eval(&script.replace("FIELDS", fields)).await;
}

const DONE: &str =
    "document.querySelector('.verdict-title') !== null && !/Being|Waiting/.test(document.getElementById('items').innerText)";

#[track_caller]
fn assert_accessible(found: &[String], place: &str) {
    assert!(found.is_empty(), "{place}: {} violations\n{}", found.len(), found.join("\n\n"));
}

#[test]
fn upload_verdict_heatmap_and_exports() {
    with_page(|browser, server| async move {
        browser.screenshot("start-light").await;
        assert_accessible(&browser.axe().await, "start");
        assert!(browser.text(".notice").await.contains("not a medical device"));
        let path = answered(&browser, &server).await;
        browser.choose(std::slice::from_ref(&path)).await;
        browser.until(DONE).await;
        let answer = browser.text(".answer").await;
        // A verdict says what is known of hospitals never seen, as the server puts it.
        let unseen = cxr_tests::http::get(server.address, "/api/v1/model").json()["unseen_summary"].take();
        let unseen = unseen.as_str().expect("a sentence").to_owned();
        assert_eq!(browser.text(".verdict .unseen-figure").await, unseen);
        for told in ["Research use only", "Calibrated", "Children and adults", "How often is it wrong?", "people it has not seen"]
        {
            assert!(answer.contains(told), "{told} in {answer}");
        }
        // The bars are the server's probabilities.
        let shown =
            browser.eval("[...document.querySelectorAll('.bars .number')].map((cell) => parseFloat(cell.textContent))").await;
        let image = std::fs::read(&path).expect("an image");
        let expected = cxr_tests::http::predict(server.address, "", &image).json();
        for (class, shown) in cxr_tests::CLASSES.iter().zip(shown.as_array().expect("numbers")) {
            let expected = 100.0 * expected["predictions"][0]["probabilities"][class].as_f64().expect("a probability");
            assert!((shown.as_f64().expect("a number") - expected).abs() < 0.051, "{class}: {shown} against {expected}");
        }
        browser.full_screenshot("answer-light");
        assert_accessible(&browser.axe().await, "answer");

        // The heatmap changes the picture, for each class another way, and adds up.
        let picture = "document.querySelector('.stage canvas').toDataURL()";
        let plain = browser.eval(picture).await;
        browser.click(".heat-on").await;
        browser.until(&format!("{picture} !== {plain}")).await;
        let mapped = browser.eval(picture).await;
        assert!(browser.text(".heat-sum").await.contains("that is the logit"));
        assert!(
            browser
                .eval("document.querySelector('.stage canvas').getAttribute('aria-label')")
                .await
                .to_string()
                .contains("heatmap for")
        );
        browser.eval("(() => { const s = document.querySelector('.heat-class'); s.selectedIndex = (s.selectedIndex + 1) % 3; s.dispatchEvent(new Event('change')); })()").await;
        browser.until(&format!("{picture} !== {mapped}")).await;
        browser.click(".heat-numbers summary").await;
        browser.full_screenshot("heatmap-light");
        assert_accessible(&browser.axe().await, "heatmap");

        // The window and inversion change the view, not the answer; a reset brings it back.
        browser.click(".heat-on").await;
        browser.until(&format!("{picture} === {plain}")).await;
        browser.click(".invert").await;
        browser.until(&format!("{picture} !== {plain}")).await;
        browser
            .eval(
                "(() => { const s = document.querySelector('.level'); s.value = '60'; s.dispatchEvent(new Event('input')); })()",
            )
            .await;
        assert_eq!(browser.eval("document.querySelector('.preset').value").await, "own");
        browser.click(".reset").await;
        browser.until(&format!("{picture} === {plain}")).await;

        // What is saved is what was answered.
        browser.eval("(() => { window.saved = []; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved.push(text)); return make(blob); }; })()").await;
        browser.click(".save-json").await;
        browser.until("window.saved.length === 1").await;
        let saved = browser.eval("JSON.parse(window.saved[0])").await;
        for field in ["sha256", "model_sha256", "logits", "probabilities", "refusal_score", "version"] {
            assert_eq!(saved[field], expected["predictions"][0][field], "{field}");
        }
        assert_eq!(saved["hospitals_never_seen"], unseen);
        assert!(
            saved["notice"].is_string()
                && saved["time"].is_string()
                && saved["label"].is_string()
                && path.ends_with(saved["image"].as_str().expect("a name"))
                && saved["preview"].is_null()
        );
        browser.click("#csv").await;
        browser.until("window.saved.length === 2").await;
        let csv = browser.eval("window.saved[1]").await.as_str().expect("text").to_owned();
        assert_eq!(csv.lines().count(), 2, "{csv}");
        assert!(
            csv.contains(expected["predictions"][0]["sha256"].as_str().expect("a hash")) && csv.contains("not a medical device")
        );

        // Nothing moved while the page was built up.
        let shift = browser.eval("new Promise((resolve) => new PerformanceObserver((list) => resolve(list.getEntries().filter((e) => !e.hadRecentInput).reduce((sum, e) => sum + e.value, 0))).observe({ type: 'layout-shift', buffered: true }) || setTimeout(() => resolve(0), 300))").await;
        assert!(shift.as_f64().unwrap_or(0.0) < 0.1, "layout shift {shift}");
        (browser, server)
    });
}

#[test]
fn dicom_many_files_errors_and_refusals() {
    with_page(|browser, server| async move {
        let folder = tempdir().expect("a temporary folder");
        let letter = folder.path().join("=letter.txt");
        std::fs::write(&letter, "Dear Sir or Madam").expect("a temporary file");
        let noise = folder.path().join("noise.png");
        let picture = image::GrayImage::from_raw(256, 256, Lcg(5).take(65536).collect()).expect("an image");
        picture.save(&noise).expect("a temporary image");
        let files = [
            fixture("window-presets.dcm"),
            sample("normal.png"),
            letter,
            fixture("refused-frames.dcm"),
            fixture("implicit-monochrome1-rescaled.dcm"),
            noise,
        ];
        browser.choose(&files).await;
        browser.until("document.getElementById('count').textContent === '6 of 6 done'").await;
        // DICOM: its windows are offered, and choosing one changes the picture.
        assert!(browser.text(".meta").await.contains("DICOM, 32 x 32 pixels, 16 bits"));
        let options =
            browser.eval("[...document.querySelectorAll('.preset option')].map((option) => option.textContent).join()").await;
        assert!(options.to_string().contains("Lung (from the file)") && options.to_string().contains("Bone"), "{options}");
        let picture = "document.querySelector('.stage canvas').toDataURL()";
        let plain = browser.eval(picture).await;
        browser.eval("(() => { const s = document.querySelector('.preset'); s.value = 'preset-1'; s.dispatchEvent(new Event('change')); })()").await;
        browser.until(&format!("{picture} !== {plain}")).await;
        browser.full_screenshot("dicom-light");

        // Errors are named, beside the others, in words.
        browser.eval("document.querySelectorAll('.item')[2].click()").await;
        let error = browser.text(".answer").await;
        assert!(error.contains("Not classified (415)") && error.contains("=letter.txt: not an image"), "{error}");
        browser.full_screenshot("error-light");
        assert_accessible(&browser.axe().await, "error");
        browser.eval("document.querySelectorAll('.item')[3].click()").await;
        assert!(browser.text(".answer").await.contains("3 frames"));

        // An answer that is withheld says so, with reason, score and limit, whatever the model: here as the server would put it.
        browser.eval("import('/assets/verdict.js').then((verdict) => { window.reason = verdict.reasonText; })").await;
        browser.until("typeof window.reason === 'function'").await;
        let probabilities = "probabilities: { 'Normal/NA': 0.48, 'Pneumonia/NA': 0.3, 'Pneumonia/COVID-19': 0.22 }";
        let refused = browser
            .eval(&format!(
                "window.reason({{ reason: 'out_of_distribution', refusal_score: 7.25, {probabilities} }}, {{ refuse_above: 5 }})"
            ))
            .await;
        assert_eq!(refused["title"], "No answer: this does not look like a frontal chest X-ray");
        assert_eq!(refused["text"], "How unlike the training pictures it is: 7.25; up to 5.00 is accepted.");
        let doubtful = browser
            .eval(
                "window.reason({ reason: 'doubtful_class', distance: 2.25, doubt_above: 1.5, probabilities: { 'Normal/NA': 0.2, 'Pneumonia/COVID-19': 0.8 } }, null)",
            )
            .await;
        assert_eq!(doubtful["short"], "No answer: unlike the pictures it knows");
        let text = doubtful["text"].as_str().unwrap_or_default();
        assert!(text.contains("reached 80.0") && text.contains("2.25; up to 1.50 that class is named."), "{text}");
        let unsure = browser
            .eval(&format!("window.reason({{ reason: 'low_confidence', {probabilities} }}, {{ abstain_below: 0.512 }})"))
            .await;
        assert_eq!(unsure["text"], "The likeliest class, Normal/NA, reached 48.0\u{a0}%; 51.2\u{a0}% is needed.");
        let other = browser.eval(&format!("window.reason({{ reason: 'out_of_range', {probabilities} }}, null)")).await;
        assert_eq!(other["text"], "Reason: out of range.");

        // Removing one keeps the others; removing all brings the start back.
        browser.eval("document.querySelectorAll('.remove')[2].click()").await;
        browser.until("document.querySelectorAll('.item').length === 5").await;
        browser.click("#clear").await;
        browser.until("document.getElementById('workspace').hidden").await;
        (browser, server)
    });
}

#[test]
fn a_refusal_is_shown_as_one() {
    with_page(|browser, server| async move {
        // A score that is known, whatever the model.
        replace_answers(&browser, "label: null, abstained: true, reason: 'out_of_distribution', refusal_score: 9.5").await;
        browser.choose(&[sample("normal.png")]).await;
        browser.until(DONE).await;
        let answer = browser.text(".answer").await;
        assert!(answer.contains("this does not look like a frontal chest X-ray") && answer.contains("9.50"), "{answer}");
        assert!(browser.text(".item").await.contains("No answer"));
        // Its numbers are not shown until they are asked for.
        assert_eq!(browser.eval("document.querySelector('.bars').checkVisibility()").await, false);
        assert_eq!(browser.eval("document.querySelectorAll('.bars .chosen').length").await, 0);
        browser.full_screenshot("refusal-light");
        assert_accessible(&browser.axe().await, "refusal");
        (browser, server)
    });
}

#[test]
fn by_keyboard_alone() {
    with_page(|browser, server| async move {
        let press = async |key: char| {
            let keys = KeyActions::new("keys".to_owned()).then(KeyAction::Down { value: key }).then(KeyAction::Up { value: key });
            browser.client.perform_actions(keys).await.expect("keys");
        };
        let focus = "(document.activeElement.id || document.activeElement.dataset.example || document.activeElement.className || document.activeElement.textContent)";
        // From the top: the skip link, then everything that acts, in reading order.
        let mut seen = Vec::new();
        for _ in 0..14 {
            press(Key::Tab.into()).await;
            seen.push(browser.eval(focus).await.as_str().unwrap_or_default().to_owned());
        }
        let place =
            |name: &str| seen.iter().position(|found| found == name).unwrap_or_else(|| panic!("{name} is not reached: {seen:?}"));
        assert_eq!(seen[0], "skip");
        assert!(
            place("theme") < place("files") && place("files") < place("camera") && place("camera") < place("normal.png"),
            "{seen:?}"
        );
        // Focus is always visible.
        browser.eval("document.querySelector('[data-example=\"normal.png\"]').focus()").await;
        let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle").await;
        assert_eq!(outline, "solid");
        press(Key::Enter.into()).await;
        browser.until(DONE).await;
        browser.until("document.getElementById('status').textContent.includes('drawing-1.png:')").await;
        browser.eval("document.querySelector('.item').focus()").await;
        // One after the other: they stand in the order in which they have been fetched.
        for (example, all) in [("pneumonia.png", 2), ("covid-19.png", 3)] {
            browser.eval(&format!("document.querySelector('[data-example=\"{example}\"]').click()")).await;
            browser.until(&format!("document.getElementById('count').textContent === '{all} of {all} done'")).await;
        }
        browser.eval("document.querySelector('.item').focus()").await;
        press(Key::Down.into()).await;
        assert_eq!(browser.text("#detail-title").await, "drawing-2.png");
        press(Key::Delete.into()).await;
        browser.until("document.querySelectorAll('.item').length === 2").await;
        assert_eq!(browser.text("#detail-title").await, "drawing-3.png");
        // The tools answer to keys.
        browser.eval("document.querySelector('.heat-on').focus()").await;
        press(' ').await;
        browser.until("!document.querySelector('.heat-more').hidden").await;
        browser.eval("document.querySelector('.level').focus()").await;
        press(Key::Right.into()).await;
        browser.until("document.querySelector('.preset').value === 'own'").await;
        (browser, server)
    });
}

#[test]
fn print_dark_phone_camera_and_the_report() {
    with_page(|browser, server| async move {
        browser.choose(&[sample("pneumonia.png"), sample("normal.png")]).await;
        browser.until(DONE).await;
        // The printed report: an A4 page with hashes, version and the notice.
        browser.eval("dispatchEvent(new Event('beforeprint'))").await;
        let sheet = browser.eval("document.getElementById('sheet').textContent").await.to_string();
        let image = std::fs::read(sample("pneumonia.png")).expect("a sample");
        for told in [&cxr_tests::sha256(&image)[..], "Model SHA-256", "Software version", "not a medical device", "Time"] {
            assert!(sheet.contains(told), "{told} in {sheet}");
        }
        browser.eval("dispatchEvent(new Event('afterprint'))").await;
        let pdf = browser.devtools("Page.printToPDF", &json!({ "paperWidth": 8.27, "paperHeight": 11.69 }));
        use base64::Engine as _;
        let pdf = base64::prelude::BASE64_STANDARD.decode(pdf["data"].as_str().expect("base64")).expect("base64");
        assert!(pdf.starts_with(b"%PDF") && pdf.len() > 10_000, "{} bytes", pdf.len());
        std::fs::write(screenshots().join("report.pdf"), pdf).expect("a file");
        assert_eq!(browser.eval("document.getElementById('sheet').hidden").await, true);

        browser.scheme("dark");
        browser.full_screenshot("answer-dark");
        assert_accessible(&browser.axe().await, "dark");
        browser.resize(390, 844, true);
        browser.full_screenshot("phone-dark");
        let overflow = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
        assert_eq!(browser.eval(overflow).await, true, "wider than a phone");
        assert_accessible(&browser.axe().await, "phone");
        browser.resize(320, 640, true);
        assert_eq!(browser.eval(overflow).await, true, "wider than 320 pixels");
        browser.scheme("light");
        browser.resize(390, 844, true);
        browser.full_screenshot("phone-light");

        browser.resize(1280, 900, false);
        browser.click("#camera").await;
        browser.until("document.getElementById('camera-video').videoWidth > 0").await;
        assert_accessible(&browser.axe().await, "camera");
        browser.screenshot("camera-light").await;
        browser.click("#camera-take").await;
        browser.until("document.getElementById('count').textContent === '3 of 3 done'").await;
        assert!(browser.text("#items").await.contains("photograph-"));

        // A pasted picture is taken as a dropped one is.
        browser.eval("(() => { const data = new DataTransfer(); data.items.add(new File([new Uint8Array([1])], 'pasted.png', { type: 'image/png' })); \
            dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, cancelable: true })); \
            const drop = new DataTransfer(); drop.items.add(new File([new Uint8Array([2])], 'dropped.png', { type: 'image/png' })); \
            dispatchEvent(new DragEvent('drop', { dataTransfer: drop, cancelable: true })); })()").await;
        browser.until("document.getElementById('count').textContent === '5 of 5 done'").await;

        browser.client.goto(&format!("{}/report", server.origin())).await.expect("the page");
        browser.until("document.querySelectorAll('#content h2').length > 0").await;
        assert!(browser.text("main").await.contains("Its failures") || browser.text("main").await.contains("Nobody knows"));
        browser.full_screenshot("report-light");
        assert_accessible(&browser.axe().await, "report");
        browser.scheme("dark");
        browser.full_screenshot("report-dark");
        assert_accessible(&browser.axe().await, "report, dark");
        (browser, server)
    });
}

/// The folder of `host evaluate --report`, as it would be for the shipped model with figures of hospitals never seen.
fn report(folder: &Path) -> PathBuf {
    let shipped = std::fs::read(root().join("models/default.report.json")).expect("a report");
    let mut report: Value = serde_json::from_slice(&shipped).expect("JSON");
    let rate = |hits: u32, n: u32| {
        let value = f64::from(hits) / f64::from(n);
        json!({ "hits": hits, "n": n, "value": value, "interval_95": [value - 0.03, value + 0.03] })
    };
    report["unseen"] = json!({
        "pk_mendeley": {
            "n": 513, "patients": 513, "healthy_called_covid": rate(425, 513), "covid_found": null, "other_finding_called_covid": null,
            "abstained": rate(59, 513), "answered": rate(29, 454), "auc": { "not_computed": "no COVID-19" },
            "network": { "is_this_model": true },
        },
        "covid_cxnet": {
            "n": 410, "patients": 381, "healthy_called_covid": null, "covid_found": rate(370, 410), "other_finding_called_covid": null,
            "abstained": rate(12, 410), "network": { "is_this_model": false }, "auc": { "value": 0.91, "interval_95": [0.88, 0.94] },
        },
    });
    let path = folder.join("report");
    std::fs::create_dir(&path).expect("a temporary folder");
    std::fs::write(path.join("report.json"), report.to_string()).expect("a temporary file");
    std::fs::write(path.join("report.html"), "<!doctype html><title>Gallery</title><h1>Gallery of failures</h1>")
        .expect("a temporary file");
    path
}

/// With a token, figures of hospitals never seen, and warnings: what a verdict says, and the way to the gallery.
#[test]
fn warnings_hospitals_never_seen_and_a_gallery_behind_a_token() {
    let folder = tempdir().expect("a temporary folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "correct-horse-battery-staple").expect("a temporary file");
    let report = report(folder.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let Some(browser) = Browser::start().await else { return };
        let server = Server::start(["--token-file".as_ref(), token.as_os_str(), "--report".as_ref(), report.as_os_str()]);
        browser.client.goto(&format!("{}/", server.origin())).await.expect("the page");
        browser.until("document.getElementById('token-dialog').open").await;
        browser.eval("(() => { document.getElementById('token').value = 'correct-horse-battery-staple'; document.querySelector('#token-dialog .primary').click(); })()").await;
        browser.until("document.querySelectorAll('#headline dt').length > 0").await;
        let figures = browser.text("#headline").await.replace('\u{a0}', " ");
        assert!(figures.contains("83 %") && figures.contains("425 of 513 images; 1 hospital"), "{figures}");
        assert!(figures.contains("hospitals never seen") && figures.contains("of sources it was trained on"), "{figures}");
        let shipped = cxr_tests::host::read_json(&report.join("report.json"))["splits"]["external_test"].take();
        let counted = format!("{} images of {} people", shipped["n"], shipped["patients"]);
        assert!(figures.contains(&counted), "{counted} is not in {figures}");
        browser.full_screenshot("start-unseen");
        assert_accessible(&browser.axe().await, "start");

        let warnings = "['The file says it is a lateral view; the model knows frontal ones.', 'The data break off after 61 % of the rows.']";
        let fields = "label: 'Pneumonia/COVID-19', abstained: false, reason: null, \
            probabilities: { 'Normal/NA': 0.05, 'Pneumonia/NA': 0.07, 'Pneumonia/COVID-19': 0.88 }, \
            frame: { x: 0.25, y: 0.125, width: 0.5, height: 0.5 }, warnings: ";
        replace_answers(&browser, &format!("{fields}{warnings}")).await;
        browser.choose(&[sample("covid-19.png")]).await;
        browser.until(DONE).await;
        let sentence = "Of 513 X-rays of healthy adults of a hospital never seen, 425 (83 %) were called COVID-19.";
        assert_eq!(browser.text(".verdict .unseen-figure").await, sentence);
        let told = browser.text(".warnings").await;
        assert!(told.contains("lateral view") && told.contains("61 % of the rows"), "{told}");
        assert_eq!(browser.eval("document.querySelector('.warnings').getAttribute('aria-labelledby')").await, "warnings-title");
        // The map lies in the frame that the classifier read, which is drawn.
        assert!(browser.text(".meta").await.contains("in the dashed frame"));
        browser.click(".heat-on").await;
        let coloured = "(() => { const c = document.querySelector('.stage canvas'); const { width: w, height: h } = c; \
            const copy = Object.assign(document.createElement('canvas'), { width: w, height: h }).getContext('2d', { willReadFrequently: true }); \
            copy.drawImage(c, 0, 0); const { data } = copy.getImageData(0, 0, w, h); const found = [0, 0, 0]; \
            for (let i = 0; i < w * h; i += 1) { const [x, y] = [i % w / w, Math.floor(i / w) / h]; \
            const inside = x > 0.245 && x < 0.755 && y > 0.12 && y < 0.63; \
            if (Math.abs(data[4 * i] - data[4 * i + 2]) > 12) found[inside ? 1 : 0] += 1; \
            if (Math.floor(i / w) === Math.floor(0.125 * h) && data[4 * i] === 255) found[2] += 1 / w; } return found; })()";
        browser.until(&format!("{coloured}[1] > 0")).await;
        let found = browser.eval(coloured).await;
        assert_eq!(found[0], 0, "the map leaves its frame");
        // Half of its width is white dashes.
        assert!(found[2].as_f64() > Some(0.15), "the frame's upper edge is not drawn: {found}");
        browser.click(".heat-on").await;
        // In the list and to a screen reader as well.
        assert!(browser.text(".item-state").await.contains("with 2 warnings"));
        browser.until("document.getElementById('status').textContent.includes('with 2 warnings')").await;
        let fits = "document.querySelector('.item-text').scrollWidth <= document.querySelector('.item-text').clientWidth";
        assert_eq!(browser.eval(fits).await, true, "words run out of the list");
        browser.full_screenshot("warnings-light");
        assert_accessible(&browser.axe().await, "warnings");
        browser.resize(390, 844, true);
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth").await, true);
        browser.full_screenshot("warnings-phone");
        browser.scheme("dark");
        browser.full_screenshot("warnings-phone-dark");
        assert_accessible(&browser.axe().await, "warnings on a phone, dark");
        browser.scheme("light");
        browser.resize(1280, 900, false);

        // What is taken away carries both.
        browser.eval("(() => { window.saved = []; const make = URL.createObjectURL; URL.createObjectURL = (blob) => { blob.text().then((text) => window.saved.push(text)); return make(blob); }; })()").await;
        browser.click("#csv").await;
        browser.until("window.saved.length === 1").await;
        let csv = browser.eval("window.saved[0]").await.as_str().expect("text").to_owned();
        assert!(csv.lines().next().is_some_and(|head| head.contains(",warnings,") && head.contains(",hospitals_never_seen,")), "{csv}");
        assert!(csv.contains("lateral view") && csv.contains("; The data break off") && csv.contains("425 (83 %)"), "{csv}");
        browser.eval("dispatchEvent(new Event('beforeprint'))").await;
        let sheet = browser.eval("document.getElementById('sheet').textContent").await.to_string();
        assert!(sheet.contains("Warning: The file says") && sheet.contains("425 (83 %)"), "{sheet}");
        browser.eval("dispatchEvent(new Event('afterprint'))").await;

        // A link carries no token: the page gets a pass, and the gallery opens.
        browser.eval("[...document.querySelectorAll('.links a')].find((link) => link.textContent === 'Its failures').click()").await;
        browser.until("document.title === 'Gallery'").await;
        assert_eq!(browser.text("h1").await, "Gallery of failures");

        browser.client.goto(&format!("{}/report", server.origin())).await.expect("the page");
        browser.until("document.getElementById('token-dialog').open").await;
        browser.eval("(() => { document.getElementById('token').value = 'correct-horse-battery-staple'; document.querySelector('#token-dialog .primary').click(); })()").await;
        browser.until("document.querySelectorAll('#content h2').length > 0").await;
        let text = browser.text("main").await.replace('\u{a0}', " ");
        for told in ["Hospitals never seen", "pk_mendeley", "425 of 513 (83 %; 80 % to", "410 images of 381 people", "0.910", "not measured", "trained alike without it"] {
            assert!(text.contains(told), "{told} in {text}");
        }
        browser.full_screenshot("report-unseen");
        assert_accessible(&browser.axe().await, "report");
        browser.resize(390, 844, true);
        browser.full_screenshot("report-unseen-phone");
        assert_eq!(browser.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth").await, true);
        assert_eq!(browser.complaints(), Vec::<String>::new());
    });
}
