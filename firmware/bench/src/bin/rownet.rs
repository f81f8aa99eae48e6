//! Counts a network that QEMU's loader put into memory; prints lines for `cargo xtask bench --network`. Needs `-icount`, see ../../../board.

#![no_std]
#![no_main]

use cxr_bench::Counter;
use cxr_bench::engine::{ARENA, Marks, OPERATORS, ROW, run};
use cxr_board::{Stopwatch, entry, exit, loaded, mark, paint_stack, println, stack_used};
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use rownet::kernels::Kernel;
use rownet::model::Model;
use static_cell::ConstStaticCell;

struct Board;

impl Counter for Board {
    type Start = Stopwatch;
    fn start(&self) -> Stopwatch {
        Stopwatch::start()
    }
    fn since(&self, start: &Stopwatch) -> u64 {
        start.instructions()
    }
}

struct Returns;

impl Marks for Returns {
    fn mark(&self, i: u16) {
        mark(i);
    }
}

/// The file in memory, as long as its header says.
fn file() -> &'static [u8] {
    let all = loaded();
    let length = all.get(8..12).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    all.get(..length as usize).unwrap_or_default()
}

#[entry]
fn main() -> ! {
    static BUFFER: ConstStaticCell<[i8; ARENA]> = ConstStaticCell::new([0; ARENA]);
    static INPUT: ConstStaticCell<[i8; ROW]> = ConstStaticCell::new([0; ROW]);
    static LAYERS: ConstStaticCell<[u64; OPERATORS]> = ConstStaticCell::new([0; OPERATORS]);

    let model = match Model::parse(file()) {
        Ok(model) => model,
        Err(error) => {
            println!("{}", error);
            exit(false)
        }
    };
    // What the session's functions take: not this image's own frames.
    let (mut stack, mut frames) = (0, None);
    let mut deepest = || match frames {
        None => {
            paint_stack();
            frames = Some(stack_used());
        }
        Some(frames) => stack = stack_used() - frames,
    };
    let (kernel, layers) = (Kernel::best(), LAYERS.take());
    let buffers = (&mut BUFFER.take()[..], &mut INPUT.take()[..]);
    let passed = match run(&model, kernel, buffers, &Board, layers, &Returns, &mut deepest) {
        Ok(report) => {
            let hashes = (report.output_hash, report.values_hash);
            println!("network {} {} {:016x} {:016x} {}", kernel.name(), report.instructions, hashes.0, hashes.1, stack);
            for (i, instructions) in layers.iter().enumerate().take(model.operator_count()) {
                println!("layer {} {}", i, instructions);
            }
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
