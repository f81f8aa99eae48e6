//! The frame of a picture: all of it, or the box of its lungs, which a small network finds.
//!
//! Hospitals cut their pictures differently, and a classifier learns that instead of the disease (docs/experiments/34, 36).
//! A model whose metadata say `"frame": {"lungs": SHA-256}` was trained on pictures cut to the box, by the finder of that hash.
//! The box is found on the 256 x 256 gray levels that every way in gives, with integers alone: the same bytes everywhere.

use crate::{decode, files};
use anyhow::{Context, Result, ensure};
use cxr_core::image::{BorrowedResizer, Row, Window};
use rownet::model::Model;
use rownet::model::desc::Value;
use rownet::session::Session;
use serde_json::json;
use std::path::Path;

/// The lung finder in this program: a network of `host import`, 64 x 64 gray levels in, a 16 x 16 map of lungs out.
pub const NETWORK: &[u8] = include_bytes!("../shipped/lungs.cxr");

/// Height and width of the pictures that boxes are found in and cut from.
pub const SIDE: usize = 256;
/// Height and width of what the network takes.
const INPUT: usize = 64;
/// Height and width of its map.
const MAP: usize = 16;
/// Pixels of a picture along a cell of the map.
const CELL: u64 = (SIDE / MAP) as u64;
/// A cell below this, of 255, counts as none.
const FLOOR: u8 = 64;
/// A cell from here on, of 255, is lung for sure. What has none makes the network guess lungs in the middle, of 195 at most.
const SURE: u8 = 208;
/// Cells that are lung for sure, at least.
const LEAST_CELLS: usize = 6;
/// A box is at least this wide and high, in pixels: less is no chest.
const LEAST_SIDE: u16 = SIDE as u16 / 4;
/// Share of the lungs, in thousandths, that may stick out of each side before the margin is added.
const CUT: u64 = 15;
/// Margin on each side, in hundredths of what lies between the cuts.
const MARGIN: u64 = 8;

/// The box of the lungs in a picture of [`SIDE`] pixels a side; right and bottom lie beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lungs {
    /// First column.
    pub left: u16,
    /// First row.
    pub top: u16,
    /// Column after the last.
    pub right: u16,
    /// Row after the last.
    pub bottom: u16,
}

/// What of a picture a network saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frame {
    /// All of it, as the network wants it.
    #[default]
    Whole,
    /// Its lungs.
    Lungs(Lungs),
    /// All of it, since no lungs were found.
    NoLungs,
}

impl Frame {
    /// Where it lies in the picture, as shares of the sides: left, top, width, height.
    pub fn area(self) -> [f32; 4] {
        let Self::Lungs(Lungs { left, top, right, bottom }) = self else { return [0.0, 0.0, 1.0, 1.0] };
        [left, top, right - left, bottom - top].map(|pixels| f32::from(pixels) / SIDE as f32)
    }

    /// `{"x", "y", "width", "height"}` as shares of the sides; null for the whole picture.
    pub fn to_json(self) -> serde_json::Value {
        let [x, y, width, height] = self.area();
        if matches!(self, Self::Lungs(_)) { json!({ "x": x, "y": y, "width": width, "height": height }) } else { json!(null) }
    }

    /// What makes an answer of this frame doubtful.
    pub fn warning(self) -> Option<String> {
        (self == Self::NoLungs).then(|| "no lungs were found: the whole picture was read, not the box of its lungs".to_owned())
    }
}

/// Finds lungs and cuts pictures to them.
#[derive(Clone, Copy)]
pub struct Finder {
    model: Model<'static>,
}

impl Finder {
    /// The finder in this program.
    ///
    /// # Errors
    /// A program that was built wrongly.
    pub fn shipped() -> Result<Self> {
        let model = Model::parse(NETWORK).context("the lung finder in this program is damaged: build it again")?;
        // Gray levels and shares, of 255, are the bytes themselves, less 128; of shares within a hundredth.
        let bytes = |id, side: usize, near: f32| {
            let whole = |value: Value| (value.scale * 255.0 - 1.0).abs() < near && value.zero_point == -128;
            model.shape(id).len() as usize == side * side && model.value(id).is_some_and(whole)
        };
        let fits = bytes(0, INPUT, 1e-6) && model.output(0).is_some_and(|output| bytes(output, MAP, 0.01));
        ensure!(fits, "the lung finder in this program is another network: build it again");
        Ok(Self { model })
    }

    /// What a model's metadata say of a finder: none for whole pictures.
    ///
    /// # Errors
    /// Another finder than the one in this program.
    pub fn of(metadata: &str, name: &str) -> Result<Option<Self>> {
        let metadata: serde_json::Value = serde_json::from_str(metadata).unwrap_or_default();
        let Some(wanted) = metadata["frame"]["lungs"].as_str() else { return Ok(None) };
        let own = files::sha256(NETWORK);
        ensure!(
            wanted == own,
            "{name}: was trained on pictures cut by another lung finder ({}) than this program's ({}): use the program that came with it, or train again",
            &wanted[..wanted.len().min(16)],
            &own[..16]
        );
        Self::shipped().map(Some)
    }

