//! tract, the referee: runs the ONNX files, every layer observable.

use super::{INPUT, OUTPUT};
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use tract_onnx::prelude::*;

/// An ONNX file ready to run; `Sync`, one run at a time per thread.
pub struct Runner {
    plan: Arc<TypedRunnableModel>,
    shape: [usize; 4],
}

/// How tract runs a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Optimised; for float files.
    Optimized,
    /// The graph as written: the arithmetic contract's referee (the optimiser re-associates scales).
    Raw,
}

impl Runner {
    /// Parses `bytes` (named `name` in errors) and observes the given values, then the logits.
    pub fn new(bytes: &[u8], name: &str, observed: &[String], mode: Mode) -> Result<Self> {
        let outputs = observed.iter().map(String::as_str).chain([OUTPUT]);
        let load = || -> TractResult<_> {
            let model = onnx().model_for_read(&mut &*bytes)?.with_outputs_by_name(outputs)?.into_typed()?;
            let model = if mode == Mode::Optimized { model.into_optimized()? } else { model };
            let shape = model.input_fact(0)?.shape.as_concrete().map(<[usize]>::to_vec);
            Ok((shape, model.into_runnable()?))
        };
        let (shape, plan) = load().with_context(|| format!("{name}: tract cannot load this ONNX file; export it again"))?;
        let shape: Option<[usize; 4]> = shape.and_then(|s| s.try_into().ok());
        let shape = shape.with_context(|| format!("{name}: input `{INPUT}` is not [1, channels, height, width]"))?;
        Ok(Self { plan, shape })
    }

    /// Input height, width and channels.
    pub fn input(&self) -> [usize; 3] {
        let [_, channels, height, width] = self.shape;
        [height, width, channels]
    }

    /// An interleaved 8-bit image (HWC) as the input of a float file.
    pub fn float_input(&self, image: &[u8]) -> Result<TValue> {
        Ok(Tensor::from_shape(&self.shape, &self.planar(image, f32::from)?)?.into())
    }

    /// An interleaved 8-bit image (HWC) as the input of an int8 file.
    pub fn int8_input(&self, image: &[u8]) -> Result<TValue> {
        Ok(Tensor::from_shape(&self.shape, &self.planar(image, |pixel| (pixel ^ 0x80) as i8)?)?.into())
    }

    /// Logits alone, of an input made before: what a benchmark times.
    pub fn logits(&self, input: &TValue) -> Result<Vec<f32>> {
        let values = self.plan.run(tvec!(input.clone()))?;
        to_vec(values.last().context("tract returned no value")?)
    }

    /// Runs a float file on an interleaved 8-bit image (HWC); the observed values, then the logits.
    pub fn run_float(&self, image: &[u8]) -> Result<Vec<Vec<f32>>> {
        let values = self.plan.run(tvec!(self.float_input(image)?))?;
        values.iter().map(|value| to_vec::<f32>(value)).collect()
    }

    /// Runs an int8 file on an interleaved 8-bit image (HWC).
    pub fn run_int8(&self, image: &[u8]) -> Result<Int8Values> {
        let values = self.plan.run(tvec!(self.int8_input(image)?))?;
        let (logits, layers) = values.split_last().context("tract returned no value")?;
        let mut out = Int8Values { layers: vec![], accumulators: vec![], logits: to_vec(logits)? };
        for value in layers {
            if value.datum_type() == i32::datum_type() {
                out.accumulators = to_vec(value)?;
            } else {
                let shape = value.shape();
                ensure!(shape.len() == 4, "tract returned a value of shape {shape:?}");
                out.layers.push(to_nhwc(&to_vec::<i8>(value)?, [shape[2], shape[3], shape[1]]));
            }
        }
        Ok(out)
    }

    fn planar<T>(&self, image: &[u8], convert: impl Fn(u8) -> T) -> Result<Vec<T>> {
        let [_, channels, height, width] = self.shape;
        let area = height * width;
        ensure!(image.len() == area * channels, "image of {} bytes for a {width}x{height}x{channels} input", image.len());
        let mut planes = Vec::with_capacity(image.len());
        for c in 0..channels {
            planes.extend(image[c..].iter().step_by(channels).map(|&pixel| convert(pixel)));
        }
        Ok(planes)
    }
}

/// What an int8 run yields.
pub struct Int8Values {
    /// Observed i8 layers, NHWC.
    pub layers: Vec<Vec<i8>>,
    /// The dense layer's i32 accumulators with bias, if observed.
    pub accumulators: Vec<i32>,
    /// Logits.
    pub logits: Vec<f32>,
}

fn to_vec<T: Datum + Copy>(value: &Tensor) -> Result<Vec<T>> {
    Ok(value.to_plain_array_view::<T>()?.iter().copied().collect())
}

/// CHW to HWC.
pub fn to_nhwc<T: Copy>(planes: &[T], shape: [usize; 3]) -> Vec<T> {
    let [height, width, channels] = shape;
    let area = height * width;
    (0..area).flat_map(|p| (0..channels).map(move |c| planes[c * area + p])).collect()
}
