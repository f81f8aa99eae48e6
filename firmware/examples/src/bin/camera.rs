//! A camera and a network under embassy: rows come by interrupt, a task takes each as it comes, and sleeps in between. There is no
//! frame buffer: two rows wait at most.
//!
//! QEMU's loader brings the network. A timer plays the end of a DMA transfer. Research software, not a medical device.

#![no_std]
#![no_main]

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use cxr_board::{entry, exit, loaded, println};
use cxr_examples::camera::{Buffers, HEIGHT, Vision, WIDTH, row};
use embassy_executor::Executor;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::channel::Channel;
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use rownet::model::Model;
use static_cell::{ConstStaticCell, StaticCell};

/// Most bytes of arena.
const ARENA: usize = 64 * 1024;

/// Rows between the camera and the network, with their numbers. With a real DMA controller they are handed over in place (`zerocopy_channel`).
static ROWS: Channel<CriticalSectionRawMutex, (u32, [u16; WIDTH]), 2> = Channel::new();

#[entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    EXECUTOR.init(Executor::new()).run(|spawner| match network() {
        Ok(task) => spawner.spawn(task),
        Err(error) => {
            println!("{:?}", error);
            exit(false)
        }
    })
}

#[embassy_executor::task]
async fn network() {
    static BUFFER: ConstStaticCell<[i8; ARENA]> = ConstStaticCell::new([0; ARENA]);
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    let all = loaded();
    let length = all.get(8..12).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let vision = Model::parse(all.get(..length as usize).unwrap_or_default())
        .and_then(|model| Vision::new(&model, BUFFER.take(), BUFFERS.take()));
    let mut vision = match vision {
        Ok(vision) => vision,
        Err(error) => {
            println!("{}", error);
            exit(false)
        }
    };
    start_camera();
    for y in 0..HEIGHT as u32 {
        let (number, pixels) = ROWS.receive().await;
        // A row that came while two were waiting is lost: a product begins anew with the next picture.
        if number != y {
            println!("row {} is lost: the network is too slow for the camera", y);
            exit(false)
        }
        if let Err(error) = vision.push(&pixels) {
            println!("{}", error);
            exit(false)
        }
    }
    match vision.finish() {
        Ok((output, crc)) => {
            println!("{:08x}", crc);
            println!("{:?}", output);
            exit(true)
        }
        Err(error) => {
            println!("{}", error);
            exit(false)
        }
    }
}

/// A row every 40 ms of the board's 25 MHz.
fn start_camera() {
    if let Some(mut peripherals) = cortex_m::Peripherals::take() {
        peripherals.SYST.set_clock_source(SystClkSource::Core);
        peripherals.SYST.set_reload(1_000_000 - 1);
        peripherals.SYST.clear_current();
        peripherals.SYST.enable_interrupt();
        peripherals.SYST.enable_counter();
    }
}

/// A row has arrived; picture follows picture.
#[exception]
fn SysTick() {
    static mut Y: u32 = 0;
    let mut pixels = [0; WIDTH];
    row(*Y, &mut pixels);
    // A camera does not wait.
    let _ = ROWS.try_send((*Y, pixels));
    *Y = (*Y + 1) % HEIGHT as u32;
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
