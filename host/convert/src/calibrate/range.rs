//! Ranges of activations from counts of their values.

use serde::Serialize;

/// How the range of a value is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Range {
    /// The least and the greatest that were seen.
    MinMax,
    /// This share of all values, 0 to 1, lies inside, on each side of zero.
    Percentile(f64),
    /// The least expected squared error of rounding and clipping.
    LeastSquares,
}

/// Counts of values by the upper 16 bits of their f32: bins 1/128 of their value wide, no range needed.
#[derive(Clone, Debug)]
pub struct Histogram {
    bins: Vec<u32>,
    low: f32,
    high: f32,
}

const SHIFT: u32 = 16;

impl Default for Histogram {
    fn default() -> Self {
        Self { bins: vec![0; 1 << 16], low: 0.0, high: 0.0 }
    }
}

impl Histogram {
    /// Counts a finite value.
    pub fn add(&mut self, value: f32) {
        let bin = &mut self.bins[(value.to_bits() >> SHIFT) as usize];
        *bin = bin.saturating_add(1);
        self.low = self.low.min(value);
        self.high = self.high.max(value);
    }

    /// Centers of the bins that have values, and how many.
    fn occupied(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let center = |bin: usize| f64::from(f32::from_bits(((bin as u32) << SHIFT) | (1 << (SHIFT - 1))));
        self.bins.iter().enumerate().filter(|(_, n)| **n > 0).map(move |(bin, &n)| (center(bin), f64::from(n)))
    }

    /// The ends of the range; 0 lies inside.
    pub fn range(&self, choice: Range) -> [f32; 2] {
        let whole = [self.low, self.high];
        match choice {
            Range::MinMax => whole,
            Range::Percentile(share) => {
                let mut all: Vec<(f64, f64)> = self.occupied().collect();
                all.sort_by(|a, b| a.0.total_cmp(&b.0));
                let outside = (1.0 - share) * all.iter().map(|(_, n)| n).sum::<f64>();
                fn end<'a>(mut values: impl Iterator<Item = &'a (f64, f64)>, outside: f64) -> Option<f32> {
                    let mut seen = 0.0;
                    let reached = values.find(|(_, n)| {
                        seen += n;
                        seen > outside
                    });
                    reached.map(|(x, _)| *x as f32)
                }
                let low = end(all.iter(), outside).unwrap_or(self.low);
                let high = end(all.iter().rev(), outside).unwrap_or(self.high);
                [low.clamp(self.low, 0.0), high.clamp(0.0, self.high)]
            }
            Range::LeastSquares => {
                let all: Vec<(f64, f64)> = self.occupied().collect();
                let part = |percent: i32| whole.map(|x| x * percent as f32 / 100.0);
                let error = |range: [f32; 2]| {
                    let [low, high] = range.map(f64::from);
                    let step = (high - low) / 255.0;
                    let one = |&(x, n): &(f64, f64)| {
                        let clipped = x - x.clamp(low, high);
                        n * (clipped * clipped + if clipped == 0.0 { step * step / 12.0 } else { 0.0 })
                    };
                    all.iter().map(one).sum::<f64>()
                };
                let ranges = (20..=100).step_by(2).map(part).map(|range| (error(range), range));
                ranges.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(whole, |(_, range)| range)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_ordered_and_have_both_signs() {
        let mut histogram = Histogram::default();
        (-5_000..10_000).for_each(|i| histogram.add(i as f32 / 1000.0));
        histogram.add(100.0);
        histogram.add(-50.0);
        assert_eq!(histogram.range(Range::MinMax), [-50.0, 100.0]);
        let [low, high] = histogram.range(Range::Percentile(0.99));
        assert!((high - 9.85).abs() < 0.1 && (low + 4.85).abs() < 0.1, "{low} {high}");
        let [low, high] = histogram.range(Range::LeastSquares);
        assert!((10.0..100.0).contains(&high) && (-50.0..-5.0).contains(&low), "{low} {high}");
    }

    #[test]
    fn zero_is_inside() {
        let mut histogram = Histogram::default();
        (10..20).for_each(|i| histogram.add(i as f32));
        for choice in [Range::MinMax, Range::Percentile(0.9), Range::LeastSquares] {
            assert_eq!(histogram.range(choice)[0], 0.0);
        }
    }
}
