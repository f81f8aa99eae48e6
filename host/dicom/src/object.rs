//! The objects that answer an image: a structured report, and a secondary capture of the exact map.

mod caption;
mod capture;
mod common;
mod content;
mod report;

pub use common::NOTICE;

use crate::identity::Identity;
use crate::reading::Reading;
use anyhow::{Context, Result};
use cxr_app::prediction::Source;
use dicom_dictionary_std::uids;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};

/// An object to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name in the queue: `report` or `capture`.
    pub name: &'static str,
    /// A DICOM file, explicit little endian.
    pub bytes: Vec<u8>,
}

/// The objects that answer the image of `identity`, the report last: it refers to the capture.
///
/// Their identifiers follow from the image's and the model's SHA-256.
///
/// # Errors
/// An object that cannot be written: a fault of the program.
pub fn answer(identity: &Identity, source: &Source, reading: &Reading) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    let capture = capture::capture(identity, source, reading);
    let uid = capture.as_ref().map(|(uid, _)| uid.as_str());
    let report = report::report(identity, source, reading, uid);
    if let Some((_, capture)) = capture {
        objects.push(Object { name: "capture", bytes: file(capture)? });
    }
    objects.push(Object { name: "report", bytes: file(report)? });
    Ok(objects)
}

fn file(object: InMemDicomObject) -> Result<Vec<u8>> {
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let file = object.with_meta(meta).context("the meta information of an object")?;
    let mut bytes = Vec::new();
    file.write_all(&mut bytes).context("an object cannot be written")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
