//! Arm MPS2 with a Cortex-M33; addresses are the secure aliases.

crate::mps::board! {
    name: "mps2-an505",
    fpgaio: { base: 0x5030_2000, tick_ns: 50 },
    uart: { base: 0x5020_0000, interrupt: 32, clock: 20_000_000 },
}
