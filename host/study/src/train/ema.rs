//! Exponential moving average of everything a network holds, running statistics included.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

use crate::network::Network;

/// Steps between two updates: reading weights back is not free.
const EVERY: usize = 4;

/// The average, by parameter path.
#[derive(Clone, Debug)]
pub struct Ema {
    decay: f64,
    values: BTreeMap<String, Vec<f32>>,
}

impl Ema {
    /// Starts from `network`; `decay` is a step's.
    pub fn new(decay: f64, network: &Network) -> Self {
        Self { decay, values: read(network) }
    }

    /// Moves towards `network` after step `step` (counted from 1); acts on every fourth step.
    ///
    /// Early in a run it forgets faster: `step / (step + 40)` if that is less.
    pub fn update(&mut self, step: usize, network: &Network) {
        if !step.is_multiple_of(EVERY) {
            return;
        }
        let decay = self.decay.powi(EVERY as i32).min(step as f64 / (step + 10 * EVERY) as f64) as f32;
        for (path, new) in read(network) {
            if let Some(average) = self.values.get_mut(&path) {
                for (a, n) in average.iter_mut().zip(new) {
                    *a = decay * *a + (1.0 - decay) * n;
                }
            }
        }
    }

    /// `network`, which must not train, with the average in place of its values.
    pub fn apply(&self, network: Network) -> Network {
        network.map(&mut Writer { path: Vec::new(), values: &self.values })
    }
}

fn read(network: &Network) -> BTreeMap<String, Vec<f32>> {
    let mut reader = Reader::default();
    network.visit(&mut reader);
    reader.values
}

#[derive(Default)]
struct Reader {
    path: Vec<String>,
    values: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val().into_data().try_into_vec::<f32>().expect("parameters are f32");
        self.values.insert(self.path.join("."), values);
    }
}

struct Writer<'a> {
    path: Vec<String>,
    values: &'a BTreeMap<String, Vec<f32>>,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.get(&self.path.join(".")) {
            Some(values) => param.map(|old| Tensor::from_data(TensorData::new(values.clone(), old.dims()), &old.device())),
            None => param,
        }
    }
}
