//! report.md: the same sections without plots and pictures.

use super::section::{Block, Section};
use crate::evaluate::mistake::Mistake;
use crate::evaluate::subject::Subject;
use cxr_app::classes::CLASSES;
use std::fmt::Write;

/// The report.
pub fn page(subject: &Subject, sections: &[Section]) -> String {
    let mut out = format!("# Evaluation of {}\n\n**{}**\n", plain(&subject.model), subject.notice);
    for Section { title, note, blocks, .. } in sections {
        let _ = write!(out, "\n## {title}\n\n{}\n", plain(note));
        blocks.iter().for_each(|b| block(&mut out, b));
    }
    out
}

/// A table; empty heads make empty cells.
pub(in crate::evaluate) fn table<S: AsRef<str>>(head: &[S], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(head.iter().map(|cell| plain(cell.as_ref())).collect());
    let _ = writeln!(out, "|{}", "---|".repeat(head.len()));
    out.extend(rows.iter().map(|row| line(row.iter().map(|cell| plain(cell)).collect())));
    out
}

/// Text in which nothing is markup.
fn plain(words: &str) -> String {
    words.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

fn block(out: &mut String, block: &Block) {
    // Writing to a string cannot fail.
    let _ = match block {
        Block::Text(words) => writeln!(out, "\n{}", plain(words)),
        Block::Missing(reason) => writeln!(out, "\n**Not computed:** {}", plain(reason)),
        Block::Plot(caption, _) => writeln!(out, "\n(Plot in report.html: {})", plain(caption)),
        Block::Tiles(tiles) => {
            let rows: Vec<Vec<String>> =
                tiles.iter().map(|[value, what, detail]| vec![what.clone(), value.clone(), detail.clone()]).collect();
            writeln!(out, "\n{}", table(&["", "figure", "counts and interval"], &rows).trim_end())
        }
        Block::Table(found) => {
            if !found.caption.is_empty() {
                let _ = writeln!(out, "\n**{}**", plain(&found.caption));
            }
            writeln!(out, "\n{}", table(&found.head, &found.rows).trim_end())
        }
        Block::Confusion(caption, counts) => {
            let head: Vec<&str> = std::iter::once("truth").chain(CLASSES).collect();
            let row = |(truth, row): (usize, &[usize; 3])| {
                std::iter::once(CLASSES[truth].to_owned()).chain(row.iter().map(usize::to_string)).collect()
            };
            let rows: Vec<Vec<String>> = counts.iter().enumerate().map(row).collect();
            writeln!(out, "\n**{}**\n\n{}", plain(caption), table(&head, &rows).trim_end())
        }
        Block::Gallery(mistakes) => {
            let row = |m: &Mistake| {
                let probability = format!("{:.1} %{}", 100.0 * m.probability, if m.withheld { ", withheld" } else { "" });
                [&m.path, m.source.as_str(), m.split, m.truth, m.verdict, &probability].map(str::to_owned).to_vec()
            };
            let rows: Vec<Vec<String>> = mistakes.iter().map(row).collect();
            writeln!(out, "\n{}", table(&["image", "source", "split", "labelled", "verdict", "probability"], &rows).trim_end())
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_no_markup() {
        let rows = vec![vec!["Edema|Pneumonia".to_owned(), "a<b".to_owned()]];
        assert_eq!(table(&["", "x"], &rows), "|  | x |\n|---|---|\n| Edema\\|Pneumonia | a&lt;b |\n");
    }
}
