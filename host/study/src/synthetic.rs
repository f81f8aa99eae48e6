//! Generated pictures that stand in for chest X-rays in the demonstration, in tests and as shipped samples.
//!
//! They show a thorax of bright bones and soft tissue around two dark lungs. Class 1 adds one dense lobar
//! opacity, class 2 many faint peripheral patches on both sides. They teach nothing about medicine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Height and width.
pub const SIDE: usize = 256;

/// A soft-edged ellipse that brightens or darkens.
struct Blob {
    x: f32,
    y: f32,
    rx: f32,
    ry: f32,
    /// Gray levels at the centre.
    level: f32,
    /// Width of the edge, in radii.
    edge: f32,
}

impl Blob {
    fn at(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = ((x - self.x) / self.rx, (y - self.y) / self.ry);
        let distance = (dx * dx + dy * dy).sqrt();
        let t = ((1.0 + self.edge - distance) / (2.0 * self.edge)).clamp(0.0, 1.0);
        self.level * t * t * (3.0 - 2.0 * t)
    }
}

/// Gray pixels, `SIDE * SIDE`, of a picture of `class` (see [`cxr_app::classes::CLASSES`]); the same for the same `seed`.
pub fn image(class: usize, seed: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(3).wrapping_add(class as u64));
    let mut jitter = |range: f32| (rng.random::<f32>() * 2.0 - 1.0) * range;
    let centre = 128.0 + jitter(6.0);
    let lung_y = 125.0 + jitter(8.0);
    let (lung_rx, lung_ry) = (34.0 + jitter(4.0), 74.0 + jitter(6.0));
    let lung_x = [centre - 48.0 + jitter(3.0), centre + 48.0 + jitter(3.0)];
    let mut blobs = vec![
        Blob { x: centre, y: 150.0, rx: 112.0 + jitter(6.0), ry: 150.0, level: 120.0, edge: 0.12 },
        Blob { x: lung_x[0], y: lung_y, rx: lung_rx, ry: lung_ry, level: -85.0, edge: 0.2 },
        Blob { x: lung_x[1], y: lung_y, rx: lung_rx, ry: lung_ry, level: -85.0, edge: 0.2 },
        Blob { x: centre, y: 130.0, rx: 12.0, ry: 140.0, level: 50.0, edge: 0.4 },
        Blob { x: centre + 16.0, y: lung_y + 38.0, rx: 34.0, ry: 30.0, level: 55.0, edge: 0.25 },
    ];
    match class {
        1 => {
            let side = usize::from(jitter(1.0) > 0.0);
            blobs.push(Blob {
                x: lung_x[side] + jitter(6.0),
                y: lung_y + 28.0 + jitter(18.0),
                rx: 25.0 + jitter(4.0),
                ry: 27.0 + jitter(5.0),
                level: 80.0,
                edge: 0.5,
            });
        }
        2 => {
            for k in 0..14 {
                let side = k % 2;
                let outward = if side == 0 { -1.0 } else { 1.0 };
                let angle = jitter(1.1);
                blobs.push(Blob {
                    x: lung_x[side] + outward * lung_rx * 0.72 * angle.cos() + jitter(3.0),
                    y: lung_y + lung_ry * 0.78 * angle.sin() + jitter(4.0),
                    rx: 9.0 + jitter(3.0),
                    ry: 8.0 + jitter(3.0),
                    level: 42.0 + jitter(8.0),
                    edge: 0.8,
                });
            }
        }
        _ => {}
    }
    let (gain, offset, phase) = (1.0 + jitter(0.12), 24.0 + jitter(8.0), jitter(8.0));
    let mut pixels = Vec::with_capacity(SIDE * SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (fx, fy) = (x as f32, y as f32);
            let sum: f32 = blobs.iter().map(|blob| blob.at(fx, fy)).sum();
            // Ribs: bright arcs that sink towards the sides.
            let slope = (fx - centre).abs() * 0.35;
            let rib = ((fy - slope + phase) * std::f32::consts::TAU / 24.0).sin().max(0.0).powi(3) * 18.0;
            let inside = f32::from(u8::from(sum > 20.0));
            let grain = jitter(5.0);
            pixels.push(((sum + rib * inside) * gain + offset + grain).round().clamp(0.0, 255.0) as u8);
        }
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_picture() {
        for class in 0..3 {
            assert_eq!(image(class, 4), image(class, 4));
            assert_ne!(image(class, 4), image(class, 5));
            assert_eq!(image(class, 4).len(), SIDE * SIDE);
        }
        assert_ne!(image(0, 4), image(1, 4));
    }
}
