//! Operators on one real element.

use crate::ir::{Activation, Op};

/// A clamp of real values.
pub fn clip(x: f32, activation: Activation) -> f32 {
    match activation {
        Activation::None => x,
        Activation::Clip { low, high } => x.max(low).min(high),
    }
}

/// An operator of one real element.
pub fn real(op: &Op, x: f32) -> f32 {
    match *op {
        Op::Clip { activation } => clip(x, activation),
        Op::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Op::Logistic => 1.0 / (1.0 + (-x).exp()),
        Op::Swish => x * (1.0 / (1.0 + (-x).exp())),
        Op::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
        Op::Tanh => x.tanh(),
        Op::Scalar { kind, number } => kind.apply(x, number),
        Op::LeakyRelu { alpha } => {
            if x > 0.0 {
                x
            } else {
                x * alpha
            }
        }
        _ => x,
    }
}
