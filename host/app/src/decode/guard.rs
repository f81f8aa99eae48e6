//! A fence around decoders: a panic inside one is an error of that file and nothing worse.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decoder`; none where it panicked, of which nothing is printed.
pub(super) fn guarded<T>(decoder: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !INSIDE.get() {
                before(info);
            }
        }));
    });
    let outer = INSIDE.replace(true);
    // What the decoder half wrote is dropped with it.
    let result = catch_unwind(AssertUnwindSafe(decoder));
    INSIDE.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::guarded;

    #[test]
    fn a_panic_is_none() {
        assert_eq!(guarded(|| 3), Some(3));
        assert_eq!(guarded(|| -> u8 { panic!("inside a decoder") }), None);
        assert_eq!(guarded(|| guarded(|| -> u8 { panic!("inner") })), Some(None));
    }
}
