//! Run lengths: PackBits segments, one a byte plane, the high bytes first (PS3.5, annex G).

use super::header::Header;
use super::samples::{Data, Samples};

/// True for what begins as run lengths of `planes` do: their number, where each begins, zeros up to byte 64.
pub(super) fn is_shown(stream: &[u8], planes: usize) -> bool {
    let Some(head) = stream.get(..64) else { return false };
    let mut words = head.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize);
    let number = words.next().unwrap_or(0);
    let starts: Vec<usize> = words.by_ref().take(number).collect();
    number == planes && starts.first() == Some(&64) && starts.is_sorted() && words.all(|word| word == 0)
}

/// The samples of each pixel side by side, whatever the planar configuration says: it has no meaning here (G.2).
pub(super) fn decode(header: &Header, stored: &[u8]) -> Option<Samples<'static>> {
    let word = |i: usize| Some(u32::from_le_bytes(stored.get(4 * i..4 * i + 4)?.try_into().ok()?) as usize);
    let (pixels, bytes) = (usize::from(header.rows) * usize::from(header.columns), usize::from(header.bits_allocated / 8));
    let components = usize::from(header.samples_per_pixel);
    let planes = components * bytes;
    if word(0)? != planes || planes > 15 {
        return None;
    }
    let mut out = vec![0; pixels * planes];
    for plane in 0..planes {
        let (start, end) = (word(1 + plane)?, if plane + 1 < planes { word(2 + plane)? } else { stored.len() });
        // Planes of a sample run from its high byte; samples keep their order.
        let first = plane / bytes * bytes + (bytes - 1 - plane % bytes);
        let mut targets = out.iter_mut().skip(first).step_by(planes);
        let (mut rest, mut written) = (stored.get(start..end)?, 0);
        while written < pixels {
            let (&count, tail) = rest.split_first()?;
            let (run, length, used): (&[u8], _, _) = match count as i8 {
                -128 => (&[], 0, 0),
                n if n >= 0 => (tail.get(..=n as usize)?, n as usize + 1, n as usize + 1),
                n => (tail.get(..1)?, 1 + usize::from(n.unsigned_abs()), 1),
            };
            for value in run.iter().cycle().take(length) {
                if let Some(target) = targets.next() {
                    *target = *value;
                }
            }
            written += length;
            rest = &tail[used..];
        }
    }
    let data = match bytes {
        1 => Data::Bytes(out.into()),
        2 => Data::Pairs(out.into(), false),
        _ => Data::Fours(out.into(), false),
    };
    Some(Samples { data, components, planar: false, colour: None, signed: false })
}
