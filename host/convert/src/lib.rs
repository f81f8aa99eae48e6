//! Networks to files: readers of .tflite and .onnx, calibration of float networks, an intermediate representation, folds, a reference
//! interpreter, a planner, the engine's file, and its comparison with referees.
//!
//! Research software, **not a medical device**.

#[cfg(feature = "import")]
pub mod calibrate;
#[cfg(feature = "chain")]
pub mod chain;
#[cfg(feature = "import")]
pub mod document;
pub mod execute;
#[cfg(feature = "import")]
pub mod export;
pub mod fold;
#[cfg(feature = "import")]
pub mod import;
#[cfg(feature = "import")]
pub mod imported;
pub mod inspect;
pub mod ir;
pub mod lower;
pub mod metadata;
pub mod npy;
#[cfg(feature = "import")]
pub mod package;
#[cfg(feature = "import")]
pub mod picture;
pub mod plan;
#[cfg(feature = "import")]
pub mod referee;
pub mod reference;
pub mod samples;
#[cfg(feature = "import")]
pub mod verify;
