//! Every kernel of this processor against loops that index one by one (`cxr_core::kernels::testing`).

#![no_std]
#![no_main]

use cxr_board::{entry, exit, println};
use cxr_core::kernels::{Kernel, testing::Runner};

#[entry]
fn main() -> ! {
    static mut RUNNER: Runner = Runner::new(1);

    let mut failed = false;
    for kernel in Kernel::available() {
        match RUNNER.run(&kernel, 200) {
            Ok(cases) => println!("{}: {} cases agree", kernel.name(), cases),
            Err(mismatch) => {
                println!("FAILED: {:?}", mismatch);
                failed = true;
            }
        }
    }
    exit(!failed)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
