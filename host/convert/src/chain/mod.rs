//! Networks that are a chain of layers with float weights, to int8: quantised ([`quantize`]), written for the
//! classifier's engine ([`cxr`]) and as ONNX ([`onnx`]), where tract is the referee.

pub mod cxr;
pub mod float_model;
pub mod onnx;
pub mod quantize;
pub mod random;
pub mod stats;
