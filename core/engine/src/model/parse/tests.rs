//! Each field of a file at its edge: what is refused is named with its place.

use super::*;
extern crate std;
use std::vec;
use std::vec::Vec;

const FILE: &[u8] = include_bytes!("../../../tests/tiny.rnet");

fn mended(mut file: Vec<u8>) -> Vec<u8> {
    let crc = crc32(&file[header::ARENA..], 0);
    file[header::CRC..][..4].copy_from_slice(&crc.to_le_bytes());
    file
}

fn with(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = FILE.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    mended(file)
}

fn error(file: &[u8]) -> Error {
    Model::parse(file).unwrap_err()
}

/// Place and field of what is wrong once `bytes` stand at `at`.
fn field(at: usize, bytes: &[u8]) -> (usize, &'static str) {
    match error(&with(at, bytes)) {
        Error::InvalidField { offset, field } => (offset as usize, field),
        other => panic!("{at}: {other:?}"),
    }
}

#[test]
fn the_head_of_a_file() {
    assert!(Model::parse(FILE).is_ok());
    for at in [0, 1, 2, 3] {
        assert_eq!(error(&with(at, &[FILE[at] ^ 1])), Error::BadMagic);
    }
    assert_eq!(error(&FILE[..3]), Error::BadMagic);
    for given in [4, 79] {
        assert_eq!(error(&FILE[..given as usize]), Error::Length { expected: 80, given });
    }
    assert_eq!(error(&with(header::VERSION, &[3])), Error::UnsupportedVersion { found: 3 });
    assert_eq!(field(header::LEN, &[81]), (header::LEN, "header length"));
    let length = FILE.len() as u32;
    assert_eq!(error(&FILE[..FILE.len() - 1]), Error::Length { expected: length, given: length - 1 });
    let mut damaged = FILE.to_vec();
    damaged[100] ^= 1;
    assert!(matches!(error(&damaged), Error::BadChecksum { .. }));
    let arena = u32_at(FILE, header::ARENA);
    for wrong in [arena - 1, arena + 1] {
        assert_eq!(field(header::ARENA, &wrong.to_le_bytes()), (header::ARENA, "arena length"));
    }
}

#[test]
fn the_tables() {
    for count in [0u16, 8193] {
        assert_eq!(field(header::OPERATOR_COUNT, &count.to_le_bytes()), (header::OPERATOR_COUNT, "operator count"), "{count}");
    }
    assert_eq!(field(header::OPERATOR_COUNT, &8192u16.to_le_bytes()), (header::OPERATORS, "operator table"));
    for (at, name) in [
        (header::OPERATORS, "operator table"),
        (header::VALUES, "value table"),
        (header::OUTPUTS, "outputs"),
        (header::SEGMENTS, "segments"),
    ] {
        assert_eq!(field(at, &[0xff; 4]), (at, name));
    }
    assert_eq!(field(header::OUTPUT_COUNT, &[0, 0]), (header::OUTPUTS, "outputs"));
    assert_eq!(field(header::SEGMENT_COUNT, &[0, 0]), (header::SEGMENTS, "segments"));
    let operators = u16_at(FILE, header::OPERATOR_COUNT);
    for output in [0, operators + 1] {
        let at = u32_at(FILE, header::OUTPUTS) as usize;
        assert_eq!(field(at, &output.to_le_bytes()), (header::OUTPUTS, "outputs (no such value)"), "{output}");
    }
}

