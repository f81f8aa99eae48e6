//! Winograd's algorithms along an axis, for convolutions of three taps; [`both_ways`](super) takes one along each.
//!
//! An algorithm with points `a` makes four outputs of `IN` inputs. At each of its `POINTS`, inputs are combined to a factor and weights
//! too, and the products are combined to `SCALE` times the outputs; all is whole. (Toom and Cook, by Lavin and Gray, 2015.)
//!
//! Stride 2 is two convolutions of stride 1: even inputs see the outer taps, odd ones the middle tap. The products with the middle tap,
//! as many as outputs, all have the same weight: they come last and share the last filter.

use core::ops::{Add, Sub};

/// Outputs of a tile, along an axis.
pub const OUTPUTS: usize = 4;

/// Values along an axis; the first `IN`, `POINTS` or `OUTPUTS` count.
pub type Line<T> = [T; 9];

/// An algorithm.
pub trait Axis {
    /// Inputs from an output to the next.
    const STRIDE: usize;
    /// Inputs of a tile.
    const IN: usize;
    /// Products of a tile.
    const POINTS: usize;
    /// Different weights among them.
    const FILTERS: usize = Self::POINTS;
    /// What the outputs are multiplied with.
    const SCALE: i32;
    /// The weight of each filter, by taps. The products of filter 1 are added once to each output.
    const WEIGHTS: &'static [[i32; 3]];

    /// Inputs to factors.
    fn factors<V: Value>(d: Line<V>) -> Line<V>;
    /// Products to outputs.
    fn outputs<V: Value>(m: Line<V>) -> Line<V>;
}

/// Points that have filter `f`.
pub const fn shared<A: Axis>(f: usize) -> usize {
    if f + 1 == A::FILTERS { A::POINTS - A::FILTERS + 1 } else { 1 }
}

/// What an algorithm combines: vectors, lane by lane.
pub trait Value: Copy + Add<Output = Self> + Sub<Output = Self> {
    /// Two times it.
    fn double(self) -> Self;
    /// Four times it.
    fn fourfold(self) -> Self;
}

/// F(4, 3), points 0, 1, -1, 2, -2 and infinity: six products for twelve.
pub struct Four;

impl Axis for Four {
    const STRIDE: usize = 1;
    const IN: usize = 6;
    const POINTS: usize = 6;
    const SCALE: i32 = 24;
    // The last is half of what it should be, so that products of two fit i16.
    const WEIGHTS: &'static [[i32; 3]] = &[[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]];

    #[inline(always)]
    fn factors<V: Value>([d0, d1, d2, d3, d4, d5, ..]: Line<V>) -> Line<V> {
        let (near, far) = (d4 - d2, d3 - d1);
        let (even, odd) = (d4 - d2.fourfold(), d3 - d1.fourfold());
        let far2 = far.double();
        let first = (d0 - d2).fourfold() + near;
        let last = d5 - d3 - far.fourfold();
        [first, even + odd, even - odd, near + far2, near - far2, last, d0, d0, d0]
    }

    #[inline(always)]
    fn outputs<V: Value>([m0, m1, m2, m3, m4, m5, ..]: Line<V>) -> Line<V> {
        let (sum, difference) = (m1 + m2, m1 - m2);
        let (outer, outer_difference) = (m3 + m4, (m3 - m4).double());
        let y0 = m0 + sum + outer;
        let y1 = difference + outer_difference;
        let y2 = sum + outer.fourfold();
        let y3 = difference + (outer_difference.double() + m5).double();
        [y0, y1, y2, y3, m0, m0, m0, m0, m0]
    }
}

/// Stride 2, F(4, 2) with points 0, 1, -1, 2 and infinity, and the middle tap: nine products for twelve.
pub struct FourByTwo;

impl Axis for FourByTwo {
    const STRIDE: usize = 2;
    const IN: usize = 9;
    const POINTS: usize = 9;
    const FILTERS: usize = 6;
    const SCALE: i32 = 6;
    const WEIGHTS: &'static [[i32; 3]] = &[[3, 0, 0], [-3, 0, -3], [-1, 0, 1], [1, 0, 2], [0, 0, 6], [0, 6, 0]];

    #[inline(always)]
    fn factors<V: Value>([e0, o0, e1, o1, e2, o2, e3, o3, e4]: Line<V>) -> Line<V> {
        let (outer, inner) = (e3 - e1, e2 - e0);
        let first = outer - inner.double();
        let one = e3 - e2 - e1.double();
        let minus = e3 - e2 + (e1 - e2).double();
        let last = e4 - e2 - outer.double();
        [first, one, minus, outer, last, o0, o1, o2, o3]
    }

    #[inline(always)]
    fn outputs<V: Value>([m0, m1, m2, m3, m4, o0, o1, o2, o3]: Line<V>) -> Line<V> {
        let (sum, difference) = (m1 + m2, m1 - m2);
        let twice = m3.double();
        let y0 = m0 + sum + (m3 + o0);
        let y1 = difference + twice + o1;
        let y2 = sum + twice.double() + o2;
        let y3 = difference + twice.fourfold() + (m4 + o3);
        [y0, y1, y2, y3, m0, m0, m0, m0, m0]
    }
}
