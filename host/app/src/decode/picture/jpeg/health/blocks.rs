//! The codes of one block: ITU-T T.81, F.2.2 and G.1.2.

use super::{Bits, Scan, Walk};

/// Largest mean and coefficient, dequantised. Some encoders overshoot black and white a little.
const MOST_MEAN: i32 = 1200;
const MOST: i32 = 2048;

impl Walk<'_> {
    /// The mean, in bounds: black is -1024 and white 1016 in the transform of 8-bit samples.
    pub(super) fn mean(&mut self, (component, table, _): (usize, usize, usize), low: u32, bits: &mut Bits<'_>) -> Option<()> {
        let category = self.dc[table].as_ref()?.decode(bits)?;
        if category > 11 {
            return None;
        }
        let step = self.quantisation[self.frame.components[component].quantisation & 3][0];
        let block = &mut self.blocks[component];
        block.dc += bits.extended(category.into()) << low;
        (block.dc.abs() <= MOST_MEAN / step + 1 + (1 << low)).then_some(())
    }

    pub(super) fn sequential(&mut self, part: (usize, usize, usize), bits: &mut Bits<'_>) -> Option<()> {
        self.mean(part, 0, bits)?;
        let table = self.ac[part.2].as_ref()?;
        let steps = &self.quantisation[self.frame.components[part.0].quantisation & 3];
        let mut k = 1;
        while k < 64 {
            let symbol = table.decode(bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (0, 0) => break,
                (15, 0) => k += 16,
                (_, 0) | (_, 11..) => return None,
                _ => {
                    k += run;
                    if bits.extended(size).abs() * steps.get(k)? > MOST {
                        return None;
                    }
                    k += 1;
                }
            }
        }
        // A run of zeros may end the block, a coefficient may not lie beyond it.
        (k <= 64).then_some(())
    }

    pub(super) fn progressive(&mut self, scan: &Scan, part: (usize, usize, usize), at: usize, bits: &mut Bits<'_>) -> Option<()> {
        if scan.first == 0 {
            if scan.high == 0 {
                self.mean(part, scan.low, bits)?;
            } else {
                bits.take(1);
            }
            return Some(());
        }
        let table = self.ac[part.2].as_ref()?;
        let found = self.blocks[part.0].nonzero.get_mut(at)?;
        // Coefficients that earlier scans found have a bit of correction each; the first scan of a band has none.
        let known = if scan.high == 0 { 0 } else { *found };
        let mut k = scan.first;
        while k <= scan.last && self.run == 0 {
            let symbol = table.decode(bits)?;
            let (mut zeros, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            match (zeros, size) {
                (15, 0) => {}
                (_, 0) => {
                    self.run = (1 << zeros) + bits.take(zeros);
                    break;
                }
                (_, 1) => _ = bits.take(1),
                (_, 2..=10) if scan.high == 0 => _ = bits.take(size),
                _ => return None,
            }
            // To the coefficient after the zeros.
            loop {
                if k > scan.last {
                    return None;
                }
                if known >> k & 1 == 1 {
                    bits.take(1);
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            *found |= u64::from(size > 0) << k;
            k += 1;
        }
        if self.run > 0 {
            let corrections = (k..=scan.last).filter(|k| known >> k & 1 == 1).count();
            for _ in 0..corrections {
                bits.take(1);
            }
            self.run -= 1;
        }
        Some(())
    }
}
