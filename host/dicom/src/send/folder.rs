//! Answers as files in a folder: `SOPINSTANCEUID.dcm`.

use super::archive::Unsent;
use anyhow::{Context, Result};
use cxr_app::files;
use dicom_object::FileMetaTable;
use std::path::Path;

pub(super) fn send(folder: &Path, objects: &[Vec<u8>]) -> Result<(), Unsent> {
    let named = objects.iter().map(|object| {
        let meta = FileMetaTable::from_reader(&object[128..]).context("an answer in the queue is damaged")?;
        let instance = meta.media_storage_sop_instance_uid().trim_end_matches('\0').to_owned();
        Ok((folder.join(instance).with_added_extension("dcm"), object.clone()))
    });
    let named = named.collect::<Result<Vec<_>>>().map_err(Unsent::Never)?;
    Ok(files::write_all(&named)?)
}
