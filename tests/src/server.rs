//! A running `host serve`.

use crate::host::binary;
use crate::{http, root};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// The server; dropping it kills it.
pub struct Server {
    child: Child,
    /// What it writes to standard error; a pipe that nobody reads would fill and block it.
    log: NamedTempFile,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts `host serve` with the shipped model on a free port of this machine.
    #[track_caller]
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    /// [`start`](Self::start) elsewhere.
    #[track_caller]
    pub fn start_at<A: AsRef<OsStr>>(listen: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let log = NamedTempFile::new().expect("a temporary file");
        let mut command = Command::new(binary());
        command.current_dir(root()).args(["serve", "--listen", listen, "--log", "json", "--log-level", "debug"]);
        let errors = log.reopen().expect("a temporary file");
        command.args(arguments).env_remove("CXR_SERVE_TOKEN").stdout(Stdio::piped()).stderr(errors);
        // With training the program has an allocator that keeps freed pages for a while; those that are deployed have the system's.
        command.env("MIMALLOC_PURGE_DELAY", "0");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
        let Some(address) = address else {
            let _ = child.wait();
            panic!("no address but {line:?}; {}", std::fs::read_to_string(log.path()).unwrap_or_default());
        };
        Self { child, log, address }
    }

    /// The page's origin.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Resident memory in MiB.
    pub fn resident(&self) -> f64 {
        self.memory("VmRSS:")
    }

    /// The most resident memory so far, in MiB.
    pub fn peak(&self) -> f64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, field: &str) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line =
            status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_else(|| panic!("{field} is not in {status}"));
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_else(|_| panic!("{line}"));
        kibibytes / 1024.0
    }

    /// Open files.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).map_or(0, Iterator::count)
    }

    /// A metric's value, 0 if it has none.
    #[track_caller]
    pub fn metric(&self, name: &str) -> f64 {
        let text = http::get(self.address, "/metrics").expect(200).text();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok()).unwrap_or(0.0)
    }

    /// Waits until a metric is as it should be, for at most 20 seconds.
    #[track_caller]
    pub fn until(&self, name: &str, is_right: impl Fn(f64) -> bool) {
        let what = format!("{name} never was right");
        eventually(&what, || is_right(self.metric(name)));
    }

    /// Asserts that it still answers as it should.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        assert!(self.child.try_wait().expect("a status").is_none(), "the server ended");
        http::get(self.address, "/healthz").expect(200);
        let sample = std::fs::read(root().join("data/samples/normal.png")).expect("a sample");
        http::predict(self.address, "", &sample).expect(200);
    }

    /// Tells it to stop, as a service manager does.
    pub fn terminate(&self) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(killed.is_ok_and(|status| status.success()));
    }

    /// Waits for its end; its status and what it logged.
    #[track_caller]
    pub fn wait(mut self, limit: Duration) -> (ExitStatus, String) {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return (status, std::fs::read_to_string(self.log.path()).expect("a log"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not stop within {limit:?}");
    }
}

/// Waits until something is true, for at most 20 seconds.
#[track_caller]
pub fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_true() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
