//! Pictures that are no frontal chest X-ray: generated ones, and X-rays turned, inverted or cut in two.

use image::GrayImage;
use image::imageops::{self, FilterType};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Height and width.
pub const SIDE: usize = 256;

/// What [`generate`] draws.
pub const KINDS: [&str; 12] = [
    "noise",
    "grain",
    "blank",
    "smooth",
    "text",
    "gradient",
    "stripes",
    "clouds",
    "shapes",
    "axial phantom",
    "coronal phantom",
    "lateral phantom",
];
/// What [`spoil`] does.
pub const CHANGES: [&str; 5] = ["rotated by 90 degrees", "rotated by 270 degrees", "upside down", "inverted", "one side alone"];

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
        "axial phantom" => phantom(&mut rng, View::Axial),
        "coronal phantom" => phantom(&mut rng, View::Coronal),
        "lateral phantom" => phantom(&mut rng, View::Lateral),
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
        4 => {
            // About as much of the body as a lateral view shows.
            let half = SIDE as u32 / 2;
            let side = imageops::crop_imm(&picture, (which / CHANGES.len()) as u32 % 2 * half, 0, half, SIDE as u32).to_image();
            imageops::resize(&side, SIDE as u32, SIDE as u32, FilterType::Triangle).into_raw()
        }
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

/// How a chest is looked at.
#[derive(Clone, Copy, PartialEq)]
enum View {
    /// CT section from below.
    Axial,
    /// CT section from the front.
    Coronal,
    /// Radiograph from the side.
    Lateral,
}

/// A drawn chest in a view that is not frontal radiography: a body on black, dark lungs with bright vessels, spine, heart or liver.
fn phantom(rng: &mut ChaCha8Rng, view: View) -> Vec<u8> {
    let mut out = vec![0.0f32; SIDE * SIDE];
    let mut ellipse = |[cx, cy]: [f32; 2], [rx, ry]: [f32; 2], level: f32| {
        for (i, pixel) in out.iter_mut().enumerate() {
            let (dx, dy) = (((i % SIDE) as f32 - cx) / rx, ((i / SIDE) as f32 - cy) / ry);
            // Bodies are nearer to a rectangle than an ellipse is.
            if dx.abs().powf(2.4) + dy.abs().powf(2.4) < 1.0 {
                *pixel = level;
            }
        }
    };
    let mut near = |value: f32, spread: f32| value * (1.0 + spread * (2.0 * rng.random::<f32>() - 1.0));
    let (tissue, dense, bone) = (near(125.0, 0.3), near(155.0, 0.15), near(220.0, 0.12));
    let air = near(if view == View::Lateral { 60.0 } else { 22.0 }, 0.7);
    let [mx, my] = [near(128.0, 0.06), near(128.0, 0.08)];
    let facing = if near(1.0, 1.0) > 1.0 { 1.0 } else { -1.0 };
    let (body, lung) = match view {
        View::Axial => ([near(112.0, 0.12), near(80.0, 0.2)], [near(38.0, 0.25), near(50.0, 0.25)]),
        View::Coronal => ([near(108.0, 0.15), near(128.0, 0.15)], [near(34.0, 0.25), near(72.0, 0.25)]),
        View::Lateral => ([near(88.0, 0.2), near(140.0, 0.15)], [near(62.0, 0.2), near(88.0, 0.2)]),
    };
    ellipse([mx, my], body, tissue);
    let lungs: &[f32] = if view == View::Lateral { &[0.0] } else { &[-1.0, 1.0] };
    let rise = if view == View::Axial { 0.0 } else { near(20.0, 0.5) };
    for side in lungs {
        let [cx, cy] = [mx + side * near(0.5, 0.1) * body[0], my - rise];
        ellipse([cx, cy], lung, air);
        for _ in 0..near(14.0, 0.6) as usize {
            let (dx, dy, size) = (near(1.0, 1.0) - 1.0, near(1.0, 1.0) - 1.0, near(2.6, 0.7));
            ellipse([cx + 0.7 * dx * lung[0], cy + 0.7 * dy * lung[1]], [size, size], near(dense, 0.2));
        }
    }
    match view {
        View::Axial => {
            ellipse([mx - near(8.0, 1.0), my - near(16.0, 0.5)], [near(30.0, 0.3), near(26.0, 0.3)], dense);
            ellipse([mx, my + near(0.62, 0.1) * body[1]], [near(15.0, 0.2), near(14.0, 0.2)], bone);
        }
        View::Coronal => {
            ellipse([mx + near(8.0, 1.0), my + near(14.0, 0.6)], [near(26.0, 0.3), near(40.0, 0.3)], dense);
            ellipse([mx, my + near(95.0, 0.15)], [body[0] * 0.9, near(42.0, 0.25)], dense);
        }
        View::Lateral => {
            ellipse([mx - facing * near(30.0, 0.4), my + near(28.0, 0.4)], [near(34.0, 0.25), near(40.0, 0.25)], dense);
            ellipse([mx, my + near(112.0, 0.12)], [body[0] * 0.95, near(48.0, 0.25)], dense);
            ellipse([mx - facing * near(20.0, 0.5), my - near(112.0, 0.1)], [near(60.0, 0.3), near(30.0, 0.3)], dense);
            let (spine, step) = (mx + facing * near(52.0, 0.15), near(21.0, 0.15));
            for vertebra in -5i16..7 {
                ellipse([spine, my + f32::from(vertebra) * step], [near(13.0, 0.1), 0.42 * step], near(bone, 0.08) * 0.85);
            }
        }
    }
    let grain = near(27.0, 0.8);
    let blur = near(1.5, 0.7);
    let levels = out.iter().map(|v| if *v > 0.0 { (v + grain * (rng.random::<f32>() - 0.5)).clamp(0.0, 255.0) as u8 } else { 0 });
    let drawn = GrayImage::from_raw(SIDE as u32, SIDE as u32, levels.collect()).expect("SIDE * SIDE levels");
    imageops::fast_blur(&drawn, blur).into_raw()
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
