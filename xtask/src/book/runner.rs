//! Runs the commands of a page, in its order, in an empty folder where `cxr` is the checkout.

use super::files::{empty, read};
use crate::shell::{Workspace, output, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A fenced block: its words behind the fence, its text.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    words: Vec<String>,
    text: String,
}

/// Runs all blocks of a page.
///
/// `sh` is run, and must end with 0; `sh,serve` must still run after some seconds; `sh,lab` is skipped where `host` was built without
/// training; `KIND,file=PATH` is written to a file.
pub fn page(workspace: &Workspace, page: &Path, host: &Path) -> Result<()> {
    let name = page.file_stem().context("a name")?.to_string_lossy().into_owned();
    let folder = empty(workspace, &name)?;
    symlink(&workspace.root, folder.join("cxr"))?;
    let start = Instant::now();
    let mut count = 0;
    for block in blocks(&read(page)?) {
        let is = |word: &str| block.words.iter().any(|w| w == word);
        if let Some(file) = block.words.iter().find_map(|word| word.strip_prefix("file=")) {
            write(workspace, &folder.join(file), &block.text)?;
        } else if is("lab") && !can_train(workspace, host) {
            println!("skipped: `host` was built without training: {}", block.text.trim_end());
        } else if is("sh") && !is("build") {
            println!("--- {name}: {}", block.text.trim_end());
            let shell = shell(workspace, &folder, host, &block.text)?;
            if is("serve") {
                serve(shell, &block.text)?
            } else {
                run(shell)?
            }
            count += 1;
        }
    }
    ensure!(count > 0, "{}: no command", page.display());
    println!("=== {name}: {count} blocks of commands in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// bash, with `host` in its search path and build products of its own.
fn shell(workspace: &Workspace, folder: &Path, host: &Path, text: &str) -> Result<Command> {
    let mut bash = workspace.command("bash");
    let path = bash.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).context("PATH")?.to_owned();
    let host = host.parent().context("a folder")?.to_owned();
    bash.env("PATH", std::env::join_paths(std::iter::once(host).chain(std::env::split_paths(&path)))?);
    bash.env("CARGO_TARGET_DIR", workspace.target.join("book/target"));
    // The checkout's own crates in use have their sources here already.
    bash.current_dir(folder).args(["-euo", "pipefail", "-c", text]);
    Ok(bash)
}

/// A server: it is still there after a while, and is ended then.
fn serve(mut shell: Command, text: &str) -> Result<()> {
    let mut process = shell.spawn().with_context(|| text.to_owned())?;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(5) {
        if let Some(status) = process.try_wait()? {
            anyhow::bail!("{status}: {text}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    // bash puts itself in the program's place where that is the last command.
    process.kill()?;
    process.wait()?;
    Ok(())
}

fn can_train(workspace: &Workspace, host: &Path) -> bool {
    let mut train = workspace.command(host);
    train.args(["train", "--help"]);
    output(train).is_ok()
}

/// Writes a file of the page; beside a manifest the versions that the workspace has.
fn write(workspace: &Workspace, path: &PathBuf, text: &str) -> Result<()> {
    let folder = path.parent().context("a folder")?;
    fs::create_dir_all(folder)?;
    fs::write(path, text).with_context(|| path.display().to_string())?;
    if path.ends_with("Cargo.toml") {
        fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    }
    Ok(())
}

/// The fenced blocks of a page.
fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => found.push(block),
            (Some(words), None) => {
                let words = words.split(',').map(|word| word.trim().to_owned()).collect();
                open = Some(Block { words, text: String::new() });
            }
            (None, Some(mut block)) => {
                block.text += line;
                block.text.push('\n');
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_words_and_text() {
        let found = blocks("a\n```sh\nb\nc\n```\nd\n```toml,file=x/y.toml\ne\n```\n");
        assert_eq!(found[0], Block { words: vec!["sh".into()], text: "b\nc\n".into() });
        assert_eq!(found[1].words, ["toml", "file=x/y.toml"]);
    }
}
