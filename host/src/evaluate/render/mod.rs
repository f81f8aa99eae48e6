//! A report as sections of text, tables and plots, and those as HTML, Markdown and a few lines for the terminal.

pub(super) mod html;
pub(super) mod markdown;
mod plots;
pub(super) mod sections;
mod shortcuts;
pub(super) mod text;
mod unseen;

use super::Report;
use super::gallery::Mistake;
use anyhow::Result;

/// One section; each is there whether or not it could be computed.
pub(super) struct Section {
    /// Anchor.
    pub id: &'static str,
    /// Heading.
    pub title: &'static str,
    /// What it shows and how to read it.
    pub note: String,
    /// Content.
    pub blocks: Vec<Block>,
}

/// Content of a section.
pub(super) enum Block {
    /// A paragraph.
    Text(String),
    /// Why a figure is missing, and how to get it.
    Missing(String),
    /// Big figures: value, what it is, and its interval and counts.
    Tiles(Vec<[String; 3]>),
    /// A table.
    Table(Table),
    /// A confusion matrix, in class order.
    Confusion(String, [[usize; 3]; 3]),
    /// A plot with its caption.
    Plot(String, String),
    /// Mistakes.
    Gallery(Vec<Mistake>),
}

/// A table; the first column heads the rows. In a cell, what follows ` (` is secondary.
pub(super) struct Table {
    pub caption: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Block {
    fn table<const N: usize>(caption: impl Into<String>, head: [&str; N], rows: Vec<Vec<String>>) -> Self {
        Self::Table(Table { caption: caption.into(), head: head.map(str::to_owned).to_vec(), rows })
    }
}

/// All sections, in reading order.
pub(super) fn document(report: &Report) -> Result<Vec<Section>> {
    let mut all = sections::sections(report)?;
    all.extend(shortcuts::sections(report)?);
    Ok(all)
}

/// What the terminal shows.
pub(super) fn terminal(report: &Report) -> String {
    let tiles = sections::tiles(report);
    let lines = tiles.iter().map(|[value, what, detail]| format!("{value:>9}  {what} ({detail})\n"));
    format!("{}: {}\n\n{}", report.model, report.notice, lines.collect::<String>())
}
