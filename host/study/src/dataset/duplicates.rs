//! Finds the same picture under two names: byte for byte, or recompressed, resized, slightly cropped.
//!
//! Near duplicates are found in two steps. 32x32 thumbnails whose Pearson correlation is high are candidates;
//! but two healthy children in the same position correlate at 0.97 too, and a photograph scanned twice at
//! only 0.91. So candidates are compared in their detail: 64x64, blurred copy subtracted, contrast levelled,
//! and correlated over shifts of up to 3 pixels. Of some 40,000 candidate pairs between training and test images
//! of CoronaHack and the other sources, 15 lie above [`DETAIL`], all the same photograph or the same person to
//! the eye; between 0.55 and there most are two people, and a few strongly cropped copies hide (`data/README.md`).

use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Least thumbnail correlation of a candidate pair of different splits.
pub(crate) const THUMBNAIL_ACROSS: f32 = 0.90;
/// Least thumbnail correlation of a candidate pair of one split, where only plain copies are counted.
pub(crate) const THUMBNAIL_WITHIN: f32 = 0.97;
/// Least detail correlation of a near duplicate.
pub(crate) const DETAIL: f32 = 0.65;

const FULL: usize = 256;
const FINE: usize = 64;
const THUMB: usize = 32;
const COARSE: usize = 8;
const SHIFT: usize = 3;

/// What is kept of an image.
pub(crate) struct Fingerprint {
    /// SHA-256 of the file.
    pub(crate) sha256: [u8; 32],
    /// 32x32, zero mean, unit length.
    thumbnail: Vec<f32>,
    /// Projection of the thumbnail on the space of 8x8 blocks, in an orthonormal basis.
    coarse: Vec<f32>,
    /// Length of what the projection leaves out.
    rest: f32,
    /// 64x64 detail, zero mean, unit length.
    detail: Vec<f32>,
}

impl Fingerprint {
    /// Of a file's bytes and its 256x256 gray pixels.
    pub(crate) fn new(bytes: &[u8], gray: &[u8]) -> Self {
        let fine = block_means(&gray.iter().map(|level| f32::from(*level)).collect::<Vec<_>>(), FULL, FULL / FINE);
        let thumbnail = unit(block_means(&fine, FINE, FINE / THUMB));
        let block = THUMB / COARSE;
        let coarse: Vec<f32> = block_means(&thumbnail, THUMB, block).iter().map(|mean| mean * block as f32).collect();
        let rest = (dot(&thumbnail, &thumbnail) - dot(&coarse, &coarse)).max(0.0).sqrt();
        Self { sha256: Sha256::digest(bytes).into(), thumbnail, coarse, rest, detail: detail(&fine) }
    }

    /// Thumbnail correlation, or `None` if it is below `least`.
    fn thumbnail_correlation(&self, other: &Self, least: f32) -> Option<f32> {
        // Cauchy-Schwarz: most pairs are settled by 64 products instead of 1024.
        if dot(&self.coarse, &other.coarse) + self.rest * other.rest < least {
            return None;
        }
        Some(dot(&self.thumbnail, &other.thumbnail)).filter(|correlation| *correlation >= least)
    }

    /// Highest detail correlation over the shifts.
    fn detail_correlation(&self, other: &Self) -> f32 {
        let mut best = 0f32;
        for dy in 0..=2 * SHIFT {
            for dx in 0..=2 * SHIFT {
                let (own_y, other_y) = (dy.saturating_sub(SHIFT), SHIFT.saturating_sub(dy));
                let (own_x, other_x) = (dx.saturating_sub(SHIFT), SHIFT.saturating_sub(dx));
                let width = FINE - own_x - other_x;
                let rows = FINE - own_y - other_y;
                let sum: f32 = (0..rows)
                    .map(|y| {
                        let a = (y + own_y) * FINE + own_x;
                        let b = (y + other_y) * FINE + other_x;
                        dot(&self.detail[a..a + width], &other.detail[b..b + width])
                    })
                    .sum();
                best = best.max(sum);
            }
        }
        best
    }
}

/// Two images that are the same picture; `first < second` index the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// Same bytes.
    pub(crate) exact: bool,
    /// Correlation of the thumbnails.
    pub(crate) thumbnail: f32,
    /// Correlation of the detail.
    pub(crate) detail: f32,
}

/// All duplicate pairs, ordered by index. Between two of `splits`, or other groups, the candidates are more. `tick` is called
/// once an image.
pub(crate) fn pairs<K: PartialEq + Sync>(prints: &[Option<Fingerprint>], splits: &[K], tick: impl Fn() + Sync) -> Vec<Pair> {
    (0..prints.len())
        .into_par_iter()
        .flat_map_iter(|first| {
            tick();
            let own = prints[first].as_ref();
            let later = first + 1..prints.len();
            own.into_iter().flat_map(move |own| {
                later.clone().filter_map(move |second| {
                    let other = prints[second].as_ref()?;
                    if own.sha256 == other.sha256 {
                        return Some(Pair { first, second, exact: true, thumbnail: 1.0, detail: 1.0 });
                    }
                    let across = splits[first] != splits[second];
                    let least = if across { THUMBNAIL_ACROSS } else { THUMBNAIL_WITHIN };
                    let thumbnail = own.thumbnail_correlation(other, least)?;
                    let detail = own.detail_correlation(other);
                    (detail >= DETAIL).then_some(Pair { first, second, exact: false, thumbnail, detail })
                })
            })
        })
        .collect()
}

