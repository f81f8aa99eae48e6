//! What decoding a DICOM image allocates stays within the bound that it was given: counted by the allocator, at the
//! smallest bound at which each decoder does not refuse.

use cxr_app::decode::{Image, Kind, Refusal};
use peak_alloc::PeakAlloc;
use std::io::Write;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Pixels a side.
const SIDE: u16 = 1024;
/// Allowed beside the bound: tables, the header, a line of samples for each decoder.
const SLACK: usize = 512 << 10;

fn element(group: u16, number: u16, kind: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut out = [group.to_le_bytes(), number.to_le_bytes(), *kind].concat();
    if matches!(kind, b"OB" | b"OW") {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
    out
}

/// The data set before its pixels.
fn head(samples: u16, bits: u16, photometric: &str) -> Vec<u8> {
    let short = |number, value: u16| element(0x28, number, b"US", &value.to_le_bytes());
    let photometric = format!("{photometric}{}", if photometric.len() % 2 == 1 { " " } else { "" });
    [
        element(8, 0x16, b"UI", b"1.2.840.10008.5.1.4.1.1.1\0"),
        short(2, samples),
        element(0x28, 4, b"CS", photometric.as_bytes()),
        short(0x10, SIDE),
        short(0x11, SIDE),
        short(0x100, bits),
        short(0x101, bits),
    ]
    .concat()
}

fn native(samples: u16, bits: u16, photometric: &str) -> Vec<u8> {
    let count = usize::from(SIDE) * usize::from(SIDE) * usize::from(samples) * usize::from(bits / 8);
    let pixels: Vec<u8> = (0..count).map(|i| (i * 31 % 251) as u8).collect();
    [head(samples, bits, photometric), element(0x7fe0, 0x10, b"OW", &pixels)].concat()
}

/// Each of `fragments` as an item after an empty offset table.
fn encapsulated(samples: u16, bits: u16, photometric: &str, fragments: &[&[u8]]) -> Vec<u8> {
    let mut out = head(samples, bits, photometric);
    out.extend(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0");
    for fragment in fragments {
        out.extend(b"\xfe\xff\x00\xe0");
        out.extend((fragment.len() as u32).to_le_bytes());
        out.extend(*fragment);
    }
    out.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
    out
}

fn with_syntax(uid: &str, data: &[u8]) -> Vec<u8> {
    let uid = format!("{uid}{}", if uid.len() % 2 == 1 { "\0" } else { "" });
    [&[0; 128][..], b"DICM", &element(2, 0x10, b"UI", uid.as_bytes()), data].concat()
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
}

/// A frame of one gray level: every code is the bit 0, in JPEG of process `marker`.
fn jpeg(marker: u8, bits: u8, components: u8, sampling: u8) -> Vec<u8> {
    let sides = [SIDE.to_be_bytes(), SIDE.to_be_bytes()].concat();
    let part = |i: u8| [i + 1, if i == 0 { sampling } else { 0x11 }, 0];
    let parts: Vec<u8> = (0..components).flat_map(part).collect();
    let chosen: Vec<u8> = (0..components).flat_map(|i| [i + 1, 0]).collect();
    let table = |class: u8| [&[class << 4, 1][..], &[0; 15], &[0]].concat();
    let last = if marker == 0xc3 { [1, 0, 0] } else { [0, if marker == 0xc2 { 0 } else { 63 }, 0] };
    [
        vec![0xff, 0xd8],
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(marker, &[&[bits][..], &sides, &[components], &parts].concat()),
        segment(0xc4, &table(0)),
        segment(0xc4, &table(1)),
        segment(0xda, &[&[components][..], &chosen, &last].concat()),
        vec![0; usize::from(SIDE) * usize::from(SIDE) * usize::from(components) / 4],
        vec![0xff, 0xd9],
    ]
    .concat()
}

/// A frame of runs alone: the bit 1 throughout, a stuffed 0 after each byte of them.
fn jpeg_ls(components: u8) -> Vec<u8> {
    let sides = [SIDE.to_be_bytes(), SIDE.to_be_bytes()].concat();
    let parts: Vec<u8> = (0..components).flat_map(|i| [i + 1, 0x11, 0]).collect();
    let chosen: Vec<u8> = (0..components).flat_map(|i| [i + 1, 0]).collect();
    let interleave = if components > 1 { 2 } else { 0 };
    [
        vec![0xff, 0xd8],
        segment(0xf7, &[&[16][..], &sides, &[components], &parts].concat()),
        segment(0xda, &[&[components][..], &chosen, &[0, interleave, 0]].concat()),
        [0xff, 0x7f].repeat(usize::from(SIDE) * 16),
        vec![0xff, 0xd9],
    ]
    .concat()
}

/// A code stream of empty packets. `block`: exponent of a code block's sides, less 2.
fn jpeg_2000(components: u16, high_throughput: bool, block: u8) -> Vec<u8> {
    let side = u32::from(SIDE).to_be_bytes();
    let parts: Vec<u8> = (0..components).flat_map(|_| [15, 1, 1]).collect();
    let size = [&[0; 2][..], &side, &side, &[0; 8], &side, &side, &[0; 8], &components.to_be_bytes(), &parts].concat();
    let style = if high_throughput { 0x40 } else { 0 };
    let transform = u8::from(components == 3);
    let body = vec![0; usize::from(components) * 6];
    let main = [
        vec![0xff, 0x4f],
        segment(0x51, &size),
        if high_throughput { segment(0x50, &[0, 2, 0, 0, 0, 0]) } else { Vec::new() },
        segment(0x52, &[0, 0, 0, 1, transform, 5, block, block, style, 1]),
        segment(0x5c, &[&[0x40][..], &[0x80; 16]].concat()),
    ]
    .concat();
    let part = [&[0, 0][..], &(14 + body.len() as u32).to_be_bytes(), &[0, 1]].concat();
    [main, segment(0x90, &part), vec![0xff, 0x93], body, vec![0xff, 0xd9]].concat()
}

/// Run lengths of one gray level.
fn rle(planes: u32) -> Vec<u8> {
    let pixels = usize::from(SIDE) * usize::from(SIDE);
    let plane = [129, 7].repeat(pixels.div_ceil(128));
    let starts = (0..15).map(|i| if i < planes { 64 + i * plane.len() as u32 } else { 0 });
    [planes].into_iter().chain(starts).flat_map(u32::to_le_bytes).chain(plane.repeat(planes as usize)).collect()
}

/// Bytes allocated while the file is decoded and resized within `bound`, or `None` where it is refused as too large.
fn peak(file: &[u8], bound: u64, name: &str) -> Option<usize> {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    match Image::decode_within(file, name, bound).and_then(|image| image.gray(256, 256)) {
        Ok(_) => Some(ALLOCATOR.peak_usage() - before),
        Err(error) if error.downcast_ref::<Refusal>().is_some_and(|refusal| refusal.kind == Kind::TooLarge) => {
            let used = ALLOCATOR.peak_usage() - before;
            assert!(used <= bound as usize + SLACK, "{name}: refused after {used} bytes of {bound}");
            None
        }
        Err(error) => panic!("{name}: {error}"),
    }
}

#[test]
fn no_decoder_takes_more_than_its_bound() {
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    deflated.write_all(&native(1, 16, "MONOCHROME2")).unwrap();
    let gray = |stream: &[u8]| encapsulated(1, 16, "MONOCHROME2", &[stream]);
    let colour = |bits, stream: &[u8]| encapsulated(3, bits, "RGB", &[stream]);
    let lossless = jpeg(0xc3, 16, 1, 0x11);
    let files: Vec<(&str, Vec<u8>)> = vec![
        ("native 16", native(1, 16, "MONOCHROME2")),
        ("native 8", native(1, 8, "MONOCHROME2")),
        ("native 32", native(1, 32, "MONOCHROME2")),
        ("native colour 8", native(3, 8, "RGB")),
        ("native colour 16", native(3, 16, "RGB")),
        ("deflated", with_syntax("1.2.840.10008.1.2.1.99", &deflated.finish().unwrap())),
        ("rle 16", with_syntax("1.2.840.10008.1.2.5", &gray(&rle(2)))),
        ("rle colour", with_syntax("1.2.840.10008.1.2.5", &colour(8, &rle(3)))),
        ("jpeg baseline", encapsulated(1, 8, "MONOCHROME2", &[&jpeg(0xc0, 8, 1, 0x11)])),
        ("jpeg colour", colour(8, &jpeg(0xc0, 8, 3, 0x11))),
        ("jpeg colour 420", colour(8, &jpeg(0xc0, 8, 3, 0x22))),
        ("jpeg progressive", encapsulated(1, 8, "MONOCHROME2", &[&jpeg(0xc2, 8, 1, 0x11)])),
        ("jpeg 12", gray(&jpeg(0xc1, 12, 1, 0x11))),
        ("jpeg lossless", gray(&lossless)),
        ("jpeg lossless in fragments", encapsulated(1, 16, "MONOCHROME2", &[&lossless[..4000], &lossless[4000..]])),
        ("jpeg-ls", gray(&jpeg_ls(1))),
        ("jpeg-ls colour", colour(16, &jpeg_ls(3))),
        ("jpeg 2000", gray(&jpeg_2000(1, false, 4))),
        ("jpeg 2000 colour", colour(16, &jpeg_2000(3, false, 4))),
        ("jpeg 2000 of small blocks", gray(&jpeg_2000(1, false, 0))),
        ("htj2k", gray(&jpeg_2000(1, true, 4))),
        ("htj2k colour", colour(16, &jpeg_2000(3, true, 4))),
        ("htj2k of small blocks", gray(&jpeg_2000(1, true, 0))),
    ];
    let pixels = f64::from(SIDE) * f64::from(SIDE);
    let mut over = Vec::new();
    for (name, file) in &files {
        // The smallest bound that is not refused, to 4 KiB.
        let (mut refused, mut taken) = (0u64, 1 << 30);
        assert!(peak(file, taken, name).is_some(), "{name}");
        while taken - refused > 4096 {
            let middle = refused.midpoint(taken);
            if peak(file, middle, name).is_some() { taken = middle } else { refused = middle }
        }
        let used = peak(file, taken, name).unwrap();
        println!("{name}: {:.2} bytes a pixel of {:.2} counted", used as f64 / pixels, taken as f64 / pixels);
        if used > taken as usize + SLACK {
            over.push(*name);
        }
    }
    assert!(over.is_empty(), "more than the bound: {over:?}");
}
