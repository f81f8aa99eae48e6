//! The firmware on a board that QEMU emulates.
//!
//! Started with `-semihosting-config enable=on,arg=firmware,arg=self-test` it runs the self-test, prints the result
//! and ends with exit status 0 if it passed; otherwise it serves the serial port.
//!
//! Research software, not a medical device.

#![no_std]
#![no_main]
// The model is checked again for the statics whose sizes it gives.
#![allow(long_running_const_eval)]

use cxr_board::{NAME, Stopwatch, Uart, entry, exit, paint_stack, println, reset, stack_used, told, uart};
use cxr_core::session::Session;
use cxr_firmware::self_test::{self, Gauge};
use cxr_firmware::{Platform, device, report, serve};
use cxr_protocol::message::SelfTest;

#[entry]
fn main() -> ! {
    paint_stack();
    let (mut device, mut board) = (device(NAME), Board { uart: uart() });
    if told("self-test") {
        let result = device.self_test(&mut board);
        println!("{NAME}: {result:?}");
        exit(result.is_some_and(|result| result.differences == 0));
    }
    serve(device, board, |board| board.uart.wait())
}

/// The board's serial port and clock.
struct Board {
    uart: Uart,
}

impl Platform for Board {
    type Line = Uart;

    fn line(&mut self) -> &mut Uart {
        &mut self.uart
    }

    fn millis(&mut self) -> u32 {
        cxr_board::millis()
    }

    fn self_test(&mut self, session: &mut Session<'_, '_>, working: &mut dyn FnMut(&mut Self)) -> Option<SelfTest> {
        self_test::run::<Instructions>(session, || working(self)).ok()
    }

    fn drill(&mut self) {
        panic!("drill");
    }
}

/// Counts instructions.
struct Instructions(Stopwatch);

impl Gauge for Instructions {
    fn start() -> Self {
        Self(Stopwatch::start())
    }

    fn count(&self) -> u64 {
        self.0.instructions()
    }

    fn stack() -> u32 {
        stack_used()
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    report(info, &mut uart());
    if told("self-test") {
        println!("{info}");
        exit(false);
    }
    reset()
}
