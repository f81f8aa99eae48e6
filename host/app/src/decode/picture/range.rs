//! Black and white of samples whose container is wider than their values.

use cxr_core::image::Window;

/// Depths that detectors and converters write into 16 bits.
const DEPTHS: [u32; 4] = [8, 10, 12, 14];

/// The window of unsigned 16-bit samples: their whole range, or the range of 8, 10, 12 or 14 bits where all of them end
/// within it, which is said.
///
/// A picture that was scaled to 16 bits reaches above a quarter of them; values of a detector that were saved as they
/// are end at 1023, 4095 or 16383, and are near black in the range of 65535.
pub(super) fn sixteen(samples: &[u16], warnings: &mut Vec<String>) -> Window {
    let largest = samples.iter().copied().max().unwrap_or(0);
    match DEPTHS.into_iter().find(|bits| u32::from(largest) < 1 << bits) {
        Some(bits) if largest > 0 => {
            warnings.push(format!(
                "its 16-bit values end at {largest}: they are taken for values of {bits} bits, white at {}",
                (1 << bits) - 1
            ));
            Window { low: 0, high: ((1u32 << bits) - 1) as u16, invert: false }
        }
        _ => {
            if (1..1 << 15).contains(&largest) {
                warnings.push(format!("its 16-bit values end at {largest}, below half of their range: it may be too dark"));
            }
            Window::FULL_16
        }
    }
}

/// The window from the smallest to the largest sample, for values that have no black and white of their own.
pub(super) fn all_values(samples: &[u16]) -> Window {
    let low = samples.iter().copied().min().unwrap_or(0).min(u16::MAX - 1);
    let high = samples.iter().copied().max().unwrap_or(1);
    Window { low, high: high.max(low + 1), invert: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_values_get_their_own_white() {
        for (largest, white) in
            [(0, 65_535), (200, 255), (256, 1023), (1023, 1023), (3900, 4095), (9000, 16_383), (16_384, 65_535), (32_768, 65_535)]
        {
            let mut warnings = Vec::new();
            let window = sixteen(&[0, largest], &mut warnings);
            assert_eq!((window.low, window.high), (0, white), "{largest}");
            assert_eq!(warnings.len(), usize::from((1..32_768).contains(&largest)), "{largest}");
        }
    }

    #[test]
    fn a_flat_picture_has_a_window_too() {
        for value in [0, 7, u16::MAX] {
            let window = all_values(&[value]);
            assert!(window.low < window.high, "{value}");
        }
        assert_eq!(all_values(&[5, 9]), Window { low: 5, high: 9, invert: false });
    }
}
