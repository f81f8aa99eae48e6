//! Where the attribution lies: within the central field or outside.

use super::field;
use super::networks::Networks;
use cxr_app::model_file::Map;

/// Share outside of the central field of what sets the class apart: the absolute differences, cell by cell, between its
/// map and the mean of all classes' maps. `None` where the map is too small to have a centre, or all zeros.
pub fn outside(maps: &[Map], class: usize) -> Option<f64> {
    let [height, width] = maps[class].size;
    let (mut sum, mut out, mut central) = (0.0, 0.0, 0);
    for cell in 0..height * width {
        let mean = maps.iter().map(|map| f64::from(map.cells[cell])).sum::<f64>() / maps.len() as f64;
        let mass = (f64::from(maps[class].cells[cell]) - mean).abs();
        sum += mass;
        if field::is_central(cell % width, cell / width, width, height) { central += 1 } else { out += mass }
    }
    (sum > 0.0 && central > 0 && central < height * width).then(|| out / sum)
}

/// Share of the map's cells outside of the central field: what [`outside`] is for attribution spread evenly.
pub fn outside_by_area(networks: &Networks<'_>) -> f64 {
    let shape = cxr_core::explain::map_shape(&networks.engine.model);
    let (height, width) = (usize::from(shape.height), usize::from(shape.width));
    let cells = (height * width).max(1);
    let inside = (0..cells).filter(|i| field::is_central(i % width.max(1), i / width.max(1), width, height)).count();
    1.0 - inside as f64 / cells as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribution_outside_of_the_centre() {
        let map = |centre: f32, edge: f32| Map {
            size: [8, 8],
            cells: (0..64).map(|i| if field::is_central(i % 8, i / 8, 8, 8) { centre } else { edge }).collect(),
            bias: 0.0,
        };
        assert_eq!(outside(&[map(1.0, 0.0), map(0.0, 0.0), map(0.0, 0.0)], 0), Some(0.0));
        let even = outside(&[map(1.0, 1.0), map(0.0, 0.0), map(0.0, 0.0)], 0).unwrap();
        assert!((even - 28.0 / 64.0).abs() < 1e-6);
        assert_eq!(outside(&[map(1.0, 1.0), map(1.0, 1.0), map(1.0, 1.0)], 0), None);
        let cell = Map { size: [1, 1], cells: vec![1.0], bias: 0.0 };
        assert_eq!(outside(&[cell.clone(), Map { cells: vec![0.0], ..cell }], 0), None);
    }
}
