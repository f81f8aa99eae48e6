//! Networks of our own making: random graphs, and .tflite files of graphs.

pub mod random;
pub mod tflite;
