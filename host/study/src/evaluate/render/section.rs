//! What a report is made of: sections of text, tables and plots.

use crate::evaluate::mistake::Mistake;

/// A big figure: value, what it is, its interval and counts.
pub type Tile = [String; 3];

/// One section; each is there whether or not it could be computed.
pub struct Section {
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
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Why a figure is missing, and how to get it.
    Missing(String),
    /// Big figures: value, what it is, and its interval and counts.
    Tiles(Vec<Tile>),
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
pub struct Table {
    /// Above it.
    pub caption: String,
    /// Names of the columns.
    pub head: Vec<String>,
    /// Cells, row by row.
    pub rows: Vec<Vec<String>>,
}

impl Block {
    /// A table of words; `head` has a name for each column.
    pub fn table<const N: usize>(caption: impl Into<String>, head: [&str; N], rows: Vec<Vec<String>>) -> Self {
        Self::Table(Table { caption: caption.into(), head: head.map(str::to_owned).to_vec(), rows })
    }
}
