//! What a file is, told by its first bytes: the formats that are read, and names for those that are not.

use crate::decode::refusal::REMEDY;

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Png,
    Jpeg,
    Tiff,
    Bmp,
    WebP,
}

impl Format {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
        }
    }

    /// Of the first bytes of a file.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let is = |magic: &[u8]| bytes.starts_with(magic);
        if is(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if is(b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if is(b"II\x2a\0") || is(b"MM\0\x2a") || is(b"II\x2b\0") || is(b"MM\0\x2b") {
            Some(Self::Tiff)
        } else if is(b"BM") && bytes.len() > 26 && !bytes.is_ascii() {
            Some(Self::Bmp)
        } else if is(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            None
        }
    }
}

const AS_PNG: &str = "save it as PNG or JPEG";
const UNPACK: &str = "unpack it and give the image inside";
const EXPORT: &str = "export the image from it as DICOM or PNG";
const ORIGINAL: &str = "give the DICOM file that it comes from, or a PNG";

/// Pictures, volumes and what else can hold one: magic bytes, where they stand, what it is, what to do.
const HOLDS_PICTURES: &[(usize, &[u8], &str, &str)] = &[
    (0, b"GIF87a", "a GIF picture", AS_PNG),
    (0, b"GIF89a", "a GIF picture", AS_PNG),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 file (JP2)", AS_PNG),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 codestream", AS_PNG),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL file", AS_PNG),
    (0, b"\xff\x0a", "a JPEG XL file", AS_PNG),
    (0, b"II\xbc\x01", "a JPEG XR file", AS_PNG),
    (0, b"8BPS", "a Photoshop file (PSD)", AS_PNG),
    (0, b"gimp xcf", "a GIMP file (XCF)", AS_PNG),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture, of floating-point light", AS_PNG),
    (0, b"#?RADIANCE", "a Radiance HDR picture, of floating-point light", AS_PNG),
    (0, b"qoif", "a QOI picture", AS_PNG),
    (0, b"\0\0\x01\0", "an icon (ICO)", AS_PNG),
    (0, b"\0\0\x02\0", "a cursor (CUR)", AS_PNG),
    (0, b"DDS ", "a DirectDraw surface (DDS)", AS_PNG),
    (0, b"BPG\xfb", "a BPG picture", AS_PNG),
    (0, b"FLIF", "a FLIF picture", AS_PNG),
    (0, b"farbfeld", "a farbfeld picture", AS_PNG),
    (0, b"AT&TFORM", "a DjVu document", EXPORT),
    (0, b"FORM", "an IFF file", AS_PNG),
    (0, b"FUJIFILMCCD-RAW", "a camera's raw file (RAF)", AS_PNG),
    (0, b"IIRO", "a camera's raw file (ORF)", AS_PNG),
    (0, b"IIU\0", "a camera's raw file (RW2)", AS_PNG),
    (0, b"%!PS", "a PostScript file", EXPORT),
    (0, b"\xc5\xd0\xd3\xc6", "an encapsulated PostScript file", EXPORT),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)", AS_PNG),
    (0, b"NRRD0", "an NRRD volume", ORIGINAL),
    (344, b"n+1\0", "a NIfTI volume", ORIGINAL),
    (344, b"ni1\0", "the header of a NIfTI volume", ORIGINAL),
    (4, b"n+2\0\r\n\x1a\n", "a NIfTI-2 volume", ORIGINAL),
    (0, b"\x5c\x01\0\0", "a NIfTI or Analyze header", ORIGINAL),
    (0, b"\0\0\x01\x5c", "a NIfTI or Analyze header", ORIGINAL),
    (0, b"ObjectType", "a MetaImage header (MHD, MHA)", ORIGINAL),
    (0, b"NDims", "a MetaImage header (MHD, MHA)", ORIGINAL),
    (0, b"!INTERFILE", "an Interfile header", ORIGINAL),
    (0, b"MATRIX7", "an ECAT volume", ORIGINAL),
    (0, b"\x93NUMPY", "a NumPy array (NPY)", ORIGINAL),
    (0, b"MATLAB 5.0 MAT-file", "a MATLAB file", ORIGINAL),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (also MINC, NetCDF, MATLAB 7.3)", ORIGINAL),
    (0, b"CDF\x01", "a NetCDF file", ORIGINAL),
    (0, b"CDF\x02", "a NetCDF file", ORIGINAL),
    (0, b"SIMPLE  =", "a FITS file", ORIGINAL),
    (0, b"%PDF-", "a PDF document", EXPORT),
];