#[test]
fn the_texts() {
    for at in [header::LABELS, header::METADATA, header::HEAD] {
        let outside = [u32::MAX.to_le_bytes(), 1u32.to_le_bytes()].concat();
        assert_eq!(field(at, &outside), (at, "section (it lies outside of the file)"));
        let beyond = [(FILE.len() as u32 - 1).to_le_bytes(), 2u32.to_le_bytes()].concat();
        assert_eq!(field(at, &beyond), (at, "section (it lies outside of the file)"));
        // Bytes that are no text, at the end of the file.
        let mut file = [FILE, &[0xff]].concat();
        file[header::FILE_LEN..][..4].copy_from_slice(&(FILE.len() as u32 + 1).to_le_bytes());
        file[at..][..8].copy_from_slice(&[(FILE.len() as u32).to_le_bytes(), 1u32.to_le_bytes()].concat());
        let read = Model::parse(&mended(file)).map(|_| ());
        let told = Error::InvalidField { offset: at as u32, field: "text (it is not UTF-8)" };
        assert_eq!(read, if at == header::HEAD { Ok(()) } else { Err(told) });
    }
}

#[test]
fn values() {
    let table = u32_at(FILE, header::VALUES) as usize;
    let wrong = |id: u16, at: usize, bytes: &[u8]| match error(&with(table + usize::from(id) * value::SIZE + at, bytes)) {
        Error::InvalidValue { value, field } if value == id => field.split(' ').next().unwrap_or_default(),
        _ => "",
    };
    for id in [0, 1] {
        for axis in 0..3 {
            assert_eq!(wrong(id, value::SHAPE + 2 * axis, &[0, 0]), "shape", "{axis}");
        }
        // Rows of 2^20 values and of one more.
        for (width, channels, told) in [(0x8000u16, 32u16, ""), (0x8000, 33, "shape")] {
            assert_eq!(wrong(id, value::SHAPE + 2, &[width.to_le_bytes(), channels.to_le_bytes()].concat()), told);
        }
        assert_eq!([2, 255].map(|element| wrong(id, value::ELEMENT, &[element])), ["element"; 2]);
        assert_eq!(wrong(id, value::EXTERNAL, &[3]), "external");
        assert_eq!(wrong(id, value::STORAGE, &[4]), "storage");
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY, 8.6e-19, 1.16e18] {
            assert_eq!(wrong(id, value::SCALE, &scale.to_le_bytes()), "scale", "{scale}");
        }
    }
    // The input is int8; what an operator makes may be f32 as far as this check goes.
    assert_eq!([0, 1].map(|id| wrong(id, value::ELEMENT, &[1])), ["element", ""]);
}

#[test]
fn rows_are_counted() {
    let told = |operators: u16| {
        let values = header::SIZE;
        let table = values + (usize::from(operators) + 1) * value::SIZE;
        let end = table + usize::from(operators) * super::super::layout::operator::SIZE;
        let mut file = vec![0; end + 4];
        file[..4].copy_from_slice(&MAGIC);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(header::VERSION, &VERSION.to_le_bytes());
        put(header::LEN, &(header::SIZE as u16).to_le_bytes());
        put(header::FILE_LEN, &(end as u32 + 4).to_le_bytes());
        put(header::OPERATOR_COUNT, &operators.to_le_bytes());
        for (count, place, at) in
            [(header::OUTPUT_COUNT, header::OUTPUTS, end), (header::SEGMENT_COUNT, header::SEGMENTS, end + 2)]
        {
            put(count, &[1, 0]);
            put(place, &(at as u32).to_le_bytes());
            put(at, &[1, 0]);
        }
        put(header::VALUES, &(values as u32).to_le_bytes());
        put(header::OPERATORS, &(table as u32).to_le_bytes());
        for id in 0..=usize::from(operators) {
            let at = values + id * value::SIZE;
            put(at + value::SHAPE, &[0, 0x80, 1, 0, 1, 0]);
            put(at + value::SCALE, &1f32.to_le_bytes());
        }
        error(&mended(file))
    };
    let many = Error::InvalidField { offset: header::VALUES as u32, field: "values (more rows than a million)" };
    // Of 32,768 rows each, 32 values are 2^20 rows.
    assert!(matches!(told(31), Error::InvalidOperator { .. }));
    assert_eq!(told(32), many);
    assert_eq!(told(40), many);
}
