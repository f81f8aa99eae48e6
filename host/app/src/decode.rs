//! Image files to gray pixels: decoded by content, resized by [`cxr_core::image`] alone, so that training,
//! evaluation, prediction, the server and the device see the same pixels.

mod dicom;
mod guard;
mod picture;
mod raster;
mod refusal;
mod thumbnail;

pub use dicom::{Preset, attributes};
pub use raster::Image;
pub use refusal::{Kind, Refusal};
pub use thumbnail::{Samples, Thumbnail};

use anyhow::{Context, Result};
use raster::MAX_ALLOC;
use refusal::{REMEDY, refuse};
use std::io::Read;
use std::path::Path;

/// Largest file read, in bytes.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Decodes the file at `path` and resizes it to 256x256.
///
/// Returns 256*256 gray levels, 0 to 255, row by row.
///
/// # Errors
/// As [`gray`], and an unreadable or empty file.
pub fn gray_256(path: &Path) -> Result<Vec<u8>> {
    gray(&read(path)?, &path.display().to_string(), 256, 256)
}

/// Reads a file of at most 256 MiB.
///
/// # Errors
/// Names `path` and what to do.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let name = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("{name}: cannot be opened: check the path"))?;
    if !metadata.is_file() {
        refuse!(NotAnImage, "{name}: not a file: {REMEDY}");
    }
    let mut bytes = Vec::with_capacity(metadata.len().min(MAX_FILE_BYTES) as usize);
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .with_context(|| format!("{name}: cannot be read: check its permissions"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        refuse!(TooLarge, "{name}: larger than {} MiB: reduce it", MAX_FILE_BYTES >> 20);
    }
    Ok(bytes)
}

/// Decodes an image held in memory and stretches it to `width` x `height`.
///
/// The format is told from the bytes, never from `name`, which serves the errors. Colour becomes luma; alpha is
/// composed over the background that the file names, or black; 16-bit values are gray over their full range, DICOM's
/// over the file's window. Exif orientation is applied. docs/serve.md has the rule of each format.
/// Returns `width * height` gray levels, 0 to 255, row by row.
///
/// # Errors
/// A [`Refusal`] for bytes that are no image, a damaged or oversized image, floating-point pixels or several frames;
/// a `width` without a resizer.
pub fn gray(bytes: &[u8], name: &str, width: usize, height: usize) -> Result<Vec<u8>> {
    Image::decode(bytes, name)?.gray(width, height)
}

/// Width and height in pixels, read from the header and turned by Exif orientation.
///
/// # Errors
/// Bytes that are no image, or an oversized one.
pub fn dimensions(bytes: &[u8], name: &str) -> Result<(u32, u32)> {
    if dicom::is_dicom(bytes) {
        return dicom::dimensions(bytes, name);
    }
    picture::dimensions(bytes, name, MAX_ALLOC)
}

impl<'n> Image<'n> {
    /// Decodes; see [`gray`].
    ///
    /// # Errors
    /// As [`gray`].
    pub fn decode(bytes: &[u8], name: &'n str) -> Result<Self> {
        Self::decode_within(bytes, name, MAX_ALLOC)
    }

