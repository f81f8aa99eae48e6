//! Networks to files: readers of .tflite, an intermediate representation, folds, a reference interpreter, a planner.
//!
//! Research software, **not a medical device**.

pub mod fold;
pub mod import;
pub mod ir;
pub mod lower;
pub mod npy;
pub mod plan;
pub mod referee;
pub mod reference;
pub mod samples;
