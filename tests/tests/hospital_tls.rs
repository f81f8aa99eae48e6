//! TLS in both directions by stunnel, with the configuration that docs/hospital.md shows.

use cxr_tests::dicom::{CLASSES, Radiograph, radiograph};
use cxr_tests::dimse::{Answer, Peer};
use cxr_tests::hospital::Hospital;
use cxr_tests::orthanc::{Orthanc, free_port};
use cxr_tests::root;
use cxr_tests::server::eventually;
use serde_json::json;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::tempdir;

/// A running stunnel; dropping it ends it.
struct Stunnel(Child);

impl Drop for Stunnel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Stunnel {
    /// Starts one with these services, and waits until it listens on `port`.
    fn start(folder: &Path, name: &str, services: &str, port: u16) -> Self {
        let path = |suffix: &str| folder.join(format!("{name}.{suffix}")).display().to_string();
        let whole = format!("foreground = yes\npid =\nsyslog = no\noutput = {}\n{services}", path("log"));
        fs::write(path("conf"), whole).expect("a temporary file");
        let mut command = Command::new("stunnel");
        command.arg(path("conf")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let stunnel = Self(command.spawn().expect("stunnel"));
        eventually(&format!("{name}: stunnel does not start"), || TcpStream::connect(("127.0.0.1", port)).is_ok());
        stunnel
    }
}

/// Runs openssl for a key and a certificate, both in `NAME.pem`, by the authority `by` or by itself.
fn certificate(folder: &Path, name: &str, host: &str, by: Option<&str>) {
    let [key, pem] = ["key", "pem"].map(|suffix| folder.join(format!("{name}.{suffix}")));
    let mut command = Command::new("openssl");
    command.args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj".split(' '));
    command.arg(format!("/CN={name}")).arg("-addext").arg(format!("subjectAltName=DNS:{host}"));
    if let Some(by) = by {
        command.arg("-CA").arg(folder.join(format!("{by}.pem"))).arg("-CAkey").arg(folder.join(format!("{by}.key")));
    }
    let made = command.arg("-keyout").arg(&key).arg("-out").arg(&pem).output().expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    if by.is_some() {
        let both = [fs::read(&key), fs::read(&pem)].map(|file| file.expect("a file")).concat();
        fs::write(pem, both).expect("a temporary file");
    }
}

/// The services of docs/hospital.md.
fn documented() -> String {
    let text = fs::read_to_string(root().join("docs/hospital.md")).expect("the page");
    let block = text.split_once("    ; /etc/stunnel/cxr.conf\n").expect("the configuration").1;
    block.lines().take_while(|line| line.starts_with("    ")).map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn images_and_answers_go_by_tls_and_strangers_are_turned_away() {
    let [plain, tls, out, own, pacs_tls] = [(); 5].map(|()| free_port());
    let Some(orthanc) = Orthanc::start(own, 1) else { return };
    let named = std::env::var_os("CXR_ORTHANC").is_some();
    if !Command::new("stunnel").arg("-version").output().is_ok_and(|said| said.status.success()) {
        assert!(!named, "stunnel is missing");
        println!("skipped: no stunnel here; `cargo xtask test --only integration` installs it");
        return;
    }
    let folder = tempdir().expect("a temporary folder");
    let folder = folder.path();
    let path = |name: &str| folder.join(name).display().to_string();
    certificate(folder, "hospital", "hospital", None);
    certificate(folder, "elsewhere", "elsewhere", None);
    certificate(folder, "cxr", "cxr.example.org", Some("hospital"));
    certificate(folder, "pacs", "pacs.example.org", Some("hospital"));
    certificate(folder, "other", "other.example.org", Some("hospital"));
    certificate(folder, "stranger", "pacs.example.org", Some("elsewhere"));
    let services = [
        ("/etc/stunnel/", path("")),
        ("accept = 2762", format!("accept = 127.0.0.1:{tls}")),
        ("connect = 127.0.0.1:11112", format!("connect = 127.0.0.1:{plain}")),
        ("accept = 127.0.0.1:10104", format!("accept = 127.0.0.1:{out}")),
        ("connect = pacs.example.org:2762", format!("connect = 127.0.0.1:{pacs_tls}")),
    ];
    let services = services.iter().fold(documented(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the page's configuration");
        text.replace(from, to)
    });
    let _ours = Stunnel::start(folder, "ours", &services, tls);

    // The hospital's side: Orthanc behind TLS; a sender with its certificate, one with none, one with another authority's.
    let [bare, strange] = [(); 2].map(|()| free_port());
    let authority = format!("CAfile = {}\nverifyChain = yes\n", path("hospital.pem"));
    let sender = |name: &str, accept: u16, more: &str| {
        format!(
            "[{name}]\nclient = yes\naccept = 127.0.0.1:{accept}\nconnect = 127.0.0.1:{tls}\n{authority}checkHost = cxr.example.org\n{more}"
        )
    };
    let theirs = [
        format!(
            "[pacs]\naccept = 127.0.0.1:{pacs_tls}\nconnect = 127.0.0.1:{}\ncert = {}\n{authority}requireCert = yes\n",
            orthanc.dicom,
            path("pacs.pem")
        ),
        sender("known", own, &format!("cert = {}\n", path("pacs.pem"))),
        sender("bare", bare, ""),
        sender("strange", strange, &format!("cert = {}\n", path("stranger.pem"))),
    ];
    let theirs = Stunnel::start(folder, "theirs", &theirs.concat(), own);

    let (listen, to) = (format!("127.0.0.1:{plain}"), format!("ORTHANC@127.0.0.1:{out}"));
    let arguments = ["--listen", &listen, "--to", &to, "--allow-ae", "ORTHANC", "--model", "tests/golden/fixture.cxr"];
    let hospital = Hospital::start(folder, &arguments);
    for port in [bare, strange, tls] {
        assert_eq!(Peer::associate(port, "ORTHANC", "CXR", &CLASSES).1, Answer::Ended);
    }
    let studies: Vec<Radiograph> = (401..=403).map(radiograph).collect();
    for study in &studies {
        let name = orthanc.put(&study.file);
        assert_eq!(orthanc.post("/modalities/cxr/store", &json!(name)), 200, "{}", hospital.log());
    }
    eventually("three reports", || orthanc.instances("SR").len() == studies.len());
    eventually("three captures", || orthanc.instances("OT").len() == studies.len());

    // Another machine of the hospital's in the archive's place gets nothing: answers wait.
    drop(theirs);
    let impostor =
        format!("[pacs]\naccept = 127.0.0.1:{pacs_tls}\nconnect = 127.0.0.1:{}\ncert = {}\n", orthanc.dicom, path("other.pem"));
    let _impostor = Stunnel::start(folder, "impostor", &impostor, pacs_tls);
    let (mut peer, answer) = Peer::associate(plain, "ORTHANC", "CXR", &[radiograph(404).class]);
    assert_eq!((answer, peer.store(&radiograph(404))), (Answer::Accepted, Answer::Status(0)));
    eventually("an answer that waits", || hospital.log().contains("not sent; tried again"));
    assert_eq!(orthanc.instances("SR").len(), studies.len());
}
