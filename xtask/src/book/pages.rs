//! The pages of the book, put where mdBook finds them: the repository's own, none of them copied by hand.

use super::files::{BOOK, empty, read};
use crate::shell::Workspace;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Stages the pages that the summary names, and what they show; a link that leads nowhere is an error.
pub fn stage(workspace: &Workspace) -> Result<PathBuf> {
    let staged = empty(workspace, "staged")?;
    let source = staged.join("src");
    let book = workspace.root.join(BOOK);
    let experiments = experiments(workspace)?;
    let summary = read(&book.join("SUMMARY.md"))?.replace("@EXPERIMENTS@", &experiments);
    let pages: BTreeSet<PathBuf> = links(&summary).iter().map(PathBuf::from).collect();
    let mut wrong = Vec::new();
    for page in &pages {
        let text = read(&workspace.root.join(page))?;
        for link in links(&text) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = normal(&page.parent().unwrap_or(Path::new("")).join(target));
            if !workspace.root.join(&path).exists() {
                wrong.push(format!("{}: {link}", page.display()));
            } else if path.extension().is_some_and(|kind| kind == "md") && !pages.contains(&path) {
                wrong.push(format!("{}: {link} is not in the book's SUMMARY.md", page.display()));
            } else if workspace.root.join(&path).is_file() && !pages.contains(&path) {
                put(workspace, &source, &path)?;
            }
        }
        put(workspace, &source, page)?;
    }
    ensure!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
    fs::write(source.join("SUMMARY.md"), summary)?;
    fs::copy(book.join("book.toml"), staged.join("book.toml"))?;
    println!("{} pages, no link that leads nowhere", pages.len());
    Ok(staged)
}

/// Lines of the summary for the experiments.
fn experiments(workspace: &Workspace) -> Result<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(workspace.root.join("docs/experiments"))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.ends_with(".md") && name.starts_with(|c: char| c.is_ascii_digit()));
    names.sort();
    let mut lines = Vec::new();
    for name in names {
        let text = read(&workspace.root.join("docs/experiments").join(&name))?;
        let title = text.lines().next().unwrap_or_default().trim_start_matches('#').trim().replace(['[', ']'], "");
        lines.push(format!("  - [{title}](docs/experiments/{name})"));
    }
    Ok(lines.join("\n"))
}

fn put(workspace: &Workspace, source: &Path, path: &Path) -> Result<()> {
    let to = source.join(path);
    fs::create_dir_all(to.parent().context("a folder")?)?;
    fs::copy(workspace.root.join(path), &to).with_context(|| path.display().to_string())?;
    Ok(())
}

/// Targets of the links of a page, but those in code.
fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code || line.starts_with("    ") {
            continue;
        }
        found.extend(line.split("](").skip(1).filter_map(|part| Some(part.split_once(')')?.0.to_owned())));
    }
    found
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                parts.pop();
            }
            Component::CurDir => {}
            other => parts.push(other),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_and_made_plain() {
        let page = "[a](b.md#c) and ![d](../e.png)\n```sh\n[no](no.md)\n```\n    [no](no.md)\n- [f](g.md)\n";
        assert_eq!(links(page), ["b.md#c", "../e.png", "g.md"]);
        assert_eq!(normal(Path::new("docs/book/../../firmware/./README.md")), Path::new("firmware/README.md"));
    }
}
