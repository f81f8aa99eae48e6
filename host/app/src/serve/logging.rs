//! Logs on standard error, for people or machines, and panics as one line of them.

use std::io::IsTerminal;
use tracing::Level;

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Lines for people.
    Human,
    /// A JSON object a line.
    Json,
}

/// Starts logging; a second call (in tests) changes nothing.
pub fn start(format: Format, level: Level) {
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_target(false).with_writer(std::io::stderr);
    let started = match format {
        Format::Human => subscriber.with_ansi(std::io::stderr().is_terminal()).try_init(),
        Format::Json => subscriber.json().flatten_event(true).try_init(),
    };
    if started.is_ok() {
        // The message could quote what a client sent; the place is enough to find it.
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
            tracing::error!(place, "a panic was contained");
        }));
    }
}
