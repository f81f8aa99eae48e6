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

/// CRC-32 (IEEE 802.3, as in zlib and PNG) of bytes that follow others with checksum `crc` (0 if none do), four bits at a
/// time: a 64-byte table.
pub const fn crc32(b: &[u8], crc: u32) -> u32 {
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
    let (mut crc, mut i) = (crc ^ u32::MAX, 0);
    while i < b.len() {
        crc ^= b[i] as u32;
        crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        crc = (crc >> 4) ^ TABLE[(crc & 15) as usize];
        i += 1;
    }
    !crc
}

/// [`crc32`] in a sixth of the time, for the compiler, which interprets them; it takes 8 KiB of stack.
///
/// Modulo the CRC's polynomial `x^300 = x^155 + x^117 + x^89 + 1` (found by search, tested below), and so for the 128th powers,
/// which shift by whole words of 16 bytes: a word may be added to those 145, 183, 211 and 300 after it and dropped.
pub const fn crc32_folded(b: &[u8], from: usize) -> u32 {
    const RING: usize = 512;
    let rest = slice(b, from, b.len().saturating_sub(from));
    if rest.len() < 301 * 16 {
        return crc32(rest, 0);
    }
    let (words, rest) = rest.as_chunks::<16>();
    let (mut ring, mut n) = ([0u128; RING], 0);
    // What a CRC starts with is added to the first four bytes.
    ring[0] = u32::MAX as u128;
    while n < words.len() - 300 {
        let value = u128::from_le_bytes(words[n]) ^ ring[n % RING];
        ring[n % RING] = 0;
        ring[(n + 145) % RING] ^= value;
        ring[(n + 183) % RING] ^= value;
        ring[(n + 211) % RING] ^= value;
        ring[(n + 300) % RING] ^= value;
        n += 1;
    }
    // `crc32` inverts before and after.
    let mut crc = u32::MAX;
    while n < words.len() {
        crc = crc32(&(u128::from_le_bytes(words[n]) ^ ring[n % RING]).to_le_bytes(), crc);
        n += 1;
    }
    crc32(rest, crc)
}

/// Sum of the magnitudes of int8 values, sixteen at a time.
pub const fn magnitudes(b: &[u8]) -> i64 {
    const ONES: u128 = u128::MAX / 0xFF;
    const BYTES: u128 = u128::MAX / 0xFFFF * 0xFF;
    const WORDS: u128 = u128::MAX / 0xFFFF_FFFF * 0xFFFF;
    let (chunks, mut rest) = b.as_chunks::<16>();
    let (mut i, mut sums, mut sum) = (0, 0u128, 0);
    while i < chunks.len() {
        let values = u128::from_le_bytes(chunks[i]);
        let signs = (values >> 7) & ONES;
        let sizes = (values ^ (signs * 0xFF)) + signs;
        let pairs = (sizes & BYTES) + ((sizes >> 8) & BYTES);
        // Four sums of 32 bits, each of at most 512 a chunk: files are shorter than would overflow them.
        sums += (pairs & WORDS) + ((pairs >> 16) & WORDS);
        i += 1;
    }
    while sums > 0 {
        sum += (sums & 0xFFFF_FFFF) as i64;
        sums >>= 32;
    }
    while let Some((value, tail)) = rest.split_first() {
        sum += (*value as i8).unsigned_abs() as i64;
        rest = tail;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// xorshift.
    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u32;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as u8
        };
        (0..len).map(next).collect()
    }

    #[test]
    fn what_lies_outside_reads_as_zero_or_empty() {
        let bytes = [1, 2, 3, 4, 0x80];
        assert_eq!([0, 4, 5, usize::MAX].map(|at| u8_at(&bytes, at)), [1, 0x80, 0, 0]);
        assert_eq!([0, 4].map(|at| i8_at(&bytes, at)), [1, -128]);
        assert_eq!([0, 3, 4, 5, usize::MAX].map(|at| u16_at(&bytes, at)), [0x201, 0x8004, 0, 0, 0]);
        assert_eq!([0, 1, 2, 5, usize::MAX].map(|at| u32_at(&bytes, at)), [0x0403_0201, 0x8004_0302, 0, 0, 0]);
        assert_eq!(slice(&bytes, 1, 4), [2, 3, 4, 0x80]);
        for (at, len) in [(1, 5), (5, 1), (6, 0), (usize::MAX, 1), (1, usize::MAX)] {
            assert!(slice(&bytes, at, len).is_empty(), "{at} {len}");
        }
    }

    #[test]
    fn checksums_are_those_of_zlib() {
        assert_eq!(crc32(b"123456789", 0), 0xCBF4_3926);
        assert_eq!(crc32(b"6789", crc32(b"12345", 0)), 0xCBF4_3926);
    }

    #[test]
    fn folding_changes_no_checksum() {
        for len in [0, 1, 15, 16, 317, 1000, 4799, 4815, 4816, 4817, 4832, 4833, 9999, 20_000, 70_001] {
            let bytes = noise(len + 3);
            for from in [0, 3] {
                assert_eq!(crc32_folded(&bytes, from), crc32(&bytes[from..], 0), "{len} {from}");
            }
        }
        // Every bit counts.
        let mut bytes = noise(20_000);
        let whole = crc32_folded(&bytes, 0);
        for at in (0..20_000).step_by(7) {
            bytes[at] ^= 1 << (at % 8);
            assert_ne!(crc32_folded(&bytes, 0), whole, "{at}");
            bytes[at] ^= 1 << (at % 8);
        }
    }

    #[test]
    fn magnitudes_are_summed() {
        for len in [0, 1, 15, 16, 17, 5000] {
            for bytes in [noise(len), std::vec![0x80; len], std::vec![0x7F; len]] {
                let expected: i64 = bytes.iter().map(|b| i64::from((*b as i8).unsigned_abs())).sum();
                assert_eq!(magnitudes(&bytes), expected, "{len}");
            }
        }
    }
}
