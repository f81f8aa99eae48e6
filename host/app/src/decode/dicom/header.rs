//! The elements of a DICOM data set that describe pixels.
//!
//! Names and dates of patients are skipped: they never enter memory structures.

use super::about::About;
use super::data_set::walk;
use super::element::{Element, printable};
use super::file::File;
use super::syntax::Codec;
use super::table::Table;
use crate::decode::refusal::{Kind, Refusal, refuse};
use anyhow::Result;
use dicom_core::Tag;
use dicom_dictionary_std::tags;
use std::ops::Range;

/// What is needed to turn the pixels into gray levels.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) codec: Codec,
    pub(super) rows: u16,
    pub(super) columns: u16,
    pub(super) samples_per_pixel: u16,
    pub(super) photometric: String,
    /// Three planes rather than three samples a pixel.
    pub(super) planar: bool,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    /// Bits below the stored ones.
    pub(super) shift: u32,
    pub(super) signed: bool,
    /// Uncompressed pixels are big endian.
    pub(super) big: bool,
    /// Uncompressed pixels are words, those of eight bits too.
    pub(super) words: bool,
    /// Stored values from the one to the other are no image.
    pub(super) padding: Option<(i64, i64)>,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    /// Centre, width and name of each window.
    pub(super) windows: Vec<(f64, f64, String)>,
    /// There is something in place of a window, but no window.
    pub(super) has_lost_window: bool,
    /// LINEAR, LINEAR_EXACT or SIGMOID.
    pub(super) function: String,
    pub(super) modality_table: Option<Table>,
    pub(super) voi_table: Option<Table>,
    /// Red, green and blue of a palette, each perhaps in segments.
    pub(super) palette: [Table; 3],
    pub(super) about: About,
    /// Where the pixels, or the fragments of them, lie in the data set's bytes.
    pub(super) data: Vec<Range<usize>>,
}

/// What only the checks need.
#[derive(Default)]
struct Raw {
    frames: i64,
    high_bit: Option<i64>,
    padding: Option<i64>,
    padding_limit: Option<i64>,
    modality_table: Table,
    voi_table: Table,
    /// Of the functional groups.
    group_windows: bool,
    /// A centre or width that is not empty.
    has_window: bool,
    is_document: bool,
    is_directory: bool,
    /// The first file that an index of a disc names.
    listed: Option<String>,
}

/// Longest value read of any element but a table: windows and their names are short.
const MAX_VALUE: usize = 4096;

impl Header {
    /// Walks the data set up to its pixels and checks what it says.
    pub(super) fn read(file: &File<'_>, name: &str) -> Result<Self> {
        let damaged =
            |what: &str| Refusal::new(Kind::Damaged, format!("{name}: damaged DICOM file ({what}): replace it or leave it out"));
        let mut header = Self::empty(file.encoding.big);
        let mut raw = Raw { frames: 1, ..Raw::default() };
        let pixels = walk(&file.bytes, file.start, file.encoding, |path, element| match path {
            [] if element.tag == tags::ENCAPSULATED_DOCUMENT => raw.is_document = true,
            [] => {
                // Identifies a set of files.
                raw.is_directory |= element.tag.group() == 4;
                header.take(element, &mut raw);
            }
            [(tags::MODALITY_LUT_SEQUENCE, 0)] => raw.modality_table.take(element),
            [(tags::VOILUT_SEQUENCE, 0)] => raw.voi_table.take(element),
            [(tags::VIEW_CODE_SEQUENCE, 0)] if element.tag == tags::CODE_MEANING => header.about.view(element),
            [(tags::ANATOMIC_REGION_SEQUENCE, 0)] if element.tag == tags::CODE_MEANING => header.about.region(element),
            [(tags::DIRECTORY_RECORD_SEQUENCE, _)] if element.tag == tags::REFERENCED_FILE_ID => {
                raw.listed.get_or_insert_with(|| element.text().replace('\\', "/"));
            }
            // Of the first frame, or of all frames.
            [(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE | tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, 0), (kind, 0)]
                if matches!(*kind, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE | tags::FRAME_VOILUT_SEQUENCE) =>
            {
                if *kind == tags::FRAME_VOILUT_SEQUENCE && !std::mem::replace(&mut raw.group_windows, true) {
                    header.windows.clear();
                }
                header.take(element, &mut raw);
            }
            _ => {}
        })
        .map_err(damaged)?;
        if file.is_directory || raw.is_directory || raw.listed.is_some() {
            let listed = raw.listed.map(|id| printable(&id)).map(|id| format!(", as {id:?}")).unwrap_or_default();
            refuse!(
                Unsupported,
                "{name}: a DICOMDIR is the index of a disc: give the image files in the folders beside it{listed}"
            );
        }
        header.locate(file, pixels, raw.is_document, name)?;
        header.check(&raw, name)?;
        Ok(header)
    }

