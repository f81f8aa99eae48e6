//! The Rust and C blocks of the pages compile, as a reader would copy them.

use crate::install;
use crate::shell::{Workspace, have, run};
use anyhow::{Context, Result, ensure};
use std::fs;

/// Pages whose blocks are whole.
const PAGES: [&str; 2] = ["README.md", "docs/linking.md"];

/// Compiles every ```rust and ```c block.
pub fn test(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("pages");
    let source = folder.join("src");
    fs::create_dir_all(&source).with_context(|| source.display().to_string())?;
    // The blocks name the model from beside their crate.
    let models = folder.join("models");
    fs::create_dir_all(&models)?;
    fs::copy(workspace.root.join("models/default.cxr"), models.join("default.cxr"))?;
    let manifest = format!(
        "[package]\nname = \"pages\"\nedition = \"2024\"\n[dependencies]\ncxr-core = {{ path = {:?} }}\n[workspace]\n",
        workspace.root.join("core")
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    // The versions that the workspace has.
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;

    let (mut rust, mut c) = (String::from("//! The blocks of the pages.\n"), Vec::new());
    for page in PAGES {
        let text = fs::read_to_string(workspace.root.join(page)).with_context(|| page.to_owned())?;
        for (number, block) in blocks(&text, "rust").iter().enumerate() {
            let name = format!("{}_{number}", page.replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase());
            // A crate's attributes are the reader's own.
            let block: Vec<&str> = block.lines().filter(|line| !line.starts_with("#![")).collect();
            fs::write(source.join(format!("{name}.rs")), block.join("\n"))?;
            rust += &format!("pub mod {name};\n");
        }
        c.extend(blocks(&text, "c").into_iter().enumerate().map(|(number, block)| (format!("{page}, block {number}"), block)));
    }
    ensure!(rust.contains("mod") && !c.is_empty(), "{PAGES:?}: no block of Rust or none of C: the README shows both");
    fs::write(source.join("lib.rs"), rust)?;
    let mut check = workspace.cargo("check --quiet --offline --manifest-path");
    check.arg(folder.join("Cargo.toml")).env("CARGO_TARGET_DIR", folder.join("target")).env("RUSTFLAGS", "-Dwarnings");
    run(check)?;

    install::debian(workspace, &["gcc", "libc6-dev"], || have("gcc"))?;
    for (name, block) in c {
        let file = folder.join("block.c");
        fs::write(&file, block)?;
        let mut gcc = workspace.command("gcc");
        gcc.args(["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-Icore/capi/include"]).arg(&file);
        run(gcc).context(name)?;
    }
    Ok(())
}

/// The fenced blocks of a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let after = page.split(fence.as_str()).skip(1);
    after.filter_map(|rest| rest.split_once("\n```")).map(|(block, _)| format!("{block}\n")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn blocks_are_told_by_their_language() {
        let page = "a\n```rust\nfn f() {}\n```\nb\n```c\nint f;\n```\n```rust\nx\n```\n";
        assert_eq!(super::blocks(page, "rust"), ["fn f() {}\n", "x\n"]);
        assert_eq!(super::blocks(page, "c"), ["int f;\n"]);
    }
}
