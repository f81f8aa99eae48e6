//! A network in flash that the processor cannot read in place: it is loaded into RAM in chunks, by `embedded_io::Read`, and checked there.
//!
//! QEMU's loader plays the chip; every read passes a page buffer of 256 bytes, as over SPI. Research software, not a medical device.

#![no_std]
#![no_main]

use core::convert::Infallible;
use cxr_board::{entry, exit, loaded, println};
use cxr_examples::infer;
use embedded_io::{ErrorType, Read};
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use rownet::load::load;
use static_cell::ConstStaticCell;

/// Most bytes of network and arena.
const NETWORK: usize = 16 * 1024;
const ARENA: usize = 16 * 1024;

/// A chip behind a bus: it is asked for an address, and gives a page at most.
struct Chip {
    at: usize,
    page: [u8; 256],
    reads: u32,
}

impl ErrorType for Chip {
    type Error = Infallible;
}

impl Read for Chip {
    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let n = into.len().min(self.page.len() - self.at % self.page.len());
        // The transfer of a real driver: command 03h, the address, `n` bytes.
        let Some(bytes) = loaded().get(self.at..self.at + n) else { return Ok(0) };
        self.page[..n].copy_from_slice(bytes);
        into[..n].copy_from_slice(&self.page[..n]);
        (self.at, self.reads) = (self.at + n, self.reads + 1);
        Ok(n)
    }
}

#[entry]
fn main() -> ! {
    static FILE: ConstStaticCell<[u8; NETWORK]> = ConstStaticCell::new([0; NETWORK]);
    static BUFFER: ConstStaticCell<[i8; ARENA]> = ConstStaticCell::new([0; ARENA]);
    let mut chip = Chip { at: 0, page: [0; 256], reads: 0 };
    let network = match load(&mut chip, FILE.take()) {
        Ok(network) => network,
        Err(error) => {
            println!("{}", error);
            exit(false)
        }
    };
    println!("reads {}", chip.reads);
    match infer(&network, BUFFER.take(), 1) {
        Ok(crc) => println!("{:08x}", crc),
        Err(error) => println!("{}", error),
    }
    exit(true)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
