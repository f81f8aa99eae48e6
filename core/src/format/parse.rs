//! Checking a model file.

use super::bytes::{crc32, crc32_folded, f32_at, shape_at, slice, u16_at, u32_at};
use super::check::{self, invalid};
use super::layout::{MAGIC, MAX_CLASSES, MAX_LAYERS, MAX_ROW, VERSION, header, record};
use super::model::Model;
use crate::error::Error;
use crate::plan;

/// `?` for `const fn`.
macro_rules! attempt {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Err(error),
        }
    };
}

impl<'a> Model<'a> {
    /// Checks a model file and borrows it.
    ///
    /// ```
    /// use cxr_core::{error::Error, format::Model};
    /// assert_eq!(Model::parse(b"GIF89a").err(), Some(Error::BadMagic));
    /// ```
    ///
    /// # Errors
    /// Names the first field that is wrong and its offset. Never panics, whatever the bytes.
    pub const fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        parse::<false>(bytes)
    }

    #[doc(hidden)] // for the macros and for images of boards
    /// [`parse`](Self::parse) for constants: a bad file does not compile, and the compiler prints why.
    ///
    /// # Panics
    /// Where `parse` returns an error; meant for const evaluation, see [`include_model!`](crate::include_model).
    pub const fn parse_or_panic(bytes: &'a [u8]) -> Self {
        match parse::<true>(bytes) {
            Ok(model) => model,
            Err(Error::InvalidField { field, .. }) => panic!("{}", field),
            Err(Error::Truncated { .. }) => panic!("the model file is truncated"),
            Err(Error::BadMagic) => panic!("not a .cxr model file"),
            Err(Error::UnsupportedVersion { .. }) => panic!("unsupported model file version: export it again"),
            Err(Error::BadChecksum { .. }) => panic!("the model file is damaged: wrong checksum"),
            Err(_) => panic!("the model file is invalid"),
        }
    }
}

/// `COMPILING`: in fewer steps, which the compiler interprets, and with more memory.
const fn parse<const COMPILING: bool>(b: &[u8]) -> Result<Model<'_>, Error> {
    if b.len() >= 4 && !(b[0] == MAGIC[0] && b[1] == MAGIC[1] && b[2] == MAGIC[2] && b[3] == MAGIC[3]) {
        return Err(Error::BadMagic);
    }
    if b.len() < header::SIZE {
        return Err(Error::Truncated { offset: 0, needed: header::SIZE as u32 });
    }
    if u16_at(b, header::VERSION) != VERSION {
        return Err(Error::UnsupportedVersion { found: u16_at(b, header::VERSION) });
    }
    if u16_at(b, header::LEN) as usize != header::SIZE {
        return invalid(header::LEN, "header length");
    }
    let file_len = u32_at(b, header::FILE_LEN) as usize;
    if b.len() < file_len {
        return Err(Error::Truncated { offset: b.len() as u32, needed: (file_len - b.len()) as u32 });
    }
    if b.len() != file_len {
        return invalid(header::FILE_LEN, "file length");
    }
    let stored = u32_at(b, header::CRC);
    let computed =
        if COMPILING { crc32_folded(b, header::INPUT) } else { crc32(slice(b, header::INPUT, b.len() - header::INPUT), 0) };
    if stored != computed {
        return Err(Error::BadChecksum { stored, computed });
    }
    let layer_count = u16_at(b, header::LAYER_COUNT) as usize;
    if layer_count == 0 || layer_count > MAX_LAYERS {
        return invalid(header::LAYER_COUNT, "layer count");
    }
    let layers = u32_at(b, header::LAYERS) as usize;
    if slice(b, layers, layer_count * record::SIZE).len() != layer_count * record::SIZE {
        return invalid(header::LAYERS, "layer table");
    }
    attempt!(check_header(b));
    let mut model = Model { bytes: b, layers, layer_count, arena: 0 };
    let mut i = 0;
    while i < layer_count {
        attempt!(check::layer(&model, i));
        i += 1;
    }
    attempt!(check::gray(&model));
    attempt!(check::refusal(&model));
    model.arena = plan::arena_bytes(&model);
    if u32_at(b, header::ARENA) as usize != model.arena {
        return invalid(header::ARENA, "arena length");
    }
    Ok(model)
}

const fn check_header(b: &[u8]) -> Result<(), Error> {
    let input = shape_at(b, header::INPUT);
    if input.is_empty() || input.row_len() > MAX_ROW {
        return invalid(header::INPUT, "input shape");
    }
    let classes = u16_at(b, header::CLASS_COUNT) as usize;
    if classes == 0 || classes > MAX_CLASSES {
        return invalid(header::CLASS_COUNT, "class count");
    }
    let temperature = f32_at(b, header::TEMPERATURE);
    if !(temperature >= 1e-3 && temperature <= 1e3) {
        return invalid(header::TEMPERATURE, "temperature");
    }
    let abstain_below = f32_at(b, header::ABSTAIN_BELOW);
    if !(abstain_below >= 0.0 && abstain_below <= 1.0) {
        return invalid(header::ABSTAIN_BELOW, "abstention threshold");
    }
    let number = u16_at(b, header::DOUBT_CLASS) as usize;
    if number > classes || (number > 0 && u32_at(b, header::REFUSAL) == 0) {
        return invalid(header::DOUBT_CLASS, "doubted class");
    }
    if number > 0 && !f32_at(b, header::DOUBT_ABOVE).is_finite() {
        return invalid(header::DOUBT_ABOVE, "threshold of the doubted class");
    }
    let (names, names_len) = (u32_at(b, header::NAMES) as usize, u32_at(b, header::NAMES_LEN) as usize);
    let names = slice(b, names, names_len);
    let (mut newlines, mut i) = (0, 0);
    while i < names.len() {
        newlines += (names[i] == b'\n') as usize;
        i += 1;
    }
    // What lies beyond the file is empty, too.
    if names.is_empty() || newlines + 1 != classes || core::str::from_utf8(names).is_err() {
        return invalid(header::NAMES, "class names");
    }
    let (metadata, metadata_len) = (u32_at(b, header::METADATA) as usize, u32_at(b, header::METADATA_LEN) as usize);
    let metadata = slice(b, metadata, metadata_len);
    if metadata.len() != metadata_len || core::str::from_utf8(metadata).is_err() {
        return invalid(header::METADATA, "metadata");
    }
    Ok(())
}
