//! A running `host dicom`.

use crate::host::binary;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The program; dropping it kills it.
pub struct Hospital {
    child: Child,
    log: PathBuf,
    /// What it printed where it takes images.
    pub places: Vec<String>,
}

impl Hospital {
    /// Starts `host dicom` with its queue in `folder`.
    #[track_caller]
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let log = folder.join("log");
        let errors = std::fs::File::options().create(true).append(true).open(&log).expect("a temporary file");
        let mut command = Command::new(binary());
        command.current_dir(crate::root()).args(["dicom", "--log-level", "debug", "--queue"]).arg(folder.join("queue"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut places = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
            let line = line.expect("a line");
            if line.starts_with("Research software") {
                return Self { child, log, places };
            }
            places.push(line);
        }
        let _ = child.wait();
        panic!("it did not start: {}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// What it logged, in this run and those before.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("a log")
    }

    /// The most resident memory so far, in MiB.
    pub fn peak(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its memory");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") / 1024.0
    }

    /// True until it ends.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Ends it at once, as a power cut does.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Tells it to stop, as a service manager does, and waits; its exit code.
    #[track_caller]
    pub fn stop(mut self) -> Option<i32> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().is_ok_and(|status| status.success()));
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().expect("a status") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it did not stop: {}", self.log());
    }
}

impl Drop for Hospital {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
