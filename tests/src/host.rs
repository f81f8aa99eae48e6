//! Running the `host` binary.

use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a run of `host` left behind.
#[derive(Debug)]
pub struct Run {
    /// Exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The binary: `CXR_HOST`, or the one beside the running test's folder (`target/release/host`).
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("CXR_HOST") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in target/PROFILE/deps");
    let host = profile.join("host");
    assert!(host.is_file(), "{}: run `cargo build --release`, or set CXR_HOST", host.display());
    host
}

/// Runs `host` in `folder`.
pub fn run<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>) -> Run {
    run_with(folder, arguments, b"")
}

/// Runs `host` in `folder` with `input` on standard input.
pub fn run_with<A: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = A>, input: &[u8]) -> Run {
    let mut command = Command::new(binary());
    command.current_dir(folder).args(arguments).env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = std::thread::scope(|scope| {
        // A program that does not read its input closes it.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    });
    Run {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Run {
    /// Expects exit code 0.
    #[track_caller]
    pub fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "stderr: {}\nstdout: {}", self.stderr, self.stdout);
        self
    }

    /// Expects an exit code and nothing but `error: ` lines, the first of which holds all of `parts`
    /// (a second one counts the images that failed).
    #[track_caller]
    pub fn error(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}\nstdout: {}", self.stderr, self.stdout);
        let lines: Vec<&str> = self.stderr.lines().filter(|line| !line.trim().is_empty()).collect();
        assert!((1..=2).contains(&lines.len()) && lines.iter().all(|line| line.starts_with("error: ")), "{}", self.stderr);
        for part in parts {
            assert!(lines[0].contains(part), "`{part}` is not in: {}", self.stderr);
        }
        self
    }

    /// Expects an exit code and an `error: ` line for each part that holds it.
    #[track_caller]
    pub fn error_lines(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(code), "stderr: {}\nstdout: {}", self.stderr, self.stdout);
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert_eq!(lines.len(), parts.len(), "{}", self.stderr);
        for (line, part) in lines.iter().zip(parts) {
            assert!(line.starts_with("error: ") && line.contains(part), "`{part}` is not in: {line}");
        }
        self
    }

    /// The JSON objects of standard output, one a line.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// Reads a JSON file.
#[track_caller]
pub fn read_json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Exports a small network of random weights to `folder/NAME` and returns that prefix.
#[track_caller]
pub fn random_model(folder: &Path, name: &str, seed: u64) -> PathBuf {
    let prefix = folder.join(name);
    let arguments = ["export", "--random", &seed.to_string(), "--out", name].map(str::to_owned);
    run(folder, arguments).success();
    prefix
}
