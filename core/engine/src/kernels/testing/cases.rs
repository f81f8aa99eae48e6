//! Which calls are tested.

use super::case::{Case, FILLS, Fill, Mismatch, Operation};
use super::{Kernel, Runner};

impl Runner {
    /// Sizes that straddle the edges of blocks: every small number of taps, of channels, of columns.
    pub(super) fn blocks(&mut self, kernel: &Kernel) -> Result<(), Mismatch> {
        for n in 1..=40 {
            let [fill, other] = [self.values.fill(), self.values.fill()];
            let width = 1 + self.values.below(9);
            self.spread(kernel, Operation::Conv, [1, 1], 1, n, 1 + n % 9, 1 + n % 5, fill)?;
            self.spread(kernel, Operation::Conv, [3, 3], 1, 1 + n % 7, n, width, other)?;
            self.spread(kernel, Operation::Conv, [3, 3], 2, n, 1 + n % 8, 3, fill)?;
            self.spread(kernel, Operation::Conv, [1, 1], 2, 1 + n % 8, 5, n, other)?;
            self.spread(kernel, Operation::Gray, [3, 3], 2, 1, n, width, fill)?;
            self.spread(kernel, Operation::Gray, [1 + n % 5, 1 + n % 7], 1, 1, 1 + n % 6, n, other)?;
            self.spread(kernel, Operation::Depthwise, [3, 3], 1, n, n, width, fill)?;
            self.spread(kernel, Operation::Depthwise, [3, 3], 2, 1 + n % 11, 1 + n % 11, n, other)?;
        }
        for n in 0..=140 {
            let fill = self.values.fill();
            self.spread(kernel, Operation::Dot, [1, 1], 1, n, 1, 1, fill)?;
        }
        Ok(())
    }

    /// The sizes of real layers, and the largest window, each with every filling.
    pub(super) fn shapes(&mut self, kernel: &Kernel) -> Result<(), Mismatch> {
        const CONV: [([usize; 2], usize, usize, usize, usize); 14] = [
            ([3, 3], 2, 3, 16, 13),
            ([3, 3], 1, 16, 32, 6),
            ([3, 3], 2, 32, 17, 4),
            ([3, 3], 1, 64, 9, 5),
            ([3, 3], 1, 96, 6, 3),
            ([3, 3], 2, 128, 5, 5),
            ([1, 1], 1, 32, 64, 7),
            ([1, 1], 1, 128, 150, 3),
            ([5, 5], 1, 33, 7, 3),
            ([5, 5], 3, 8, 10, 4),
            ([15, 15], 1, 3, 5, 4),
            ([15, 15], 15, 16, 3, 3),
            ([1, 15], 1, 7, 4, 5),
            ([15, 1], 2, 20, 6, 5),
        ];
        for fill in FILLS {
            for (window, stride, input, output, width) in CONV {
                self.spread(kernel, Operation::Conv, window, stride, input, output, width, fill)?;
            }
            for (window, stride, output, width) in [
                ([3, 3], 2, 16, 33),
                ([3, 3], 2, 16, 129),
                ([1, 1], 1, 8, 20),
                ([5, 5], 2, 13, 9),
                ([7, 4], 1, 6, 9),
                ([15, 15], 1, 9, 7),
            ] {
                self.spread(kernel, Operation::Gray, window, stride, 1, output, width, fill)?;
            }
            for (window, stride, channels, width) in [
                ([3, 3], 1, 32, 9),
                ([3, 3], 2, 64, 6),
                ([5, 5], 1, 24, 7),
                ([1, 1], 1, 48, 3),
                ([15, 15], 1, 5, 4),
                ([3, 3], 1, 144, 3),
            ] {
                self.spread(kernel, Operation::Depthwise, window, stride, channels, channels, width, fill)?;
            }
            self.spread(kernel, Operation::Dot, [1, 1], 1, 8192, 1, 1, fill)?;
        }
        Ok(())
    }

    pub(super) fn random_case(&mut self) -> Case {
        let operation = [Operation::Conv, Operation::Gray, Operation::Depthwise, Operation::Dot][self.values.below(4)];
        let kernel = [1 + self.values.below(5), 1 + self.values.below(5)];
        let (stride, fill) = (1 + self.values.below(3), self.values.fill());
        let (input, width) = (1 + self.values.below(48), 1 + self.values.below(20));
        let output = if operation == Operation::Depthwise { input } else { 1 + self.values.below(24) };
        let offsets = core::array::from_fn(|_| self.values.below(16));
        Case { operation, kernel, stride, input, output, width, fill, offsets }
    }

    /// A case at a random alignment.
    #[allow(clippy::too_many_arguments)]
    fn spread(
        &mut self,
        kernel: &Kernel,
        operation: Operation,
        window: [usize; 2],
        stride: usize,
        input: usize,
        output: usize,
        width: usize,
        fill: Fill,
    ) -> Result<(), Mismatch> {
        let offsets = if self.values.below(4) == 0 { [0; 3] } else { core::array::from_fn(|_| self.values.below(16)) };
        self.case(kernel, Case { operation, kernel: window, stride, input, output, width, fill, offsets })
    }
}
