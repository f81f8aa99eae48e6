//! Files that contradict themselves: each is a fixture changed so that its picture stays what it was.

use super::super::{self as decode, Image};
use flate2::{
    Compression,
    read::DeflateDecoder,
    write::{GzEncoder, ZlibEncoder},
};
use std::io::{Read, Write};
use std::path::Path;

fn read(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/dicom");
    std::fs::read(folder.join(name).with_extension("dcm")).unwrap()
}

/// Levels and warnings.
fn shown(bytes: &[u8]) -> (Vec<u8>, String) {
    let image = Image::decode(bytes, "x").unwrap();
    (image.gray(32, 32).unwrap(), image.warnings().join(" "))
}

/// Where an element of explicit kind and little-endian bytes begins.
fn place(bytes: &[u8], group: u16, number: u16) -> usize {
    let tag = [group.to_le_bytes(), number.to_le_bytes()].concat();
    bytes.windows(4).position(|four| four == tag).unwrap()
}

/// Before the pixels: what stands there counts, not what stood earlier.
fn with(bytes: &[u8], elements: &[(u16, u16, &str, &[u8])]) -> Vec<u8> {
    let at = place(bytes, 0x7fe0, 0x10);
    let added = elements.iter().flat_map(|(group, number, kind, value)| {
        let padding = if kind == &"UI" { 0 } else { b' ' };
        let value = [value, &vec![padding; value.len() % 2][..]].concat();
        let head = [group.to_le_bytes(), number.to_le_bytes(), kind.as_bytes().try_into().unwrap()].concat();
        [head, (value.len() as u16).to_le_bytes().to_vec(), value].concat()
    });
    [&bytes[..at], &added.collect::<Vec<u8>>(), &bytes[at..]].concat()
}

/// The same with one text for another of the same length.
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// The data set without what stands before it.
fn body(bytes: &[u8]) -> &[u8] {
    &bytes[place(bytes, 8, 0x16)..]
}

const EXPLICIT: &[u8] = b"1.2.840.10008.1.2.1\0";
const RUN_LENGTHS: &[u8] = b"1.2.840.10008.1.2.5\0";

#[test]
fn a_data_set_may_begin_anywhere() {
    let whole = read("windowed");
    let expected = shown(&whole);
    for (what, bytes) in [
        ("after zeros", [&[0; 128], body(&whole)].concat()),
        ("after zeros, implicit", [vec![0; 128], read("no-preamble-implicit")].concat()),
        ("with the pixels' description", whole[place(&whole, 0x28, 2)..].to_vec()),
        ("with the patient", whole[place(&whole, 0x10, 0x10)..].to_vec()),
    ] {
        assert!(decode::dicom::is_dicom(&bytes), "{what}");
        assert_eq!(shown(&bytes), expected, "{what}");
    }
    for nothing in [vec![0; 400], [vec![0; 128], vec![8; 200]].concat()] {
        assert!(!decode::dicom::is_dicom(&nothing));
    }
}

