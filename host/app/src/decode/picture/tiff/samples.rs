//! Rows of a strip or tile: bytes to samples, predictors undone.

use std::io::{self, Read};

/// How samples are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Bits a sample, 1 to 32.
    pub(super) bits: u32,
    pub(super) big_endian: bool,
    /// Each sample is stored as its difference from the one to the left.
    pub(super) differences: bool,
}

impl Form {
    /// Bytes of a row of `samples`.
    pub(super) fn row_bytes(self, samples: usize) -> usize {
        (samples * self.bits as usize).div_ceil(8)
    }

    /// The largest sample.
    pub(super) fn white(self) -> u32 {
        u32::MAX >> (32 - self.bits)
    }

    /// Reads a row of `out.len()` samples, of pixels of `channels`; `bytes` is room for it.
    pub(super) fn read(self, from: &mut dyn Read, channels: usize, bytes: &mut Vec<u8>, out: &mut [u32]) -> io::Result<()> {
        bytes.resize(self.row_bytes(out.len()), 0);
        from.read_exact(bytes)?;
        match self.bits {
            8 => out.iter_mut().zip(&*bytes).for_each(|(out, byte)| *out = (*byte).into()),
            16 | 24 | 32 => {
                let wide = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
                for (out, bytes) in out.iter_mut().zip(bytes.chunks_exact(self.bits as usize / 8)) {
                    *out = if self.big_endian { bytes.iter().fold(0, wide) } else { bytes.iter().rev().fold(0, wide) };
                }
            }
            // Packed from the highest bit on, whatever the order of bytes.
            bits => {
                let (mut window, mut count, mut next) = (0u64, 0, bytes.iter());
                for out in out.iter_mut() {
                    while count < bits {
                        window = window << 8 | u64::from(*next.next().unwrap_or(&0));
                        count += 8;
                    }
                    count -= bits;
                    *out = (window >> count) as u32 & self.white();
                }
            }
        }
        if self.differences {
            for k in channels..out.len() {
                out[k] = out[k].wrapping_add(out[k - channels]) & self.white();
            }
        }
        Ok(())
    }
}

/// Luma and two chroma planes in blocks of `across` x `down` pixels: TIFF 6.0 section 21.
///
/// Reads `down` rows of `width` pixels at once into `out`, three samples a pixel.
pub(super) fn read_blocks(
    from: &mut dyn Read,
    (across, down): (usize, usize),
    width: usize,
    bytes: &mut Vec<u8>,
    out: &mut [u32],
) -> io::Result<()> {
    let unit = across * down + 2;
    bytes.resize(width.div_ceil(across) * unit, 0);
    from.read_exact(bytes)?;
    for (block, samples) in bytes.chunks_exact(unit).enumerate() {
        for k in 0..across * down {
            let (x, y) = (block * across + k % across, k / across);
            if x < width {
                out[(y * width + x) * 3..][..3].copy_from_slice(&[
                    samples[k].into(),
                    samples[unit - 2].into(),
                    samples[unit - 1].into(),
                ]);
            }
        }
    }
    Ok(())
}

/// Red, green and blue of full-range YCbCr, each 0 to 255.
pub(super) fn rgb([y, cb, cr]: [u32; 3]) -> [u8; 3] {
    let (y, cb, cr) = (y as f32, cb as f32 - 128.0, cr as f32 - 128.0);
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bits: u32, big_endian: bool, differences: bool, bytes: &[u8], samples: usize) -> Vec<u32> {
        let mut out = vec![0; samples];
        let form = Form { bits, big_endian, differences };
        form.read(&mut &*bytes, 1, &mut Vec::new(), &mut out).unwrap();
        out
    }

    #[test]
    fn every_depth_is_unpacked() {
        assert_eq!(read(1, false, false, &[0b1010_0000], 3), [1, 0, 1]);
        assert_eq!(read(4, false, false, &[0x1f, 0x70], 3), [1, 15, 7]);
        assert_eq!(read(12, false, false, &[0x12, 0x3a, 0xbc, 0xf0, 0x10], 3), [0x123, 0xabc, 0xf01]);
        assert_eq!(read(16, false, false, &[1, 2], 1), [0x201]);
        assert_eq!(read(16, true, false, &[1, 2], 1), [0x102]);
        assert_eq!(read(24, true, false, &[1, 2, 3], 1), [0x1_0203]);
        assert_eq!(read(32, false, false, &[1, 2, 3, 0xff], 1), [0xff03_0201]);
        assert_eq!(read(8, false, true, &[10, 250, 1], 3), [10, 4, 5]);
        assert!(
            Form { bits: 8, big_endian: false, differences: false }.read(&mut &[1][..], 1, &mut Vec::new(), &mut [0; 2]).is_err()
        );
    }

    #[test]
    fn blocks_share_their_chroma() {
        let mut out = [0; 18];
        read_blocks(&mut &[1, 2, 3, 4, 90, 91, 5, 6, 7, 8, 92, 93][..], (2, 2), 3, &mut Vec::new(), &mut out).unwrap();
        assert_eq!(out, [1, 90, 91, 2, 90, 91, 5, 92, 93, 3, 90, 91, 4, 90, 91, 7, 92, 93]);
        assert_eq!(rgb([77, 128, 128]), [77; 3]);
        assert_eq!(rgb([255, 128, 255]), [255, 164, 255]);
    }
}
