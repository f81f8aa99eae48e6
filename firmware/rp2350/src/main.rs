//! The firmware on a Raspberry Pi Pico 2: USB serial, a watchdog, the cycle counter.
//!
//! Everything but the board is `cxr_firmware`; a board of another make is another file like this one.
//!
//! Research software, not a medical device.

#![no_std]
#![no_main]
// The model is checked again for the statics whose sizes it gives.
#![allow(long_running_const_eval)]

mod last_words;
mod usb;

use cortex_m::peripheral::{DWT, SCB};
use cxr_core::session::Session;
use cxr_firmware::self_test::{self, Gauge};
use cxr_firmware::{Platform, device, serve};
use cxr_protocol::message::SelfTest;
use hal::fugit::ExtU32;
use hal::timer::{CopyableTimer0, Timer};
use hal::watchdog::Watchdog;
use rp235x_hal as hal;
use usb::Usb;

/// Tells the boot ROM that this is a secure Arm program.
#[allow(unsafe_code)] // the section is the boot ROM's
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE: hal::block::ImageDef = hal::block::ImageDef::secure_exe();

/// The Pico 2's crystal.
const CRYSTAL_HZ: u32 = 12_000_000;

#[hal::entry]
fn main() -> ! {
    cortex_m_stack::repaint_stack();
    // Taken once, here: nobody else holds them.
    let (Some(mut peripherals), Some(mut core)) = (hal::pac::Peripherals::take(), cortex_m::Peripherals::take()) else {
        SCB::sys_reset()
    };
    let mut watchdog = Watchdog::new(peripherals.WATCHDOG);
    let clocks = hal::clocks::init_clocks_and_plls(
        CRYSTAL_HZ,
        peripherals.XOSC,
        peripherals.CLOCKS,
        peripherals.PLL_SYS,
        peripherals.PLL_USB,
        &mut peripherals.RESETS,
        &mut watchdog,
    );
    let Ok(clocks) = clocks else { SCB::sys_reset() };
    let timer = Timer::new_timer0(peripherals.TIMER0, &mut peripherals.RESETS, &clocks);
    core.DCB.enable_trace();
    core.DWT.enable_cycle_counter();
    let bus = hal::usb::UsbBus::new(peripherals.USB, peripherals.USB_DPRAM, clocks.usb_clock, true, &mut peripherals.RESETS);
    let last_words = last_words::take(&mut watchdog);
    // A row takes milliseconds, a reply that no host takes 400 of them; whoever hangs for two seconds is started again.
    watchdog.start(2.secs());
    serve(device("rp2350"), Board { usb: Usb::new(bus, timer, last_words), watchdog, timer }, Board::breathe)
}

/// USB serial, clock and watchdog.
struct Board {
    usb: Usb,
    watchdog: Watchdog,
    timer: Timer<CopyableTimer0>,
}

impl Platform for Board {
    type Line = Usb;

    fn line(&mut self) -> &mut Usb {
        &mut self.usb
    }

    fn millis(&mut self) -> u32 {
        (self.timer.get_counter().ticks() / 1_000) as u32
    }

    fn breathe(&mut self) {
        self.watchdog.feed();
        self.usb.poll();
    }

    fn self_test(&mut self, session: &mut Session<'_, '_>, working: &mut dyn FnMut(&mut Self)) -> Option<SelfTest> {
        self_test::run::<Cycles>(session, || {
            self.breathe();
            working(self);
        })
        .ok()
    }
}

/// Counts cycles.
struct Cycles(u32);

impl Gauge for Cycles {
    fn start() -> Self {
        Self(DWT::cycle_count())
    }

    fn count(&self) -> u64 {
        DWT::cycle_count().wrapping_sub(self.0).into()
    }

    fn stack() -> u32 {
        cortex_m_stack::stack_size() - cortex_m_stack::stack_painted()
    }
}

/// A fault is a panic.
#[allow(unsafe_code)] // the attribute's expansion
#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &cortex_m_rt::ExceptionFrame) -> ! {
    panic!("hard fault at {:#010x}", frame.pc())
}

/// Keeps the place and starts again; the next program reports it.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    last_words::keep(info);
    SCB::sys_reset()
}
