//! The page's clock.

/// The page's clock in milliseconds.
#[cfg(target_family = "wasm")]
pub(crate) fn now() -> f64 {
    #[allow(unsafe_code)]
    #[link(wasm_import_module = "page")]
    unsafe extern "C" {
        safe fn now() -> f64;
    }
    now()
}

/// The page's clock in milliseconds.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn now() -> f64 {
    use std::time::Instant;
    thread_local!(static START: Instant = Instant::now());
    START.with(|start| 1e3 * start.elapsed().as_secs_f64())
}
