//! `host serve` as a program sees it: the numbers, the interface and its description, access, limits, stopping.

use boon::{Compiler, Schemas};
use cxr_tests::host::run;
use cxr_tests::http::{Response, connect, get, multipart, predict, raw, request};
use cxr_tests::server::{Server, eventually};
use cxr_tests::{files, root, sha256};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::tempdir;

fn samples() -> Vec<PathBuf> {
    files(&root().join("data/samples"), "png")
}

fn sample() -> Vec<u8> {
    fs::read(root().join("data/samples/covid-19.png")).expect("a sample")
}

/// Images of every format: generated ones, and real ones where they lie beside the checkout.
fn images() -> Vec<PathBuf> {
    let dicom = files(&root().join("tests/golden/dicom"), "dcm");
    let dicom = dicom.into_iter().filter(|path| !path.to_string_lossy().contains("refused-"));
    let external = root().join("../shared/data/external/images");
    let real: Vec<PathBuf> = ["png", "jpg", "jpeg"].iter().flat_map(|kind| files(&external, kind).into_iter().take(5)).collect();
    if real.is_empty() {
        println!("skipped: no X-rays at {}", external.display());
    }
    samples().into_iter().chain(dicom).chain(real).collect()
}

#[test]
fn the_numbers_are_those_of_host_predict_bit_for_bit() {
    let server = Server::start::<&str>([]);
    let images = images();
    let arguments = ["predict", "--json"].map(PathBuf::from).into_iter().chain(images.iter().cloned());
    let expected = run(root(), arguments).success().json_lines();
    assert_eq!(expected.len(), images.len());
    for (expected, path) in expected.iter().zip(&images) {
        let bytes = fs::read(path).expect("an image");
        // With and without the map: the numbers are the same, as text too.
        for query in ["", "?maps=true&preview=64"] {
            let answer = predict(server.address, query, &bytes).expect(200).json();
            let found = &answer["predictions"][0];
            for field in ["sha256", "model_sha256", "label", "probabilities", "logits", "abstained", "reason", "warnings"] {
                assert_eq!(found[field].to_string(), expected[field].to_string(), "{}: {field}", path.display());
            }
        }
    }
    // Several in one request: in order, under their names.
    let bytes: Vec<Vec<u8>> = images.iter().map(|path| fs::read(path).expect("an image")).collect();
    for (bytes, expected) in bytes.chunks(60).zip(expected.chunks(60)) {
        let names: Vec<String> = (0..bytes.len()).map(|i| format!("{i}.img")).collect();
        let parts: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(bytes.iter().map(Vec::as_slice)).collect();
        let (kind, body) = multipart(&parts);
        let answer = request(server.address, "POST", "/api/v1/predictions", &[("content-type", &kind)], &body);
        let answer = answer.expect(200).json();
        let found = answer["predictions"].as_array().expect("a list");
        assert_eq!(found.len(), expected.len());
        for ((found, expected), name) in found.iter().zip(expected).zip(&names) {
            assert_eq!((&found["image"], &found["logits"]), (&json!(name), &expected["logits"]));
        }
    }
}

#[test]
fn maps_sum_to_the_logits_and_previews_show_the_picture() {
    let server = Server::start::<&str>([]);
    let answer = predict(server.address, "?maps=true&preview=100", &sample()).expect(200).json();
    let found = &answer["predictions"][0];
    for (map, logit) in found["maps"].as_array().expect("maps").iter().zip(found["logits"].as_array().expect("logits")) {
        let sum: f64 = map["cells"].as_array().expect("cells").iter().filter_map(Value::as_f64).sum();
        let total = sum + map["bias"].as_f64().expect("a bias");
        assert!((total - logit.as_f64().expect("a logit")).abs() < 1e-3, "{total} against {logit}");
    }
    assert_eq!(
        (&found["preview"]["width"], &found["preview"]["height"], &found["preview"]["bits"]),
        (&json!(100), &json!(100), &json!(8))
    );
    let dicom = fs::read(root().join("tests/golden/dicom/window-presets.dcm")).expect("a fixture");
    let answer = predict(server.address, "?preview=64", &dicom).expect(200).json();
    let preview = &answer["predictions"][0]["preview"];
    assert_eq!((&preview["bits"], &preview["width"]), (&json!(16), &json!(32)));
    assert_eq!(preview["presets"][1]["name"], "Bone");
}

