//! Random distortions of training images, on 8-bit gray pixels.
//!
//! Geometry is one composed warp; brightness, contrast and gamma are one table. What is drawn depends on
//! (seed, epoch, index) alone, so that threads and resumed runs change nothing.

use crate::recipe::AugmentSpec;
use image::GrayImage;
use image::imageops::thumbnail;
use imageproc::geometric_transformations::{Interpolation, Projection, warp_into};
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

/// Rotation, zoom, shift and flip about the centre; a lower intermediate resolution costs nothing extra.
fn warp(image: &[u8], size: usize, spec: &AugmentSpec, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let loss = if chance(rng, spec.resample) { 1.0 + 2.0 * rng.random::<f32>() } else { 1.0 };
    let side = ((size as f32 / loss) as usize).max(16);
    let source = shrink(image, side);
    let scale = size as f32 / side as f32 * (1.0 + within(rng, spec.zoom));
    let mirror = if chance(rng, spec.flip) { -1.0 } else { 1.0 };
    let angle = within(rng, spec.rotation).to_radians();
    let shift = [within(rng, spec.shift) * size as f32, within(rng, spec.shift) * size as f32];
    let (from, to) = ((side as f32 - 1.0) / 2.0, (size as f32 - 1.0) / 2.0);
    let projection = Projection::translate(-from, -from)
        .and_then(Projection::scale(scale * mirror, scale))
        .and_then(Projection::rotate(angle))
        .and_then(Projection::translate(to + shift[0], to + shift[1]));
    let mut out = GrayImage::new(size as u32, size as u32);
    warp_into(&source, &projection, Interpolation::Bilinear, image::Luma([0]), &mut out);
    out.into_raw()
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
            shift: 0.12,
            flip: 0.5,
            gamma: 0.4,
            brightness: 0.3,
            contrast: 0.45,
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
        let same = augment(&image, SIDE, &AugmentSpec::default(), &mut generator(1, 0, 0));
        // The bilinear warp needs a neighbour to the right and below.
        let inner = (0..SIDE * SIDE).filter(|i| i % SIDE < SIDE - 1 && i / SIDE < SIDE - 1);
        let worst = inner.map(|i| image[i].abs_diff(same[i])).max();
        assert!(worst <= Some(1), "{worst:?}");
        assert_eq!(plain(&image, SIDE), image);
        let half = plain(&image, 128);
        let mean = (0..4).map(|k| u32::from(image[(20 + k / 2) * SIDE + 40 + k % 2])).sum::<u32>() as f32 / 4.0;
        assert!((f32::from(half[10 * 128 + 20]) - mean).abs() <= 1.0);
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
