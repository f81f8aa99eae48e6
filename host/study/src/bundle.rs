//! The four files of an exported model, and the error of each layer.

use anyhow::{Context, Result};
use cxr_app::classes::{CLASSES, DISCLAIMER};
use cxr_app::files;
use cxr_app::model_file::{ModelFile, replicate};
use rayon::prelude::*;
use rownet_convert::chain::cxr::{self, Header};
use rownet_convert::chain::float_model::{FloatModel, Pool, PoolKind, layer_name};
use rownet_convert::chain::onnx::run::{Mode, Runner, to_nhwc};
use rownet_convert::chain::onnx::{About, float, int8};
use rownet_convert::chain::quantize::calibrate::observe;
use rownet_convert::chain::quantize::{Options, QuantizedConv, QuantizedLayer, QuantizedModel, QuantizedPool, quantize};
use rownet_convert::chain::random::{lcg_bytes, smooth};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// What the ONNX files say of the network.
const ABOUT: About<'_> = About { title: "Chest X-ray classifier", notice: DISCLAIMER, classes: &CLASSES };

/// An exported model in memory.
pub struct Bundle {
    /// The device's file.
    pub cxr: Vec<u8>,
    /// The float network as ONNX.
    pub onnx: Vec<u8>,
    /// The int8 network as ONNX.
    pub int8_onnx: Vec<u8>,
    /// Everything known about the model.
    pub report: Value,
    /// Per-layer figures, as in `report`.
    pub layers: Vec<LayerReport>,
}

/// One layer of the report.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Value name in the ONNX files.
    pub name: String,
    /// Operator: conv2d, depthwise_conv2d, grouped_conv2d, (global_)max_pool2d, (global_)average_pool2d or dense.
    pub op: &'static str,
    /// Input height, width, channels.
    pub input: [usize; 3],
    /// Output height, width, channels.
    pub output: [usize; 3],
    /// Kernel height and width; the input's for dense.
    pub kernel: [usize; 2],
    /// Stride.
    pub stride: usize,
    /// Multiply-accumulates.
    pub macs: u64,
    /// Weights and biases.
    pub parameters: usize,
    /// Bytes that it keeps in the arena between rows.
    pub arena_bytes: usize,
    /// Signal to quantisation noise, in dB; `None` where nothing was measured.
    pub sqnr_db: Option<f64>,
    /// Largest absolute error against the float network.
    pub max_abs_error: Option<f64>,
}

impl Bundle {
    /// Writes the files of a quantised model. `images` (interleaved) measure the error of each layer; `details` joins
    /// the report (data, calibration, training, metrics).
    pub fn new(
        model: &FloatModel,
        quantized: &QuantizedModel,
        header: &Header,
        images: &[Vec<u8>],
        details: Value,
    ) -> Result<Self> {
        let cxr = cxr::write(quantized, &CLASSES, header)?;
        let (onnx, int8_onnx) = (float::write(model, &ABOUT), int8::write(quantized, &ABOUT));
        let file = ModelFile::new(cxr.clone(), "exported model")?;
        let engine = file.engine()?;
        let layers = layer_reports(model, quantized, &file, images)?;
        let arena = cxr_core::plan::Arena::of(&engine.model);
        let about = |bytes: &[u8]| json!({ "bytes": bytes.len(), "sha256": files::sha256(bytes) });
        let mut report = json!({
            "notice": DISCLAIMER,
            "classes": CLASSES,
            "host_version": env!("CARGO_PKG_VERSION"),
            "input": { "height": model.input[0], "width": model.input[1], "channels": model.input[2] },
            "architecture": layers,
            "macs": layers.iter().map(|layer| layer.macs).sum::<u64>(),
            "parameters": layers.iter().map(|layer| layer.parameters).sum::<usize>(),
            "weights_bytes": weights_bytes(quantized),
            "arena_bytes": engine.model.arena_bytes(),
            "arena": { "rows": arena.rings, "features": arena.features, "scratch": arena.scratch },
            "temperature": header.temperature,
            "abstain_below": header.abstain_below,
            "files": { "cxr": about(&cxr), "onnx": about(&onnx), "int8.onnx": about(&int8_onnx) },
        });
        if let (Some(report), Value::Object(details)) = (report.as_object_mut(), details) {
            report.extend(details);
        }
        Ok(Self { cxr, onnx, int8_onnx, report, layers })
    }

    /// A network without training, calibrated on generated images.
    pub fn random(model: FloatModel, seed: u64) -> Result<Self> {
        let images = calibration_images(&model, seed);
        let quantized = int8::for_referee(quantize(&model, &observe(&model, &images, &|| ())?, Options::DEFAULT)?)?;
        let metadata = json!({ "recipe": "random weights", "seed": seed }).to_string();
        let header = Header { metadata, ..Header::default() };
        Self::new(&model, &quantized, &header, &images, json!({ "recipe": "random weights", "seed": seed }))
    }

    /// Writes PREFIX.cxr, .onnx, .int8.onnx and .json: each file whole, the json, which has the hashes of the others, last.
    pub fn write(&self, prefix: &Path) -> Result<()> {
        let mut report = serde_json::to_vec_pretty(&self.report)?;
        report.push(b'\n');
        files::write_all(&[
            (files::with_suffix(prefix, "cxr"), self.cxr.clone()),
            (files::with_suffix(prefix, "onnx"), self.onnx.clone()),
            (files::with_suffix(prefix, "int8.onnx"), self.int8_onnx.clone()),
            (files::with_suffix(prefix, "json"), report),
        ])
    }
}

