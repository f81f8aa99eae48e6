//! What kernels for servers and browsers have beyond rows one by one. Elsewhere it takes neither memory nor code.

use super::args::{FixedSum, WIDE};
pub use held::More;

/// TFLite's addition of many values.
pub type FixedSumLoop = fn(&FixedSum, &[i8; WIDE], &[i8; WIDE], &mut [i8; WIDE]);

#[cfg(row_blocks)]
mod held {
    use super::FixedSumLoop;
    use crate::kernels::blocks::Blocks;
    use crate::kernels::general::{LOOPS, Loops};

    /// Loops beside those for rows.
    #[derive(Clone, Copy, Debug)]
    pub struct More {
        /// TFLite's addition of so many values. None: one after another.
        pub fixed_sum: Option<FixedSumLoop>,
        /// Several output rows at once. None: only rows one by one.
        pub blocks: Option<Blocks>,
        /// Rows of any geometry.
        pub general: Loops,
    }

    impl More {
        pub const NONE: Self = Self { fixed_sum: None, blocks: None, general: LOOPS };

        pub const fn fixed_sum(&self) -> Option<FixedSumLoop> {
            self.fixed_sum
        }

        pub const fn blocks(&self) -> Option<Blocks> {
            self.blocks
        }

        pub const fn general(&self) -> &Loops {
            &self.general
        }
    }
}

#[cfg(not(row_blocks))]
mod held {
    use super::FixedSumLoop;
    use crate::kernels::blocks::Blocks;
    use crate::kernels::general::{LOOPS, Loops};

    /// Nothing: all kernels are alike in this.
    #[derive(Clone, Copy, Debug)]
    pub struct More;

    #[allow(clippy::unused_self)] // as above
    impl More {
        pub const NONE: Self = Self;

        #[inline(always)]
        pub const fn fixed_sum(&self) -> Option<FixedSumLoop> {
            None
        }

        #[inline(always)]
        pub const fn blocks(&self) -> Option<Blocks> {
            None
        }

        #[inline(always)]
        pub const fn general(&self) -> &'static Loops {
            &LOOPS
        }
    }
}
