//! Mutation testing: changes of the core's code that no quick test of its package notices.

use crate::install;
use crate::shell::Workspace;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// A package, what is changed in it, and the tests that must notice.
struct Core {
    package: &'static str,
    files: &'static [&'static str],
    tests: &'static [&'static str],
}

const CORES: [Core; 2] = [
    Core {
        package: "rownet",
        files: &[
            "core/engine/src/quant.rs",
            "core/engine/src/encode.rs",
            "core/engine/src/model/**",
            "core/engine/src/session/**",
        ],
        tests: &["--lib", "--test=networks"],
    },
    Core {
        package: "cxr-core",
        files: &["core/src/format/**", "core/src/session.rs", "core/src/session/**", "core/src/verdict.rs"],
        tests: &[
            "--lib",
            "--test=fields",
            "--test=limits",
            "--test=networks",
            "--test=tiny_file",
            "--test=verdict",
            "--test=writer",
        ],
    },
];

/// Changes that change nothing, and why: `FILE: CHANGE | LINE OF CODE -- REASON`, a line each.
const EQUIVALENT: &str = "tests/equivalent_mutants.txt";
/// All changes take hours: a week has one of so many parts of them.
const PARTS: u64 = 8;

/// Tests one part of the changes: this week's, or `CXR_MUTANTS=K/N`. Fails for one that is neither noticed nor equivalent.
pub fn test(workspace: &Workspace) -> Result<()> {
    let program = install::cargo_mutants(workspace)?;
    let days = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 86_400;
    let part = std::env::var("CXR_MUTANTS").unwrap_or_else(|_| format!("{}/{PARTS}", days / 7 % PARTS));
    println!("part {part}; another one by CXR_MUTANTS=K/N, all by 0/1");
    let path = workspace.root.join(EQUIVALENT);
    let equivalent = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut unnoticed = Vec::new();
    for Core { package, files, tests } in CORES {
        let out = workspace.target.join("mutants").join(package);
        fs::create_dir_all(&out)?;
        let mut mutants = workspace.command(&program);
        mutants.args(["mutants", "--package", package, "--shard", &part, "--sharding", "round-robin", "--output"]).arg(&out);
        mutants.args(files.iter().flat_map(|file| ["--file", file]));
        mutants.args(tests.iter().map(|test| format!("--cargo-arg={test}")));
        mutants.args(["--timeout-multiplier", "5", "--minimum-test-timeout", "20", "--colors", "never"]);
        // Most of the time is the kernels', of which nothing is changed. Copies of the tree are built beside each other.
        mutants.args(["--", "--", "--skip", "kernels"]).env_remove("CARGO_TARGET_DIR");
        // 2: some were not noticed, 3: some ran out of time, which is being noticed.
        let status = mutants.status().context("cargo-mutants cannot be started")?;
        ensure!(matches!(status.code(), Some(0 | 2 | 3)), "{status}: cargo-mutants of {package}");
        let missed = fs::read_to_string(out.join("mutants.out/missed.txt"))?;
        for line in missed.lines() {
            let change = change(line, |file| fs::read_to_string(workspace.root.join(file)).ok());
            if !is_listed(&equivalent, &change) {
                unnoticed.push(change);
            }
        }
    }
    if !unnoticed.is_empty() {
        bail!("no test notices, and {EQUIVALENT} does not name:\n{}", unnoticed.join("\n"));
    }
    Ok(())
}

/// A line of cargo-mutants with the line of code in place of its numbers, which move.
fn change(line: &str, read: impl Fn(&str) -> Option<String>) -> String {
    let mut parts = line.splitn(4, ':');
    let (Some(file), Some(row), Some(_), Some(change)) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return line.to_owned();
    };
    let code = read(file).zip(row.parse().ok()).and_then(|(text, row): (_, usize)| Some(text.lines().nth(row - 1)?.to_owned()));
    format!("{file}:{change} | {}", code.unwrap_or_default().trim())
}

/// True where a line of the list names the change.
fn is_listed(list: &str, change: &str) -> bool {
    list.lines().any(|line| line.split_once(" -- ").is_some_and(|(named, reason)| named == change && !reason.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_change_is_known_wherever_it_moves() {
        let code = |file: &str| (file == "core/src/verdict.rs").then(|| "fn likeliest\n    if p < q {\n".to_owned());
        let found = change("core/src/verdict.rs:2:9: replace < with <= in likeliest", code);
        let named = "core/src/verdict.rs: replace < with <= in likeliest | if p < q {";
        assert_eq!(found, named);
        assert!(is_listed(&format!("# list\n{named} -- a tie\n"), &found));
        assert!(!is_listed(named, &found));
    }

    #[test]
    fn every_line_of_the_list_has_a_reason() {
        let list = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(EQUIVALENT);
        for line in fs::read_to_string(list).unwrap().lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (named, reason) = line.split_once(" -- ").unwrap_or_else(|| panic!("no reason: {line}"));
            assert!(named.starts_with("core/") && reason.len() > 10, "{line}");
        }
    }
}
