//! Little-endian reads that cannot panic: what lies outside reads as zero or empty.

use crate::shape::{Padding, Shape, Window2d};

pub const fn u8_at(b: &[u8], at: usize) -> u8 {
    if at < b.len() { b[at] } else { 0 }
}

pub const fn i8_at(b: &[u8], at: usize) -> i8 {
    u8_at(b, at) as i8
}

#[inline(always)]
pub const fn u16_at(b: &[u8], at: usize) -> u16 {
    match b.split_at_checked(at) {
        Some((_, [b0, b1, ..])) => u16::from_le_bytes([*b0, *b1]),
        _ => 0,
    }
}

#[inline(always)]
pub const fn u32_at(b: &[u8], at: usize) -> u32 {
    match b.split_at_checked(at) {
        Some((_, [b0, b1, b2, b3, ..])) => u32::from_le_bytes([*b0, *b1, *b2, *b3]),
        _ => 0,
    }
}

#[inline(always)]
pub const fn f32_at(b: &[u8], at: usize) -> f32 {
    f32::from_bits(u32_at(b, at))
}

pub const fn slice(b: &[u8], at: usize, len: usize) -> &[u8] {
    match b.split_at_checked(at) {
        Some((_, rest)) => match rest.split_at_checked(len) {
            Some((wanted, _)) => wanted,
            None => &[],
        },
        None => &[],
    }
}

pub const fn shape_at(b: &[u8], at: usize) -> Shape {
    Shape::new(u16_at(b, at), u16_at(b, at + 2), u16_at(b, at + 4))
}

pub const fn window_at(b: &[u8], at: usize) -> Window2d {
    Window2d {
        kernel: [u8_at(b, at), u8_at(b, at + 1)],
        stride: [u8_at(b, at + 2), u8_at(b, at + 3)],
        pad: Padding { top: u8_at(b, at + 4), left: u8_at(b, at + 5), bottom: u8_at(b, at + 6), right: u8_at(b, at + 7) },
    }
}

/// CRC-32 (IEEE 802.3, as in zlib and PNG), four bits at a time: a 64-byte table.
pub const fn crc32(b: &[u8], from: usize) -> u32 {
    const TABLE: [u32; 16] = {
        let mut table = [0u32; 16];
        let mut i = 0;
        while i < 16 {
            let mut value = i as u32;
            let mut bit = 0;
            while bit < 4 {
                value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[i] = value;
            i += 1;
        }
        table
    };
    let (mut crc, mut i) = (u32::MAX, from);
    while i < b.len() {
        crc ^= b[i] as u32;
        crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        i += 1;
    }
    !crc
}
