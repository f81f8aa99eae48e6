//! Arm MPS3 with a Cortex-M55; addresses are the secure aliases.

crate::mps::board! {
    name: "mps3-an547",
    fpgaio: { base: 0x5930_2000, tick_ns: 50 },
    uart: { base: 0x5930_3000, interrupt: 33, clock: 25_000_000 },
}
