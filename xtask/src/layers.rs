//! Imports go one way: no circle between the files of a crate, no arrow up between crates. And a file is a concern: short.
//!
//! A file is a module. It imports the files in which the names that it uses are defined, whatever the road: a re-export
//! is a name, not a use, so it is followed. Tests are left out.

mod source;

use crate::shell::{Workspace, output};
use anyhow::{Context, Result, ensure};
use source::{Crate, Imports};
use std::collections::BTreeMap;
use std::path::Path;

/// The packages from the top floor down: each may depend on those below it alone.
const FLOORS: [&[&str]; 10] = [
    &["xtask", "cxr-tests"],
    &["cxr-host", "cxr-python", "cxr-wasm"],
    &["cxr-dicom", "cxr-study"],
    &["rownet-convert"],
    &["cxr-app", "cxr-rp2350"],
    &["cxr-firmware", "cxr-bench", "cxr-examples", "cxr-capi", "cxr-no-panic", "cxr-core-benches"],
    &["cxr-board"],
    &["cxr-protocol"],
    &["cxr-core"],
    &["rownet", "cxr-testkit"],
];

/// Most lines of a source file before its tests.
const MOST: usize = 300;

/// Fails with every circle, every arrow up and every file that is too long.
pub fn test(workspace: &Workspace) -> Result<()> {
    let mut metadata = workspace.command("cargo");
    metadata.args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&output(metadata)?)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let mut faults = Vec::new();
    let (mut files, mut crates) = (0, 0);
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        faults.extend(arrows_up(name, package)?);
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].to_string();
            if ["lib", "bin", "rlib", "staticlib"].iter().any(|kind| kinds.contains(&format!("\"{kind}\""))) {
                let root = Path::new(target["src_path"].as_str().context("a target without a source")?);
                let parsed = Crate::read(root)?;
                (files, crates) = (files + parsed.files().len(), crates + 1);
                faults.extend(circles(&parsed.imports()).into_iter().map(|circle| said(&circle, &workspace.root)));
                for file in parsed.files() {
                    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
                    faults.extend(too_long(file.strip_prefix(&workspace.root).unwrap_or(file), &text));
                }
            }
        }
    }
    ensure!(faults.is_empty(), "{} faults of structure:\n{}", faults.len(), faults.join("\n"));
    println!("layers: {files} files of {crates} crates, no circle, no arrow up, none over {MOST} lines before its tests");
    Ok(())
}

fn floor(package: &str) -> Option<usize> {
    FLOORS.iter().position(|packages| packages.contains(&package))
}

fn arrows_up(name: &str, package: &serde_json::Value) -> Result<Vec<String>> {
    let from = floor(name).with_context(|| format!("{name} is on no floor: add it to FLOORS in xtask/src/layers.rs"))?;
    let up = |to: &&str| floor(to).is_some_and(|to| to <= from);
    let all = package["dependencies"].as_array().into_iter().flatten();
    // A development dependency is for tests.
    let used = all.filter(|dependency| dependency["kind"] != "dev").filter_map(|dependency| dependency["name"].as_str());
    Ok(used.filter(up).map(|to| format!("arrow up: {name} depends on {to}, which is not below it")).collect())
}

fn said(circle: &[(String, String, String)], root: &Path) -> String {
    let short = |file: &str| Path::new(file).strip_prefix(root).unwrap_or(Path::new(file)).display().to_string();
    let arrows: Vec<String> =
        circle.iter().map(|(from, to, why)| format!("  {} -> {} ({why})", short(from), short(to))).collect();
    format!("circle:\n{}", arrows.join("\n"))
}

/// A file that is too long before its tests; files of tests may be as long as they like.
fn too_long(file: &Path, text: &str) -> Option<String> {
    if file.ends_with("tests.rs") || file.iter().any(|folder| folder == "tests") {
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].starts_with("mod "));
    let (long, name) = (tests.unwrap_or(lines.len()), file.display());
    let remedy = "move what has a name of its own into a file of that name";
    (long > MOST).then(|| format!("long: {name} has {long} lines before its tests, {MOST} at most: {remedy}"))
}

