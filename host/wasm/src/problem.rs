//! Errors as the server words them (RFC 9457), so that the page has one kind.

use cxr_app::decode::{Kind, Refusal};
use serde_json::{Value, json};

/// What is wrong with a file.
pub fn of(error: &anyhow::Error) -> Value {
    let (slug, title) = match error.downcast_ref::<Refusal>().map(|refusal| refusal.kind) {
        Some(Kind::Empty) => ("empty", "The file is empty"),
        Some(Kind::NotAnImage) => ("not-an-image", "Not an image that is read here"),
        Some(Kind::Damaged) => ("damaged", "The image is damaged"),
        Some(Kind::TooLarge) => ("too-large", "Larger than this page takes"),
        Some(Kind::Unsupported) => ("unsupported", "An image of a sort that is not read here"),
        None => ("unusable", "This file could not be used"),
    };
    json!({ "type": format!("urn:cxr:problem:{slug}"), "title": title, "detail": format!("{error:#}") })
}