/// The schema of an answer as the description has it.
struct Description {
    document: Value,
    schemas: Schemas,
    compiler: Compiler,
}

impl Description {
    fn of(server: &Server) -> Self {
        let document = get(server.address, "/openapi.json").expect(200).json();
        let mut compiler = Compiler::new();
        compiler.add_resource("cxr:openapi", document.clone()).expect("a resource");
        Self { document, schemas: Schemas::new(), compiler }
    }

    #[track_caller]
    fn check(&mut self, method: &str, path: &str, answer: &Response) {
        let status = answer.status.to_string();
        let declared = &self.document["paths"][path][method]["responses"][&status];
        assert!(declared.is_object(), "{method} {path} {status} is not described: {}", answer.text());
        if declared["content"].is_null() {
            assert!(answer.body.is_empty(), "{method} {path} {status}: {}", answer.text());
            return;
        }
        let kind = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
        assert!(declared["content"][&kind].is_object(), "{method} {path} {status}: {kind} is not described");
        if !kind.ends_with("json") {
            return;
        }
        let escape = |part: &str| part.replace('~', "~0").replace('/', "~1");
        let place = format!("cxr:openapi#/paths/{}/{method}/responses/{status}/content/{}/schema", escape(path), escape(&kind));
        let schema = self.compiler.compile(&place, &mut self.schemas).unwrap_or_else(|error| panic!("{place}: {error:#}"));
        if let Err(error) = self.schemas.validate(&answer.json(), schema) {
            panic!("{method} {path} {status}: {error:#}");
        }
    }
}

#[test]
fn answers_are_as_the_description_says_and_every_operation_is_described() {
    let server = Server::start(["--max-body", "1", "--max-files", "3"]);
    let mut description = Description::of(&server);
    let address = server.address;
    let path = "/api/v1/predictions";
    let good = sample();
    let (form, two) = multipart(&[("a.png", &good), ("b.txt", b"no image")]);
    let (_, many) = multipart(&[("a", &good), ("b", &good), ("c", &good), ("d", &good)]);
    let (_, none) = multipart(&[]);
    let post = |kind: &str, query: &str, body: &[u8]| {
        request(address, "POST", &format!("{path}{query}"), &[("content-type", kind)], body)
    };
    let frames = fs::read(root().join("tests/golden/dicom/refused-frames.dcm")).expect("a fixture");
    for (status, answer) in [
        (200, post("image/png", "", &good)),
        (200, post("image/png", "?maps=true&preview=64", &good)),
        (200, post(&form, "?maps=true", &two)),
        (400, post("image/png", "", b"")),
        (400, post("image/png", "?preview=1", &good)),
        (400, post("image/png", "?unknown=1", &good)),
        (400, post(&form, "", &none)),
        (413, post("image/png", "", &vec![0; (1 << 20) + 1])),
        (415, post("image/png", "", b"no image")),
        (415, post("text/html", "", &good)),
        (422, post("image/png", "", &good[..good.len() / 2])),
        (422, post("application/dicom", "", &frames)),
        (
            421,
            raw(address, b"GET /api/v1/predictions HTTP/1.1\r\nhost: elsewhere\r\nconnection: close\r\n\r\n").expect("an answer"),
        ),
        (403, request(address, "POST", path, &[("origin", "https://elsewhere.example")], &good)),
        (403, request(address, "POST", path, &[("sec-fetch-site", "cross-site")], &good)),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text());
        description.check("post", path, &answer);
    }
    let of_two = post(&form, "", &two).json();
    assert_eq!(of_two["predictions"][1]["problem"]["status"], 415, "{of_two}");
    // Three are allowed: they are answered, and the fourth is told so.
    let of_many = post(&form, "", &many).expect(200);
    description.check("post", path, &of_many);
    let of_many = of_many.json()["predictions"].take();
    assert_eq!(of_many.as_array().map(Vec::len), Some(4));
    assert!((0..3).all(|i| of_many[i]["warnings"].is_array() && of_many[i]["logits"].is_array()), "{of_many}");
    assert_eq!((&of_many[3]["image"], &of_many[3]["problem"]["status"]), (&json!("d"), &json!(413)));
    description.check(
        "post",
        "/api/v1/evaluation-pass",
        &request(address, "POST", "/api/v1/evaluation-pass", &[], b"").expect(204),
    );

    // Whatever is described is there, and what is there is described.
    let paths = description.document["paths"].as_object().expect("paths").clone();
    for (path, operations) in &paths {
        for method in operations.as_object().expect("operations").keys().filter(|method| *method == "get") {
            description.check(method, path, &get(address, path));
        }
    }
    let model = get(address, "/api/v1/model").json();
    assert_eq!(model["sha256"], sha256(&fs::read(root().join("models/default.cxr")).expect("the model")));
    let known: BTreeSet<&str> = paths.keys().map(String::as_str).collect();
    assert!(model["unseen_summary"].as_str().is_some_and(|sentence| sentence.contains("healthy adults of")), "{model}");
    let expected = [
        "/api/v1/evaluation-pass",
        "/api/v1/model",
        "/api/v1/predictions",
        "/device/model.cxr",
        "/evaluation",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
    ];
    assert_eq!(known, BTreeSet::from(expected));
    get(address, "/api/v1/nothing").problem(404, "not-found");
    request(address, "DELETE", path, &[], b"").problem(405, "method-not-allowed");
}