    /// What [`of`](Self::of) reads.
    pub fn metadata() -> serde_json::Value {
        json!({ "lungs": files::sha256(NETWORK) })
    }

    /// The lungs in a gray picture of [`SIDE`] x [`SIDE`] levels.
    ///
    /// # Errors
    /// A picture of another size; a fault of the engine.
    pub fn find(&self, gray: &[u8]) -> Result<Option<Lungs>> {
        ensure!(gray.len() == SIDE * SIDE, "a picture of {} levels, not {SIDE} x {SIDE}", gray.len());
        let small = resized(gray, [0, 0, SIDE, SIDE], [INPUT, INPUT])?;
        let input: Vec<i8> = small.iter().map(|level| (level ^ 0x80).cast_signed()).collect();
        let mut arena = vec![0; self.model.arena_bytes()];
        let mut session = Session::new(&self.model, &mut arena)?;
        let map: Vec<u8> = session.run(&input)?.int8(0)?.iter().map(|share| share.cast_unsigned() ^ 0x80).collect();
        Ok(lungs_of(&map))
    }

    /// What a network sees of a picture of [`SIDE`] x [`SIDE`] levels, as large as the picture, and where that lies.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn cut(&self, gray: &[u8]) -> Result<(Vec<u8>, Frame)> {
        let Some(lungs) = self.find(gray)? else { return Ok((gray.to_vec(), Frame::NoLungs)) };
        let edges = [lungs.left, lungs.top, lungs.right, lungs.bottom].map(usize::from);
        Ok((resized(gray, edges, [SIDE, SIDE])?, Frame::Lungs(lungs)))
    }
}

/// The file at `path` as a network sees it: [`decode::gray_256`], cut by the finder where there is one.
///
/// # Errors
/// As [`decode::gray_256`].
pub fn gray_256(path: &Path, finder: Option<&Finder>) -> Result<Vec<u8>> {
    seen(decode::gray_256(path)?, finder)
}

/// What a network sees of a picture of [`SIDE`] x [`SIDE`] levels: cut by the finder, where there is one.
///
/// # Errors
/// As [`Finder::find`].
pub fn seen(gray: Vec<u8>, finder: Option<&Finder>) -> Result<Vec<u8>> {
    match finder {
        None => Ok(gray),
        Some(finder) => Ok(finder.cut(&gray)?.0),
    }
}

/// The box `[left, top, right, bottom]` of a square picture, resized.
fn resized(gray: &[u8], [left, top, right, bottom]: [usize; 4], to: [usize; 2]) -> Result<Vec<u8>> {
    let (mut sums, mut out) = (vec![0; 2 * to[0]], vec![0; to[0]]);
    let mut resizer = BorrowedResizer::new(&mut sums, &mut out, [right - left, bottom - top], to, Window::FULL_8)?;
    let mut made = Vec::with_capacity(to[0] * to[1]);
    for row in gray.chunks_exact(SIDE).take(bottom).skip(top) {
        resizer.push_row(Row::Gray8(&row[left..right]), |row| made.extend_from_slice(row))?;
    }
    Ok(made)
}

/// The box of what a map of shares, 0 to 255 a cell, marks.
fn lungs_of(map: &[u8]) -> Option<Lungs> {
    let (mut columns, mut rows) = ([0u64; MAP], [0u64; MAP]);
    for (i, &share) in map.iter().enumerate().filter(|(_, share)| **share >= FLOOR) {
        columns[i % MAP] += u64::from(share);
        rows[i / MAP] += u64::from(share);
    }
    if map.iter().filter(|share| **share >= SURE).count() < LEAST_CELLS {
        return None;
    }
    let ([left, right], [top, bottom]) = (ends(&columns), ends(&rows));
    (right - left >= LEAST_SIDE && bottom - top >= LEAST_SIDE).then_some(Lungs { left, top, right, bottom })
}

