//! The least that holds a whole inference; nothing prints. Its size is what a product pays for the network: code, constants,
//! and the model.

#![no_std]
#![no_main]

use core::hint::black_box;
use cxr_board::{entry, exit};
use cxr_core::format::Model;
use cxr_core::session::Session;
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use static_cell::ConstStaticCell;

#[allow(long_running_const_eval)]
const MODEL: Model<'static> = Model::parse_or_panic(cxr_board::embed!(env!("CXR_MODEL_PATH")));

#[entry]
fn main() -> ! {
    static ARENA: ConstStaticCell<[i8; MODEL.arena_bytes()]> = ConstStaticCell::new([0; MODEL.arena_bytes()]);
    static ROW: ConstStaticCell<[u8; MODEL.input().width as usize]> = ConstStaticCell::new([0; MODEL.input().width as usize]);

    let row = ROW.take();
    if let Ok(mut session) = Session::new(&MODEL, ARENA.take()) {
        loop {
            session.reset();
            for _ in 0..MODEL.input().height {
                let _ = session.push_gray_row(black_box(row));
            }
            let _ = black_box(session.finish());
        }
    }
    exit(false)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    exit(false)
}
