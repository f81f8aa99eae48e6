//! Host side of the chest X-ray classifier: dataset, training, quantisation,
//! export, verification, evaluation and prediction.
//!
//! Research software, **not a medical device**.

pub mod agreement;
pub mod augment;
pub mod classes;
pub mod cli;
pub mod dataset;
pub mod decode;
pub mod evaluate;
pub mod export;
pub mod fail;
pub mod files;
pub mod float_model;
pub mod model_file;
pub mod network;
pub mod onnx;
pub mod predict;
pub mod quantize;
pub mod recipe;
pub mod synthetic;
pub mod train;
pub mod verify;
