//! Host side of the chest X-ray classifier: dataset, training, quantisation,
//! export, verification, evaluation and prediction.
//!
//! Research software, **not a medical device**.

#[cfg(feature = "lab")]
pub mod agreement;
#[cfg(feature = "lab")]
pub mod augment;
#[cfg(feature = "lab")]
pub mod bench;
pub mod classes;
pub mod cli;
#[cfg(feature = "lab")]
pub mod dataset;
pub mod decode;
#[cfg(feature = "device")]
pub mod device;
#[cfg(feature = "lab")]
pub mod evaluate;
#[cfg(feature = "lab")]
pub mod export;
pub mod fail;
pub mod files;
#[cfg(feature = "lab")]
pub mod float_model;
pub mod heatmap;
pub mod model_file;
#[cfg(feature = "lab")]
pub mod network;
#[cfg(feature = "convert")]
pub mod networks;
#[cfg(feature = "lab")]
pub mod onnx;
pub mod predict;
#[cfg(feature = "lab")]
pub mod quantize;
#[cfg(feature = "lab")]
pub mod recipe;
#[cfg(feature = "lab")]
pub mod refusal;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "lab")]
pub mod synthetic;
#[cfg(feature = "lab")]
pub mod train;
#[cfg(feature = "lab")]
pub mod verify;