fn calibration_images(model: &FloatModel, seed: u64) -> Vec<Vec<u8>> {
    let [height, width, channels] = model.input;
    let image = |i: u32| match i % 2 {
        0 => replicate(&smooth(seed.wrapping_mul(31).wrapping_add(u64::from(i)), height, width), channels),
        _ => lcg_bytes((seed as u32).wrapping_add(i), height * width * channels),
    };
    (0..8).map(image).collect()
}

fn weights_bytes(model: &QuantizedModel) -> usize {
    let of = |weights: usize, channels: usize| weights + 8 * channels;
    model
        .layers
        .iter()
        .map(|layer| match layer {
            QuantizedLayer::Conv(conv) => of(conv.weight.len(), conv.bias.len()),
            QuantizedLayer::Pool(_) => 0,
            QuantizedLayer::Dense(dense) => of(dense.stored().1.len(), dense.bias.len()),
        })
        .sum()
}

fn conv_name(conv: &QuantizedConv) -> &'static str {
    match conv.groups {
        1 => "conv2d",
        groups if groups == conv.input[2] && groups == conv.output[2] => "depthwise_conv2d",
        _ => "grouped_conv2d",
    }
}

fn pool_name(pool: &Pool) -> &'static str {
    match (pool.kind, pool.is_global()) {
        (PoolKind::Max, false) => "max_pool2d",
        (PoolKind::Max, true) => "global_max_pool2d",
        (PoolKind::Average, false) => "average_pool2d",
        (PoolKind::Average, true) => "global_average_pool2d",
    }
}

/// Signal power, noise power and largest error of each layer.
type Errors = Vec<(f64, f64, f64)>;

fn layer_reports(
    model: &FloatModel,
    quantized: &QuantizedModel,
    file: &ModelFile,
    images: &[Vec<u8>],
) -> Result<Vec<LayerReport>> {
    let errors = layer_errors(model, quantized, file, images)?;
    let engine = file.engine()?;
    quantized
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| {
            let (op, input, output, kernel, stride, parameters) = match layer {
                QuantizedLayer::Conv(c) => {
                    (conv_name(c), c.input, c.output, [c.kernel; 2], c.stride, c.weight.len() + c.bias.len())
                }
                QuantizedLayer::Pool(QuantizedPool { pool: p, .. }) => (pool_name(p), p.input, p.output, p.window, p.stride, 0),
                QuantizedLayer::Dense(d) => {
                    ("dense", d.input, [1, 1, d.classes], [d.input[0], d.input[1]], 1, d.stored().1.len() + d.bias.len())
                }
            };
            let device = engine.model.layer(index).context("core lost a layer")?;
            let error = errors.get(index).filter(|e| e.1 > 0.0 && e.0 > 0.0);
            Ok(LayerReport {
                name: layer_name(index, layer.kind()),
                op,
                input,
                output,
                kernel,
                stride,
                macs: device.macs(),
                parameters,
                arena_bytes: cxr_core::plan::ring(device.op, device.input, device.output).bytes(),
                sqnr_db: error.map(|(signal, noise, _)| 10.0 * (signal / noise).log10()),
                max_abs_error: errors.get(index).map(|e| e.2),
            })
        })
        .collect()
}

fn layer_errors(model: &FloatModel, quantized: &QuantizedModel, file: &ModelFile, images: &[Vec<u8>]) -> Result<Errors> {
    let names = model.observed_names();
    let runner = Runner::new(&float::write(model, &ABOUT), "float network", &names, Mode::Optimized)?;
    let engine = file.engine()?;
    let per_image = images
        .par_iter()
        .map(|image| {
            let (planes, int8) = (runner.run_float(image)?, engine.observe(image)?);
            let mut errors: Errors = Vec::with_capacity(planes.len());
            for ((layer, planes), values) in quantized.layers.iter().zip(&planes).zip(&int8.layers) {
                let (scale, zero_point, shape) = match layer {
                    QuantizedLayer::Conv(conv) => (conv.output_scale, conv.output_zero_point, conv.output),
                    QuantizedLayer::Pool(pool) => (pool.scale, pool.zero_point, pool.pool.output),
                    QuantizedLayer::Dense(_) => break,
                };
                let real = values.iter().map(|&q| (f32::from(q) - f32::from(zero_point)) * scale);
                errors.push(error(&to_nhwc(planes, shape), real));
            }
            errors.push(error(planes.last().context("no logits")?, int8.logits.iter().copied()));
            Ok(errors)
        })
        .collect::<Result<Vec<Errors>>>()?;
    Ok(per_image
        .into_iter()
        .reduce(|mut sum, image| {
            sum.iter_mut().zip(image).for_each(|(a, b)| *a = (a.0 + b.0, a.1 + b.1, a.2.max(b.2)));
            sum
        })
        .unwrap_or_default())
}

fn error(float: &[f32], int8: impl Iterator<Item = f32>) -> (f64, f64, f64) {
    float.iter().zip(int8).fold((0.0, 0.0, 0.0), |(signal, noise, max), (&f, q)| {
        let (f, error) = (f64::from(f), f64::from(f - q).abs());
        (signal + f * f, noise + error * error, max.max(error))
    })
}
