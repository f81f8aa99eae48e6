//! Any arguments to any public function of any kernel: refused or computed, and never anything else touched.
//!
//! What is right is stated here anew, in numbers that cannot overflow. Slices are vectors of exactly their length, so that a sanitizer
//! sees the first byte beyond; around the output row lies a guard.

use cxr_core::kernels::{ConvRow, DepthwiseRow, Filters, GrayRow, Kernel};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;

/// Which function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Conv,
    Gray,
    Depthwise,
}

/// Arguments of a call; lengths in elements.
#[derive(Clone, Debug)]
struct Call {
    operation: Operation,
    rows: Vec<Vec<i8>>,
    weights: Vec<u8>,
    bias: Vec<u8>,
    scales: Vec<u8>,
    packed: Vec<u8>,
    /// Span, or the kernel's width.
    span: usize,
    step: usize,
    channels: usize,
    out: usize,
}

const GUARD: usize = 70;
const UNTOUCHED: i8 = 77;

/// Small enough that every sum, modulo 2^32, stays where rounding is defined: 2^31 / 2^10 < 2^22.
const SCALE: f32 = 1.0 / 1024.0;

impl Call {
    /// True if every slice holds what the extents say.
    fn is_right(&self) -> bool {
        let [height, span, step, channels, out] =
            [self.rows.len(), self.span, self.step, self.channels, self.out].map(|n| n as u128);
        if [height, span, step, channels, out].contains(&0) || out % channels != 0 || self.step > usize::MAX >> 4 {
            return false;
        }
        let stride = |bytes: u128| bytes.next_multiple_of(4);
        let (under, weights) = match self.operation {
            Operation::Conv => (span, channels.saturating_mul(stride(height * span))),
            Operation::Gray => (span, channels.saturating_mul(stride(2 * height * span))),
            Operation::Depthwise => (span * channels, (span * channels).saturating_mul(height)),
        };
        let end = under.saturating_add((out / channels - 1) * step);
        self.rows.iter().all(|row| row.len() as u128 >= end)
            && self.weights.len() as u128 >= weights
            && self.bias.len() as u128 >= 4 * channels
            && self.scales.len() as u128 >= 4 * channels
    }

    /// What a kernel says and writes; nothing around the row may have changed.
    fn run(&self, kernel: &Kernel, packed: &[u8]) -> (bool, Vec<i8>) {
        let rows: Vec<&[i8]> = self.rows.iter().map(Vec::as_slice).collect();
        let Self { weights, bias, scales, span, step, channels, .. } = self;
        let filters = Filters { weights, bias, scales, shifts: &[], zero_point: -3, packed };
        let (rows, span, step, channels) = (&rows[..], *span, *step, *channels);
        let mut memory = vec![UNTOUCHED; self.out + 2 * GUARD];
        let out = &mut memory[GUARD..GUARD + self.out];
        let done = match self.operation {
            Operation::Conv => kernel.conv_row(&ConvRow { rows, filters, span, step, channels }, out),
            Operation::Gray => kernel.gray_row(&GrayRow { rows, filters, span, step, channels }, out),
            Operation::Depthwise => {
                kernel.depthwise_row(&DepthwiseRow { rows, filters, kernel_width: span, step, channels }, out)
            }
        };
        let (before, rest) = memory.split_at(GUARD);
        let (row, after) = rest.split_at(self.out);
        assert!(before.iter().chain(after).all(|v| *v == UNTOUCHED), "{}: {self:?} wrote beyond the row", kernel.name());
        (done, row.to_vec())
    }

    /// By every kernel: as `is_right` says, and then the bytes of the definition.
    fn check(&self) {
        let expected = self.run(&Kernel::SCALAR, &[]);
        assert_eq!(expected.0, self.is_right(), "{self:?}");
        assert!(expected.0 || expected.1.iter().all(|v| *v == UNTOUCHED), "{self:?}");
        for kernel in Kernel::available().chain([Kernel::PORTABLE]) {
            assert!(self.run(&kernel, &[]) == expected, "{}: {self:?}", kernel.name());
            // Whatever lies there was packed by nobody: the row is some row.
            let (done, row) = self.run(&kernel, &self.packed);
            assert!(done == expected.0 && (done || row == expected.1), "{}: {self:?}", kernel.name());
        }
    }
}

