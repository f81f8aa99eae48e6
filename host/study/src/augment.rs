//! Random distortions of training images, on 8-bit gray pixels.
//!
//! Geometry is one composed warp; brightness, contrast and gamma are one table. What is drawn depends on
//! (seed, epoch, index) alone, so that threads and resumed runs change nothing.
//!
//! The warp is ours: imageproc's, which the tests compare it with, takes most of the loader's time (docs/training.md).

use crate::recipe::AugmentSpec;
use image::GrayImage;
use image::imageops::thumbnail;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Height and width of the cached images.
pub const SIDE: usize = 256;

/// The generator of image `index` of epoch `epoch`.
pub fn generator(seed: u64, epoch: usize, index: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((epoch as u64) << 32) | index as u64);
    rng
}

/// Distorts a [`SIDE`] x [`SIDE`] gray image into a `size` x `size` one.
pub fn augment(image: &[u8], size: usize, spec: &AugmentSpec, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut out = warp(image, size, spec, rng);
    if chance(rng, spec.equalize) {
        equalize(&mut out, rng.random());
    }
    let table = table(&out, spec, rng);
    out.iter_mut().for_each(|p| *p = table[usize::from(*p)]);
    if chance(rng, spec.noise) {
        noise(&mut out, rng);
    }
    if chance(rng, spec.border) {
        border(&mut out, size, rng);
    }
    corners(&mut out, size, spec.corner, rng);
    out
}

/// An image at `size` without distortion: means over blocks, as [`augment`] starts from.
pub fn plain(image: &[u8], size: usize) -> Vec<u8> {
    shrink(image, size).into_raw()
}

fn chance(rng: &mut ChaCha8Rng, probability: f32) -> bool {
    probability > 0.0 && rng.random::<f32>() < probability
}

/// Uniform in plus or minus `limit`.
fn within(rng: &mut ChaCha8Rng, limit: f32) -> f32 {
    (2.0 * rng.random::<f32>() - 1.0) * limit
}

fn shrink(image: &[u8], side: usize) -> GrayImage {
    let full = GrayImage::from_raw(SIDE as u32, SIDE as u32, image.to_vec()).expect("cached images are SIDE x SIDE");
    if side == SIDE { full } else { thumbnail(&full, side as u32, side as u32) }
}

/// Rotation, zoom, change of aspect, shift and flip about the centre; a lower intermediate resolution costs nothing extra.
fn warp(image: &[u8], size: usize, spec: &AugmentSpec, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let loss = if chance(rng, spec.resample) { 1.0 + 2.0 * rng.random::<f32>() } else { 1.0 };
    let side = ((size as f32 / loss) as usize).max(16);
    let source = shrink(image, side);
    let scale = size as f32 / side as f32 * (1.0 + within(rng, spec.zoom));
    let mirror = if chance(rng, spec.flip) { -1.0 } else { 1.0 };
    let angle = within(rng, spec.rotation).to_radians();
    let shift = [within(rng, spec.shift) * size as f32, within(rng, spec.shift) * size as f32];
    // Off, it draws nothing: older recipes train as before.
    let aspect = if spec.aspect > 0.0 { (0.5 * within(rng, spec.aspect)).exp() } else { 1.0 };
    affine(&source, size, [scale * aspect * mirror, scale / aspect], angle, shift)
}

/// Scales about the centre, turns by `angle`, shifts; bilinear, black outside.
fn affine(source: &GrayImage, size: usize, scale: [f32; 2], angle: f32, shift: [f32; 2]) -> Vec<u8> {
    const ONE: f32 = 65536.0;
    let side = source.width() as usize;
    // A black frame, so that no neighbour is missing.
    let wide = side + 2;
    let mut framed = vec![0u8; wide * wide];
    for (to, from) in framed[wide..].chunks_mut(wide).zip(source.as_raw().chunks(side)) {
        to[1..=side].copy_from_slice(from);
    }
    let (sin, cos) = angle.sin_cos();
    let (from, to) = ((side as f32 - 1.0) / 2.0 + 1.0, (size as f32 - 1.0) / 2.0);
    // Where an output pixel comes from, in 1/65536 of a pixel of `framed`.
    let step = [cos / scale[0] * ONE, -sin / scale[1] * ONE].map(|v| v.round() as i32);
    let limit = (side + 1) as u32;
    let mut out = vec![0; size * size];
    for (y, row) in out.chunks_exact_mut(size).enumerate() {
        let (dx, dy) = (-to - shift[0], y as f32 - to - shift[1]);
        let mut u = (((cos * dx + sin * dy) / scale[0] + from) * ONE).round() as i32;
        let mut v = (((cos * dy - sin * dx) / scale[1] + from) * ONE).round() as i32;
        for pixel in row {
            let (x, y) = ((u >> 16) as u32, (v >> 16) as u32);
            if x < limit && y < limit {
                let (fx, fy) = ((u >> 8) as u32 & 255, (v >> 8) as u32 & 255);
                let at = y as usize * wide + x as usize;
                let mix = |i: usize| u32::from(framed[i]) * (256 - fx) + u32::from(framed[i + 1]) * fx;
                *pixel = ((mix(at) * (256 - fy) + mix(at + wide) * fy + 32768) >> 16) as u8;
            }
            u = u.wrapping_add(step[0]);
            v = v.wrapping_add(step[1]);
        }
    }
    out
}

