//! Stored values to 16-bit samples and the window that makes them gray (PS3.3, C.11.1 and C.11.2).
//!
//! Rescaling is linear, so a window in the file's units is one of stored values too: the pixels stay integers as they are,
//! and `cxr_core::image` windows them as it does on a device. Where that would round coarsely or a curve is asked for,
//! the pixels are mapped to 16 bits of gray instead.

use super::header::Header;
use super::samples::Samples;
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
    /// What is wrong with the window.
    pub(super) warning: Option<String>,
}

/// Fewest samples in a window whose ends are rounded to whole ones: a quarter of a gray level.
const COARSE: f64 = 1024.0;
/// So many pixels of a thousand beyond one end of a window leave nothing to see.
const BLANK: u64 = 995;
/// A mean below this part of the range, or as far from its end, is a picture of one gray.
const DARK: f64 = 0.06;
/// Part of a window over which values must spread: eight gray levels.
const FAINT: f64 = 8.0 / 255.0;

/// Applies the file's tables and finds its window; without one, or with one that shows nothing, the range of its values.
pub(super) fn window(header: &Header, samples: Samples<'_>, count: usize) -> Gray {
    let table = header.modality_table.as_ref();
    let (slope, intercept) = if table.is_some() { (1.0, 0.0) } else { (header.slope, header.intercept) };
    let value = |raw: u32| {
        let stored = header.value(raw);
        table.map_or(stored, |table| i64::from(table.look_up(stored)))
    };
    // Values of the image, without its padding.
    let is_padding = |raw: u32| header.padding.is_some_and(|(a, b)| (a..=b).contains(&header.value(raw)));
    let real = || (0..count).map(|i| samples.data.get(i)).filter(|raw| !is_padding(*raw)).map(value);
    let (least, most) = real().fold((i64::MAX, i64::MIN), |(least, most), v| (least.min(v), most.max(v)));
    let (least, most) = if least > most { (0, 1) } else { (least, most.max(least + 1)) };
    let invert = header.photometric == "MONOCHROME1";

    if header.windows.is_empty()
        && let Some(table) = &header.voi_table
    {
        let white = table.white();
        let (mut darkest, mut lightest) = (u16::MAX, u16::MIN);
        let mut gray = mapped(samples, count, invert, |raw| {
            let entry = u32::from(table.look_up((slope * value(raw) as f64 + intercept) as i64));
            let level = (entry.min(white) * 65535 / white) as u16;
            (darkest, lightest) = (darkest.min(level), lightest.max(level));
            level
        });
        if lightest.saturating_sub(darkest) < 256 && most > least + 1 {
            gray.warning = Some("The DICOM file's look-up table shows nothing: one flat gray.".to_owned());
        }
        return gray;
    }
    // Ends of the windows in stored values. A width below 1 makes sense as an exact one alone.
    let ends = |(centre, width, _): &(f64, f64, String)| {
        let exact = header.function == "LINEAR_EXACT" || *width < 1.0;
        let half = if exact { width / 2.0 } else { ((width - 1.0) / 2.0).max(1e-3) };
        let centre = if exact { *centre } else { centre - 0.5 };
        [(centre - half - intercept) / slope, (centre + half - intercept) / slope]
    };
    let windows: Vec<[f64; 2]> = header.windows.iter().map(ends).collect();
    let first = windows.first().copied();
    let warning = first.filter(|_| most > least + 1).and_then(|[a, b]| {
        let (low, high) = (a.min(b), a.max(b));
        let (mut total, mut below, mut above, mut sum) = (0u64, 0u64, 0u64, 0.0);
        for v in real() {
            total += 1;
            below += u64::from(v as f64 <= low);
            above += u64::from(v as f64 >= high);
            sum += ((v as f64 - low) / (high - low)).clamp(0.0, 1.0);
        }
        let dark_is_low = invert == (slope < 0.0);
        let shown = match (below * 1000 >= total * BLANK, above * 1000 >= total * BLANK) {
            (true, _) => Some(if dark_is_low { "black" } else { "white" }),
            (_, true) => Some(if dark_is_low { "white" } else { "black" }),
            _ => None,
        };
        let told = shown
            .map(|shown| format!("The DICOM file's window shows nothing but {shown}; the range of its values is taken instead."));
        let mean = sum / total.max(1) as f64;
        let mean = if dark_is_low { mean } else { 1.0 - mean };
        let nearly = if mean < DARK { Some("black") } else { (mean > 1.0 - DARK).then_some("white") };
        let nearly = nearly.map(|shown| format!("The DICOM file's window shows hardly anything but {shown}."));
        // Of a window far wider than the values a viewer shows a few gray levels.
        let share = ((most as f64).min(high) - (least as f64).max(low)) / (high - low);
        let faint = || "The DICOM file's window is far wider than its values: the picture is nearly one gray.".to_owned();
        let seen = || (share < FAINT).then(faint).or(nearly);
        told.map(|told| (told, true)).or_else(|| seen().map(|told| (told, false)))
    });
    let is_blank = warning.as_ref().is_some_and(|(_, is_blank)| *is_blank);
    let unread = || "The DICOM file's window cannot be read; the range of its values is taken instead.".to_owned();
    let warning = warning.map(|(told, _)| told).or_else(|| header.has_lost_window.then(unread));
    let chosen = first.filter(|_| !is_blank);
    let [a, b] = chosen.unwrap_or([least as f64, most as f64]);
    let sigmoid = header.function == "SIGMOID" && chosen.is_some();

    // Shift so that samples and ends are not negative; clamped to the window they may need fewer than 16 bits.
    let lowest = windows.iter().flatten().fold(least as f64, |low, end| low.min(*end)).floor();
    let highest = windows.iter().flatten().fold(most as f64, |high, end| high.max(*end)).ceil();
    let shift = (-lowest).max(0.0);
    let fine = chosen.is_none() || (b - a).abs() >= COARSE;
    if !sigmoid && fine && highest + shift <= 65535.0 {
        let sample = |end: f64| (end + shift).round() as u16;
        let preset = |name: &str, a: f64, b: f64| {
            let (low, high) = (sample(a.min(b)), sample(a.max(b)));
            Preset { name: name.to_owned(), low, high: high.max(low.saturating_add(1)) }
        };
        let mut presets: Vec<Preset> = Vec::new();
        if is_blank {
            presets.push(preset("All values", a, b));
        }
        presets.extend(windows.iter().enumerate().map(|(i, [a, b])| {
            let name = &header.windows[i].2;
            if name.is_empty() { preset(&format!("Window {}", i + 1), *a, *b) } else { preset(name, *a, *b) }
        }));
        let low = sample(a.min(b)).min(65534);
        return Gray {
            samples: samples.data.into_levels(count, |raw| (value(raw) as f64 + shift) as u16),
            window: Window { low, high: sample(a.max(b)).max(low + 1), invert: invert != (slope < 0.0) },
            presets,
            warning,
        };
    }
    let level: &dyn Fn(f64) -> f64 = if sigmoid {
        let (centre, width, _) = header.windows[0];
        &move |v| 1.0 / (1.0 + (-4.0 * (slope * v + intercept - centre) / width).exp())
    } else if chosen.is_none() && slope < 0.0 {
        &|v| ((b - v) / (b - a)).clamp(0.0, 1.0)
    } else {
        &|v| ((v - a) / (b - a)).clamp(0.0, 1.0)
    };
    let gray = mapped(samples, count, invert, |raw| (65535.0 * level(value(raw) as f64)).round() as u16);
    Gray { warning, ..gray }
}

/// Gray over all 16 bits.
fn mapped(samples: Samples<'_>, count: usize, invert: bool, level: impl FnMut(u32) -> u16) -> Gray {
    Gray {
        samples: samples.data.into_levels(count, level),
        window: Window { invert, ..Window::FULL_16 },
        presets: Vec::new(),
        warning: None,
    }
}
