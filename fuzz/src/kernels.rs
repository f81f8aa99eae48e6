//! Any arguments to any kernel: refused or computed, the same by all, and nothing else touched.

use cxr_core::kernels::{ConvRow, DepthwiseRow, Filters, GrayRow, Kernel};

/// Values around the output row that must stay as they are.
const GUARD: usize = 70;
/// Elements that a slice may have here.
const MOST: usize = 1 << 13;

/// Bytes of an input, then zeros.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A small number, mostly; else one that a product may wrap with.
    fn number(&mut self) -> usize {
        let (kind, value) = (self.byte(), self.byte());
        match kind {
            0..=223 => usize::from(value % 49),
            224..=239 => (1usize << (value % usize::BITS as u8)).wrapping_add(usize::from(kind % 4)).wrapping_sub(1),
            _ => (usize::MAX / usize::from(value).max(1)).wrapping_sub(usize::from(kind % 4)),
        }
    }

    /// `len` elements, or a little more or less; not many.
    fn bytes(&mut self, len: Option<usize>) -> Vec<u8> {
        let len = len.unwrap_or(MOST).min(MOST).saturating_add_signed(match self.byte() {
            0..=239 => 0,
            other => isize::from(other % 4) - 2,
        });
        let seed = u32::from(self.byte()) << 8 | u32::from(self.byte()) | 1 << 16;
        cxr_testkit::Lcg(seed).take(len).collect()
    }
}

/// A call of one of the three functions, and a product.
pub fn kernels(data: &[u8]) {
    let mut source = Source(data);
    let operation = source.byte() % 3;
    let [height, span, step, channels, width] = core::array::from_fn(|_| source.number());
    let height = height % 16;
    let (under, taps) = (if operation == 2 { span.checked_mul(channels) } else { Some(span) }, height.checked_mul(span));
    let row = under.and_then(|under| width.checked_sub(1)?.checked_mul(step)?.checked_add(under));
    let weights = taps.and_then(|taps| match operation {
        0 => taps.checked_next_multiple_of(4)?.checked_mul(channels),
        1 => taps.checked_mul(2)?.checked_next_multiple_of(4)?.checked_mul(channels),
        _ => taps.checked_mul(channels),
    });
    let rows: Vec<Vec<i8>> = (0..height).map(|_| source.bytes(row).into_iter().map(|byte| byte as i8).collect()).collect();
    let weights = source.bytes(weights);
    let bias = source.bytes(channels.checked_mul(4));
    // So small that every sum stays where rounding is defined.
    let scales: Vec<u8> =
        (0..source.bytes(channels.checked_mul(4)).len()).map(|i| (1.0f32 / 1024.0).to_le_bytes()[i % 4]).collect();
    let packed_len = usize::from(source.byte()) * 64;
    let mut packed = source.bytes(Some(packed_len));
    if let Some(form) = packed.first_mut() {
        *form = [0, 1, 2, 64][usize::from(source.byte() % 4)];
    }
    let len = source.bytes(width.checked_mul(channels)).len();

    let rows: Vec<&[i8]> = rows.iter().map(Vec::as_slice).collect();
    let (rows, zero_point) = (&rows[..], source.byte() as i8);
    let run = |kernel: &Kernel, packed: &[u8]| {
        let filters = Filters { weights: &weights, bias: &bias, scales: &scales, shifts: &[], zero_point, packed };
        let mut memory = vec![0x5A; len + 2 * GUARD];
        let out = &mut memory[GUARD..GUARD + len];
        let done = match operation {
            0 => kernel.conv_row(&ConvRow { rows, filters, span, step, channels }, out),
            1 => kernel.gray_row(&GrayRow { rows, filters, span, step, channels }, out),
            _ => kernel.depthwise_row(&DepthwiseRow { rows, filters, kernel_width: span, step, channels }, out),
        };
        let is_untouched = |part: &[i8]| part.iter().all(|value| *value == 0x5A);
        assert!(is_untouched(&memory[..GUARD]) && is_untouched(&memory[GUARD + len..]), "{} wrote beyond the row", kernel.name());
        let row = memory[GUARD..GUARD + len].to_vec();
        assert!(done || is_untouched(&row), "{} wrote what it refused", kernel.name());
        (done, row)
    };
    let expected = run(&Kernel::SCALAR, &[]);
    for kernel in Kernel::available().chain([Kernel::PORTABLE]) {
        assert!(run(&kernel, &[]) == expected, "{}: another row", kernel.name());
        // Packed by nobody: some row.
        assert_eq!(run(&kernel, &packed).0, expected.0, "{}", kernel.name());
        if let Some(first) = rows.first() {
            assert_eq!(kernel.dot(first, &weights), Kernel::SCALAR.dot(first, &weights), "{}", kernel.name());
        }
    }
}
