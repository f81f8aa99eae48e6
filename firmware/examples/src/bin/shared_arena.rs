//! Two networks, one arena: as large as the larger one needs, since only one session can hold it at a time. The borrow checker sees to that.
//!
//! Research software, not a medical device.

#![no_std]
#![no_main]
#![allow(long_running_const_eval)]

use cxr_board::{entry, exit, println};
use cxr_examples::infer;
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use rownet::model::Model;
use static_cell::ConstStaticCell;

const FIRST: Model<'static> = Model::parse_or_panic(cxr_board::embed!("../../../../core/engine/tests/mobile.rnet"));
const SECOND: Model<'static> = Model::parse_or_panic(cxr_board::embed!("../../../../core/engine/tests/residual.rnet"));

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Bytes of the arena, known to the compiler.
const ARENA: usize = larger(FIRST.arena_bytes(), SECOND.arena_bytes());

#[entry]
fn main() -> ! {
    static BUFFER: ConstStaticCell<[i8; ARENA]> = ConstStaticCell::new([0; ARENA]);
    let arena = BUFFER.take();
    println!("arena {}", ARENA);
    // In turns, as a device that wakes up by the small one and looks closer with the other.
    for seed in 1..=3 {
        for network in [&FIRST, &SECOND] {
            match infer(network, arena, seed) {
                Ok(crc) => println!("{:08x}", crc),
                Err(error) => {
                    println!("{}", error);
                    exit(false)
                }
            }
        }
    }
    exit(true)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