/// Where the middle of a profile lies, all but [`CUT`] at each end, with a margin.
fn ends(profile: &[u64; MAP]) -> [u16; 2] {
    let sum: u64 = profile.iter().sum();
    // Within the cell that a share falls into, as far as the share goes.
    let at = |thousandths: u64| {
        let (mut before, wanted) = (0, sum * thousandths);
        for (i, &cell) in (0u64..).zip(profile) {
            if cell > 0 && (before + cell) * 1000 >= wanted {
                return i * CELL + (wanted - before * 1000) * CELL / (cell * 1000);
            }
            before += cell;
        }
        SIDE as u64
    };
    let (first, last) = (at(CUT), at(1000 - CUT));
    let margin = (last - first) * MARGIN / 100;
    [first.saturating_sub(margin) as u16, (last + margin).min(SIDE as u64) as u16]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_what_the_map_marks_with_a_margin() {
        // Two lungs, columns 3 to 6 and 9 to 12, rows 2 to 11; a faint cell and a corner that count for nothing.
        let mut map = [0; MAP * MAP];
        for y in 2..12 {
            for x in (3..7).chain(9..13) {
                map[y * MAP + x] = 255;
            }
        }
        map[0] = FLOOR - 1;
        // 1.5 % of eight columns are 1.92 pixels, of ten rows 2.4; of what lies between, 157 and 155 pixels, 8 % are 12.
        assert_eq!(lungs_of(&map), Some(Lungs { left: 37, top: 22, right: 218, bottom: 201 }));
        // The margin ends at the edge.
        map.fill(255);
        assert_eq!(lungs_of(&map), Some(Lungs { left: 0, top: 0, right: 256, bottom: 256 }));
    }

    #[test]
    fn too_little_is_no_lung() {
        let mut map = [0; MAP * MAP];
        assert_eq!(lungs_of(&map), None);
        map[..5].fill(255);
        assert_eq!(lungs_of(&map), None);
        map.fill(SURE - 1);
        assert_eq!(lungs_of(&map), None);
        map.fill(0);
        // Enough, in one row of cells: no chest.
        map[..12].fill(255);
        assert_eq!(lungs_of(&map), None);
    }

    #[test]
    fn frames_say_where_they_lie() {
        let lungs = Frame::Lungs(Lungs { left: 64, top: 0, right: 192, bottom: 256 });
        assert_eq!(lungs.area(), [0.25, 0.0, 0.5, 1.0]);
        assert_eq!(lungs.to_json(), json!({ "x": 0.25, "y": 0.0, "width": 0.5, "height": 1.0 }));
        assert_eq!((Frame::Whole.to_json(), Frame::NoLungs.to_json()), (json!(null), json!(null)));
        assert!(lungs.warning().is_none() && Frame::Whole.warning().is_none() && Frame::NoLungs.warning().is_some());
    }

    #[test]
    fn a_cut_picture_is_its_box_enlarged() {
        let gray: Vec<u8> = (0..SIDE * SIDE).map(|i| (i % SIDE) as u8).collect();
        assert_eq!(resized(&gray, [0, 0, SIDE, SIDE], [SIDE, SIDE]).unwrap(), gray);
        let half = resized(&gray, [64, 10, 192, 202], [SIDE, SIDE]).unwrap();
        assert_eq!(half.len(), SIDE * SIDE);
        assert_eq!((half[0], half[SIDE - 1], half[SIDE / 2]), (64, 191, 128));
    }

    #[test]
    fn a_model_names_its_finder() {
        let own = json!({ "frame": Finder::metadata() }).to_string();
        assert!(Finder::of(&own, "m.cxr").unwrap().is_some());
        assert!(Finder::of("{}", "m.cxr").unwrap().is_none());
        let other = json!({ "frame": { "lungs": "00" } }).to_string();
        assert!(
            Finder::of(&other, "m.cxr").err().unwrap().to_string().starts_with("m.cxr: was trained on pictures cut by another")
        );
    }

    #[test]
    fn lungs_are_found_in_a_drawing_and_nowhere_else() -> Result<()> {
        let finder = Finder::shipped()?;
        // A body of soft tissue, a spine, two lungs at columns 50 to 206, rows 60 to 200.
        let inside = |x: f32, y: f32, [cx, cy, rx, ry]: [f32; 4]| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
        let level = |x: f32, y: f32| match () {
            () if inside(x, y, [84.0, 130.0, 34.0, 70.0]) || inside(x, y, [172.0, 130.0, 34.0, 70.0]) => 50,
            () if (x - 128.0).abs() < 12.0 => 210,
            () if inside(x, y, [128.0, 170.0, 120.0, 160.0]) => 160,
            () => 0,
        };
        let drawing: Vec<u8> = (0..SIDE * SIDE).map(|i| level((i % SIDE) as f32, (i / SIDE) as f32)).collect();
        let Some(Lungs { left, top, right, bottom }) = finder.find(&drawing)? else { panic!("no lungs") };
        for (found, expected) in [(left, 50), (top, 60), (right, 206), (bottom, 200)] {
            assert!(found.abs_diff(expected) < 36, "{found}, not about {expected} and a margin");
        }
        assert_eq!(finder.find(&[90; SIDE * SIDE])?, None);
        assert_eq!(finder.cut(&[90; SIDE * SIDE])?, (vec![90; SIDE * SIDE], Frame::NoLungs));
        assert!(finder.find(&[90; 64 * 64]).is_err());
        // What a model of 511,624 bytes of weights leaves of 512 KB.
        assert!(NETWORK.len() <= 16 << 10);
        Ok(())
    }
}
