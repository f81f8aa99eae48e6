//! Arm MPS2 with a Cortex-M0+ (ARMv6-M, no floating-point unit). QEMU has no such CPU; its mps2-an385 (Cortex-M3) runs the image.

crate::mps::board! {
    name: "mps2-an383",
    fpgaio: { base: 0x4002_8000, tick_ns: 40 },
    uart: { base: 0x4000_4000, interrupt: 0, clock: 25_000_000 },
}
