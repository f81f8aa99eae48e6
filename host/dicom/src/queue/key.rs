//! What a file of the queue is called.

use sha2::{Digest, Sha256};

/// Names an image and a model: 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The key of the image with that SOP Instance UID for the model with that SHA-256.
    pub fn new(instance: &str, model_sha256: &str) -> Self {
        let hash = Sha256::new().chain_update(instance).chain_update([0]).chain_update(model_sha256).finalize();
        Self(hash[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As it is in file names and logs; nothing of a person can be told from it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of a file of that name.
    pub(super) fn read(name: &std::ffi::OsStr) -> Option<Self> {
        let name = name.to_str()?;
        (name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| Self(name.to_owned()))
    }
}