/// A number that a product may wrap with.
fn hostile() -> impl Strategy<Value = usize> {
    let powers = (0..usize::BITS, 0usize..3).prop_map(|(bit, more)| (1usize << bit).wrapping_add(more).wrapping_sub(1));
    let fractions = (1usize..20, 0usize..20).prop_map(|(by, more)| (usize::MAX / by).wrapping_add(more));
    prop_oneof![2 => 0usize..4, 3 => powers, 2 => fractions, 1 => any::<usize>()]
}

/// Extents that fit, mostly.
fn extents() -> impl Strategy<Value = [usize; 5]> {
    let odd = |small: std::ops::Range<usize>| prop_oneof![12 => small, 1 => hostile()];
    (odd(1..6), odd(1..20), odd(1..20), prop_oneof![8 => odd(1..40), 1 => Just(16), 1 => Just(48)], 1usize..20)
        .prop_map(|(height, span, step, channels, width)| [height.min(40), span, step, channels, width])
}

fn call() -> impl Strategy<Value = Call> {
    let operation = prop_oneof![Just(Operation::Conv), Just(Operation::Gray), Just(Operation::Depthwise)];
    // Which of the lengths is off, and by how much.
    (operation, extents(), 0usize..10, -3isize..3, any::<u64>(), any::<bool>()).prop_map(
        |(operation, [height, mut span, mut step, channels, width], which, by, seed, winograd)| {
            // Where vector kernels have a form of their own.
            if winograd && operation == Operation::Conv && span < 20 {
                (span, step) = (3 * span, span);
            }
            let limit = |n: Option<usize>| n.unwrap_or(0).min(1 << 15);
            let change = |i: usize, n: usize| if i == which { n.saturating_add_signed(by) } else { n };
            let under = if operation == Operation::Depthwise { span.checked_mul(channels) } else { Some(span) };
            let row = under.and_then(|under| (width - 1).checked_mul(step)?.checked_add(under));
            let taps = height.checked_mul(span);
            let weights = match operation {
                Operation::Conv => taps.and_then(|taps| taps.checked_next_multiple_of(4)?.checked_mul(channels)),
                Operation::Gray => taps.and_then(|taps| taps.checked_mul(2)?.checked_next_multiple_of(4)?.checked_mul(channels)),
                Operation::Depthwise => taps.and_then(|taps| taps.checked_mul(channels)),
            };
            let mut state = seed | 1;
            let mut byte = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            };
            let words = limit(channels.checked_mul(4));
            let lengths: Vec<usize> = (0..height).map(|y| change(if y == 0 { 0 } else { 9 }, limit(row))).collect();
            Call {
                operation,
                rows: lengths.into_iter().map(|len| (0..len).map(|_| byte() as i8).collect()).collect(),
                weights: (0..change(1, limit(weights))).map(|_| byte()).collect(),
                bias: (0..change(2, words)).map(|_| byte()).collect(),
                scales: (0..change(3, words)).map(|i| SCALE.to_le_bytes()[i % 4]).collect(),
                packed: {
                    let len = usize::from(byte()) * usize::from(byte());
                    (0..len).map(|i| if i == 0 { [0, 1, 2, 64][usize::from(byte()) % 4] } else { byte() }).collect()
                },
                span,
                step,
                channels,
                out: change(4, limit(width.checked_mul(channels))),
            }
        },
    )
}

#[test]
#[cfg_attr(miri, ignore = "many minutes")]
fn any_arguments_are_computed_or_refused() {
    let cases = 8000;
    let (computed, refused) = (Cell::new(0), Cell::new(0));
    let count = |call: Call| {
        call.check();
        let counter = if call.is_right() { &computed } else { &refused };
        counter.set(counter.get() + 1);
        Ok(())
    };
    TestRunner::new(config(cases)).run(&call(), count).unwrap();
    // Neither so rare that little is tested.
    let is_balanced = computed.get() > cases / 5 && refused.get() > cases / 5;
    assert!(is_balanced, "{} computed, {} refused", computed.get(), refused.get());
}