/// Containers: magic bytes, where they stand, what it is.
const ARCHIVES: &[(usize, &[u8], &str)] = &[
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"PK\x07\x08", "a part of a zip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\0", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (0, b"\x04\x22\x4d\x18", "an LZ4 archive"),
    (0, b"\x1f\x9d", "a compress archive (.Z)"),
    (0, b"LZIP", "an lzip archive"),
    (0, b"\x5d\0\0", "an LZMA archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"MSCF", "a cabinet archive"),
    (257, b"ustar", "a tar archive"),
    (32_769, b"CD001", "the image of a disc (an ISO 9660 archive)"),
];

/// What holds no picture of its own: magic bytes, what it is, what to do.
const OTHERS: &[(&[u8], &str, &str)] = &[
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the file itself with git lfs pull"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document or a Thumbs.db", EXPORT),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video", "export one frame as PNG"),
    (b"\0\0\x01\xba", "an MPEG video", "export one frame as PNG"),
    (b"\0\0\x01\xb3", "an MPEG video", "export one frame as PNG"),
    (b"OggS", "an Ogg file", "give an image"),
    (b"ID3", "an MP3 file", "give an image"),
    (b"fLaC", "a FLAC file", "give an image"),
    (b"SQLite format 3", "an SQLite database", EXPORT),
    (b"\x7fELF", "a program", "give an image"),
    (b"MZ", "a Windows program or a viewer's starter", "give the image beside it"),
    (b"\0\x05\x16\x07", "an AppleDouble file (._NAME) that macOS leaves beside a file", "give the file itself"),
    (b"\0\0\0\x01Bud1", "a .DS_Store of macOS", "give an image"),
];

/// A sentence for a file that is not read: what it is and what to do.
pub(super) fn named(bytes: &[u8]) -> String {
    let at = |start: usize, magic: &[u8]| bytes.get(start..).is_some_and(|rest| rest.starts_with(magic));
    let remedy = REMEDY;
    if let Some((what, remedy)) = media(bytes) {
        return format!("{what}, which is not read here: {remedy}");
    }
    if let Some((.., what, remedy)) = HOLDS_PICTURES.iter().find(|entry| at(entry.0, entry.1)) {
        return format!("{what}, which is not read here: {remedy}");
    }
    if bytes.starts_with(b"PK\x03\x04") {
        return zip(bytes);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return gzip(bytes);
    }
    if let Some((.., what)) = ARCHIVES.iter().find(|entry| at(entry.0, entry.1)) {
        return format!("{what}, which is not read here: {UNPACK}");
    }
    if let Some((_, what, remedy)) = OTHERS.iter().find(|entry| at(0, entry.0)) {
        return format!("not an image but {what}: {remedy}");
    }
    // Some programs write lines before a PDF's own.
    if bytes[..bytes.len().min(1024)].windows(5).any(|five| five == b"%PDF-") {
        return format!("a PDF document, which is not read here: {EXPORT}");
    }
    if is_netpbm(bytes) {
        return format!("a portable map (PNM, PFM), which is not read here: {AS_PNG}");
    }
    if bytes.ends_with(b"TRUEVISION-XFILE.\0") {
        return format!("a Targa picture (TGA), which is not read here: {AS_PNG}");
    }
    if bytes.iter().all(|byte| *byte == 0) {
        return "not an image but zeros alone: copying it broke off; copy it again".to_owned();
    }
    match text(bytes) {
        Some((what, AS_PNG)) => format!("{what}, which is not read here: {AS_PNG}"),
        Some((what, remedy)) => format!("not an image but {what}: {remedy}"),
        None => format!("not an image: {remedy}"),
    }
}

