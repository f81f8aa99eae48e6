//! A camera and a network under embassy on a Raspberry Pi Pico 2: PIO samples the camera's bus, DMA puts rows into two buffers in
//! turn, a task takes each where it lies and sleeps in between. There is no frame buffer and no copy of a row.
//!
//! Pins: data on 0 to 7, pixel clock on 8, HREF on 9, VSYNC on 10; the light, 25, shows a person. The camera gives 192 x 192
//! pixels of RGB565, high byte first, and is set up by its maker's registers. `picotool load vww.cxr -t bin -o 0x10080000`
//! brings the network. The same task runs on an emulated board (`firmware/examples/src/bin/camera.rs`); this one has been built,
//! not run. Research software, not a medical device.

#![no_std]
#![no_main]

use cortex_m::peripheral::{NVIC, SCB};
use cxr_examples::camera::{Buffers, HEIGHT, Vision, WIDTH};
use embassy_executor::Executor;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embedded_hal::digital::OutputPin;
use hal::Sio;
use hal::dma::double_buffer::{Config, Transfer, WriteNext};
use hal::dma::{CH0, CH1, Channel, DMAExt, HalfWord, SingleChannel};
use hal::gpio::bank0::Gpio25;
use hal::gpio::{FunctionPio0, FunctionSioOutput, Pin, Pins, PullDown};
use hal::pac::{Interrupt, Peripherals, interrupt};
use hal::pio::{PIO0SM0, PIOBuilder, PIOExt, Rx, ShiftDirection};
use rownet::model::Model;
use rp235x_hal as hal;
use static_cell::{ConstStaticCell, StaticCell};

/// Tells the boot ROM that this is a secure Arm program.
#[allow(unsafe_code)] // the section is the boot ROM's
#[unsafe(link_section = ".start_block")]
#[used]
static IMAGE: hal::block::ImageDef = hal::block::ImageDef::secure_exe();

/// The Pico 2's crystal.
const CRYSTAL_HZ: u32 = 12_000_000;
/// Most bytes of arena.
const ARENA: usize = 64 * 1024;
/// Where the network lies in flash: `MODEL` of memory.x.
const NETWORK: (*const u8, usize) = (0x1008_0000 as *const u8, 3584 * 1024);

/// A row of the camera.
type Line = &'static mut [u16; WIDTH];
/// One row is being filled, the next is waiting for it.
type Rows = Transfer<Channel<CH0>, Channel<CH1>, Rx<PIO0SM0, HalfWord>, Line, WriteNext<Line>>;
type Light = Pin<Gpio25, FunctionSioOutput, PullDown>;

/// A row is complete.
static ROW: Signal<CriticalSectionRawMutex, ()> = Signal::new();

#[hal::entry]
fn main() -> ! {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    let Some((rows, light)) = start() else { SCB::sys_reset() };
    EXECUTOR.init(Executor::new()).run(|spawner| match network(rows, light) {
        Ok(task) => spawner.spawn(task),
        Err(_) => SCB::sys_reset(),
    })
}

/// Clocks, pins, the camera's bus; rows come once the camera begins a picture.
fn start() -> Option<(Rows, Light)> {
    static LINES: [ConstStaticCell<[u16; WIDTH]>; 2] = [const { ConstStaticCell::new([0; WIDTH]) }; 2];
    let mut peripherals = Peripherals::take()?;
    let mut watchdog = hal::Watchdog::new(peripherals.WATCHDOG);
    hal::clocks::init_clocks_and_plls(
        CRYSTAL_HZ,
        peripherals.XOSC,
        peripherals.CLOCKS,
        peripherals.PLL_SYS,
        peripherals.PLL_USB,
        &mut peripherals.RESETS,
        &mut watchdog,
    )
    .ok()?;
    let sio = Sio::new(peripherals.SIO);
    let pins = Pins::new(peripherals.IO_BANK0, peripherals.PADS_BANK0, sio.gpio_bank0, &mut peripherals.RESETS);
    macro_rules! bus {
        ($($pin:ident),*) => { $(pins.$pin.into_function::<FunctionPio0>();)* };
    }
    bus!(gpio0, gpio1, gpio2, gpio3, gpio4, gpio5, gpio6, gpio7, gpio8, gpio9, gpio10);

    // Behind VSYNC every rising clock within a row is a byte; two bytes are a pixel.
    let program = pio::pio_asm!(
        "wait 1 pin 10",
        "wait 0 pin 10",
        ".wrap_target",
        "wait 1 pin 9",
        "wait 1 pin 8",
        "in pins, 8",
        "wait 0 pin 8",
        ".wrap",
    );
    let (mut pio, machine, ..) = peripherals.PIO0.split(&mut peripherals.RESETS);
    let (machine, pixels, _) = PIOBuilder::from_installed_program(pio.install(&program.program).ok()?)
        .in_pin_base(0)
        .in_shift_direction(ShiftDirection::Left)
        .autopush(true)
        .push_threshold(16)
        .build(machine);

    let mut dma = peripherals.DMA.split(&mut peripherals.RESETS);
    dma.ch0.enable_irq0();
    dma.ch1.enable_irq0();
    let [first, second] = [LINES[0].try_take()?, LINES[1].try_take()?];
    let rows = Config::new((dma.ch0, dma.ch1), pixels.transfer_size(HalfWord), first).start().write_next(second);
    #[allow(unsafe_code)]
    // SAFETY: no critical section rests on this mask.
    unsafe {
        NVIC::unmask(Interrupt::DMA_IRQ_0);
    }
    machine.start();
    Some((rows, pins.gpio25.into_push_pull_output()))
}

#[embassy_executor::task]
async fn network(mut rows: Rows, mut light: Light) {
    static BUFFER: ConstStaticCell<[i8; ARENA]> = ConstStaticCell::new([0; ARENA]);
    static BUFFERS: ConstStaticCell<Buffers> = ConstStaticCell::new(Buffers::new());
    let (arena, buffers) = (BUFFER.take(), BUFFERS.take());
    #[allow(unsafe_code)]
    // SAFETY: flash is mapped there; nothing writes it while this program runs.
    let flash = unsafe { core::slice::from_raw_parts(NETWORK.0, NETWORK.1) };
    let length = u32::from_le_bytes([flash[8], flash[9], flash[10], flash[11]]);
    loop {
        let model = Model::parse(flash.get(..length as usize).unwrap_or_default());
        let Ok(mut vision) = model.and_then(|model| Vision::new(&model, &mut *arena, &mut *buffers)) else { SCB::sys_reset() };
        for _ in 0..HEIGHT {
            ROW.wait().await;
            let (line, filling) = rows.wait();
            let taken = vision.push(line);
            // The next row is complete, and none was waiting behind it: pixels are lost. A new start finds the next picture.
            if taken.is_err() || filling.is_done() {
                SCB::sys_reset()
            }
            rows = filling.write_next(line);
        }
        // Of the network for persons: no, yes.
        let Ok(&[no, yes]) = vision.finish().map(|(scores, _)| scores) else { SCB::sys_reset() };
        let _ = if yes > no { light.set_high() } else { light.set_low() };
    }
}

/// A buffer is full.
#[interrupt]
fn DMA_IRQ_0() {
    #[allow(unsafe_code)]
    // SAFETY: INTS0 is written nowhere else, and writing a one clears that one alone.
    unsafe {
        (*hal::pac::DMA::ptr()).ints0().write(|w| w.bits(0b11));
    }
    ROW.signal(());
}

/// Starts again.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    SCB::sys_reset()
}
