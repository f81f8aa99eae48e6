//! The float network as ONNX: pixels 0..255 in, logits out, normalisation inside the graph.

use super::graph::{Graph, int, ints};
use super::{About, INPUT, OUTPUT, to_chw, to_oihw};
use crate::chain::float_model::{FloatLayer, FloatModel, Input, Kind, PoolKind, layer_name};
use anyhow::{Context, Result, bail, ensure};
use prost::Message;
use std::collections::BTreeMap;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType::Float;

/// Serialises `model`. Input `image`: f32 NCHW, pixel values 0..255.
pub fn write(model: &FloatModel, about: &About<'_>) -> Vec<u8> {
    let mut graph = Graph::new("cxr");
    let [height, width, channels] = model.input;
    let dims = [1, channels, height, width];
    graph.input(INPUT, Float, &dims);
    graph.f32s("pixel_center", &[], &[model.normalization.center()]);
    graph.f32s("pixel_scale", &[], &[model.normalization.scale]);
    graph.node("Sub", "centered", &[INPUT, "pixel_center"], vec![]);
    graph.node("Mul", "normalized", &["centered", "pixel_scale"], vec![]);
    let mut previous = "normalized".to_owned();
    for (index, layer) in model.layers.iter().enumerate() {
        previous = match layer {
            FloatLayer::Conv { input, output, kernel, stride, pad, groups, weight, bias } => {
                let name = layer_name(index, Kind::Conv);
                let (w, b, linear) = (format!("{name}_weight"), format!("{name}_bias"), format!("{name}_linear"));
                let inside = input[2] / groups;
                graph.f32s(&w, &[output[2], inside, *kernel, *kernel], &to_oihw(weight, *kernel, inside));
                graph.f32s(&b, &[output[2]], bias);
                let attributes = vec![
                    int("group", *groups as i64),
                    ints("kernel_shape", &[*kernel; 2]),
                    ints("pads", &[*pad; 4]),
                    ints("strides", &[*stride; 2]),
                ];
                graph.node("Conv", &linear, &[&previous, &w, &b], attributes);
                graph.node("Relu", &name, &[&linear], vec![]);
                graph.value(&name, Float, &[1, output[2], output[0], output[1]]);
                name
            }
            FloatLayer::Pool(pool) => {
                let name = layer_name(index, pool.kind.into());
                let attributes = vec![ints("kernel_shape", &pool.window), ints("strides", &[pool.stride; 2])];
                let operator = match pool.kind {
                    PoolKind::Max => "MaxPool",
                    PoolKind::Average => "AveragePool",
                };
                graph.node(operator, &name, &[&previous], attributes);
                graph.value(&name, Float, &[1, pool.output[2], pool.output[0], pool.output[1]]);
                name
            }
            FloatLayer::Dense { input, classes, weight, bias } => {
                let name = layer_name(index, Kind::Dense);
                let (w, b, flat) = (format!("{name}_weight"), format!("{name}_bias"), format!("{name}_flatten"));
                graph.f32s(&w, &[*classes, input.iter().product()], &to_chw(weight, *input));
                graph.f32s(&b, &[*classes], bias);
                graph.node("Flatten", &flat, &[&previous], vec![int("axis", 1)]);
                graph.node("Gemm", OUTPUT, &[&flat, &w, &b], vec![int("transB", 1)]);
                graph.output(OUTPUT, Float, &[1, *classes]);
                OUTPUT.to_owned()
            }
        };
    }
    graph.finish(
        &format!("{}, float. Research software, not a medical device.", about.title),
        &about.properties("pixel values 0..255, gray replicated to the channels, NCHW"),
    )
}

/// The constants of a file of [`write`], by name.
pub struct Tensors(BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl Tensors {
    /// Reads them.
    ///
    /// # Errors
    /// Bytes that [`write`] has not written.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let not_ours = "not a float network that `host export` wrote (NAME.onnx)";
        let model = pb::ModelProto::decode(bytes).ok().context(not_ours)?;
        let mut tensors = BTreeMap::new();
        for tensor in model.graph.context(not_ours)?.initializer {
            let dims: Vec<usize> = tensor.dims.iter().map(|&d| usize::try_from(d)).collect::<Result<_, _>>().context(not_ours)?;
            let values: Vec<f32> = tensor.raw_data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let whole = tensor.data_type == Float as i32 && values.len() == dims.iter().product::<usize>();
            ensure!(whole && values.iter().all(|v| v.is_finite()), not_ours);
            tensors.insert(tensor.name, (dims, values));
        }
        ensure!(tensors.get("pixel_scale").is_some_and(|(_, scale)| scale[..] == [Input::PIXELS.scale]), not_ours);
        Ok(Self(tensors))
    }

    /// The values of a constant, row-major.
    ///
    /// # Errors
    /// There is none of that name and shape.
    pub fn get(&self, name: &str, dims: &[usize]) -> Result<&[f32]> {
        match self.0.get(name) {
            Some((own, values)) if own == dims => Ok(values),
            Some((own, _)) => bail!("the file's network is not the recipe's: {name} is {own:?}, not {dims:?}"),
            None => bail!("the file's network is not the recipe's: it has no {name}"),
        }
    }

    /// Adds to the logit of `class`.
    ///
    /// # Errors
    /// There is no such logit.
    pub fn shift(&mut self, class: usize, by: f32) -> Result<()> {
        let bias = self.0.iter_mut().find(|(name, _)| name.ends_with("_dense_bias")).map(|(_, (_, values))| values);
        *bias.and_then(|bias| bias.get_mut(class)).context("the file has no logit of that class")? += by;
        Ok(())
    }
}
