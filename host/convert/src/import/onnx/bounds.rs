//! A bound of what decoding can allocate: messages and strings take much more room in memory than in the file.

use anyhow::{Result, bail, ensure};
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// Most fields of the messages that are decoded.
const MOST_FIELDS: usize = 1 << 18;

/// Messages whose fields are counted.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Graph,
    Node,
    Leaf,
}

/// Counts fields without decoding them.
///
/// # Errors
/// Damage; more fields than a network has.
pub fn check(file: &[u8]) -> Result<()> {
    let mut fields = 0;
    count(file, Level::Model, &mut fields)
}

fn count(mut buffer: &[u8], level: Level, fields: &mut usize) -> Result<()> {
    const DAMAGED: &str = "damaged, or not a .onnx file; export the network again";
    while !buffer.is_empty() {
        *fields += 1;
        ensure!(*fields <= MOST_FIELDS, "more than {MOST_FIELDS} fields; split the network");
        let Ok((tag, kind)) = decode_key(&mut buffer) else { bail!(DAMAGED) };
        if kind != WireType::LengthDelimited {
            ensure!(skip_field(kind, tag, &mut buffer, DecodeContext::default()).is_ok(), DAMAGED);
            continue;
        }
        let length = decode_varint(&mut buffer).ok().and_then(|n| usize::try_from(n).ok()).filter(|&n| n <= buffer.len());
        let Some(length) = length else { bail!(DAMAGED) };
        let (inner, rest) = buffer.split_at(length);
        let next = match (level, tag) {
            (Level::Model, 7) => Some(Level::Graph),
            (Level::Graph, 1) => Some(Level::Node),
            (Level::Model, 8) | (Level::Graph, 5 | 11 | 12) | (Level::Node, 5) => Some(Level::Leaf),
            _ => None,
        };
        if let Some(next) = next {
            count(inner, next, fields)?;
        }
        buffer = rest;
    }
    Ok(())
}
