//! The directories of a TIFF or BigTIFF file: tags and their values.

/// Tags that are read: TIFF 6.0, and those of libtiff.
pub(super) mod tag {
    pub const SUBFILE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const DESCRIPTION: u16 = 270;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const T4_OPTIONS: u16 = 292;
    pub const PREDICTOR: u16 = 317;
    pub const COLOR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const SUBSAMPLING: u16 = 530;
    pub const ICC_PROFILE: u16 = 34_675;
}

/// Most directories followed: what has more is taken for a loop.
const MOST_PAGES: usize = 1024;
/// Most tags of a directory.
const MOST_TAGS: usize = 4096;
/// Most values read of a tag: tiles of 16 x 16 pixels in the largest picture, in four planes.
const MOST_VALUES: usize = 1 << 20;

#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u16,
    kind: u16,
    count: usize,
    /// Where its values stand.
    at: usize,
}

/// A directory, and where the next stands; 0 for none.
#[derive(Clone, Debug)]
pub(super) struct Directory<'a> {
    file: File<'a>,
    entries: Vec<Entry>,
    next: u64,
}

/// A file's bytes and how its numbers are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big_endian: bool,
    big: bool,
}

impl<'a> File<'a> {
    /// The file and the place of its first directory.
    fn open(bytes: &'a [u8]) -> Option<(Self, u64)> {
        let mut file = Self { bytes, big_endian: bytes.starts_with(b"MM"), big: false };
        match file.number(2, 2)? {
            43 => {
                file.big = true;
                (file.number(4, 2)? == 8).then_some((file, file.number(8, 8)?))
            }
            _ => Some((file, file.number(4, 4)?)),
        }
    }

    /// An unsigned number of `size` bytes.
    fn number(&self, at: usize, size: usize) -> Option<u64> {
        let bytes = self.bytes.get(at..at.checked_add(size)?)?;
        let shift = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian { bytes.iter().fold(0, shift) } else { bytes.iter().rev().fold(0, shift) })
    }

    fn directory(self, at: u64) -> Option<Directory<'a>> {
        let (head, word) = if self.big { (8, 8) } else { (2, 4) };
        let at = usize::try_from(at).ok()?;
        let count = usize::try_from(self.number(at, head)?).ok().filter(|count| *count <= MOST_TAGS)?;
        let size = 4 + 2 * word;
        let mut entries = Vec::with_capacity(count.min(256));
        for k in 0..count {
            let at = at + head + k * size;
            let (tag, kind) = (self.number(at, 2)? as u16, self.number(at + 2, 2)? as u16);
            let Some(count) = usize::try_from(self.number(at + 4, word)?).ok() else { continue };
            let value = at + 4 + word;
            // Values that do not fit their place stand elsewhere.
            let inside = bytes_of(kind).checked_mul(count).is_some_and(|bytes| bytes <= word);
            let at = if inside { value } else { usize::try_from(self.number(value, word)?).unwrap_or(usize::MAX) };
            entries.push(Entry { tag, kind, count, at });
        }
        let next = self.number(at + head + count * size, word).unwrap_or(0);
        Some(Directory { file: self, entries, next })
    }
}

/// Bytes of a value of `kind`: TIFF 6.0 page 15, and BigTIFF's.
fn bytes_of(kind: u16) -> usize {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

impl<'a> Directory<'a> {
    /// The file that it stands in.
    pub(super) fn file(&self) -> File<'a> {
        self.file
    }

    /// Unsigned values; none where the tag is absent or its values lie outside the file.
    pub(super) fn values(&self, tag: u16) -> Option<Vec<u64>> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        let size = bytes_of(entry.kind);
        self.file.bytes.get(entry.at..entry.at.checked_add(size.checked_mul(entry.count)?)?)?;
        (0..entry.count.min(MOST_VALUES)).map(|k| self.file.number(entry.at + k * size, size)).collect()
    }

    /// The first value.
    pub(super) fn value(&self, tag: u16) -> Option<u64> {
        self.values(tag)?.first().copied()
    }

    /// The values as they stand in the file.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        self.file.bytes.get(entry.at..entry.at.checked_add(bytes_of(entry.kind).checked_mul(entry.count)?)?)
    }
}

/// The directory of the picture to read, and how many pages the file has.
///
/// Reduced copies and masks are no pages; the first page is read, or the first directory where there is none.
pub(super) fn picture(bytes: &[u8]) -> Option<(Directory<'_>, usize)> {
    let (file, mut at) = File::open(bytes)?;
    let (mut first, mut page, mut pages, mut seen) = (None, None, 0, Vec::new());
    while at != 0 && seen.len() < MOST_PAGES && !seen.contains(&at) {
        seen.push(at);
        let Some(directory) = file.directory(at) else { break };
        at = directory.next;
        let is_page = directory.value(tag::SUBFILE).unwrap_or(0) & 0b101 == 0;
        pages += usize::from(is_page);
        if is_page && page.is_none() {
            page = Some(directory);
        } else if first.is_none() {
            first = Some(directory);
        }
    }
    let picture = page.or(first)?;
    let pages = pages.max(picture.bytes(tag::DESCRIPTION).map_or(0, images_of_imagej));
    Some((picture, pages))
}

/// Images behind one directory: ImageJ says in a description how many follow each other where a stack is large.
fn images_of_imagej(description: &[u8]) -> usize {
    let text = String::from_utf8_lossy(&description[..description.len().min(256)]);
    let count = text.starts_with("ImageJ=").then(|| text.lines().find_map(|line| line.strip_prefix("images="))).flatten();
    count.and_then(|count| count.trim_matches(['\0', ' ']).parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of single LONG values, `next` after it.
    fn directory(entries: &[(u16, u32)], next: u32) -> Vec<u8> {
        let mut out = (entries.len() as u16).to_le_bytes().to_vec();
        for (tag, value) in entries {
            out.extend([tag.to_le_bytes(), 4u16.to_le_bytes()].concat());
            out.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        out.extend(next.to_le_bytes());
        out
    }

    #[test]
    fn thumbnails_are_no_pages_and_loops_end() {
        let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
        file.extend(directory(&[(tag::SUBFILE, 1), (tag::WIDTH, 5)], 38));
        file.extend(directory(&[(tag::SUBFILE, 2), (tag::WIDTH, 50)], 68));
        file.extend(directory(&[(tag::SUBFILE, 2), (tag::WIDTH, 51)], 8));
        let (found, pages) = picture(&file).unwrap();
        assert_eq!((found.value(tag::WIDTH), pages), (Some(50), 2));
        file[36..38].copy_from_slice(&[0, 0]);
        file[34..36].copy_from_slice(&[0, 0]);
        assert_eq!(picture(&file).unwrap().0.value(tag::WIDTH), Some(5));
    }

    #[test]
    fn a_stack_of_imagej_has_its_images() {
        assert_eq!(images_of_imagej(b"ImageJ=1.53t\nimages=3\nslices=3\nloop=false\n\0"), 3);
        assert_eq!(images_of_imagej(b"ImageJ=1.53t\nunit=mm\n\0"), 0);
        assert_eq!(images_of_imagej(b"images=3"), 0);
    }

    #[test]
    fn values_outside_the_file_are_absent() {
        let mut file = b"II\x2a\0\x08\0\0\0".to_vec();
        file.extend(directory(&[(tag::WIDTH, 5)], 0));
        file[14..18].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(picture(&file).unwrap().0.value(tag::WIDTH), None);
        assert!(picture(b"MM\0\x2b\0\x08\0\0").is_none());
    }
}