/// Gamma, then brightness, then contrast about the mean.
fn table(pixels: &[u8], spec: &AugmentSpec, rng: &mut ChaCha8Rng) -> [u8; 256] {
    let gamma = within(rng, spec.gamma).exp();
    let brightness = 1.0 + within(rng, spec.brightness);
    let contrast = 1.0 + within(rng, spec.contrast);
    let mut histogram = [0u32; 256];
    pixels.iter().for_each(|&p| histogram[usize::from(p)] += 1);
    let lit: [f32; 256] = std::array::from_fn(|i| (i as f32 / 255.0).powf(gamma) * 255.0 * brightness);
    let mean = lit.iter().zip(histogram).map(|(l, n)| l * n as f32).sum::<f32>() / pixels.len() as f32;
    lit.map(|l| ((l - mean) * contrast + mean).round().clamp(0.0, 255.0) as u8)
}

/// Histogram equalisation, mixed in by `share`; the first gray level that occurs stays black, as most of it is what lies outside.
pub fn equalize(pixels: &mut [u8], share: f32) {
    let mut histogram = [0u32; 256];
    pixels.iter().for_each(|&p| histogram[usize::from(p)] += 1);
    let first = histogram.iter().position(|&n| n > 0).unwrap_or(0);
    let rest = (pixels.len() as u32 - histogram[first]).max(1);
    let mut seen = 0;
    let table: [u8; 256] = std::array::from_fn(|level| {
        seen += if level > first { histogram[level] } else { 0 };
        let equalized = 255.0 * seen as f32 / rest as f32;
        (level as f32 + share * (equalized - level as f32)).round() as u8
    });
    pixels.iter_mut().for_each(|p| *p = table[usize::from(*p)]);
}

