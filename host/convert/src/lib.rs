//! Networks to files: readers of .tflite and .onnx, calibration of float networks, an intermediate representation, folds, a reference interpreter, a planner, the
//! engine's file, and its comparison with referees.
//!
//! Research software, **not a medical device**.

pub mod calibrate;
#[cfg(feature = "chain")]
pub mod chain;
pub mod document;
pub mod execute;
pub mod export;
pub mod fold;
pub mod import;
pub mod inspect;
pub mod ir;
pub mod lower;
pub mod npy;
pub mod package;
pub mod picture;
pub mod plan;
pub mod referee;
pub mod reference;
pub mod samples;
pub mod verify;
