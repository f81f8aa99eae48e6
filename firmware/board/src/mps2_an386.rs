//! Arm MPS2 with a Cortex-M4F.

crate::mps::board! {
    name: "mps2-an386",
    fpgaio: { base: 0x4002_8000, tick_ns: 40 },
    uart: { base: 0x4000_4000, interrupt: 0, clock: 25_000_000 },
}
