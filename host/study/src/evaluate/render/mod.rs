//! A report as sections of text, tables and plots, and those as HTML, Markdown and a few lines for the terminal.

pub(super) mod html;
pub(super) mod markdown;
pub(super) mod plots;
pub(super) mod section;
pub(super) mod text;

use super::subject::Subject;
use section::Tile;

/// What the terminal shows.
pub(super) fn terminal(subject: &Subject, tiles: &[Tile]) -> String {
    let lines = tiles.iter().map(|[value, what, detail]| format!("{value:>9}  {what} ({detail})\n"));
    format!("{}: {}\n\n{}", subject.model, subject.notice, lines.collect::<String>())
}
