//! Elements of a header as they lie in the file: for programs that answer an archive in its own terms.

use super::super::{MAX_ALLOC, refuse};
use super::data_set::walk;
use super::file;
use anyhow::Result;
use dicom_core::Tag;

/// Longest value that is handed out.
const MAX_VALUE: usize = 4096;

/// The bytes of the elements `wanted` of a DICOM file's top level, those that it has, the last of each.
///
/// Values are not decoded and keep their padding. Longer ones than 4096 bytes count as absent.
/// This is the only place where a patient's elements leave a file.
///
/// # Errors
/// A [`Refusal`](super::super::Refusal) for bytes that are no DICOM file, or a damaged one.
pub fn attributes(bytes: &[u8], name: &str, wanted: &[Tag]) -> Result<Vec<(Tag, Vec<u8>)>> {
    if !file::is_dicom(bytes) {
        refuse!(NotAnImage, "{name}: not a DICOM file");
    }
    let file = file::open(bytes, name, MAX_ALLOC)?;
    let mut found: Vec<(Tag, Vec<u8>)> = Vec::new();
    let walked = walk(&file.bytes, file.start, file.encoding, |path, element| {
        if path.is_empty() && wanted.contains(&element.tag) && element.value.len() <= MAX_VALUE {
            found.retain(|(tag, _)| *tag != element.tag);
            found.push((element.tag, element.value.to_vec()));
        }
    });
    if let Err(what) = walked {
        refuse!(Damaged, "{name}: damaged DICOM file ({what}): replace it or leave it out");
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{Kind, Refusal};
    use dicom_dictionary_std::tags;
    use std::path::Path;

    #[test]
    fn values_come_as_they_lie_there_whatever_the_transfer_syntax() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/dicom");
        for name in ["windowed", "deflated", "no-meta", "no-preamble-implicit", "says-implicit", "big-endian-signed", "rle-16"] {
            let bytes = std::fs::read(folder.join(name).with_extension("dcm")).unwrap();
            let found = attributes(&bytes, name, &[tags::PATIENT_NAME, tags::PATIENT_BIRTH_DATE]).unwrap();
            assert_eq!(found, [(tags::PATIENT_NAME, b"Nobody^Generated".to_vec())], "{name}");
        }
        let error = attributes(b"hello", "x", &[]).unwrap_err();
        assert_eq!(error.downcast_ref::<Refusal>().unwrap().kind, Kind::NotAnImage);
    }
}
