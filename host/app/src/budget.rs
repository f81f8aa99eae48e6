//! One budget of pixel memory for all who decode at once.
//!
//! How much an image needs is known only to its decoder, which refuses before it decodes what needs more than it is
//! allowed. So an image is tried with a small share, which nearly all fit, and then with the most that one may take.

use crate::decode::{Image, Kind, Refusal};
use anyhow::Result;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shares tried before the largest one, in bytes: a radiograph of 3000 x 2500 pixels fits the second.
const SHARES: [u64; 2] = [16 << 20, 64 << 20];

/// Bytes that are handed out and come back; whoever waits longest is served first.
///
/// ```
/// use cxr_app::budget::Budget;
/// let budget = Budget::new(10);
/// let share = budget.take(7, None).unwrap();
/// assert_eq!(budget.free(), 3);
/// drop(share);
/// assert_eq!(budget.free(), 10);
/// ```
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    free: u64,
    next: u64,
    /// Who waits, the longest first.
    waiting: VecDeque<u64>,
}

/// A share of a [`Budget`]; dropping it gives it back.
#[derive(Debug)]
pub struct Share<'b> {
    budget: &'b Budget,
    bytes: u64,
}

/// No share came free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted;

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("other images hold the memory for pixels: try again in a moment")
    }
}

impl std::error::Error for Exhausted {}

impl Budget {
    /// A budget of `bytes`.
    pub fn new(bytes: u64) -> Self {
        Self { bytes, state: Mutex::new(State { free: bytes, next: 0, waiting: VecDeque::new() }), freed: Condvar::new() }
    }

    /// Bytes that nobody holds.
    pub fn free(&self) -> u64 {
        self.lock().free
    }

    /// All its bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Waits for `bytes`, until `deadline` if there is one. More than the whole budget waits for all of it.
    ///
    /// # Errors
    /// [`Exhausted`] at the deadline.
    pub fn take(&self, bytes: u64, deadline: Option<Instant>) -> Result<Share<'_>, Exhausted> {
        let bytes = bytes.min(self.bytes);
        let mut state = self.lock();
        let ticket = state.next;
        state.next += 1;
        state.waiting.push_back(ticket);
        while state.waiting.front() != Some(&ticket) || state.free < bytes {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            state = match left {
                None => self.freed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    state.waiting.retain(|waiting| *waiting != ticket);
                    // The next may fit where this one did not.
                    self.freed.notify_all();
                    return Err(Exhausted);
                }
                Some(left) => self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
        state.waiting.pop_front();
        state.free -= bytes;
        self.freed.notify_all();
        Ok(Share { budget: self, bytes })
    }

    /// Decodes with a share of the budget, at most `most` bytes of it; keep the share as long as the image.
    ///
    /// # Errors
    /// Those of [`Image::decode_within`], and [`Exhausted`].
    pub fn decode<'n>(
        &self,
        bytes: &[u8],
        name: &'n str,
        most: u64,
        deadline: Option<Instant>,
    ) -> Result<(Image<'n>, Share<'_>)> {
        let most = most.min(self.bytes);
        for share in SHARES.into_iter().filter(|share| *share < most) {
            let share = self.take(share, deadline)?;
            match Image::decode_within(bytes, name, share.bytes) {
                // The share goes back before a larger one is waited for.
                Err(error) if may_need_more(&error) => {}
                decoded => return Ok((decoded?, share)),
            }
        }
        let share = self.take(most, deadline)?;
        Ok((Image::decode_within(bytes, name, share.bytes)?, share))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// True where a larger share may help; a decoder that runs into its limit half-way may call the file damaged.
fn may_need_more(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refusal>().is_some_and(|refusal| matches!(refusal.kind, Kind::TooLarge | Kind::Damaged))
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.lock().free += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn never_more_than_the_budget_is_out_and_all_are_served() {
        let budget = Budget::new(100);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let (budget, held, most) = (&budget, &held, &most);
                scope.spawn(move || {
                    for round in 0..200 {
                        let bytes = 1 + (thread * 31 + round * 17) % 130;
                        let share = budget.take(bytes, None).unwrap();
                        let now = held.fetch_add(bytes.min(100), Ordering::SeqCst) + bytes.min(100);
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        held.fetch_sub(bytes.min(100), Ordering::SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert!((1..=100).contains(&most.into_inner()));
        assert_eq!(budget.free(), 100);
    }

    #[test]
    fn a_deadline_ends_the_wait_and_lets_the_next_one_through() {
        let budget = Arc::new(Budget::new(10));
        let held = budget.take(8, None).unwrap();
        let large = {
            let budget = Arc::clone(&budget);
            std::thread::spawn(move || budget.take(10, Some(Instant::now() + Duration::from_millis(200))).err())
        };
        while budget.lock().waiting.is_empty() {
            std::thread::yield_now();
        }
        // Behind the large one in the queue, and served once that has given up.
        assert_eq!(budget.take(2, Some(Instant::now() + Duration::from_secs(20))).unwrap().bytes, 2);
        assert_eq!(large.join().unwrap(), Some(Exhausted));
        drop(held);
        assert_eq!((budget.free(), budget.lock().waiting.len()), (10, 0));
    }

    #[test]
    fn an_image_holds_a_share_that_it_fits() {
        let png = |side| {
            let mut bytes = Cursor::new(Vec::new());
            image::DynamicImage::new_luma8(side, side).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
            bytes.into_inner()
        };
        let budget = Budget::new(200 << 20);
        let (image, share) = budget.decode(&png(10), "x", 100 << 20, None).unwrap();
        assert_eq!((image.dimensions(), share.bytes), ((10, 10), SHARES[0]));
        drop(share);
        let (_, share) = budget.decode(&png(5000), "x", 100 << 20, None).unwrap();
        assert_eq!(share.bytes, SHARES[1]);
        drop(share);
        // Larger than any share, and no image at all: nothing stays taken.
        let error = budget.decode(&png(5000), "x", 20 << 20, None).err().unwrap();
        assert_eq!(error.downcast_ref::<Refusal>().map(|refusal| refusal.kind), Some(Kind::TooLarge));
        assert!(budget.decode(b"no image", "x", 100 << 20, None).is_err());
        assert_eq!(budget.free(), 200 << 20);
    }
}