    fn empty(big: bool) -> Self {
        Self {
            codec: Codec::Native,
            rows: 0,
            columns: 0,
            samples_per_pixel: 1,
            photometric: String::new(),
            planar: false,
            bits_allocated: 0,
            bits_stored: 0,
            shift: 0,
            signed: false,
            big,
            words: false,
            padding: None,
            slope: 1.0,
            intercept: 0.0,
            windows: Vec::new(),
            has_lost_window: false,
            function: "LINEAR".to_owned(),
            modality_table: None,
            voi_table: None,
            palette: Default::default(),
            about: About::default(),
            data: Vec::new(),
        }
    }

    fn take(&mut self, element: &Element<'_>, raw: &mut Raw) {
        if let Some(colour) = palette_of(element.tag) {
            self.palette[colour].take(element);
            return;
        }
        if element.value.len() > MAX_VALUE {
            return;
        }
        let short = || element.number().and_then(|number| u16::try_from(number).ok()).unwrap_or(0);
        let decimal = || element.decimals().first().copied().filter(|number| number.is_finite());
        match element.tag {
            tags::ROWS => self.rows = short(),
            tags::COLUMNS => self.columns = short(),
            tags::SAMPLES_PER_PIXEL => self.samples_per_pixel = short(),
            tags::PHOTOMETRIC_INTERPRETATION => self.photometric = element.text().to_uppercase(),
            tags::PLANAR_CONFIGURATION => self.planar = short() == 1,
            tags::NUMBER_OF_FRAMES => raw.frames = element.decimals().first().map_or(1, |frames| *frames as i64),
            tags::BITS_ALLOCATED => self.bits_allocated = short(),
            tags::BITS_STORED => self.bits_stored = short(),
            tags::HIGH_BIT => raw.high_bit = element.number(),
            tags::PIXEL_REPRESENTATION => self.signed = short() == 1,
            tags::PIXEL_PADDING_VALUE => raw.padding = element.number(),
            tags::PIXEL_PADDING_RANGE_LIMIT => raw.padding_limit = element.number(),
            tags::RESCALE_SLOPE => self.slope = decimal().filter(|slope| *slope != 0.0).unwrap_or(1.0),
            tags::RESCALE_INTERCEPT => self.intercept = decimal().unwrap_or(0.0),
            tags::VOILUT_FUNCTION => self.function = element.text().to_uppercase(),
            tags::WINDOW_CENTER | tags::WINDOW_WIDTH => {
                raw.has_window |= !element.text().is_empty();
                for (i, number) in element.decimals().into_iter().enumerate() {
                    let window = self.window(i);
                    if element.tag == tags::WINDOW_CENTER { window.0 = number } else { window.1 = number }
                }
            }
            tags::WINDOW_CENTER_WIDTH_EXPLANATION => {
                for (i, name) in element.text().split('\\').enumerate().take(16) {
                    self.window(i).2 = printable(name);
                }
            }
            _ => self.about.take(element),
        }
    }

    fn window(&mut self, i: usize) -> &mut (f64, f64, String) {
        while self.windows.len() <= i {
            self.windows.push((f64::NAN, f64::NAN, String::new()));
        }
        &mut self.windows[i]
    }

    /// Bytes of uncompressed pixels.
    pub(super) fn native_bytes(&self) -> u64 {
        let pixels = u64::from(self.rows) * u64::from(self.columns);
        pixels * u64::from(self.samples_per_pixel) * u64::from(self.bits_allocated.div_ceil(8))
    }

