//! Errors that choose the exit code: 2 for bad usage or input (the default), 1 for a failed check.

use anyhow::{Result, anyhow};

/// A check ran and did not hold: exit code 1.
#[derive(Debug)]
pub struct CheckFailed(pub String);

impl std::fmt::Display for CheckFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CheckFailed {}

/// Exit code for an error returned by a command.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    if error.chain().any(|cause| cause.is::<CheckFailed>()) { 1 } else { 2 }
}

/// The error of a run in which `failed` of `all` images could not be classified, if any: exit code 1, or 2 where it is all.
pub fn failures(failed: usize, all: usize) -> Result<()> {
    let message = format!("{failed} of {all} images could not be classified");
    match failed {
        0 => Ok(()),
        _ if failed < all => Err(CheckFailed(message).into()),
        _ => Err(anyhow!(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_failures_are_1_and_nothing_but_failures_2() {
        let code = |failed, all| failures(failed, all).err().map(|error| exit_code(&error));
        assert_eq!([code(0, 3), code(1, 3), code(3, 3), code(1, 1), code(0, 0)], [None, Some(1), Some(2), Some(2), None]);
    }
}
