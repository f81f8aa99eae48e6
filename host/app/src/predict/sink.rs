//! Where answers go: standard output, a table, the terminal.

use super::inputs::{Input, NoImage};
use crate::fail::failures;
use crate::prediction::{Prediction, Source, failed_row, header};
use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Takes answers one by one and writes each at once: whatever ends the program, whole lines are there.
pub(super) struct Sink<'s> {
    source: &'s Source,
    form: Form,
    table: Option<Table>,
    bar: ProgressBar,
    answered: usize,
    failed: usize,
    /// Was a verdict printed, with what is known of hospitals never seen?
    is_told: bool,
    /// Neighbours of images; the first one's name.
    passed_over: (usize, String),
}

/// What is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
    /// There is a table instead.
    Nothing,
}

/// A CSV file.
struct Table {
    path: PathBuf,
    file: File,
}

/// Standard output was closed: whoever read it has enough.
#[derive(Debug)]
pub(super) struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("standard output was closed before all images were classified")
    }
}

impl std::error::Error for Closed {}

impl<'s> Sink<'s> {
    /// For `count` images of which nothing is known yet.
    ///
    /// # Errors
    /// A table that cannot be made.
    pub(super) fn new(is_json: bool, csv: Option<&Path>, source: &'s Source, count: usize) -> Result<Self> {
        let table = csv.map(|path| Table::create(path, source)).transpose()?;
        let form = match (is_json, &table) {
            (true, _) => Form::Json,
            (false, None) => Form::Text,
            (false, Some(_)) => Form::Nothing,
        };
        // A bar for one image, or in a file of messages, would be noise.
        let shown = count > 1 && std::io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(count as u64), target);
        bar.set_style(ProgressStyle::with_template("[{bar:32}] {pos}/{len} {per_sec} {eta} {msg}")?.progress_chars("=> "));
        Ok(Self { source, form, table, bar, answered: 0, failed: 0, is_told: false, passed_over: (0, String::new()) })
    }

    /// Writes what became of an image.
    ///
    /// # Errors
    /// An output that takes no more.
    pub(super) fn take(&mut self, input: &Input, result: Result<Prediction>) -> Result<()> {
        let (text, row) = match &result {
            Ok(prediction) => {
                self.answered += 1;
                self.is_told |= self.form == Form::Text && prediction.answer.class.is_some();
                let text = match self.form {
                    Form::Text => format!("{}\n", prediction.text(self.source)),
                    Form::Json => format!("{}\n", prediction.to_json(self.source)),
                    Form::Nothing => String::new(),
                };
                (text, self.table.as_ref().map(|_| prediction.row(self.source)))
            }
            Err(error) if error.is::<NoImage>() => {
                if self.passed_over.0 == 0 {
                    self.passed_over.1 = input.name();
                }
                self.passed_over.0 += 1;
                self.bar.inc(1);
                return Ok(());
            }
            Err(error) => {
                self.failed += 1;
                let message = named(input, error);
                self.bar.suspend(|| eprintln!("error: {message}"));
                (String::new(), self.table.as_ref().map(|_| failed_row(&input.name(), &message, self.source)))
            }
        };
        if let (Some(table), Some(row)) = (&mut self.table, row) {
            table.write(&row)?;
        }
        self.bar.suspend(|| print(&text))?;
        if self.failed > 0 {
            self.bar.set_message(format!("{} failed", self.failed));
        }
        self.bar.inc(1);
        Ok(())
    }

    /// Says what was classified, with what and what it is not.
    ///
    /// # Errors
    /// [`failures`].
    pub(super) fn finish(self, notice: &str) -> Result<()> {
        self.bar.finish_and_clear();
        if let (count @ 1.., first) = &self.passed_over {
            ensure!(self.answered + self.failed > 0, "{first}: there is no image in this folder: name another");
            eprintln!("passed over: {count} files in folders that are no images by name or content, such as {first}");
        }
        if let Some(table) = &self.table {
            eprintln!("wrote {}: {} answers, {} failed", table.path.display(), self.answered, self.failed);
        }
        if self.form != Form::Json && self.answered > 0 {
            let unseen = if self.is_told { String::new() } else { format!("{}\n", self.source.unseen) };
            print(&format!("{unseen}{notice}"))?;
        }
        failures(self.failed, self.answered + self.failed)
    }
}

/// An error's line, with the image's name in it.
fn named(input: &Input, error: &anyhow::Error) -> String {
    let (name, message) = (input.name(), format!("{error:#}"));
    if message.starts_with(&name) { message } else { format!("{name}: {message}") }
}

/// Prints at once.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Closed.into()),
        written => written.context("standard output cannot be written; is the disk full?"),
    }
}

impl Table {
    fn create(path: &Path, source: &Source) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("{}: cannot be written; check the path", path.display()))?;
        let mut table = Self { path: path.to_owned(), file };
        table.write(&header(source))?;
        Ok(table)
    }

    /// One write a line, so that a line is there whole or not at all.
    fn write(&mut self, cells: &[String]) -> Result<()> {
        let mut line = csv::Writer::from_writer(Vec::new());
        line.write_record(cells)?;
        let line = line.into_inner().map_err(|error| error.into_error())?;
        let written = self.file.write_all(&line);
        written.with_context(|| format!("{}: cannot be written; is the disk full?", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prediction::tests::{prediction, source};
    use anyhow::anyhow;

    #[test]
    fn a_table_has_a_whole_line_after_each_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        let source = source();
        let mut sink = Sink::new(false, Some(&path), &source, 3).unwrap();
        let rows = || {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.ends_with('\n'), "{text}");
            let rows: Vec<_> = csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect();
            rows.iter().map(|row| [row[0].to_owned(), row[2].to_owned(), row[row.len() - 1].to_owned()]).collect::<Vec<_>>()
        };
        assert!(rows().is_empty());
        let input = |name: &str| Input::Found(name.into());
        sink.take(&input("a,\"b\nc"), Ok(prediction("a,\"b\nc"))).unwrap();
        assert_eq!(rows(), [["a,\"b\nc", "Normal/NA", ""]]);
        sink.take(&input("bad.png"), Err(anyhow!("damaged"))).unwrap();
        assert_eq!(rows()[1], ["bad.png", "", "bad.png: damaged"]);
        sink.take(&input("notes.txt"), Err(NoImage.into())).unwrap();
        assert_eq!(rows().len(), 2);
        let error = sink.finish("").unwrap_err();
        assert_eq!(error.to_string(), "1 of 2 images could not be classified");
        assert_eq!(crate::fail::exit_code(&error), 1);
    }

    #[test]
    fn a_table_that_cannot_be_made_is_named() {
        let error = Sink::new(false, Some(Path::new("/nowhere/t.csv")), &source(), 1).err().unwrap();
        assert!(error.to_string().starts_with("/nowhere/t.csv: cannot be written"), "{error}");
    }
}
