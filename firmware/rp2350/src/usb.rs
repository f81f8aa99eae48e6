//! USB as a serial line, polled.

use crate::last_words;
use core::convert::Infallible;
use embedded_io::{ErrorType, Read, ReadReady, Write};
use hal::timer::{CopyableTimer0, Timer};
use hal::usb::UsbBus;
use rp235x_hal as hal;
use static_cell::StaticCell;
use usb_device::UsbError;
use usb_device::bus::UsbBusAllocator;
use usb_device::device::{StringDescriptors, UsbDevice, UsbDeviceBuilder, UsbVidPid};
use usbd_serial::{SerialPort, USB_CLASS_CDC};

/// pid.codes' number for tests and research; a product needs its own.
const ID: UsbVidPid = UsbVidPid(0x1209, 0x0001);
/// Microseconds after which bytes are dropped that no host takes.
const PATIENCE: u64 = 200_000;

/// The line.
pub struct Usb {
    device: UsbDevice<'static, UsbBus>,
    port: SerialPort<'static, UsbBus>,
    timer: Timer<CopyableTimer0>,
    /// A packet, and the part of it that was not read yet.
    packet: [u8; 64],
    rest: core::ops::Range<usize>,
    /// What the firmware said when it panicked last time; sent before the first reply.
    last_words: Option<last_words::Frame>,
}

impl Usb {
    /// Attaches to the bus. To be called once.
    pub fn new(bus: UsbBus, timer: Timer<CopyableTimer0>, last_words: Option<last_words::Frame>) -> Self {
        static BUS: StaticCell<UsbBusAllocator<UsbBus>> = StaticCell::new();
        let bus: &'static _ = BUS.init(UsbBusAllocator::new(bus));
        let port = SerialPort::new(bus);
        let strings = StringDescriptors::default().manufacturer("cxr").product("chest X-ray classifier, research only");
        // One set of strings always fits; 64 bytes suit hosts that are slow to answer (see `hal::usb`).
        let builder = UsbDeviceBuilder::new(bus, ID).device_class(USB_CLASS_CDC);
        let builder = builder.max_packet_size_0(64).and_then(|builder| builder.strings(&[strings]));
        let device = builder.unwrap_or_else(|_| panic!("USB descriptors")).build();
        Self { device, port, timer, packet: [0; 64], rest: 0..0, last_words }
    }

    /// Serves the bus; must be called every few milliseconds.
    pub fn poll(&mut self) {
        self.device.poll(&mut [&mut self.port]);
    }

    fn now(&self) -> u64 {
        self.timer.get_counter().ticks()
    }

    /// Sends what it can; `None` if no host has taken a byte for long.
    fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        let start = self.now();
        loop {
            self.poll();
            match self.port.write(bytes) {
                Ok(count) if count > 0 => return Some(count),
                Ok(_) | Err(UsbError::WouldBlock) if self.now().wrapping_sub(start) < PATIENCE => (),
                _ => return None,
            }
        }
    }
}

impl ErrorType for Usb {
    type Error = Infallible;
}

impl ReadReady for Usb {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        if self.rest.is_empty() {
            self.poll();
            // A packet stays with the bus until there is room for it: the host waits.
            self.rest = 0..self.port.read(&mut self.packet).unwrap_or(0);
        }
        Ok(!self.rest.is_empty())
    }
}

impl Read for Usb {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Infallible> {
        while !bytes.is_empty() && !self.read_ready()? {}
        let packet = self.packet.get(self.rest.clone()).unwrap_or(&[]);
        let count = bytes.iter_mut().zip(packet).map(|(place, byte)| *place = *byte).count();
        self.rest.start += count;
        Ok(count)
    }
}

impl Write for Usb {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        if let Some(frame) = self.last_words.take() {
            let mut rest = frame.as_slice();
            while let Some(count) = self.send(rest).filter(|_| !rest.is_empty()) {
                rest = rest.get(count..).unwrap_or(&[]);
            }
        }
        // Nobody listens: what was to be said is lost, the board goes on.
        Ok(self.send(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        let start = self.now();
        while self.port.flush() == Err(UsbError::WouldBlock) && self.now().wrapping_sub(start) < PATIENCE {
            self.poll();
        }
        Ok(())
    }
}