/// ISO base media and RIFF files by their brand.
fn media(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const FRAME: &str = "export one frame as PNG";
    if bytes.starts_with(b"RIFF") {
        return Some(match bytes.get(8..12)? {
            b"AVI " => ("an AVI video", FRAME),
            b"WAVE" => ("a sound file (WAV)", "give an image"),
            _ => ("a RIFF file", AS_PNG),
        });
    }
    if bytes.get(4..8)? != b"ftyp" {
        return None;
    }
    let size = bytes.first_chunk().map_or(0, |size| u32::from_be_bytes(*size)) as usize;
    let brands: Vec<&[u8]> = bytes.get(8..size.clamp(12, 256).min(bytes.len()))?.chunks_exact(4).collect();
    let has = |names: &[&[u8]]| brands.iter().any(|brand| names.contains(brand));
    Some(match () {
        () if has(&[b"avif", b"avis"]) => ("an AVIF picture", AS_PNG),
        () if has(&[
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"heif", b"avci", b"avcs", b"mif1", b"msf1",
            b"mif2",
        ]) =>
        {
            ("a HEIC picture (HEIF), as phones take them", AS_PNG)
        }
        () if has(&[b"jp2 ", b"jpx ", b"jph "]) => ("a JPEG 2000 file (JP2)", AS_PNG),
        () if has(&[b"jxl "]) => ("a JPEG XL file", AS_PNG),
        () if has(&[b"crx "]) => ("a camera's raw file (CR3)", AS_PNG),
        () if has(&[b"M4A ", b"M4B "]) => ("a sound file (M4A)", "give an image"),
        () => ("an MP4 or QuickTime video", FRAME),
    })
}

/// A zip archive by its first entry: documents of office programs are archives too.
fn zip(bytes: &[u8]) -> String {
    let length = bytes.get(26..28).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])));
    let first = bytes.get(30..30 + length).unwrap_or_default();
    let inside = |name: &[u8]| bytes.windows(name.len()).take(1 << 16).any(|window| window == name);
    let what = match first {
        b"[Content_Types].xml" | b"_rels/.rels" | b"docProps/app.xml" => "an Office document (Word, PowerPoint or Excel)",
        b"mimetype" if inside(b"epub") => "an EPUB book",
        b"mimetype" => "an OpenDocument file",
        _ if first.ends_with(b".npy") => "NumPy arrays (NPZ) in a zip archive",
        _ if inside(b"word/") || inside(b"ppt/") || inside(b"xl/") => "an Office document (Word, PowerPoint or Excel)",
        _ => return format!("a zip archive, which is not read here: {UNPACK}"),
    };
    format!("{what}, which is not read here: {EXPORT}")
}

/// A gzip archive and what its first bytes are.
fn gzip(bytes: &[u8]) -> String {
    use std::io::Read;
    let mut start = Vec::new();
    // What cannot be unpacked is named by its outside alone.
    let _ = flate2::read::GzDecoder::new(bytes).take(512).read_to_end(&mut start);
    let is = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    let inside = match () {
        () if is(128, b"DICM") => " of a DICOM file",
        () if is(344, b"n+1\0") || is(344, b"ni1\0") || is(4, b"n+2\0") => " of a NIfTI volume",
        () if is(257, b"ustar") => " of a tar archive",
        () => Format::of(&start).map_or("", |format| match format {
            Format::Tiff => " of a TIFF file",
            Format::Bmp => " of a BMP file",
            _ => " of an image",
        }),
    };
    format!("a gzip archive{inside}, which is not read here: {UNPACK}")
}

fn is_netpbm(bytes: &[u8]) -> bool {
    matches!(bytes, [b'P', b'1'..=b'7' | b'F' | b'f', b' ' | b'\n' | b'\r' | b'\t', ..])
}

