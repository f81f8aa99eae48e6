//! `host dicom`: chest X-rays from an archive or a modality, structured reports and exact maps back to it.
//!
//! Research software, **not a medical device**: every object says so.
//!
//! ```text
//! C-STORE  --+                                             +--> C-STORE
//! STOW-RS  --+--> intake --> queue --> work --> queue --> send --> STOW-RS
//! a folder --+              (disk)             (disk)      +--> a folder
//! ```
//!
//! What a sender is told to be received is on the disk, and stays there until its answer is acknowledged by the archive.
//! Identifiers of answers follow from the image and the model, so whatever is done twice is one object to the archive.
//! docs/hospital.md describes it for users.

pub mod access;
pub mod args;
pub mod command;
pub mod identity;
pub mod intake;
pub mod object;
pub mod queue;
pub mod reading;
pub mod receive;
pub mod run;
pub mod send;
pub mod uid;
pub mod watchdog;
pub mod work;

pub use args::Args;
pub use run::run;
