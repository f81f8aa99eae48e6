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
        tests: &["--lib", "--test", "networks"],
    },
    Core {
        package: "cxr-core",
        files: &["core/src/format/**", "core/src/session.rs", "core/src/session/**", "core/src/verdict.rs"],
        tests: &["--lib", "--test", "limits", "--test", "networks", "--test", "tiny_file", "--test", "verdict"],
    },
];

/// Changes that change nothing, and why: `FILE: CHANGE -- REASON`, a line each.
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
        // Unoptimised, the tests would take longer than the compiler does now.
        mutants.args(["--no-shuffle", "--timeout-multiplier", "5", "--minimum-test-timeout", "20", "--colors", "never", "--"]);
        mutants.args(tests).env_remove("CARGO_TARGET_DIR");
        // 2: some were not noticed, 3: some ran out of time, which is being noticed.
        let status = mutants.status().context("cargo-mutants cannot be started")?;
        ensure!(matches!(status.code(), Some(0 | 2 | 3)), "{status}: cargo-mutants of {package}");
        let missed = fs::read_to_string(out.join("mutants.out/missed.txt"))?;
        unnoticed.extend(missed.lines().map(change).filter(|change| !is_listed(&equivalent, change)));
    }
    if !unnoticed.is_empty() {
        bail!("no test notices, and {EQUIVALENT} does not name:\n{}", unnoticed.join("\n"));
    }
    Ok(())
}

/// A line of cargo-mutants without its line and column, which move.
fn change(line: &str) -> String {
    let mut parts = line.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(_), Some(_), Some(change)) => format!("{file}:{change}"),
        _ => line.to_owned(),
    }
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
        let found = change("core/src/verdict.rs:12:9: replace < with <= in likeliest");
        assert_eq!(found, "core/src/verdict.rs: replace < with <= in likeliest");
        assert!(is_listed("# list\ncore/src/verdict.rs: replace < with <= in likeliest -- a tie\n", &found));
        assert!(!is_listed("core/src/verdict.rs: replace < with <= in likeliest", &found));
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
