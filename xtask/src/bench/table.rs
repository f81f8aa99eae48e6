//! The table of docs/networks.md: networks by boards.

use crate::shell::Workspace;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write;
use std::fs;

const PAGE: &str = "docs/networks.md";
/// Marks of the table.
const MARKS: [&str; 2] = ["<!-- cargo xtask bench --network ../shared/networks --cycles --docs -->\n", "<!-- end -->"];

/// Replaces the table of docs/networks.md.
pub fn write(workspace: &Workspace, measured: &[Value]) -> Result<()> {
    let path = workspace.root.join(PAGE);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (before, rest) = text.split_once(MARKS[0]).with_context(|| format!("{PAGE} has no table"))?;
    let (_, after) = rest.split_once(MARKS[1]).with_context(|| format!("{PAGE}: the table has no end"))?;
    let beside = path.with_extension("md.new");
    fs::write(&beside, format!("{before}{}{}{}{after}", MARKS[0], markdown(measured), MARKS[1]))?;
    Ok(fs::rename(&beside, &path)?)
}

fn markdown(measured: &[Value]) -> String {
    let mut text = String::from(
        "| network | board | kernel | instructions | a MAC | cycles a MAC, estimate | arena, bytes | stack, bytes | outputs |\n\
         |---|---|---|--:|--:|--:|--:|--:|---|\n",
    );
    for result in measured {
        let word = |key: &str| match &result[key] {
            Value::String(word) => word.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        // A result is there only if the board's outputs and rows were the host's.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | the host's |",
            word("network"),
            word("board"),
            word("kernel"),
            word("instructions"),
            word("instructions_per_mac"),
            word("cycles_per_mac_estimate"),
            word("arena_bytes"),
            word("stack_bytes")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_is_a_line() {
        let result = json!({ "network": "kws", "board": "mps2-an386", "kernel": "dsp", "instructions": 10,
            "instructions_per_mac": 1.5, "arena_bytes": 3, "stack_bytes": 4 });
        assert!(markdown(&[result]).ends_with("| kws | mps2-an386 | dsp | 10 | 1.5 |  | 3 | 4 | the host's |\n"));
    }
}
