//! The container image as it is run; `cargo xtask test --only container` builds it and sets `CXR_IMAGE`.

use cxr_tests::host::run;
use cxr_tests::http::{get, predict};
use cxr_tests::root;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

#[track_caller]
fn podman(arguments: &[&str]) -> String {
    let output = Command::new("podman").args(arguments).output().expect("podman");
    assert!(output.status.success(), "podman {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A running container; dropping it removes it.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("podman").args(["rm", "--force", "--time", "0", &self.0]).output();
    }
}

#[test]
fn without_rights_or_a_writable_file_it_predicts_as_host_predict_does() {
    let Some(image) = std::env::var("CXR_IMAGE").ok() else {
        println!("not run: no CXR_IMAGE; `cargo xtask test --only container`");
        return;
    };
    let flags = "run --detach --read-only --cap-drop all --security-opt no-new-privileges --memory 640m --pids-limit 64";
    let mut arguments: Vec<&str> = flags.split(' ').collect();
    arguments.extend(["--publish", "127.0.0.1::8080", &image]);
    arguments.extend("--workers 2 --connections 1024 --pixel-memory 256 --upload-memory 128".split(' '));
    let container = Container(podman(&arguments));
    let id = container.0.as_str();
    let address: SocketAddr = podman(&["port", id, "8080/tcp"]).parse().expect("an address");
    let end = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(address).is_err() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        get(address, path).expect(200);
    }

    let path = root().join("data/samples/covid-19.png");
    let answer = predict(address, "", &fs::read(&path).expect("a sample")).expect(200).json();
    let expected = run(root(), ["predict", "--json", "data/samples/covid-19.png"]).success().json_lines();
    for field in ["sha256", "model_sha256", "label", "probabilities", "logits"] {
        assert_eq!(answer["predictions"][0][field].to_string(), expected[0][field].to_string(), "{field}");
    }

    // What the kernel knows of its first process.
    let pid = podman(&["inspect", "--format", "{{.State.Pid}}", id]);
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().replace('\t', " ");
    assert_eq!(field("Uid:"), "65532 65532 65532 65532");
    for set in ["CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:")), ("1".to_owned(), "2".to_owned()));
    let root_mount = fs::read_to_string(format!("/proc/{pid}/mountinfo")).expect("a process");
    let is_read_only =
        |line: &str| line.split(' ').nth(4) == Some("/") && line.split(' ').nth(5).is_some_and(|o| o.starts_with("ro"));
    assert!(root_mount.lines().any(is_read_only), "{root_mount}");
    let files = podman(&["image", "inspect", "--format", "{{len .RootFS.Layers}} {{.Size}}", &image]);
    let (layers, bytes) = files.split_once(' ').expect("two numbers");
    assert_eq!(layers, "1");
    assert!(bytes.parse::<u64>().is_ok_and(|bytes| bytes < 16_000_000), "{bytes} bytes");

    // SIGTERM ends it in good order, and its log is JSON.
    podman(&["stop", "--time", "20", id]);
    assert_eq!(podman(&["inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", id]), "0 false");
    let log = Command::new("podman").args(["logs", id]).output().expect("podman").stderr;
    let log = String::from_utf8(log).expect("text");
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
}

#[test]
fn the_image_also_classifies_archives_and_answers_a_hospital() {
    let Some(image) = std::env::var("CXR_IMAGE").ok() else {
        println!("not run: no CXR_IMAGE; `cargo xtask test --only container`");
        return;
    };
    let flags = "--rm --read-only --cap-drop all --security-opt no-new-privileges --network none --entrypoint /host --volume";
    let start = |more: &str, volume: &str, words: &str| {
        let mut arguments: Vec<&str> = ["run"].into_iter().chain(more.split_whitespace()).chain(flags.split(' ')).collect();
        arguments.extend([volume, &image]);
        arguments.extend(words.split(' '));
        podman(&arguments)
    };
    // A pod of examples/kubernetes-job.yaml.
    let samples = format!("{}:/archive:ro", root().join("data/samples").display());
    let share = |k: u32| start("", &samples, &format!("predict --recursive --shard {k}/2 --json /archive"));
    let said = [share(1), share(2)].concat();
    for name in ["covid-19", "normal", "pneumonia"] {
        assert_eq!(said.matches(&format!("/archive/{name}.png")).count(), 1, "{said}");
    }
    // A folder watched, with the queue on a volume.
    let folder = tempfile::tempdir().expect("a temporary folder");
    for name in ["images", "answers", "queue"] {
        fs::create_dir(folder.path().join(name)).expect("a temporary folder");
    }
    fs::write(folder.path().join("images/one.dcm"), cxr_tests::dicom::radiograph(1).file).expect("a temporary file");
    let volume = format!("{}:/data:U", folder.path().display());
    let words = "dicom --watch /data/images --watch-step 1 --to /data/answers --queue /data/queue";
    let container = Container(start("--detach", &volume, words));
    let end = Instant::now() + Duration::from_secs(20);
    let answers = || fs::read_dir(folder.path().join("answers")).map_or(0, Iterator::count);
    while answers() < 1 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(answers() > 0);
    drop(container);
}
