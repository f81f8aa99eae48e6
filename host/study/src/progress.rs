//! Progress on the terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A progress bar on stderr with rate and time left; hidden where stderr is no terminal.
pub fn progress(length: usize, message: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len} {per_sec} {eta} left");
    ProgressBar::new(length as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(message)
}
