//! The inner loop: format, clippy and unit tests of the packages that were touched, in under a minute when warm.

use crate::install;
use crate::shell::{Workspace, output, run};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// Checks the packages with changes since `base`, committed or not.
pub fn check(workspace: &Workspace, base: &str) -> Result<()> {
    let mut metadata = workspace.command("cargo");
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&output(metadata)?)?;
    let members = metadata["workspace_default_members"].to_string();
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    // Bare-metal packages are built by steps of their own.
    let packages = packages.iter().filter(|package| members.contains(&package["id"].to_string())).filter_map(|package| {
        let folder = Path::new(package["manifest_path"].as_str()?).parent()?.strip_prefix(&workspace.root).ok()?;
        Some((folder.to_owned(), package["name"].as_str()?.to_owned()))
    });
    let packages: Vec<_> = packages.collect();
    let mut changed = workspace.command("git");
    changed.args(["diff", "--name-only", base]);
    let mut new = workspace.command("git");
    new.args(["ls-files", "--others", "--exclude-standard"]);
    let files = output(changed)? + &output(new)?;
    let touched: BTreeSet<&str> = files.lines().filter_map(|file| package_of(Path::new(file), &packages)).collect();

    install::component(workspace, "rustfmt", "fmt")?;
    run(workspace.cargo("fmt --all --check"))?;
    install::component(workspace, "clippy", "clippy")?;
    for package in &touched {
        // Heavy crates are built for release alone, the host without Burn and tract where they do not belong to it.
        let selected = match *package {
            "cxr-core" | "rownet" => format!("--package {package}"),
            "cxr-app" => "--release --package cxr-app --features serve,device".to_owned(),
            "cxr-host" => "--release --package cxr-host --no-default-features --features serve,device,convert".to_owned(),
            // With the features with which everything else builds Burn.
            "cxr-study" => "--release --package cxr-host --package cxr-study".to_owned(),
            _ => format!("--release --package {package}"),
        };
        run(workspace.cargo(&format!("clippy {selected} --lib --bins -- -D warnings")))?;
        run(workspace.cargo(&format!("test {selected} --lib --bins")))?;
    }
    let names: Vec<&str> = touched.into_iter().collect();
    println!(
        "checked: format; clippy and unit tests of {}",
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    );
    Ok(())
}

/// The package with the deepest folder above `file`.
fn package_of<'p>(file: &Path, packages: &'p [(std::path::PathBuf, String)]) -> Option<&'p str> {
    let above = packages.iter().filter(|(folder, _)| file.starts_with(folder));
    above.max_by_key(|(folder, _)| folder.components().count()).map(|(_, name)| name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_of_the_deepest_package_above_it() {
        let packages = [("core".into(), "cxr-core".to_owned()), ("core/capi".into(), "cxr-capi".to_owned())];
        assert_eq!(package_of(Path::new("core/capi/src/lib.rs"), &packages), Some("cxr-capi"));
        assert_eq!(package_of(Path::new("core/src/lib.rs"), &packages), Some("cxr-core"));
        assert_eq!(package_of(Path::new("README.md"), &packages), None);
    }
}
