//! A network that is replaced over the serial line: into the other slot, signed, on trial, with a way back.
//!
//! The flash lies in RAM here and lasts as long as the program; a restart is a turn of the outer loop. Research software, not a medical device.

#![no_std]
#![no_main]

use cxr_board::{entry, exit, println, uart};
use cxr_examples::flash::{Memory, SECTOR};
use cxr_examples::infer;
use cxr_examples::update::{Chosen, EXAMPLE_KEY, Refusal, Reply, Request, Slots};
use cxr_protocol::frame::{Decoder, encode};
use ed25519_dalek::VerifyingKey;
use embedded_io::{Read, ReadReady, Write};
use portable_atomic as _; // chooses how cores without atomic swaps take a static
use rownet::model::Model;
use static_cell::ConstStaticCell;

const FLASH: usize = 2 * 4 * SECTOR;
const ARENA: usize = 16 * 1024;

#[entry]
fn main() -> ! {
    static BYTES: ConstStaticCell<[u8; FLASH]> = ConstStaticCell::new([0xff; FLASH]);
    static BUFFER: ConstStaticCell<[i8; ARENA]> = ConstStaticCell::new([0; ARENA]);
    let Ok(key) = VerifyingKey::from_bytes(&EXAMPLE_KEY) else { exit(false) };
    let (mut slots, arena) = (Slots::new(Memory::new(BYTES.take()), key), BUFFER.take());
    let mut last = None;
    loop {
        let chosen = slots.boot();
        // The self-test of a product compares outputs with ones that it knows. Here: the network runs, and what it is not even is no good.
        let crc = chosen.and_then(|chosen| run(slots.network(chosen.slot), arena));
        let mut running = chosen;
        if let (Some(Chosen { slot, on_trial: true, .. }), Some(_)) = (chosen, crc)
            && slots.confirm(slot).is_ok()
        {
            running = running.map(|running| Chosen { on_trial: false, ..running });
        }
        serve(&mut slots, running.zip(crc), &mut last);
    }
}

/// CRC-32 of a network's output for the self-test's input.
fn run(file: &[u8], arena: &mut [i8]) -> Option<u32> {
    infer(&Model::parse(file).ok()?, arena, 1).ok()
}

/// Answers requests until a network was installed; `last` is the number of a request and the reply that it got.
fn serve(slots: &mut Slots<Memory<'_>>, running: Option<(Chosen, u32)>, last: &mut Option<(u32, Reply)>) {
    let (mut line, mut decoder, mut frame) = (uart(), Decoder::<512>::new(), [0; 64]);
    loop {
        // Sleeps until a byte is there.
        if let Ok(false) = line.read_ready() {
            line.wait();
            continue;
        }
        let mut byte = [0];
        if line.read_exact(&mut byte).is_err() {
            continue;
        }
        // A damaged frame gets no answer: the host asks again.
        let Some(Ok(len)) = decoder.push(byte[0]) else { continue };
        let Ok((number, request)) = decoder.message::<(u32, Request<'_>)>(len) else { continue };
        let repeated = last.filter(|(before, _)| *before == number);
        let reply = match (repeated, request, running) {
            (Some((_, reply)), ..) => reply,
            (None, Request::Status, Some((chosen, crc))) => {
                Reply::Status { version: chosen.version, slot: chosen.slot as u8, on_trial: chosen.on_trial, crc }
            }
            (None, Request::Status, None) => Reply::Refused(Refusal::Network),
            (None, request, _) => slots.handle(request),
        };
        *last = Some((number, reply));
        if let Some(bytes) = encode(&(number, reply), &mut frame) {
            let _ = line.write_all(bytes);
        }
        if reply == Reply::Installed && repeated.is_none() {
            return;
        }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    println!("{}", info);
    exit(false)
}