/// Means of `block` x `block` squares of a `side` x `side` picture.
fn block_means(pixels: &[f32], side: usize, block: usize) -> Vec<f32> {
    let out = side / block;
    let mut means = vec![0.0; out * out];
    for (y, row) in pixels.chunks_exact(side).enumerate() {
        for (x, cells) in row.chunks_exact(block).enumerate() {
            means[y / block * out + x] += cells.iter().sum::<f32>();
        }
    }
    means.iter_mut().for_each(|mean| *mean /= (block * block) as f32);
    means
}

/// Zero mean, unit length; zeros for a blank picture.
fn unit(mut values: Vec<f32>) -> Vec<f32> {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    values.iter_mut().for_each(|value| *value -= mean);
    let length = dot(&values, &values).sqrt();
    let scale = if length > 1e-3 { 1.0 / length } else { 0.0 };
    values.iter_mut().for_each(|value| *value *= scale);
    values
}

/// What a blur removes, divided by its local strength, faded out towards the border.
fn detail(fine: &[f32]) -> Vec<f32> {
    let blurred = box_blur(fine, 2);
    let high: Vec<f32> = fine.iter().zip(&blurred).map(|(value, blur)| value - blur).collect();
    let strength = box_blur(&high.iter().map(|value| value.abs()).collect::<Vec<_>>(), 4);
    let fade = |at: usize| {
        let phase = std::f32::consts::TAU * (at as f32 + 0.5) / FINE as f32;
        0.5 - 0.5 * phase.cos()
    };
    let faded = high.iter().zip(&strength).enumerate();
    unit(faded.map(|(at, (value, s))| value / (s + 0.5) * fade(at % FINE) * fade(at / FINE)).collect())
}

/// Mean over the square of `radius` around each pixel of a 64x64 picture, cut at the border.
fn box_blur(pixels: &[f32], radius: usize) -> Vec<f32> {
    let pass = |source: &[f32]| {
        // One axis, transposing, so that two passes make the square and restore the order.
        let mut out = vec![0.0; FINE * FINE];
        for (y, row) in source.chunks_exact(FINE).enumerate() {
            for x in 0..FINE {
                let near = &row[x.saturating_sub(radius)..(x + radius + 1).min(FINE)];
                out[x * FINE + y] = near.iter().sum::<f32>() / near.len() as f32;
            }
        }
        out
    };
    pass(&pass(pixels))
}

/// Dot product in eight lanes, which the compiler turns into vector instructions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let tail: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for lane in 0..8 {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    lanes.iter().sum::<f32>() + tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;

    /// A 256x256 picture with coarse and fine structure.
    fn picture(seed: u32) -> Vec<u8> {
        let cells: Vec<f32> = cxr_testkit::Lcg(seed).take(FINE * FINE).map(f32::from).collect();
        let soft = box_blur(&cells, 2);
        (0..FULL * FULL)
            .map(|at| {
                let (x, y) = (at % FULL, at / FULL);
                let body = 90.0 * (1.0 - ((x as f32 - 128.0) / 128.0).powi(2));
                (body + 0.6 * soft[y / 4 * FINE + x / 4]) as u8
            })
            .collect()
    }

    fn print(gray: &[u8]) -> Option<Fingerprint> {
        Some(Fingerprint::new(gray, gray))
    }

    #[test]
    fn copies_brightened_shifted_and_noisy_are_found_and_others_are_not() {
        let original = picture(1);
        let brighter: Vec<u8> = original.iter().map(|level| level / 2 + 60).collect();
        let shifted: Vec<u8> = (0..FULL * FULL).map(|at| original[(at + 4 * FULL + 4) % (FULL * FULL)]).collect();
        let noisy: Vec<u8> = original.iter().enumerate().map(|(at, level)| level ^ (at % 3) as u8).collect();
        let prints = [&original, &brighter, &shifted, &noisy, &picture(2), &original].map(|gray| print(gray));
        let splits = [Split::Train, Split::Test, Split::Test, Split::Test, Split::Test, Split::Val];
        let found = pairs(&prints, &splits, || ());
        let with_original: Vec<_> = found.iter().filter(|p| p.first == 0).map(|p| (p.second, p.exact)).collect();
        assert_eq!(with_original, [(1, false), (2, false), (3, false), (5, true)]);
        assert!(found.iter().all(|pair| pair.first != 4 && pair.second != 4), "{found:?}");
    }

    #[test]
    fn blank_and_missing_pictures_have_no_near_duplicates() {
        let prints = [print(&[7; FULL * FULL]), None, print(&[9; FULL * FULL])];
        assert_eq!(pairs(&prints, &[Split::Train, Split::Val, Split::Test], || ()), []);
    }

    #[test]
    fn the_short_cut_drops_no_pair() {
        let prints = [3, 4, 5, 6].map(|seed| print(&picture(seed)).unwrap());
        for a in &prints {
            for b in &prints {
                let exact = dot(&a.thumbnail, &b.thumbnail);
                assert!(dot(&a.coarse, &b.coarse) + a.rest * b.rest >= exact - 1e-5);
            }
        }
    }
}
