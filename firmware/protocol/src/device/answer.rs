//! Replies on the line, and why there may be none.

use super::platform::Platform;
use crate::fault::Fault;
use crate::frame;
use crate::message::Reply;
use embedded_io::Write;

/// Errors of a platform's line.
pub type LineError<P> = <<P as Platform>::Line as embedded_io::ErrorType>::Error;

/// Why a frame was not answered in full.
pub(super) enum Failure<E> {
    /// To be reported.
    Fault(Fault),
    /// Nothing can be reported.
    Line(E),
}

impl<E> From<Fault> for Failure<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<E: embedded_io::Error> From<E> for Failure<E> {
    fn from(error: E) -> Self {
        Self::Line(error)
    }
}

pub(super) fn send<P: Platform>(out: &mut [u8], reply: &Reply<'_>, platform: &mut P) -> Result<(), LineError<P>> {
    // All replies fit: the longest strings are the model's class names, checked in `Device`'s tests.
    let frame = frame::encode(reply, out).unwrap_or(&[]);
    let sent = platform.line().write_all(frame).and_then(|()| platform.line().flush());
    platform.breathe();
    sent
}