    fn check(&mut self, raw: &Raw, name: &str) -> Result<()> {
        let (bits, samples) = (self.bits_allocated, self.samples_per_pixel);
        if raw.frames > 1 {
            refuse!(Unsupported, "{name}: a DICOM file of {} frames: export the one frame to classify", raw.frames);
        }
        if self.photometric.is_empty() && samples == 1 {
            // Files older than the element.
            "MONOCHROME2".clone_into(&mut self.photometric);
        }
        // A stream knows its own depth.
        let is_stream = !matches!(self.codec, Codec::Native | Codec::Rle);
        let depth = matches!(bits, 8 | 16) || (is_stream && (2..16).contains(&bits));
        match (self.photometric.as_str(), samples) {
            ("MONOCHROME1" | "MONOCHROME2", 1) if depth || (bits == 32 && !is_stream) => {}
            ("MONOCHROME1" | "MONOCHROME2", 3) if depth && is_stream => {}
            ("PALETTE COLOR", 1) if depth => {}
            ("RGB" | "YBR_FULL" | "YBR_RCT" | "YBR_ICT", 3) if depth || (bits == 32 && !is_stream) => {}
            ("YBR_FULL_422" | "YBR_PARTIAL_422" | "YBR_PARTIAL_420", 3) if bits == 8 => {}
            (kind, _) => {
                refuse!(
                    Unsupported,
                    "{name}: DICOM pixels of {samples} x {bits} bits a component, {:?}: export it as MONOCHROME2 of 8 or 16 bits",
                    printable(kind)
                )
            }
        }
        self.bits_stored = if self.bits_stored == 0 { bits } else { self.bits_stored };
        if self.bits_stored > bits {
            refuse!(Damaged, "{name}: {} bits stored in {bits} of a DICOM file: replace it or leave it out", self.bits_stored);
        }
        // The stored bits may lie higher than the standard now allows.
        if let Some(high) = raw.high_bit.filter(|high| *high < i64::from(bits)) {
            self.shift = (high + 1 - i64::from(self.bits_stored)).max(0) as u32;
        }
        // Windows without a centre or a usable width mean nothing.
        self.windows.retain(|(centre, width, _)| centre.is_finite() && width.is_finite() && *width > 0.0);
        self.has_lost_window = raw.has_window && self.windows.is_empty();
        self.padding = raw.padding.map(|value| {
            // A value is compared as the pixels are read: by its stored bits.
            let [a, b] = [value, raw.padding_limit.unwrap_or(value)].map(|value| self.value((value as u32) << self.shift));
            (a.min(b), a.max(b))
        });
        self.modality_table = raw.modality_table.clone().unpacked(self.signed);
        // Signed where the values that the table gets can be: by the kind of pixels or after rescaling.
        let (least, _) = self.stored_range();
        let signed = self.modality_table.is_none() && (self.slope * least as f64 + self.intercept < 0.0 || self.slope < 0.0);
        self.voi_table = raw.voi_table.clone().unpacked(signed);
        Ok(())
    }

    /// The least and the greatest value that the stored bits can hold.
    fn stored_range(&self) -> (i64, i64) {
        let span = 1i64 << self.bits_stored;
        if self.signed { (-span / 2, span / 2 - 1) } else { (0, span - 1) }
    }

    /// A stored value: without the bits beside the stored ones, sign extended.
    pub(super) fn value(&self, raw: u32) -> i64 {
        let unused = 32 - u32::from(self.bits_stored);
        let high = raw.unbounded_shr(self.shift).unbounded_shl(unused);
        if self.signed { i64::from((high as i32) >> unused.min(31)) } else { i64::from(high.unbounded_shr(unused)) }
    }
}

/// Red, green or blue of the elements of a palette.
fn palette_of(tag: Tag) -> Option<usize> {
    let Tag(0x0028, element @ (0x1101..=0x1103 | 0x1201..=0x1203 | 0x1221..=0x1223)) = tag else { return None };
    Some(usize::from(element & 15) - 1)
}
