//! The portable loops, compiled for AVX2.

use super::{ConvRow, DepthwiseRow, Kernel, portable};
use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

/// The vector kernel, where the processor has it.
pub fn available() -> Option<Kernel> {
    has_avx2().then_some(Kernel { name: "avx2", conv_row, depthwise_row, dots })
}

fn conv_row(args: &ConvRow<'_>, out: &mut [i8]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(args: &ConvRow<'_>, out: &mut [i8]) {
        portable::conv_row(args, out);
    }
    // SAFETY: only `available` gives this function away, where there is AVX2.
    unsafe { with_avx2(args, out) }
}

fn depthwise_row(args: &DepthwiseRow<'_>, out: &mut [i8]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(args: &DepthwiseRow<'_>, out: &mut [i8]) {
        portable::depthwise_row(args, out);
    }
    // SAFETY: only `available` gives this function away, where there is AVX2.
    unsafe { with_avx2(args, out) }
}

fn dots(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
    #[target_feature(enable = "avx2")]
    fn with_avx2(window: &[i8], weights: &[u8], stride: usize, sums: &mut [i32]) {
        portable::dots(window, weights, stride, sums);
    }
    // SAFETY: only `available` gives this function away, where there is AVX2.
    unsafe { with_avx2(window, weights, stride, sums) }
}

/// Asks once: under a hypervisor `cpuid` takes microseconds. Threads that ask at the same time find the same.
fn has_avx2() -> bool {
    static FOUND: AtomicU8 = AtomicU8::new(0);
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            let found = detect();
            FOUND.store(1 + u8::from(found), Ordering::Relaxed);
            found
        }
        found => found == 2,
    }
}

/// Intel SDM volume 1, 14.3 and 15.2: the instructions, and XCR0 for the registers.
fn detect() -> bool {
    let bit = |register: u32, bit: u32| register >> bit & 1 == 1;
    let leaf1 = __cpuid(1);
    let (has_xsave, has_avx) = (bit(leaf1.ecx, 27), bit(leaf1.ecx, 28));
    if __cpuid(0).eax < 7 || !has_xsave || !has_avx {
        return false;
    }
    // SAFETY: OSXSAVE, bit 27 of leaf 1, says that XGETBV may be executed.
    let kept = unsafe { xcr0() };
    kept & 0b110 == 0b110 && bit(__cpuid_count(7, 0).ebx, 5)
}

/// Registers that the operating system saves.
#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: register 0 exists wherever XGETBV does.
    unsafe { _xgetbv(0) }
}
