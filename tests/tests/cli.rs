//! The command line itself: help, usage errors, exit codes.

use cxr_tests::host::run;
use std::path::Path;

fn host(arguments: &[&str]) -> cxr_tests::host::Run {
    run(Path::new("."), arguments)
}

#[test]
fn help_names_every_command_and_what_the_program_is_not() {
    let help = host(&["--help"]).success().stdout;
    for command in ["data", "train", "export", "verify", "evaluate", "predict"] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command} is not in: {help}");
        assert!(!host(&[command, "--help"]).success().stdout.is_empty());
    }
    assert!(help.contains("not a medical device"), "{help}");
}

#[test]
fn version_is_the_package_version() {
    let version = host(&["--version"]).success().stdout;
    assert_eq!(version.trim(), concat!("host ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn bad_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["diagnose"],
        &["predict"],
        &["train", "--backend", "abacus", "--demo", "--out", "x"],
        &["train", "--out", "x"],
        &["evaluate", "model.cxr", "--engine", "abacus"],
        &["data", "check"],
    ] {
        let run = host(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
}
