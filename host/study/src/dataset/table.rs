//! A CSV file with named columns; errors name the file, the line and the remedy.

use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A metadata table, read whole.
pub(crate) struct Table {
    path: PathBuf,
    columns: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

/// One row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    table: &'a Table,
    index: usize,
}

impl Table {
    /// Opens `folder/file`; `required` columns must be there, others may. `help` ends the errors.
    pub(crate) fn open(folder: &Path, file: &str, required: &[&str], help: &str) -> Result<Table> {
        if !folder.is_dir() {
            bail!("{}: no such folder: {help}", folder.display());
        }
        let path = folder.join(file);
        let bytes = std::fs::read(&path).with_context(|| format!("{}: {help}", path.display()))?;
        Table::parse(path, &bytes, required, help)
    }

    /// Parses CSV bytes; `path` is for the errors.
    pub(crate) fn parse(path: PathBuf, bytes: &[u8], required: &[&str], help: &str) -> Result<Table> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let headers = reader.headers().with_context(|| format!("{}: not a CSV file: {help}", path.display()))?;
        let columns: Vec<String> = headers.iter().map(str::to_owned).collect();
        if let Some(absent) = required.iter().find(|name| !columns.iter().any(|column| column == *name)) {
            bail!("{}: no column `{absent}`: {help}", path.display());
        }
        let rows = reader
            .records()
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("{}: damaged CSV: {help}", path.display()))?;
        if rows.is_empty() {
            bail!("{}: no rows: {help}", path.display());
        }
        Ok(Table { path, columns, rows })
    }

    /// True if there is such a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// All rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| Row { table: self, index })
    }

    /// Refuses values of `column` that are listed twice or that would leave the image folder.
    pub(crate) fn check_file_names(&self, column: &str) -> Result<()> {
        let mut seen = HashSet::new();
        for row in self.rows() {
            let name = row.get(column);
            if Path::new(name).file_name().is_none_or(|file| file != name) || name.contains('\\') {
                bail!("{}: `{name}` is not a file name: correct column `{column}`", row.place());
            }
            if !seen.insert(name) {
                bail!("{}: `{name}` is listed twice: remove one row", row.place());
            }
        }
        Ok(())
    }
}

impl<'a> Row<'a> {
    /// A cell; empty for the empty cell, for pandas' `NaN`, and for a column that is not there.
    pub(crate) fn get(self, column: &str) -> &'a str {
        let table = self.table;
        let cell = table.columns.iter().position(|name| name == column).and_then(|at| table.rows[self.index].get(at));
        cell.filter(|text| !text.eq_ignore_ascii_case("nan")).unwrap_or_default()
    }

    /// `FILE:LINE`, for errors.
    pub(crate) fn place(self) -> String {
        let line = self.table.rows[self.index].position().map_or(self.index as u64 + 2, csv::Position::line);
        format!("{}:{line}", self.table.path.display())
    }
}

/// Age in years from `54`, `54.5` or `67+`; `None` for anything else.
pub(crate) fn age(text: &str) -> Option<f32> {
    text.trim_end_matches('+').parse().ok().filter(|years: &f32| (0.0..=130.0).contains(years))
}

/// `M`, `F` or empty from what sources write.
pub(crate) fn sex(text: &str) -> String {
    match text.chars().next().map(|first| first.to_ascii_uppercase()) {
        Some(first @ ('M' | 'F')) => first.to_string(),
        _ => String::new(),
    }
}