    /// [`decode`](Self::decode) that refuses, before it decodes, what would have more than `max_bytes` alive at once
    /// (`bytes` themselves not counted).
    ///
    /// # Errors
    /// As [`gray`].
    pub fn decode_within(bytes: &[u8], name: &'n str, max_bytes: u64) -> Result<Self> {
        if dicom::is_dicom(bytes) {
            return dicom::decode(bytes, name, max_bytes);
        }
        picture::decode(bytes, name, max_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::tiff::encoder::colortype::{self, ColorType};
    use ::tiff::encoder::{TiffEncoder, TiffValue};
    use cxr_core::image::{Resizer, Row, Window};
    use image::DynamicImage;
    use image::{GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
    use std::io::Cursor;

    fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Vec::new();
        image.into().write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        bytes
    }

    fn level(x: u32, y: u32) -> u8 {
        (x * 3 + y * 2) as u8
    }

    fn ramp() -> GrayImage {
        GrayImage::from_fn(40, 50, |x, y| Luma([level(x, y)]))
    }

    #[test]
    fn raw_pixels_and_their_window_are_what_gray_is_made_of() {
        // What a board gets must give what `predict` computes, DICOM's windows and inversion too.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/dicom");
        let mut deep = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.display().to_string();
            let Ok(image) = Image::decode(&std::fs::read(&path).unwrap(), &name) else { continue };
            let (DynamicImage::ImageLuma16(pixels), window) = image.raw() else { continue };
            let mut resizer = Resizer::<64>::new(pixels.width() as usize, pixels.height() as usize, 64, window).unwrap();
            let mut rows = Vec::new();
            for row in pixels.as_raw().chunks_exact(pixels.width() as usize) {
                resizer.push_row(Row::Gray16(row), |row| rows.extend_from_slice(row)).unwrap();
            }
            assert_eq!(rows, image.gray(64, 64).unwrap(), "{name}");
            deep += usize::from(window != Window::FULL_16);
        }
        assert!(deep > 3, "{deep} fixtures with a window of their own");
    }

    fn tiff<C: ColorType>(samples: &[C::Inner]) -> Vec<u8>
    where
        [C::Inner]: TiffValue,
    {
        let mut file = Cursor::new(Vec::new());
        TiffEncoder::new(&mut file).unwrap().write_image::<C>(40, 50, samples).unwrap();
        file.into_inner()
    }

    #[test]
    fn every_pixel_format_gives_the_same_gray() {
        let expected = gray(&encoded(ramp(), ImageFormat::Png), "gray8", 32, 32).unwrap();
        assert_eq!(expected.len(), 32 * 32);
        let wide = |x, y| u16::from(level(x, y)) * 257;
        let images: [(&str, DynamicImage); 7] = [
            ("gray16", ImageBuffer::from_fn(40, 50, |x, y| Luma([wide(x, y)])).into()),
            ("gray alpha", ImageBuffer::from_fn(40, 50, |x, y| LumaA([level(x, y), 255])).into()),
            ("gray alpha 16", ImageBuffer::from_fn(40, 50, |x, y| LumaA([wide(x, y), 65_535])).into()),
            ("rgb", ImageBuffer::from_fn(40, 50, |x, y| Rgb([level(x, y); 3])).into()),
            ("rgb16", ImageBuffer::from_fn(40, 50, |x, y| Rgb([wide(x, y); 3])).into()),
            ("rgba", ImageBuffer::from_fn(40, 50, |x, y| Rgba([level(x, y), level(x, y), level(x, y), 255])).into()),
            ("rgba16", ImageBuffer::from_fn(40, 50, |x, y| Rgba([wide(x, y), wide(x, y), wide(x, y), 65_535])).into()),
        ];
        for (name, image) in images {
            assert_eq!(gray(&encoded(image.clone(), ImageFormat::Png), name, 32, 32).unwrap(), expected, "{name}");
            let file = match &image {
                DynamicImage::ImageLuma16(p) => tiff::<colortype::Gray16>(p),
                DynamicImage::ImageRgb8(p) => tiff::<colortype::RGB8>(p),
                DynamicImage::ImageRgb16(p) => tiff::<colortype::RGB16>(p),
                DynamicImage::ImageRgba8(p) => tiff::<colortype::RGBA8>(p),
                DynamicImage::ImageRgba16(p) => tiff::<colortype::RGBA16>(p),
                _ => continue, // the encoder has no such format
            };
            assert_eq!(gray(&file, name, 32, 32).unwrap(), expected, "{name}, TIFF");
        }
        assert_eq!(gray(&encoded(ramp(), ImageFormat::Bmp), "bmp", 32, 32).unwrap(), expected);
    }

    #[test]
    fn content_decides_not_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("named.png");
        std::fs::write(&path, encoded(ramp(), ImageFormat::Jpeg)).unwrap();
        assert_eq!(gray_256(&path).unwrap().len(), 256 * 256);
    }

    #[test]
    fn sizes_and_orientation() {
        let plain = encoded(ramp(), ImageFormat::Jpeg);
        assert_eq!(dimensions(&plain, "plain").unwrap(), (40, 50));
        // Exif APP1 after SOI: little-endian TIFF, one entry, orientation (0x0112) 6 = rotate by 90 degrees.
        let mut exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
        exif[3] = (exif.len() - 2) as u8;
        let turned = [&plain[..2], &exif, &plain[2..]].concat();
        assert_eq!(dimensions(&turned, "turned").unwrap(), (50, 40));
        let image = Image::decode(&turned, "turned").unwrap();
        assert_eq!(image.dimensions(), (50, 40));
        assert_ne!(image.gray(32, 32).unwrap(), gray(&plain, "plain", 32, 32).unwrap());
    }

    #[test]
    fn errors_name_the_file_and_the_remedy() {
        let png = encoded(ramp(), ImageFormat::Png);
        let float = tiff::<colortype::Gray32Float>(&[0.5; 40 * 50]);
        let mut huge = png.clone();
        huge[16..20].copy_from_slice(&60_000u32.to_be_bytes());
        let checksum = cxr_testkit::CRC32.checksum(&huge[12..29]);
        huge[29..33].copy_from_slice(&checksum.to_be_bytes());
        for (bytes, told) in [
            (&b""[..], "empty file"),
            (b"hello, not an image", "not an image"),
            (&png[..png.len() / 2], "damaged"),
            (&float, "floating-point"),
            (&huge, "too large"),
        ] {
            let error = format!("{:#}", gray(bytes, "scan.png", 32, 32).unwrap_err());
            assert!(error.starts_with("scan.png: ") && error.contains(told), "{error}");
        }
        let error = gray(&png, "scan.png", 33, 32).unwrap_err().to_string();
        assert!(error.contains("no resizer for width 33"), "{error}");
        let error = format!("{:#}", gray_256(Path::new("/nowhere/scan.png")).unwrap_err());
        assert!(error.contains("/nowhere/scan.png: cannot be opened"), "{error}");
        let error = gray_256(Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("not a file"), "{error}");
    }
}