#[test]
fn every_answer_has_the_headers_that_keep_it_safe() {
    let server = Server::start::<&str>([]);
    for answer in [
        get(server.address, "/"),
        get(server.address, "/nothing"),
        get(server.address, "/assets/app.js"),
        predict(server.address, "", &sample()),
    ] {
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
        assert!(!policy.replace("'wasm-unsafe-eval'", "").contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    for page in ["/", "/report"] {
        let text = get(server.address, page).expect(200).text();
        assert!(text.contains("not a medical device") && !text.contains("style=") && !text.contains("onclick"), "{page}");
        // Scripts have a source, and no address is another origin's.
        assert!(!text.contains("<script>") && !text.contains("http://") && !text.contains("https://"), "{page}");
    }
}

/// A folder that `host evaluate --report` could have written for the shipped model.
fn report(folder: &Path, html: &str, more: &Value) -> PathBuf {
    let report = folder.join("report");
    fs::create_dir_all(&report).expect("a temporary folder");
    let model = sha256(&fs::read(root().join("models/default.cxr")).expect("the model"));
    let mut evaluation = json!({ "model_sha256": model, "splits": {} });
    for (key, value) in more.as_object().into_iter().flatten() {
        evaluation[key] = value.clone();
    }
    fs::write(report.join("report.json"), evaluation.to_string()).expect("a temporary file");
    fs::write(report.join("report.html"), html).expect("a temporary file");
    report
}

#[test]
fn a_token_is_asked_for_where_one_is_set() {
    let folder = tempdir().expect("a temporary folder");
    let (file, short) = (folder.path().join("token"), folder.path().join("short"));
    fs::write(&file, "correct-horse-battery-staple\n").expect("a temporary file");
    fs::write(&short, "short\n").expect("a temporary file");
    let report = report(folder.path(), "<h1>Gallery of patients</h1>", &json!({}));
    let server = Server::start(["--token-file".as_ref(), file.as_os_str(), "--report".as_ref(), report.as_os_str()]);
    let mut description = Description::of(&server);
    let ask = |value: &str| request(server.address, "GET", "/api/v1/model", &[("authorization", value)], b"");
    for wrong in ["", "Bearer", "Bearer wrong", "Basic correct-horse-battery-staple", "Bearer correct-horse-battery-stapl"] {
        let answer = ask(wrong);
        answer.problem(401, "unauthorized");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
        description.check("get", "/api/v1/model", &answer);
    }
    let bearer = [("authorization", "Bearer correct-horse-battery-staple")];
    ask(bearer[0].1).expect(200);
    ask("bearer correct-horse-battery-staple").expect(200);
    predict(server.address, "", &sample()).problem(401, "unauthorized");
    for shut in ["/metrics", "/evaluation", "/api/v1/model", "/device/model.cxr"] {
        let answer = get(server.address, shut);
        answer.problem(401, "unauthorized");
        assert!(!answer.text().contains("patients"));
        description.check("get", shut, &answer);
    }
    request(server.address, "POST", "/api/v1/evaluation-pass", &[], b"").problem(401, "unauthorized");
    for open in ["/", "/report", "/assets/app.js", "/healthz", "/readyz", "/openapi.json"] {
        get(server.address, open).expect(200);
    }
    // The gallery: with the token, or as a browser does that got a pass with it.
    assert!(request(server.address, "GET", "/evaluation", &bearer, b"").expect(200).text().contains("patients"));
    let pass = request(server.address, "POST", "/api/v1/evaluation-pass", &bearer, b"").expect(204);
    let cookie = pass.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(request(server.address, "GET", "/evaluation", &[("cookie", &cookie)], b"").expect(200).text().contains("patients"));
    request(server.address, "GET", "/metrics", &[("cookie", &cookie)], b"").problem(401, "unauthorized");
    run(folder.path(), ["serve", "--token-file", "short"]).error(2, &["short", "at least 16"]);
}

#[test]
fn hospitals_never_seen_are_told_where_they_were_measured() {
    let folder = tempdir().expect("a temporary folder");
    let rate = json!({ "hits": 425, "n": 513, "value": 0.8285, "interval_95": [0.79, 0.86] });
    let unseen = json!({ "pk_mendeley": { "n": 513, "patients": 513, "healthy_called_covid": rate, "covid_found": null, "abstained": 59 } });
    let report = report(folder.path(), "<h1>Report</h1>", &json!({ "unseen": unseen }));
    let server = Server::start(["--report".as_ref(), report.as_os_str()]);
    let answer = get(server.address, "/api/v1/model").expect(200);
    Description::of(&server).check("get", "/api/v1/model", &answer);
    let model = answer.json();
    assert_eq!(model["unseen"], unseen);
    assert_eq!(
        (&model["unseen_healthy_called_covid"]["hits"], &model["unseen_healthy_called_covid"]["n"]),
        (&json!(425), &json!(513))
    );
    assert_eq!(
        model["unseen_summary"],
        "Of 513 X-rays of healthy adults of a hospital never seen, 425 (83 %) were called COVID-19."
    );
}

#[test]
fn what_goes_wrong_late_costs_no_verdict() {
    let server = Server::start(["--upload-memory", "1", "--timeout", "4"]);
    let mut description = Description::of(&server);
    let path = "/api/v1/predictions";
    let good = sample();
    let post = |kind: &str, body: &[u8]| request(server.address, "POST", path, &[("content-type", kind)], body);
    let check = |answer: Response, description: &mut Description, expected: &[u16]| {
        description.check("post", path, &answer);
        let found = answer.expect(200).json()["predictions"].take();
        let statuses: Vec<u64> =
            (0..).map_while(|i| found.get(i)).map(|one| one["problem"]["status"].as_u64().unwrap_or(200)).collect();
        assert_eq!(statuses, expected.iter().map(|status| u64::from(*status)).collect::<Vec<_>>(), "{found}");
    };
    // A part that there is no memory for, between two that there is.
    let (kind, whole) = multipart(&[("a.png", &good), ("large.png", &vec![0; 2 << 20]), ("b.png", &good)]);
    check(post(&kind, &whole), &mut description, &[200, 503, 200]);
    // A body that breaks off in the third part, and one whose third part never comes.
    let (kind, whole) = multipart(&[("a.png", &good), ("b.png", &good), ("c.png", &good)]);
    let cut = &whole[..whole.len() - good.len() / 2];
    check(post(&kind, cut), &mut description, &[200, 200, 400]);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
        server.address,
        whole.len()
    );
    let mut stream = connect(server.address);
    stream.write_all(&[head.as_bytes(), cut].concat()).expect("a beginning");
    let answer = cxr_tests::http::read(&mut stream).expect("an answer");
    assert_eq!(answer.header("connection"), "close");
    check(answer, &mut description, &[200, 200, 408]);
    // One whose only part breaks off has no verdict to keep.
    let (kind, whole) = multipart(&[("a.png", &good)]);
    post(&kind, &whole[..whole.len() / 2]).problem(400, "malformed");
}

#[test]
fn the_time_that_classifying_takes_is_not_the_clients() {
    let server = Server::start(["--timeout", "3", "--workers", "1"]);
    // Each takes long to decode and is quick to send.
    let mut slow = std::io::Cursor::new(Vec::new());
    let picture = image::DynamicImage::new_luma8(6000, 6000);
    picture.write_to(&mut slow, image::ImageFormat::Png).expect("an image");
    let started = Instant::now();
    predict(server.address, "", slow.get_ref()).expect(200);
    let count = (3.5 / started.elapsed().as_secs_f64()).ceil() as usize + 4;
    let names: Vec<String> = (0..count).map(|i| format!("{i}.png")).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &slow.get_ref()[..])).collect();
    let (kind, body) = multipart(&parts);
    // Sent as the server takes it: the rest is on its way while it works.
    let answer = request(server.address, "POST", "/api/v1/predictions", &[("content-type", &kind)], &body).expect(200).json();
    let found = answer["predictions"].as_array().expect("a list");
    assert!(found.len() == count && found.iter().all(|one| one["logits"].is_array()), "{found:?}");
}

