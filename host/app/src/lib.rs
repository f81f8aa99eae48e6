//! What a user runs on a chest X-ray: decoders, prediction, explanation, the server, boards. Neither Burn nor tract.
//!
//! Research software, **not a medical device**.

#[cfg(not(target_family = "wasm"))]
pub mod budget;
pub mod classes;
pub mod decode;
pub mod detail;
#[cfg(feature = "device")]
pub mod device;
pub mod fail;
pub mod files;
#[cfg(not(target_family = "wasm"))]
pub mod heatmap;
pub mod lungs;
pub mod model_file;
#[cfg(feature = "serve")]
pub(crate) mod page;
#[cfg(not(target_family = "wasm"))]
pub mod predict;
pub mod prediction;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(not(target_family = "wasm"))]
pub mod shipped;
#[cfg(feature = "serve")]
pub mod site;
pub mod unseen;