/// Without a file of failures: Miri has no folder to put it into.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(if cfg!(miri) { 10 } else { 500 }))]

    #[test]
    fn any_lengths_have_a_product(values: Vec<i8>, weights: Vec<u8>) {
        for kernel in Kernel::available() {
            prop_assert_eq!(kernel.dot(&values, &weights), Kernel::SCALAR.dot(&values, &weights));
        }
    }
}

/// Rows of 64 values and filters of 64 weights, for extents whose products wrap to what fits.
fn wrapping(operation: Operation, height: usize, span: usize, step: usize, channels: usize, out: usize) -> Call {
    let scales = SCALE.to_le_bytes().repeat(64);
    let (rows, weights) = (vec![vec![1; 64]; height], vec![1; 64]);
    Call { operation, rows, weights, bias: vec![0; 256], scales, packed: vec![1; 4096], span, step, channels, out }
}

#[test]
fn products_that_wrap_to_what_fits_are_refused() {
    let top = 1usize << (usize::BITS - 1);
    // 3 * third == 2, and a third of a wrapped number is a step as Winograd's form wants it.
    let third = usize::MAX / 3 + 1;
    for operation in [Operation::Conv, Operation::Gray, Operation::Depthwise] {
        for call in [
            // The last window of three lies where the first does.
            wrapping(operation, 1, 1, top, 8, 24),
            wrapping(operation, 1, 4, top / 2, 8, 40),
            // The span is 0 and the loops go on for ever.
            wrapping(operation, 1, top / 8, 1, 16, 16),
            wrapping(operation, 1, top, 1, 2, 2),
            wrapping(operation, 2, top, 1, 1, 1),
            wrapping(operation, 4, top / 2 + 1, 1, 1, 1),
            // Biases of so many channels take no byte.
            wrapping(operation, 1, 1, 1, top / 2, 0),
            wrapping(operation, 1, 1, 1, top, top.min(64)),
            wrapping(operation, 1, 2, third, 8, 32),
            wrapping(operation, 1, 2, third, 8, 8 * 5),
        ] {
            assert!(!call.is_right());
            call.check();
        }
    }
}

#[test]
fn nothing_is_refused() {
    for operation in [Operation::Conv, Operation::Gray, Operation::Depthwise] {
        for [height, span, step, channels, out] in
            [[0, 1, 1, 1, 1], [1, 0, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 1, 0, 1], [1, 1, 1, 1, 0], [0; 5], [1, 1, 1, 2, 3]]
        {
            let call = wrapping(operation, height, span, step, channels, out);
            assert!(!call.is_right());
            call.check();
        }
    }
}

#[test]
fn a_step_that_no_second_column_takes_may_be_longer_than_a_row() {
    for operation in [Operation::Conv, Operation::Gray, Operation::Depthwise] {
        for (step, is_right) in
            [(1, true), (1000, true), (usize::MAX >> 4, true), ((usize::MAX >> 4) + 1, false), (usize::MAX, false)]
        {
            let call = wrapping(operation, 2, 2, step, 8, 8);
            assert_eq!(call.is_right(), is_right);
            call.check();
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "ten million products")]
fn sums_beyond_32_bits_are_the_same_of_every_kernel() {
    // 2^18 products of 2^14, and a bias that is the largest number.
    let (taps, channels) = (1 << 18, 5);
    for operation in [Operation::Conv, Operation::Gray] {
        let call = Call {
            operation,
            rows: vec![vec![i8::MIN; taps + 7]],
            weights: vec![if operation == Operation::Conv { 0x80 } else { 0x81 }; 2 * taps * channels],
            bias: i32::MAX.to_le_bytes().repeat(channels),
            scales: SCALE.to_le_bytes().repeat(channels),
            packed: Vec::new(),
            span: taps,
            step: 1,
            channels,
            out: 8 * channels,
        };
        assert!(call.is_right());
        call.check();
    }
}