#[test]
fn bad_arguments_are_named_in_one_line() {
    let folder = tempdir().expect("a temporary folder");
    let busy = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = busy.local_addr().expect("an address").to_string();
    let errors = |arguments: &[&str]| {
        let run = run(folder.path(), [&["serve"], arguments].concat());
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        run.stderr
    };
    assert!(errors(&["--listen", &address]).contains("cannot listen there"));
    assert!(errors(&["--model", "absent.cxr"]).contains("absent.cxr"));
    assert!(errors(&["--report", "absent"]).contains("absent"));
    assert!(errors(&["--queue", "0"]).contains("--queue"));
    assert!(errors(&["--max-pixels", "600"]).contains("--pixel-memory 512"));
}

#[test]
fn binding_wider_is_warned_about_and_nothing_of_an_image_is_logged() {
    let server = Server::start_at::<&str>("0.0.0.0:0", []);
    let local = ([127, 0, 0, 1], server.address.port()).into();
    let (kind, body) = multipart(&[("secret-name.png", &sample()), ("other-name.txt", b"no image")]);
    request(local, "POST", "/api/v1/predictions?maps=true", &[("content-type", &kind)], &body).expect(200);
    get(local, "/secret-path");
    server.terminate();
    let (status, log) = server.wait(Duration::from_secs(10));
    assert!(status.success(), "{log}");
    assert!(log.contains("reachable from other machines") && log.contains(&sha256(&sample())), "{log}");
    for told in ["secret", "other-name", "COVID", "probabilit"] {
        assert!(!log.contains(told), "{told} in {log}");
    }
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
}

