//! What the names of a file stand for: constants, or values of the graph with the axes of the file.

use super::constants::Constant;
use crate::ir::{Graph, Id};

/// What the file sees of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Floats.
    Float,
    /// Bytes; uint8 is stored less 128.
    Bytes {
        /// uint8 in the file.
        unsigned: bool,
    },
    /// Floats that DequantizeLinear would make; bytes here.
    Real,
    /// What stood before a trailing softmax, which is left out.
    Final,
}

/// A value of the graph.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Which.
    pub id: Id,
    /// Axis k here is axis `axes[k]` of the file.
    pub axes: Vec<usize>,
    /// What the file sees.
    pub form: Form,
}

impl Flow {
    /// Extents in the order of the file.
    pub fn shape(&self, graph: &Graph) -> Vec<usize> {
        let here = &graph.value(self.id).shape;
        let mut shape = vec![1; self.axes.len()];
        self.axes.iter().zip(here).for_each(|(&axis, &extent)| shape[axis] = extent);
        shape
    }

    /// Where an axis of the file lies here.
    pub fn position(&self, axis: usize) -> usize {
        self.axes.iter().position(|&a| a == axis).unwrap_or(0)
    }
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub enum Slot {
    /// Known before the network runs.
    Constant(Constant),
    /// Depends on the input.
    Flow(Flow),
}

/// Axes of N, C and the rest as they lie with channels last.
pub fn channels_last(rank: usize) -> Vec<usize> {
    match rank {
        0..=2 => (0..rank).collect(),
        _ => std::iter::once(0).chain(2..rank).chain([1]).collect(),
    }
}
