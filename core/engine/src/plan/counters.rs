//! Row counters of the operators of a segment, two bytes each.

/// Rows made; of operators that accumulate, rows taken.
#[derive(Clone, Copy, Debug)]
pub struct Counters<'a>(pub &'a [i8]);

impl Counters<'_> {
    /// Counter `i`, 0 where there is none.
    #[inline]
    pub const fn get(&self, i: usize) -> u32 {
        match self.0.split_at_checked(2 * i) {
            Some((_, [low, high, ..])) => u16::from_le_bytes([*low as u8, *high as u8]) as u32,
            _ => 0,
        }
    }
}

/// Counts one more.
#[inline]
pub const fn increment(counters: &mut [i8], i: usize) {
    let [low, high] = (Counters(counters).get(i) as u16).wrapping_add(1).to_le_bytes();
    if let Some((_, [to_low, to_high, ..])) = counters.split_at_mut_checked(2 * i) {
        *to_low = low as i8;
        *to_high = high as i8;
    }
}