/// Bell-shaped noise with a standard deviation of up to 16 gray levels: four summed uniform bytes a pixel.
fn noise(pixels: &mut [u8], rng: &mut ChaCha8Rng) {
    const DEVIATION: f32 = 147.8; // of the sum of four bytes
    let scale = rng.random::<f32>() * 16.0 / DEVIATION;
    let mut bytes = [0u8; 1024];
    for block in pixels.chunks_mut(256) {
        rng.fill_bytes(&mut bytes);
        for (p, b) in block.iter_mut().zip(bytes.chunks_exact(4)) {
            let sum: i32 = b.iter().map(|&x| i32::from(x)).sum();
            *p = (f32::from(*p) + (sum - 510) as f32 * scale).round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// Black bars of up to 12 % on a random choice of sides.
fn border(pixels: &mut [u8], size: usize, rng: &mut ChaCha8Rng) {
    let [top, bottom, left, right] =
        std::array::from_fn(|_| if rng.random::<bool>() { (rng.random::<f32>() * 0.12 * size as f32) as usize } else { 0 });
    for (y, row) in pixels.chunks_mut(size).enumerate() {
        if y < top || y >= size - bottom {
            row.fill(0);
        } else {
            row[..left].fill(0);
            row[size - right..].fill(0);
        }
    }
}

/// Fills rectangles of up to 25 % of the side in some corners with one random gray each.
fn corners(pixels: &mut [u8], size: usize, probability: f32, rng: &mut ChaCha8Rng) {
    for corner in 0..4 {
        if !chance(rng, probability) {
            continue;
        }
        let [h, w] = std::array::from_fn(|_| ((0.05 + 0.2 * rng.random::<f32>()) * size as f32) as usize);
        let gray = rng.random();
        let y0 = if corner < 2 { 0 } else { size - h };
        let x0 = if corner % 2 == 0 { 0 } else { size - w };
        for row in pixels.chunks_mut(size).skip(y0).take(h) {
            row[x0..x0 + w].fill(gray);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> AugmentSpec {
        AugmentSpec {
            rotation: 22.0,
            zoom: 0.22,
            aspect: 0.4,
            shift: 0.12,
            flip: 0.5,
            gamma: 0.4,
            brightness: 0.3,
            contrast: 0.45,
            equalize: 0.5,
            resample: 0.5,
            noise: 0.5,
            border: 0.5,
            corner: 0.5,
        }
    }

    #[test]
    fn depends_on_seed_epoch_and_index_alone() {
        let image = crate::synthetic::image(1, 5);
        let run = |seed, epoch, index| augment(&image, 128, &everything(), &mut generator(seed, epoch, index));
        assert_eq!(run(1, 2, 3), run(1, 2, 3));
        assert_eq!(run(1, 2, 3).len(), 128 * 128);
        assert_ne!(run(1, 2, 3), run(2, 2, 3));
        assert_ne!(run(1, 2, 3), run(1, 3, 3));
        assert_ne!(run(1, 2, 3), run(1, 2, 4));
    }

    #[test]
    fn switched_off_it_is_the_image_itself() {
        let image = crate::synthetic::image(0, 1);
        assert_eq!(augment(&image, SIDE, &AugmentSpec::default(), &mut generator(1, 0, 0)), image);
        assert_eq!(plain(&image, SIDE), image);
        let half = plain(&image, 128);
        let mean = (0..4).map(|k| u32::from(image[(20 + k / 2) * SIDE + 40 + k % 2])).sum::<u32>() as f32 / 4.0;
        assert!((f32::from(half[10 * 128 + 20]) - mean).abs() <= 1.0);
    }

    #[test]
    fn the_warp_is_that_of_imageproc() {
        use imageproc::geometric_transformations::{Interpolation, Projection, warp_into};
        let image = shrink(&crate::synthetic::image(1, 3), 100);
        for (scale, angle, shift) in [
            ([1.3, 1.3], 0.3, [4.0, -7.0]),
            ([-1.1, 1.1], -0.2, [0.5, 0.25]),
            ([1.6, 1.2], 0.2, [0.0; 2]),
            ([2.56, 2.56], 0.0, [0.0; 2]),
        ] {
            let projection = Projection::translate(-49.5, -49.5)
                .and_then(Projection::scale(scale[0], scale[1]))
                .and_then(Projection::rotate(angle))
                .and_then(Projection::translate(63.5 + shift[0], 63.5 + shift[1]));
            let mut reference = GrayImage::new(128, 128);
            warp_into(&image, &projection, Interpolation::Bilinear, image::Luma([0]), &mut reference);
            let ours = affine(&image, 128, scale, angle, shift);
            // At the rim imageproc wants all four neighbours; it also cuts fractions off, half a level on average.
            let differ = ours.iter().zip(reference.as_raw()).filter(|(a, b)| a.abs_diff(**b) > 2).count();
            assert!(differ <= 4 * 128, "{differ} pixels");
            let sum: u32 = ours.iter().zip(reference.as_raw()).map(|(a, b)| u32::from(a.abs_diff(*b))).filter(|d| *d <= 2).sum();
            assert!(f64::from(sum) / (128.0 * 128.0) < 0.9, "{sum}");
        }
    }

    #[test]
    fn aspect_changes_the_ratio_of_width_to_height_within_its_limits() {
        let image: Vec<u8> = (0..SIDE * SIDE)
            .map(|i| if (96..160).contains(&(i % SIDE)) && (96..160).contains(&(i / SIDE)) { 255 } else { 0 })
            .collect();
        let spec = AugmentSpec { aspect: 0.4, ..AugmentSpec::default() };
        let ratios: Vec<f32> = (0..200)
            .map(|index| {
                let out = augment(&image, SIDE, &spec, &mut generator(1, 0, index));
                let lit = |from: usize, step: usize| {
                    out.iter().skip(from).step_by(step).take(SIDE).filter(|p| **p > 127).count() as f32
                };
                (lit(SIDE / 2 * SIDE, 1) / lit(SIDE / 2, SIDE)).ln()
            })
            .collect();
        let (least, most) = ratios.iter().fold((0f32, 0f32), |(a, b), r| (a.min(*r), b.max(*r)));
        assert!((-0.44..-0.3).contains(&least) && (0.3..0.44).contains(&most), "{least} to {most}");
    }

    #[test]
    fn equalized_levels_are_as_frequent_as_any_other() {
        let image = crate::synthetic::image(1, 4);
        let mut equal = image.clone();
        equalize(&mut equal, 1.0);
        let share = |limit: u8| equal.iter().filter(|p| **p <= limit).count() as f32 / equal.len() as f32;
        let black = image.iter().filter(|p| **p == *image.iter().min().unwrap()).count() as f32 / image.len() as f32;
        for limit in [63, 127, 191] {
            let expected = black + (1.0 - black) * f32::from(limit) / 255.0;
            assert!((share(limit) - expected).abs() < 0.05, "{limit}: {} {expected}", share(limit));
        }
        // A curve: what was lighter is not darker after it.
        let mut pairs: Vec<(u8, u8)> = image.iter().copied().zip(equal.iter().copied()).collect();
        pairs.sort_unstable();
        assert!(pairs.is_sorted_by_key(|pair| pair.1));
        let mut same = image.clone();
        equalize(&mut same, 0.0);
        assert_eq!(same, image);
        let mut flat = vec![7; 100];
        equalize(&mut flat, 1.0);
        assert_eq!(flat, [0; 100]);
    }

    #[test]
    fn survives_every_draw() {
        let image = crate::synthetic::image(2, 9);
        for index in 0..50 {
            for size in [33, 128, 256] {
                assert_eq!(augment(&image, size, &everything(), &mut generator(4, 1, index)).len(), size * size);
            }
        }
    }
}
