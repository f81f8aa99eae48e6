//! What this x86-64 processor has, and its operating system keeps.

use crate::kernels::api::Kernel;
use core::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use core::sync::atomic::{AtomicU8, Ordering};

mod avx2;
mod avx512;
mod avx_vnni;
mod bytes;
mod depthwise;
mod general;
mod gray;
mod values;
mod winograd_2d;
mod words;

const AVX2: u8 = 1;
const AVX_VNNI: u8 = 2;
const AVX512_VNNI: u8 = 4;
/// Set once the others are known.
const KNOWN: u8 = 128;

/// The vector kernels, fastest first.
pub fn available() -> impl Iterator<Item = Kernel> {
    let features = features();
    let kernels = [(AVX512_VNNI, avx512::KERNEL), (AVX_VNNI, avx_vnni::KERNEL), (AVX2, avx2::KERNEL)];
    kernels.into_iter().filter(move |(feature, _)| features & feature != 0).map(|(_, kernel)| kernel)
}

/// Asks once: under a hypervisor `cpuid` takes microseconds. Threads that ask at the same time find the same.
fn features() -> u8 {
    static FOUND: AtomicU8 = AtomicU8::new(0);
    match FOUND.load(Ordering::Relaxed) {
        0 => {
            let found = KNOWN | detect();
            FOUND.store(found, Ordering::Relaxed);
            found
        }
        found => found,
    }
}

/// Intel SDM volume 1, 14.3 and 15.2 to 15.4: the instructions, and XCR0 for the registers.
fn detect() -> u8 {
    let bit = |register: u32, bit: u32| register >> bit & 1 == 1;
    let leaf1 = __cpuid(1);
    let (has_xsave, has_avx) = (bit(leaf1.ecx, 27), bit(leaf1.ecx, 28));
    if __cpuid(0).eax < 7 || !has_xsave || !has_avx {
        return 0;
    }
    let leaf7 = __cpuid_count(7, 0);
    let leaf7_1 = if leaf7.eax >= 1 { __cpuid_count(7, 1).eax } else { 0 };
    // SAFETY: OSXSAVE, bit 27 of leaf 1, says that XGETBV may be executed.
    let kept = unsafe { xcr0() };
    let (ymm, zmm) = (kept & 0b110 == 0b110, kept & 0b1110_0110 == 0b1110_0110);
    let avx2 = ymm && bit(leaf7.ebx, 5);
    let avx512 = zmm && avx2 && [16, 30, 31].iter().all(|b| bit(leaf7.ebx, *b)); // F, BW, VL
    let mut found = 0;
    if avx2 {
        found |= AVX2;
    }
    if avx2 && bit(leaf7_1, 4) {
        found |= AVX_VNNI;
    }
    if avx512 && bit(leaf7.ecx, 11) {
        found |= AVX512_VNNI;
    }
    found
}

/// Registers that the operating system saves.
#[target_feature(enable = "xsave")]
fn xcr0() -> u64 {
    // SAFETY: register 0 exists wherever XGETBV does.
    unsafe { _xgetbv(0) }
}