#[test]
fn stopping_says_so_and_finishes_the_work_in_hand() {
    let server = Server::start(["--drain", "3"]);
    let body = sample();
    let head = format!("POST /api/v1/predictions HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n", server.address, body.len());
    let mut stream = connect(server.address);
    stream.write_all(head.as_bytes()).expect("a head");
    stream.write_all(&body[..100]).expect("a beginning");
    server.until("cxr_upload_memory_bytes", |bytes| bytes > 0.0);
    get(server.address, "/readyz").expect(200);
    server.terminate();
    // For a while it says that it stops, and goes on.
    eventually("/readyz said yes", || get(server.address, "/readyz").status == 503);
    let last = predict(server.address, "", &sample()).expect(200);
    assert_eq!(last.header("connection"), "close");
    eventually("it took new connections", || std::net::TcpStream::connect(server.address).is_err());
    stream.write_all(&body[100..]).expect("the rest");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    Response::parse(&answer).expect("an answer").expect(200);
    let (status, log) = server.wait(Duration::from_secs(10));
    assert!(status.success(), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = Server::start(["--drain", "600", "--grace", "600"]);
    server.terminate();
    eventually("/readyz said yes", || get(server.address, "/readyz").status == 503);
    server.terminate();
    let (status, log) = server.wait(Duration::from_secs(10));
    assert!(status.success(), "{log}");
}

#[test]
fn the_program_alone_is_enough() {
    // Neither source tree nor working folder hold a model for a copy elsewhere; the one inside is the shipped one.
    let folder = tempdir().expect("a temporary folder");
    let report = report(folder.path(), "<h1>Gallery</h1>", &json!({}));
    let server = Server::start(["--report".as_ref(), report.as_os_str()]);
    let page = get(server.address, "/evaluation").expect(200);
    assert!(page.text().contains("Gallery") && page.header("content-security-policy").contains("sandbox"));
    assert_eq!(get(server.address, "/api/v1/model").json()["evaluation_report"], "/evaluation");
    fs::write(report.join("report.json"), "{\"model_sha256\": \"other\"}").expect("a temporary file");
    run(root(), ["serve".as_ref(), "--report".as_ref(), report.as_os_str()]).error(2, &["an evaluation of another model"]);
}
