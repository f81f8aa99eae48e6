//! Pictures that are no frontal chest X-ray: generated ones, and X-rays turned or inverted.

use image::GrayImage;
use image::imageops::{self, FilterType};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Height and width.
pub const SIDE: usize = 256;

/// What [`generate`] draws.
pub const KINDS: [&str; 9] = ["noise", "grain", "blank", "smooth", "text", "gradient", "stripes", "clouds", "shapes"];
/// What [`spoil`] does.
pub const CHANGES: [&str; 4] = ["rotated by 90 degrees", "rotated by 270 degrees", "upside down", "inverted"];

/// Gray pixels, `SIDE * SIDE`, of a picture of a kind of [`KINDS`]; the same for the same `seed`.
pub fn generate(kind: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(KINDS.len() as u64).wrapping_add(kind as u64));
    match KINDS[kind % KINDS.len()] {
        "noise" => from_fn(|_, _| rng.random::<u8>().into()),
        "grain" => {
            let (level, spread) = (rng.random_range(40.0..215.0), rng.random_range(5.0..60.0));
            from_fn(|_, _| level + spread * (rng.random::<f32>() + rng.random::<f32>() + rng.random::<f32>() - 1.5))
        }
        "blank" => vec![rng.random(); SIDE * SIDE],
        "smooth" => {
            let cells = rng.random_range(2..17);
            blown_up(&mut rng, cells)
        }
        "text" => text(&mut rng),
        "gradient" => {
            let (turn, span) = (rng.random_range(0.0..std::f32::consts::TAU), rng.random_range(60.0..180.0));
            let (dx, dy) = (turn.cos() * span / 128.0, turn.sin() * span / 128.0);
            from_fn(|x, y| 128.0 + dx * (x - 128.0) + dy * (y - 128.0))
        }
        "stripes" => {
            let (turn, step) = (rng.random_range(0.0..std::f32::consts::TAU), rng.random_range(0.02..0.8f32));
            from_fn(|x, y| 127.5 + 127.5 * (step * (turn.cos() * x + turn.sin() * y)).sin())
        }
        "clouds" => clouds(&mut rng),
        _ => shapes(&mut rng),
    }
}

/// A 256x256 X-ray changed in the way of [`CHANGES`] that `which` names, counted round.
pub fn spoil(image: &[u8], which: usize) -> Vec<u8> {
    let Some(picture) = GrayImage::from_raw(SIDE as u32, SIDE as u32, image.to_vec()) else { return image.to_vec() };
    match which % CHANGES.len() {
        0 => imageops::rotate90(&picture).into_raw(),
        1 => imageops::rotate270(&picture).into_raw(),
        2 => imageops::rotate180(&picture).into_raw(),
        _ => image.iter().map(|p| 255 - p).collect(),
    }
}

fn from_fn(mut pixel: impl FnMut(f32, f32) -> f32) -> Vec<u8> {
    (0..SIDE * SIDE).map(|i| pixel((i % SIDE) as f32, (i / SIDE) as f32).clamp(0.0, 255.0) as u8).collect()
}

/// `cells * cells` random levels, enlarged.
fn blown_up(rng: &mut ChaCha8Rng, cells: u32) -> Vec<u8> {
    let small = GrayImage::from_fn(cells, cells, |_, _| image::Luma([rng.random()]));
    imageops::resize(&small, SIDE as u32, SIDE as u32, FilterType::CatmullRom).into_raw()
}

/// Octaves of noise, each finer and fainter.
fn clouds(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let (fade, gain) = (rng.random_range(0.35..0.85f32), rng.random_range(0.4..1.4f32));
    let mut sum = vec![0.0; SIDE * SIDE];
    let mut weight = gain;
    for octave in 1..8 {
        let layer = blown_up(rng, 1 << octave);
        sum.iter_mut().zip(layer).for_each(|(s, v)| *s += weight * (f32::from(v) - 127.5));
        weight *= fade;
    }
    let level = rng.random_range(70.0..180.0);
    sum.into_iter().map(|v| (v + level).clamp(0.0, 255.0) as u8).collect()
}

/// Lines of random 5x7 glyphs, dark on light or light on dark.
fn text(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let (paper, ink) = if rng.random() { (rng.random_range(200..=255), 0) } else { (0, rng.random_range(200..=255)) };
    let (size, leading) = (rng.random_range(1..4), rng.random_range(9..14));
    let mut out = vec![paper; SIDE * SIDE];
    let mut top = 4;
    while top + 7 * size < SIDE {
        let mut left = 6;
        let end = rng.random_range(SIDE / 2..SIDE - 8);
        while left + 5 * size < end {
            if rng.random::<f32>() < 0.83 {
                for cell in (0..35).filter(|_| rng.random::<f32>() < 0.45).collect::<Vec<usize>>() {
                    for pixel in 0..size * size {
                        let (x, y) = (left + cell % 5 * size + pixel % size, top + cell / 5 * size + pixel / size);
                        out[y * SIDE + x] = ink;
                    }
                }
            }
            left += 6 * size;
        }
        top += leading * size;
    }
    out
}

/// Ellipses and rectangles, more or less blurred.
fn shapes(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut out = vec![rng.random::<u8>(); SIDE * SIDE];
    for _ in 0..rng.random_range(2..25) {
        let (x, y) = (rng.random_range(-20.0..256.0f32), rng.random_range(-20.0..256.0f32));
        let (w, h) = (rng.random_range(3.0..80.0f32), rng.random_range(3.0..80.0f32));
        let (level, round): (u8, bool) = (rng.random(), rng.random());
        for (i, pixel) in out.iter_mut().enumerate() {
            let (dx, dy) = (((i % SIDE) as f32 - x).abs() / w, ((i / SIDE) as f32 - y).abs() / h);
            if if round { dx * dx + dy * dy < 1.0 } else { dx < 1.0 && dy < 1.0 } {
                *pixel = level;
            }
        }
    }
    match (GrayImage::from_raw(SIDE as u32, SIDE as u32, out.clone()), rng.random_range(0.0..4.0f32)) {
        (Some(picture), sigma) if sigma > 0.3 => imageops::fast_blur(&picture, sigma).into_raw(),
        _ => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_the_right_size_and_differ() {
        for (kind, name) in KINDS.into_iter().enumerate() {
            let first = generate(kind, 1);
            assert_eq!(first.len(), SIDE * SIDE, "{name}");
            assert_eq!(first, generate(kind, 1));
            assert_ne!(first, generate(kind, 2), "{name}");
        }
        let image = generate(7, 3);
        for (which, name) in CHANGES.into_iter().enumerate() {
            assert_ne!(spoil(&image, which), image, "{name}");
        }
    }
}