/// The arrows inside each strongly connected set of files.
fn circles(imports: &Imports) -> Vec<Vec<(String, String, String)>> {
    let reach: BTreeMap<&String, std::collections::BTreeSet<&String>> = imports
        .keys()
        .map(|start| {
            let (mut seen, mut stack) = (std::collections::BTreeSet::new(), vec![start]);
            while let Some(file) = stack.pop() {
                for next in imports.get(file).into_iter().flat_map(|to| to.keys()) {
                    if seen.insert(next) {
                        stack.push(next);
                    }
                }
            }
            (start, seen)
        })
        .collect();
    let mutual = |a: &String, b: &String| reach[a].contains(b) && reach.get(b).is_some_and(|seen| seen.contains(a));
    let mut done = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for file in imports.keys().filter(|file| reach[file].contains(file)) {
        if done.contains(file) {
            continue;
        }
        let members: Vec<&String> = imports.keys().filter(|other| mutual(file, other)).collect();
        done.extend(members.iter().copied());
        let inside = members.iter().flat_map(|from| imports[*from].iter().map(move |(to, why)| (*from, to, why)));
        found.push(
            inside.filter(|(_, to, _)| members.contains(to)).map(|(a, b, why)| (a.clone(), b.clone(), why.clone())).collect(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> Vec<Vec<(String, String)>> {
        let folder = std::env::temp_dir().join(format!("cxr-layers-{}-{:?}", std::process::id(), std::thread::current().id()));
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let parsed = Crate::read(&folder.join("lib.rs")).unwrap();
        let name = |path: &String| Path::new(path).strip_prefix(&folder).unwrap().display().to_string();
        let found = circles(&parsed.imports());
        std::fs::remove_dir_all(&folder).unwrap();
        found.iter().map(|circle| circle.iter().map(|(a, b, _)| (name(a), name(b))).collect()).collect()
    }

    #[test]
    fn a_circle_is_found_through_use_path_macro_and_re_export() {
        for use_of_b in
            ["use crate::b::B;", "fn f() { crate::b::g(); }", "fn f() { println!(\"{}\", super::b::g()); }", "use crate::B;"]
        {
            let found = written(&[
                ("lib.rs", "mod a; mod b; pub use b::B;"),
                ("a.rs", &format!("pub struct A; {use_of_b}")),
                ("b.rs", "pub struct B; pub fn g() {} fn h() -> crate::a::A { crate::a::A }"),
            ]);
            let arrows = [("a.rs".to_owned(), "b.rs".to_owned()), ("b.rs".to_owned(), "a.rs".to_owned())];
            assert_eq!(found, [arrows.to_vec()], "{use_of_b}");
        }
    }

    #[test]
    fn tests_re_exports_and_module_names_are_no_arrows() {
        let found = written(&[
            ("lib.rs", "pub mod a; mod b; pub use b::B; pub fn root() {}"),
            ("a/mod.rs", "mod inner; pub use inner::Inner; pub struct A;"),
            ("a/inner.rs", "use crate::b; pub struct Inner(b::B);"),
            ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; use crate::a::Inner; }"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn a_child_that_takes_its_parents_type_makes_a_circle_if_the_parent_uses_the_child() {
        let child = "use super::T; pub fn of(_: T) {}";
        let found = written(&[("lib.rs", "mod c; pub struct T; pub fn f() { c::of(T) }"), ("c.rs", child)]);
        assert_eq!(found.len(), 1);
        let one_way = written(&[
            ("lib.rs", "mod c; mod t; pub use t::T; pub fn f() { c::of(T) }"),
            ("c.rs", child),
            ("t.rs", "pub struct T;"),
        ]);
        assert!(one_way.is_empty(), "{one_way:?}");
    }

    #[test]
    fn a_file_of_over_300_lines_before_its_tests_is_named_with_the_remedy() {
        let fault = |file: &str, text: &str| too_long(Path::new(file), text);
        let (full, tests) = ("fn f() {}\n".repeat(MOST), "#[cfg(test)]\nmod tests;\n");
        for fine in [full.clone(), full.clone() + tests, full.clone() + "#[cfg(test)]\nmod tests {\n" + &full + "}\n"] {
            assert_eq!(fault("core/src/lib.rs", &fine), None);
        }
        // What only tests use, among the rest, does not end it.
        let long = "#[cfg(test)]\nuse std::vec;\n".to_owned() + &full + tests;
        let said = fault("core/src/lib.rs", &long).unwrap();
        assert!(said.contains("core/src/lib.rs has 302 lines") && said.contains("move what has a name"), "{said}");
        for file in ["core/src/session/tests.rs", "core/tests/fields.rs", "tests/src/lib.rs"] {
            assert_eq!(fault(file, &long), None);
        }
    }

    #[test]
    fn every_package_below_is_below() {
        let package =
            serde_json::json!({ "dependencies": [{ "name": "cxr-host", "kind": null }, { "name": "xtask", "kind": "dev" }] });
        assert_eq!(arrows_up("cxr-core", &package).unwrap().len(), 1);
        assert!(arrows_up("xtask", &package).unwrap().is_empty());
        assert!(arrows_up("nobody", &package).is_err());
    }
}
