//! Where points are, among the factors and the products of a tile.

use super::axis::{Axis, shared};

/// A table by points: across, down.
pub type Points = [[usize; 9]; 9];

/// How many points are multiplied before another: those with the same filter follow one another.
pub const fn places<A: Axis>() -> Points {
    let (mut places, mut j) = ([[0; 9]; 9], 0);
    while j < A::POINTS {
        let mut i = 0;
        while i < A::POINTS {
            let (f, k) = (filter::<A>(i), filter::<A>(j));
            places[j][i] = f * A::POINTS + k * shared::<A>(f) + (i - f) * shared::<A>(k) + (j - k);
            i += 1;
        }
        j += 1;
    }
    places
}

const fn filter<A: Axis>(point: usize) -> usize {
    if point < A::FILTERS { point } else { A::FILTERS - 1 }
}
