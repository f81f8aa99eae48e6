//! Orthanc, an archive: Debian's `orthanc` with `orthanc-dicomweb`, in a folder of its own.

use crate::http;
use crate::server::eventually;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running archive; dropping it kills it.
pub struct Orthanc {
    program: PathBuf,
    folder: TempDir,
    child: Option<Child>,
    /// Its REST interface, with DICOMweb below /dicom-web.
    pub http: SocketAddr,
    /// Its port for associations; its title is ORTHANC.
    pub dicom: u16,
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Where Debian's plug-in is.
const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

impl Orthanc {
    /// Starts one that knows an application entity CXR at `cxr`, and a server `cxr` of STOW-RS at `stow`. `None`, with a line
    /// that says so, where the machine has no Orthanc; `cargo xtask test` installs it and says so by CXR_ORTHANC.
    pub fn start(cxr: u16, stow: u16) -> Option<Self> {
        let named = std::env::var_os("CXR_ORTHANC").map(PathBuf::from);
        let program = named.clone().unwrap_or_else(|| "/usr/sbin/Orthanc".into());
        if !program.is_file() || !Path::new(PLUGIN).is_file() {
            assert!(named.is_none(), "{} or {PLUGIN} is missing", program.display());
            println!("skipped: no Orthanc here; `cargo xtask test --only integration` installs it");
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (http, dicom) = (free_port(), free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let configuration = json!({
            "Name": "archive", "StorageDirectory": path("storage"), "IndexDirectory": path("storage"),
            "HttpPort": http, "DicomPort": dicom, "DicomAet": "ORTHANC", "DicomCheckCalledAet": true,
            "RemoteAccessAllowed": false, "AuthenticationEnabled": false,
            "DicomAlwaysAllowStore": false, "DicomCheckModalityHost": false,
            "DicomModalities": { "cxr": { "AET": "CXR", "Host": "127.0.0.1", "Port": cxr } },
            "Plugins": [PLUGIN],
            "DicomWeb": { "Enable": true, "Root": "/dicom-web/", "Servers": { "cxr": [format!("http://127.0.0.1:{stow}/")] } },
        });
        std::fs::write(path("orthanc.json"), configuration.to_string()).expect("a temporary file");
        let mut orthanc = Self { program, folder, child: None, http: ([127, 0, 0, 1], http).into(), dicom };
        orthanc.run();
        Some(orthanc)
    }

    /// Starts it again, after [`stop`](Self::stop).
    pub fn run(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).expect("a temporary file");
        let mut command = Command::new(&self.program);
        command.arg(self.folder.path().join("orthanc.json")).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        self.child = Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")));
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let http = self.http;
        eventually(&format!("Orthanc does not start: {}", log()), || {
            std::net::TcpStream::connect(http).is_ok() && http::get(http, "/system").status == 200
        });
    }

    /// Ends it at once, as a power cut does.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The answer to a GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        http::get(self.http, path).expect(200).json()
    }

    /// The status of a POST of JSON.
    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> u16 {
        http::request(self.http, "POST", path, &[("content-type", "application/json")], body.to_string().as_bytes()).status
    }

    /// Puts a DICOM file in; Orthanc's name of it.
    #[track_caller]
    pub fn put(&self, file: &[u8]) -> String {
        let answer = http::request(self.http, "POST", "/instances", &[], file).expect(200).json();
        answer["ID"].as_str().expect("a name").to_owned()
    }

    /// The instances of a kind, by Orthanc's names.
    #[track_caller]
    pub fn instances(&self, modality: &str) -> Vec<String> {
        let all = self.get("/series?expand");
        let series = all.as_array().expect("a list").iter();
        let of_kind = series.filter(|series| series["MainDicomTags"]["Modality"] == modality);
        of_kind
            .flat_map(|series| series["Instances"].as_array().cloned().unwrap_or_default())
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    }

    /// Writes an instance's file to `folder`.
    #[track_caller]
    pub fn download(&self, name: &str, folder: &Path) {
        let file = http::get(self.http, &format!("/instances/{name}/file")).expect(200).body;
        std::fs::create_dir_all(folder).and_then(|()| std::fs::write(folder.join(format!("{name}.dcm")), file)).expect("a file");
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        self.stop();
    }
}
