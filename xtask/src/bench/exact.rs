//! The committed instruction counts of networks: exact.

use crate::shell::{Workspace, output};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;

/// The counts: network, board, instructions; and the compiler that they were made with.
const TABLE: &str = "tests/network_instructions.json";

/// What the compiler in use says of itself. Debian's rustc, where it is used, is another.
pub fn compiler(workspace: &Workspace) -> Result<String> {
    let mut rustc = workspace.command("rustc");
    rustc.arg("--version");
    Ok(output(rustc)?.trim().to_owned())
}

fn read(workspace: &Workspace) -> Result<Value> {
    let text = fs::read_to_string(workspace.root.join(TABLE)).context(TABLE)?;
    serde_json::from_str(&text).context(TABLE)
}

/// Network, board and instructions of a result.
fn count(result: &Value) -> Result<(&str, &str, u64)> {
    let text = |key: &str| result[key].as_str().context("a result without a name");
    Ok((text("network")?, text("board")?, result["instructions"].as_u64().context("a result without a count")?))
}

/// Writes the counts of these results into the table; counts of another compiler go.
pub fn update(workspace: &Workspace, measured: &[Value]) -> Result<()> {
    let compiler = json!(compiler(workspace)?);
    let path = workspace.root.join(TABLE);
    let before = if path.exists() { read(workspace)? } else { json!({}) };
    let mut table = if before["rustc"] == compiler { before } else { json!({ "rustc": compiler }) };
    for result in measured {
        let (network, board, instructions) = count(result)?;
        table["networks"][network][board] = json!(instructions);
    }
    let beside = path.with_extension("json.new");
    fs::write(&beside, format!("{table:#}\n")).with_context(|| beside.display().to_string())?;
    fs::rename(&beside, &path).with_context(|| path.display().to_string())
}

/// Fails where a count is not the table's. Counts of another compiler do not compare.
pub fn check(workspace: &Workspace, measured: &[Value]) -> Result<()> {
    let (table, compiler) = (read(workspace)?, compiler(workspace)?);
    if table["rustc"] != json!(compiler) {
        println!("{TABLE} was made with {}, this is {compiler}: counts not compared", table["rustc"]);
        return Ok(());
    }
    let found = differences(&table, measured)?;
    ensure!(
        found.is_empty(),
        "{TABLE}: {}; if that is meant: cargo xtask bench --network core/engine/tests --update",
        found.join("; ")
    );
    println!("{} counts are those of {TABLE}", measured.len());
    Ok(())
}

fn differences(table: &Value, measured: &[Value]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for result in measured {
        let (network, board, instructions) = count(result)?;
        let expected = &table["networks"][network][board];
        if *expected != json!(instructions) {
            found.push(format!("{network} on {board}: {expected} -> {instructions}"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_compared_exactly() {
        let table = json!({ "networks": { "a": { "m4": 100 } } });
        let result = |count: u64| json!({ "network": "a", "board": "m4", "instructions": count });
        assert!(differences(&table, &[result(100)]).unwrap().is_empty());
        assert_eq!(differences(&table, &[result(99)]).unwrap(), ["a on m4: 100 -> 99"]);
        let other = json!({ "network": "b", "board": "m4", "instructions": 1 });
        assert_eq!(differences(&table, &[other]).unwrap(), ["b on m4: null -> 1"]);
    }
}
