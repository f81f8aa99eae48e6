//! STOW-RS to an archive.

use super::archive::{Sender, Unsent};
use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};

/// Most bytes of an archive's answer.
const MAX_ANSWER: u64 = 4 << 20;

pub(super) fn send(sender: &Sender, address: &str, files: &[Vec<u8>]) -> Result<(), Unsent> {
    let config = ureq::Agent::config_builder().timeout_global(Some(sender.patience)).http_status_as_error(false);
    // Images of patients go where they were told to, and nowhere else.
    let config = config.max_redirects(0).max_redirects_will_error(false);
    let agent = ureq::Agent::new_with_config(config.build());
    let (boundary, body) = multipart(files);
    let kind = format!("multipart/related; type=\"application/dicom\"; boundary={boundary}");
    let mut request = agent.post(address).header("content-type", &kind).header("accept", "application/dicom+json");
    for (name, value) in &sender.headers {
        request = request.header(name, value);
    }
    let mut answer = request.send(&body[..]).with_context(|| format!("{address}: no answer"))?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
    // "Stored", and then a line that breaks off or never ends, is no acknowledgement.
    let text = String::from_utf8_lossy(&body.with_context(|| format!("{address}: status {status}, its answer breaks off"))?)
        .into_owned();
    // Why each object failed, which a status of the whole does not say.
    let reasons = failures(&text);
    let error = anyhow!("{address}: status {status}, failures {reasons:?}");
    let is_for_now = |reason: &u16| matches!(reason, 0x0110 | 0xa700..=0xa7ff | 0x0213);
    match status {
        200 if reasons.is_empty() => Ok(()),
        200 | 202 | 409 if !reasons.is_empty() && reasons.iter().all(|reason| *reason == 0x0111) => Ok(()),
        200 | 202 | 409 if reasons.iter().any(is_for_now) => Err(Unsent::Later(error)),
        408 | 425 | 429 | 500..=599 => Err(Unsent::Later(error)),
        // A token that ran out, an archive that is being set up or has moved.
        300..=399 | 401 | 403 | 404 => Err(Unsent::Later(error)),
        _ => Err(Unsent::Never(error)),
    }
}

/// A boundary that is in none of the files, and the body.
fn multipart(files: &[Vec<u8>]) -> (String, Vec<u8>) {
    let mut hash = Sha256::new();
    files.iter().for_each(|file| hash.update(file));
    let boundary: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let mut body = Vec::new();
    for file in files {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (boundary, body)
}

/// Failure reasons of `application/dicom+json`.
fn failures(text: &str) -> Vec<u16> {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(text) else { return Vec::new() };
    let items = json["00081198"]["Value"].as_array().into_iter().flatten();
    items.map(|item| item["00081197"]["Value"][0].as_u64().and_then(|reason| reason.try_into().ok()).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_read_and_nonsense_is_none() {
        let text = r#"{"00081198":{"vr":"SQ","Value":[{"00081197":{"vr":"US","Value":[272]}},{}]}}"#;
        assert_eq!(failures(text), [272, 0]);
        assert!(failures("<html>").is_empty() && failures("{}").is_empty());
    }
}