#[test]
fn the_bytes_of_the_pixels_say_what_codes_them() {
    let runs = read("rle-16");
    let expected = shown(&runs);
    assert_eq!(shown(body(&runs)), expected);
    assert_eq!(shown(&replaced(&runs, RUN_LENGTHS, EXPLICIT)), expected);
    assert_eq!(shown(&replaced(&runs, RUN_LENGTHS, b"1.2.3.4.5\0\0\0\0\0\0\0\0\0\0\0")), expected);
    // Values as they are, in an item, although they are said to be run lengths.
    let whole = read("windowed");
    let at = place(&whole, 0x7fe0, 0x10);
    let values = &whole[at + 12..];
    let item = |value: &[u8]| [&[0xfe, 0xff, 0, 0xe0][..], &(value.len() as u32).to_le_bytes(), value].concat();
    let plain = [&whole[..at], b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", &item(b""), &item(values)].concat();
    assert_eq!(shown(&replaced(&plain, EXPLICIT, RUN_LENGTHS)), shown(&whole));
    // Deflated by its declaration alone.
    let deflated = read("deflated");
    let meta = 144 + u32::from_le_bytes(deflated[140..144].try_into().unwrap()) as usize;
    assert_eq!(shown(&[&deflated[..meta], &read("no-preamble-implicit")].concat()), shown(&whole));
    // With a header that the standard does not have.
    let meta_group = &deflated[..meta];
    let mut inflated = Vec::new();
    DeflateDecoder::new(&deflated[meta..]).read_to_end(&mut inflated).unwrap();
    let mut zlib = ZlibEncoder::new(meta_group.to_vec(), Compression::fast());
    zlib.write_all(&inflated).unwrap();
    assert_eq!(shown(&zlib.finish().unwrap()), shown(&whole));
    let mut gzip = GzEncoder::new(meta_group.to_vec(), Compression::fast());
    gzip.write_all(&inflated).unwrap();
    assert_eq!(shown(&gzip.finish().unwrap()), shown(&whole));
    // What nobody can tell is refused in words.
    let unknown = replaced(&runs, &[2, 0, 0, 0, 64, 0, 0, 0], &[2, 0, 0, 0, 65, 0, 0, 0]);
    let error = decode::gray(&replaced(&unknown, RUN_LENGTHS, EXPLICIT), "x", 32, 32).unwrap_err().to_string();
    assert!(error.contains("its transfer syntax says Explicit VR Little Endian"), "{error}");
}

#[test]
fn a_window_that_is_no_number_is_said() {
    let whole = read("windowed");
    let window = |centre: &[u8], width: &[u8]| with(&whole, &[(0x28, 0x1050, "DS", centre), (0x28, 0x1051, "DS", width)]);
    let expected = shown(&whole);
    for (centre, width) in
        [("1500 HU", "2400 HU"), ("1500\t", "2400\n"), ("1'500", "2'400"), ("1,500.0", "2,400.0"), ("1.500,0", "2.400,0")]
    {
        assert_eq!(shown(&window(centre.as_bytes(), width.as_bytes())), expected, "{centre} {width}");
    }
    for (centre, width, told) in [
        ("abc", "def", "window cannot be read"),
        ("1500HU", "2400HU", "window cannot be read"),
        ("NaN", "inf", "window cannot be read"),
        ("1500", "0", "window cannot be read"),
        ("20000", "40000", "hardly anything but black"),
        ("3200", "1000", "hardly anything but black"),
        ("-700", "2000", "hardly anything but white"),
    ] {
        let (_, warnings) = shown(&window(centre.as_bytes(), width.as_bytes()));
        assert!(warnings.contains(told), "{centre} {width}: {warnings}");
    }
}

#[test]
fn a_high_bit_that_is_not_so_is_said() {
    let whole = read("windowed");
    let high = |name: &str| with(&read(name), &[(0x28, 0x102, "US", &[15, 0])]);
    let (levels, warnings) = shown(&high("windowed"));
    assert_eq!(levels, shown(&whole).0);
    assert!(warnings.contains("High Bit"), "{warnings}");
    // Streams of twelve bits have no room below them; where they are declared wider, the values lie low.
    for name in ["jpeg-lossless", "jpeg-ls", "jpeg-2000"] {
        assert_eq!(shown(&high(name)).0, shown(&read(name)).0, "{name}");
    }
    assert_eq!(shown(&read("high-bit")).1, "");
}

#[test]
fn colour_is_what_the_pixels_are() {
    let wide = read("rgb-16");
    let at = place(&wide, 0x7fe0, 0x10);
    let doubled: Vec<u8> = wide[at + 12..].chunks_exact(2).flat_map(|pair| [pair, pair].concat()).collect();
    let head = with(&wide, &[(0x28, 0x100, "US", &[32, 0]), (0x28, 0x101, "US", &[32, 0]), (0x28, 0x102, "US", &[31, 0])]);
    let head = &head[..place(&head, 0x7fe0, 0x10)];
    let length = (doubled.len() as u32).to_le_bytes();
    assert_eq!(shown(&[head, b"\xe0\x7f\x10\0OW\0\0", &length, &doubled].concat()), shown(&wide));
    // A stream's luma has the full range.
    let stream = read("jpeg-says-rgb");
    assert_eq!(shown(&with(&stream, &[(0x28, 4, "CS", b"YBR_PARTIAL_422")])), shown(&stream));
    let gray = read("jpeg-says-gray");
    assert_eq!(shown(&with(&gray, &[(0x28, 2, "US", &[3, 0])])), shown(&gray));
    let error = decode::gray(&with(&wide, &[(0x28, 4, "CS", b"MONOCHROME2")]), "x", 32, 32).unwrap_err().to_string();
    assert!(error.contains("3 x 16 bits a component"), "{error}");
}

#[test]
fn what_a_header_calls_the_picture_is_said() {
    let whole = read("windowed");
    let warned = |elements: &[(u16, u16, &str, &[u8])]| shown(&with(&whole, elements)).1;
    const STUDY: (u16, u16, &str) = (8, 0x1030, "LO");
    const SERIES: (u16, u16, &str) = (8, 0x103e, "LO");
    let called = |(group, number, kind): (u16, u16, &'static str), text: &'static str| (group, number, kind, text.as_bytes());
    assert!(warned(&[called(SERIES, "Chest lateral")]).contains("from the side"));
    assert!(warned(&[called((0x18, 0x1030, "LO"), "W033 Thorax LAT")]).contains("from the side"));
    assert!(warned(&[called((0x18, 0x1400, "LO"), "CHEST,LAT")]).contains("from the side"));
    assert!(warned(&[called(STUDY, "XR HAND LEFT")]).contains("another part"));
    for plain in [
        &[called(STUDY, "CHEST PA AND LATERAL")][..],
        &[called(STUDY, "CHEST LATERAL"), called(SERIES, "PA")],
        &[called(SERIES, "Chest lateral"), (0x18, 0x5101, "CS", b"PA")],
        &[called(STUDY, "CHEST AND ABDOMEN")],
        &[called(STUDY, "HAND"), (0x18, 0x15, "CS", b"CHEST")],
        &[called(SERIES, "Latent flat plate")],
    ] {
        assert_eq!(warned(plain), "", "{plain:?}");
    }
    // Detector values by the kind of object alone, where no intent stands.
    let class = b"1.2.840.10008.5.1.4.1.1.1.1.1";
    assert!(warned(&[(8, 0x16, "UI", class)]).contains("FOR PROCESSING"));
    assert_eq!(warned(&[(8, 0x16, "UI", class), (8, 0x68, "CS", b"FOR PRESENTATION")]), "");
}

#[test]
fn the_index_of_a_disc_is_known_by_its_elements() {
    let elements = b"\x04\0\x30\x11CS\x04\0DISC\x04\0\x12\x12US\x02\0\0\0\x04\0\x20\x12SQ\0\0\0\0\0\0";
    let bytes = [&[0; 128][..], b"DICM", elements].concat();
    let error = decode::gray(&bytes, "x", 32, 32).unwrap_err().to_string();
    assert!(error.contains("DICOMDIR"), "{error}");
}
