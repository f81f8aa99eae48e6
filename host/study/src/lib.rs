//! The study: dataset, training, refusal, export, verification, evaluation of the chest X-ray classifier.
//!
//! Research software, **not a medical device**.

pub mod augment;
pub mod bench;
pub mod bundle;
pub mod dataset;
pub mod evaluate;
pub mod export;
pub mod network;
mod progress;
pub mod recipe;
pub mod refusal;
pub mod synthetic;
pub mod train;
pub mod verify;
