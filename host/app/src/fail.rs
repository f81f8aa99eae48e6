//! Errors that choose the exit code: 2 for bad usage or input (the default), 1 for a failed check.

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
