//! Figures: each computes itself from what was measured and draws itself as a section.

pub mod agreement;
pub mod baselines;
pub mod borders;
pub mod calibration;
pub mod controls;
pub mod data;
pub mod gallery;
pub mod headline;
pub mod normal;
pub mod predictive;
pub mod refusal;
pub mod selective;
pub mod sources;
pub mod specificity;
pub mod splits;
pub mod subgroups;
pub mod unseen;