/// The sort of a text.
fn text(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let start = &bytes[..bytes.len().min(4096)];
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Some(("a text (UTF-16)", REMEDY));
    }
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    if start.iter().any(|byte| *byte < 9 || (14..32).contains(byte) && *byte != 27) {
        return None;
    }
    let lower = start.trim_ascii_start().to_ascii_lowercase();
    let has = |word: &[u8]| lower.windows(word.len()).any(|window| window == word);
    Some(if has(b"<svg") {
        ("an SVG drawing", AS_PNG)
    } else if lower.starts_with(b"<!doctype html") || has(b"<html") || lower.starts_with(b"<head") || lower.starts_with(b"<body")
    {
        ("an HTML page", "download the image itself: this may be a page of login or an error")
    } else if lower.starts_with(b"<?xml") || lower.starts_with(b"<") {
        ("XML", REMEDY)
    } else if lower.starts_with(b"{") || lower.starts_with(b"[") {
        ("JSON", REMEDY)
    } else if lower.starts_with(b"data:image/") || lower.starts_with(b"ivborw0kggo") || lower.starts_with(b"/9j/") {
        ("an image in base64", "decode the base64 and give the bytes")
    } else if lower.starts_with(b"-----begin") {
        ("a key or certificate", REMEDY)
    } else {
        ("text", REMEDY)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_has_its_name_and_its_remedy() {
        let padded = |at: usize, magic: &[u8]| [vec![1; at], magic.to_vec(), vec![0; 40]].concat();
        for (bytes, told) in [
            (b"GIF89a\x01\0".to_vec(), "GIF"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec(), "HEIC"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf".to_vec(), "AVIF"),
            (b"\0\0\0\x18ftypisom\0\0\0\0mp42isom".to_vec(), "MP4"),
            (b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(), "JPEG 2000"),
            (b"\xff\x0a\xfa\x7f".to_vec(), "JPEG XL"),
            (b"%PDF-1.7\n".to_vec(), "PDF"),
            (b"\r\n %PDF-1.4".to_vec(), "PDF"),
            (b"\0\0\0\x10ftypheif\0\0\0\0".to_vec(), "HEIC"),
            (b"LZIP\x01\x0c".to_vec(), "archive"),
            (b"\x5d\0\0\x80\0\xff\xff".to_vec(), "archive"),
            (padded(344, b"n+1\0"), "NIfTI"),
            (padded(257, b"ustar"), "tar"),
            (b"PK\x03\x04\0\0\0\0\0\0".to_vec(), "zip archive"),
            ([&[b'P', b'K', 3, 4][..], &[0; 22], &[19, 0, 0, 0], b"[Content_Types].xml"].concat(), "Office document"),
            (b"\x1f\x8b\x08\0".to_vec(), "gzip"),
            (b"\x93NUMPY\x01\0".to_vec(), "NumPy"),
            (b"NRRD0005\n".to_vec(), "NRRD"),
            (b"ObjectType = Image\n".to_vec(), "MetaImage"),
            (b"8BPS\0\x01".to_vec(), "PSD"),
            (b"P5\n4 4\n255\n".to_vec(), "PNM"),
            (b"<svg xmlns=''/>".to_vec(), "SVG"),
            (b"<?xml version='1.0'?><svg/>".to_vec(), "SVG"),
            (b"  <!DOCTYPE html><html>".to_vec(), "not an image but an HTML page"),
            (b"{\"a\": 1}".to_vec(), "not an image but JSON"),
            (b"version https://git-lfs.github.com/spec/v1".to_vec(), "not an image but a Git LFS pointer"),
            (b"hello, not an image".to_vec(), "not an image but text"),
            (vec![0; 500], "zeros"),
            (vec![7, 200, 3, 1], "not an image: give"),
            (b"RIFF\0\0\0\0AVI LIST".to_vec(), "AVI"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "Office"),
        ] {
            let message = named(&bytes);
            assert!(message.contains(told) && message.contains(": "), "{told}: {message}");
            assert!(Format::of(&bytes).is_none(), "{told}");
        }
    }

    #[test]
    fn a_gzip_is_named_with_what_it_holds() {
        use std::io::Write;
        let packed = |plain: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(plain).unwrap();
            named(&encoder.finish().unwrap())
        };
        assert!(packed(&[&[0; 128][..], b"DICM"].concat()).contains("gzip archive of a DICOM file"));
        assert!(packed(&[&[0; 344][..], b"n+1\0"].concat()).contains("gzip archive of a NIfTI volume"));
        assert!(packed(b"words").starts_with("a gzip archive, which"));
    }
}
