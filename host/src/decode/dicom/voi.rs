//! Stored values to 16-bit samples and the window that makes them gray (PS3.3, C.11.1 and C.11.2).
//!
//! Rescaling is linear, so a window in the file's units is one of stored values too: the pixels stay integers as they are,
//! and `cxr_core::image` windows them as it does on a device. Where that would round coarsely or a curve is asked for,
//! the pixels are mapped to 16 bits of gray instead.

use super::header::{Header, Table};
use cxr_core::image::Window;

/// A window that the file offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset {
    /// What the file calls it, or `Window 1`.
    pub name: String,
    /// Sample shown black.
    pub low: u16,
    /// Sample shown white.
    pub high: u16,
}

/// Gray pixels.
pub(super) struct Gray {
    /// Samples, row by row.
    pub(super) samples: Vec<u16>,
    /// The window in use.
    pub(super) window: Window,
    /// All windows of the file.
    pub(super) presets: Vec<Preset>,
}

/// Fewest samples in a window whose ends are rounded to whole ones: a quarter of a gray level.
const COARSE: f64 = 1024.0;

/// Applies the file's tables and finds its window; without one, the whole range of its values.
pub(super) fn window(header: &Header, stored: Vec<i32>) -> Gray {
    let (stored, slope, intercept) = match &header.modality_table {
        Some(table) => (stored.into_iter().map(|v| i32::from(look_up(table, v))).collect(), 1.0, 0.0),
        None => (stored, header.slope, header.intercept),
    };
    let padding = header.padding.filter(|_| header.modality_table.is_none());
    let real = stored.iter().copied().filter(|v| Some(*v) != padding);
    let (least, most) = real.fold((i32::MAX, i32::MIN), |(least, most), v| (least.min(v), most.max(v)));
    let (least, most) = if least > most { (0, 1) } else { (least, most.max(least + 1)) };
    let invert = header.photometric == "MONOCHROME1";

    if header.windows.is_empty()
        && let Some(table) = &header.voi_table
    {
        let top = (1u32 << table.bits.clamp(8, 16)) - 1;
        let level = |v: i32| (u32::from(look_up(table, (slope * f64::from(v) + intercept) as i32)).min(top) * 65535 / top) as u16;
        return mapped(&stored, invert, level);
    }
    // Ends of the windows in stored values.
    let exact = header.function == "LINEAR_EXACT";
    let ends = |(centre, width, _): &(f64, f64, String)| {
        let half = if exact { width / 2.0 } else { ((width - 1.0) / 2.0).max(1e-3) };
        let centre = if exact { *centre } else { centre - 0.5 };
        [(centre - half - intercept) / slope, (centre + half - intercept) / slope]
    };
    let windows: Vec<[f64; 2]> = header.windows.iter().map(ends).collect();
    let [a, b] = windows.first().copied().unwrap_or([f64::from(least), f64::from(most)]);
    let sigmoid = header.function == "SIGMOID" && !windows.is_empty();

    // Shift so that samples and ends are not negative; clamped to the window they may need fewer than 16 bits.
    let lowest = windows.iter().flatten().fold(f64::from(least), |low, end| low.min(*end)).floor();
    let highest = windows.iter().flatten().fold(f64::from(most), |high, end| high.max(*end)).ceil();
    let shift = (-lowest).max(0.0);
    let fine = windows.is_empty() || (b - a).abs() >= COARSE;
    if !sigmoid && fine && highest + shift <= 65535.0 {
        let sample = |end: f64| (end + shift).round() as u16;
        let preset = |(i, [a, b]): (usize, &[f64; 2])| {
            let (low, high) = (sample(a.min(*b)), sample(a.max(*b)));
            let name = &header.windows[i].2;
            let name = if name.is_empty() { format!("Window {}", i + 1) } else { name.clone() };
            Preset { name, low, high: high.max(low.saturating_add(1)) }
        };
        let presets: Vec<Preset> = windows.iter().enumerate().map(preset).collect();
        let low = sample(a.min(b)).min(65534);
        return Gray {
            samples: stored.iter().map(|v| (f64::from(*v) + shift) as u16).collect(),
            window: Window { low, high: sample(a.max(b)).max(low + 1), invert: invert != (slope < 0.0) },
            presets,
        };
    }
    if sigmoid {
        let (centre, width, _) = header.windows[0];
        return mapped(&stored, invert, |v| {
            let value = slope * f64::from(v) + intercept;
            (65535.0 / (1.0 + (-4.0 * (value - centre) / width).exp())).round() as u16
        });
    }
    mapped(&stored, invert, |v| (65535.0 * ((f64::from(v) - a) / (b - a)).clamp(0.0, 1.0)).round() as u16)
}

/// Gray over all 16 bits.
fn mapped(stored: &[i32], invert: bool, level: impl Fn(i32) -> u16) -> Gray {
    Gray {
        samples: stored.iter().map(|v| level(*v)).collect(),
        window: Window { invert, ..Window::FULL_16 },
        presets: Vec::new(),
    }
}

/// An entry of a table; values beyond its ends take the nearest.
fn look_up(table: &Table, value: i32) -> u16 {
    let at = value.saturating_sub(table.first).clamp(0, table.values.len() as i32 - 1);
    table.values.get(at as usize).copied().unwrap_or(0)
}
