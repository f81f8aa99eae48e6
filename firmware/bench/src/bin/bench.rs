//! Counts on a board; prints lines for `cargo xtask bench`. Needs `-icount`, see ../../../board.

#![no_std]
#![no_main]

use core::cell::Cell;
use cxr_bench::{Buffers, Counter, LAYERS, network};
use cxr_board::{Stopwatch, entry, exit, mark, paint_stack, println, stack_used};
use cxr_core::format::Model;
use cxr_core::kernels::Kernel;
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use static_cell::ConstStaticCell;

#[allow(long_running_const_eval)]
const MODEL: Model<'static> = Model::parse_or_panic(cxr_board::embed!(env!("CXR_MODEL_PATH")));

/// Counts, and marks what it counts by a number: for `cargo xtask bench --cycles`.
struct Board {
    part: Cell<u16>,
}

impl Counter for Board {
    type Start = Stopwatch;
    fn start(&self) -> Stopwatch {
        mark(u16::MAX);
        Stopwatch::start()
    }
    fn since(&self, start: &Stopwatch) -> u64 {
        let instructions = start.instructions();
        mark(self.part.get());
        instructions
    }
}

#[entry]
fn main() -> ! {
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    static ARENA: ConstStaticCell<[i8; MODEL.arena_bytes()]> = ConstStaticCell::new([0; MODEL.arena_bytes()]);
    static ROW: ConstStaticCell<[u8; MODEL.input().row_len()]> = ConstStaticCell::new([0; MODEL.input().row_len()]);

    let (buffers, board) = (BUFFERS.take(), Board { part: Cell::new(0) });
    for kernel in Kernel::available() {
        for (i, layer) in LAYERS.iter().enumerate() {
            let (instructions, hash) = layer.run(&kernel, buffers, &board);
            board.part.set(board.part.get() + 1);
            println!("layer {} {} {} {:016x}", kernel.name(), i, instructions, hash);
        }
    }

    // What the session's functions take: not this image's own frames.
    let (mut stack, mut frames) = (0, None);
    let mut deepest = || match frames {
        None => {
            paint_stack();
            frames = Some(stack_used());
        }
        Some(frames) => stack = stack_used() - frames,
    };
    let kernel = Kernel::best();
    let passed = match network(&MODEL, kernel, ARENA.take(), ROW.take(), &board, &mut deepest) {
        Ok(report) => {
            println!("network {} {} {} {:016x}", kernel.name(), report.instructions, report.gray_instructions, report.hash);
            for (i, instructions) in report.layers.iter().enumerate().take(MODEL.layer_count()) {
                println!("network_layer {} {}", i, instructions);
            }
            println!("stack {}", stack);
            true
        }
        Err(error) => {
            println!("{}", error);
            false
        }
    };
    exit(passed)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
