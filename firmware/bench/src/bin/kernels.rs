//! Every kernel of this processor against loops that index one by one (`cxr_core::kernels::testing`).

#![no_std]
#![no_main]

use cxr_board::{entry, exit, println};
use cxr_core::kernels::{Kernel, testing::Runner};
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use static_cell::ConstStaticCell;

#[entry]
fn main() -> ! {
    static RUNNER: ConstStaticCell<Runner> = ConstStaticCell::new(Runner::new(1));

    let runner = RUNNER.take();
    let mut passed = true;
    for kernel in Kernel::available() {
        match runner.run(&kernel, 200) {
            Ok(cases) => println!("{}: {} cases agree", kernel.name(), cases),
            Err(mismatch) => {
                println!("{}: FAILED: {:?}", kernel.name(), mismatch);
                passed = false;
            }
        }
    }
    exit(passed)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
