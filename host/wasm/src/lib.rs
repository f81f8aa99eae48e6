//! The classifier, its decoders and the engine for a page that has no server: host/app/assets/worker.js calls what is here.
//!
//! A call takes the bytes that the page wrote to [`input`]'s buffer and leaves its answer, JSON, at [`output`]. A panic
//! ends the instance (nothing unwinds here): its message is then the output, and the page makes another instance.
//!
//! Research software, **not a medical device**.

mod classifier;
mod clock;
mod network;
mod problem;

use anyhow::Result;
use classifier::Classifier;
use network::{Network, Values};
use serde_json::Value;
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static CLASSIFIER: RefCell<Option<Classifier>> = const { RefCell::new(None) };
    static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
}

/// Keeps what a call gives; true where it is an answer, false where it is a problem.
fn answer(result: Result<Value>) -> bool {
    let (is_answer, value) = match result {
        Ok(value) => (true, value),
        Err(error) => (false, problem::of(&error)),
    };
    OUTPUT.set(value.to_string().into_bytes());
    is_answer
}

/// A buffer of `length` bytes for the next call's input; its address.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn input(length: usize) -> *mut u8 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| OUTPUT.set(panic.to_string().into_bytes())));
    });
    // The last answer is read by now: its memory is the next picture's.
    OUTPUT.take();
    INPUT.set(vec![0; length]);
    INPUT.with_borrow_mut(|input| input.as_mut_ptr())
}

/// Address of the last call's answer.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

/// Bytes of the last call's answer.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn output_length() -> usize {
    OUTPUT.with_borrow(Vec::len)
}

/// Takes a classifier, NAME.cxr, for the calls of [`classify`]. Answers with its kernel.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn open_classifier() -> bool {
    answer(Classifier::new(INPUT.take()).map(|classifier| {
        let kernel = classifier.kernel();
        CLASSIFIER.set(Some(classifier));
        kernel
    }))
}

/// Classifies a picture; its preview has at most `preview` pixels a side.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn classify(preview: u32) -> bool {
    answer(CLASSIFIER.with_borrow(|classifier| classifier::classify(classifier.as_ref(), &INPUT.take(), preview)))
}

/// Times `count` inferences of the classifier: for those who compare engines.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn time(count: u32) -> bool {
    answer(CLASSIFIER.with_borrow(|classifier| classifier::time(classifier.as_ref(), count)))
}

/// Takes a network that `host import` wrote, for the calls of [`run_network`]. Answers with what it is.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn open_network() -> bool {
    answer(Network::new(INPUT.take()).map(|network| {
        let inspection = network.inspect();
        NETWORK.set(Some(network));
        inspection
    }))
}

/// Runs a picture, or the arrays of a .npy file, through the network. `values` says what a picture's levels become: see [`Values`].
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub extern "C" fn run_network(values: u32) -> bool {
    answer(NETWORK.with_borrow(|network| network::run(network.as_ref(), &INPUT.take(), Values::from_number(values))))
}

#[cfg(test)]
mod tests;
