//! What a user runs on a chest X-ray: decoders, prediction, explanation, the server, boards. Neither Burn nor tract.
//!
//! Research software, **not a medical device**.

pub mod budget;
pub mod classes;
pub mod decode;
#[cfg(feature = "device")]
pub mod device;
pub mod fail;
pub mod files;
pub mod heatmap;
pub mod model_file;
pub mod predict;
#[cfg(feature = "serve")]
pub mod serve;
pub mod unseen;
