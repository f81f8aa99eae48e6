//! The innermost loops: products of a tile and filters, added to the sums of four columns.

use crate::kernels::columns::{COLUMNS, dots};
use core::arch::naked_asm;

// Four int8 weights: 16 multiplications in 13 instructions.
dots!(
    conv_dots,
    52,
    2,
    "ldr lr, [r1], #4",
    "ldm.w r0!, {{r8-r11}}",
    "sxtb16 r12, lr",
    "smlad r4, r8, r12, r4",
    "smlad r5, r9, r12, r5",
    "smlad r6, r10, r12, r6",
    "smlad r7, r11, r12, r7",
    "ldm.w r0!, {{r8-r11}}",
    "sxtb16 r12, lr, ror #8",
    "smlad r4, r8, r12, r4",
    "smlad r5, r9, r12, r5",
    "smlad r6, r10, r12, r6",
    "smlad r7, r11, r12, r7"
);

// Two i16 weights: 8 multiplications in 6 instructions.
dots!(
    gray_dots,
    24,
    2,
    "ldr r12, [r1], #4",
    "ldm.w r0!, {{r8-r11}}",
    "smlad r4, r8, r12, r4",
    "smlad r5, r9, r12, r5",
    "smlad r6, r10, r12, r6",
    "smlad r7, r11, r12, r7"
);
