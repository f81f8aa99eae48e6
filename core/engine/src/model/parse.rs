//! Checking a file: header, sections, values, operators, plan.

use super::bytes::{crc32, crc32_folded, f32_at, slice, u8_at, u16_at, u32_at};
use super::desc::ValueId;
use super::layout::{MAGIC, MAX_OPERATORS, VERSION, header, value};
use super::{Model, check};
use crate::error::{Error, attempt};
use crate::plan;

/// Most bytes in a row of a map; keeps every offset far from overflow.
const MAX_ROW: usize = 1 << 20;
/// Most rows of all values together: a bound on the time to check a plan.
const MAX_ROWS: u64 = 1 << 20;

/// Operators that may share their constants, about.
const MAX_SHARING: u64 = 32;

const fn invalid<T>(offset: usize, field: &'static str) -> Result<T, Error> {
    Err(Error::InvalidField { offset: offset as u32, field })
}

impl<'m> Model<'m> {
    /// Reads a file and checks everything: afterwards nothing can fail but the calls themselves.
    ///
    /// # Errors
    /// What is wrong first.
    pub const fn parse(bytes: &'m [u8]) -> Result<Self, Error> {
        parse::<false>(bytes)
    }

    #[doc(hidden)] // for the macros and for images of boards
    /// [`parse`](Self::parse) for the compiler, which this takes less time. [`include_network!`](crate::include_network) calls it.
    ///
    /// # Panics
    /// With what is wrong, which is the compiler's message.
    #[must_use]
    pub const fn parse_or_panic(bytes: &'m [u8]) -> Self {
        match parse::<true>(bytes) {
            Ok(model) => model,
            Err(
                Error::InvalidField { field, .. }
                | Error::InvalidValue { field, .. }
                | Error::InvalidOperator { field, .. }
                | Error::InvalidPlan { field, .. },
            ) => panic!("{}", field),
            Err(_) => panic!("not a network file of this version, or damaged: import the network again"),
        }
    }
}

/// `COMPILING`: in fewer steps, which the compiler interprets, and with more memory.
const fn parse<const COMPILING: bool>(b: &[u8]) -> Result<Model<'_>, Error> {
    let model = attempt!(graph::<COMPILING>(b));
    let arena = attempt!(plan::check(&model));
    if arena != model.arena_bytes() as u64 {
        return invalid(header::ARENA, "arena length");
    }
    Ok(model)
}

/// The file without its plan.
pub const fn graph<const COMPILING: bool>(b: &[u8]) -> Result<Model<'_>, Error> {
    attempt!(header::<COMPILING>(b));
    let model = Model::new(b);
    attempt!(tables(&model));
    attempt!(texts(b));
    let (mut id, mut rows) = (0, 0u64);
    while (id as usize) <= model.operator_count() {
        attempt!(check_value(&model, id));
        rows += model.shape(id).height as u64;
        id += 1;
    }
    if rows > MAX_ROWS {
        return invalid(header::VALUES, "values (more rows than a million)");
    }
    // Parts of a map share their constants; a file in which very many do would take long to check.
    if model.constant_bytes() / MAX_SHARING > b.len() as u64 {
        return invalid(header::OPERATORS, "constants (they overlap)");
    }
    let mut i = 0;
    while (i as usize) < model.operator_count() {
        attempt!(check::operator(&model, i));
        i += 1;
    }
    Ok(model)
}

const fn header<const COMPILING: bool>(b: &[u8]) -> Result<(), Error> {
    if b.len() < 4 || b[0] != MAGIC[0] || b[1] != MAGIC[1] || b[2] != MAGIC[2] || b[3] != MAGIC[3] {
        return Err(Error::BadMagic);
    }
    if b.len() < header::SIZE {
        return Err(Error::Length { expected: header::SIZE as u32, given: b.len() as u32 });
    }
    if u16_at(b, header::VERSION) != VERSION {
        return Err(Error::UnsupportedVersion { found: u16_at(b, header::VERSION) });
    }
    if u16_at(b, header::LEN) as usize != header::SIZE {
        return invalid(header::LEN, "header length");
    }
    if b.len() as u64 != u32_at(b, header::FILE_LEN) as u64 {
        return Err(Error::Length { expected: u32_at(b, header::FILE_LEN), given: b.len() as u32 });
    }
    let stored = u32_at(b, header::CRC);
    let computed =
        if COMPILING { crc32_folded(b, header::ARENA) } else { crc32(slice(b, header::ARENA, b.len() - header::ARENA), 0) };
    if stored != computed {
        return Err(Error::BadChecksum { stored, computed });
    }
    Ok(())
}

const fn tables(model: &Model<'_>) -> Result<(), Error> {
    let b = model.bytes;
    let operators = u16_at(b, header::OPERATOR_COUNT) as usize;
    if operators == 0 || operators > MAX_OPERATORS {
        return invalid(header::OPERATOR_COUNT, "operator count");
    }
    if model.operator_count() != operators {
        return invalid(header::OPERATORS, "operator table");
    }
    if model.values.len() != (operators + 1) * value::SIZE {
        return invalid(header::VALUES, "value table");
    }
    if model.output_count() == 0 || model.output_count() != u16_at(b, header::OUTPUT_COUNT) as usize {
        return invalid(header::OUTPUTS, "outputs");
    }
    if model.segment_count() == 0 || model.segment_count() != u16_at(b, header::SEGMENT_COUNT) as usize {
        return invalid(header::SEGMENTS, "segments");
    }
    let mut i = 0;
    while i < model.output_count() {
        // The input is no output: nothing would be computed.
        if !matches!(model.output(i), Some(id) if id > 0 && id as usize <= operators) {
            return invalid(header::OUTPUTS, "outputs (no such value)");
        }
        i += 1;
    }
    Ok(())
}

const fn texts(b: &[u8]) -> Result<(), Error> {
    let sections = [header::LABELS, header::METADATA, header::HEAD];
    let mut i = 0;
    while i < sections.len() {
        let (at, len) = (u32_at(b, sections[i]) as usize, u32_at(b, sections[i] + 4) as usize);
        let bytes = slice(b, at, len);
        if bytes.len() != len {
            return invalid(sections[i], "section (it lies outside of the file)");
        }
        if sections[i] != header::HEAD && core::str::from_utf8(bytes).is_err() {
            return invalid(sections[i], "text (it is not UTF-8)");
        }
        i += 1;
    }
    Ok(())
}

const fn check_value(model: &Model<'_>, id: ValueId) -> Result<(), Error> {
    let at = id as usize * value::SIZE;
    let shape = model.shape(id);
    if shape.is_empty() || shape.row_len() > MAX_ROW {
        return Err(Error::InvalidValue { value: id, field: "shape (an extent is 0, or a row longer than 2^20)" });
    }
    let element = u8_at(model.values, at + value::ELEMENT);
    if element > 1 || (id == 0 && element != 0) {
        return Err(Error::InvalidValue { value: id, field: "element type" });
    }
    if u8_at(model.values, at + value::EXTERNAL) > 2 {
        return Err(Error::InvalidValue { value: id, field: "external type" });
    }
    if u8_at(model.values, at + value::STORAGE) > 3 {
        return Err(Error::InvalidValue { value: id, field: "storage" });
    }
    // From 2^-60 to 2^60: products and sums of such values stay finite.
    let scale = f32_at(model.values, at + value::SCALE);
    if !(scale >= 8.673_617_4e-19 && scale <= 1.152_921_5e18) {
        return Err(Error::InvalidValue { value: id, field: "scale" });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
