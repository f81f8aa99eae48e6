//! The quantised network as ONNX: QLinearConv, MaxPool on int8, MatMulInteger.
//!
//! [`for_referee`] keeps to what tract, which runs this file in `host verify`, computes as ONNX says.
//! The bias of QLinearConv is the raw one: the runtime subtracts the input's zero point itself.

use super::graph::{Graph, int, ints};
use super::{About, INPUT, OUTPUT, to_chw, to_oihw};
use crate::chain::float_model::{Kind, layer_name};
use crate::chain::quantize::{QuantizedLayer, QuantizedModel, QuantizedPool, requantization_factor};
use anyhow::{Result, ensure};
use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::tensor_proto::DataType::{Float, Int8, Int32};

/// `model`, or its nearest neighbour of which tract computes what ONNX says: tract takes another rounding path where all
/// requantisation factors of a layer are equal, so they must not be.
///
/// # Errors
/// A layer of one factor; names it.
pub fn for_referee(mut model: QuantizedModel) -> Result<QuantizedModel> {
    for (index, layer) in model.layers.iter_mut().enumerate() {
        let name = layer_name(index, layer.kind());
        match layer {
            QuantizedLayer::Conv(conv) if conv.scale.iter().all(|scale| *scale == conv.scale[0]) => {
                ensure!(conv.scale.len() > 1, "{name}: one filter only; use at least two, so that requantisation is per channel");
                conv.weight_scale[0] *= 1.0 + 4.0 * f32::EPSILON;
                conv.scale[0] = requantization_factor(conv.input_scale, conv.weight_scale[0], conv.output_scale);
                ensure!(conv.scale[0] != conv.scale[1], "{name}: all requantisation factors are equal; train it further");
            }
            QuantizedLayer::Pool(pool) => {
                let one = pool.mean.is_some() && pool.pool.input[2] == 1;
                ensure!(!one, "{name}: a mean over one channel is not exported; use at least two channels");
            }
            QuantizedLayer::Conv(_) | QuantizedLayer::Dense(_) => (),
        }
    }
    Ok(model)
}

/// Serialises `model`. Input `image`: s8 NCHW, `q = pixel - 128`.
pub fn write(model: &QuantizedModel, about: &About<'_>) -> Vec<u8> {
    let mut graph = Graph::new("cxr_int8");
    let [height, width, channels] = model.input;
    graph.input(INPUT, Int8, &[1, channels, height, width]);
    let mut previous = INPUT.to_owned();
    for (index, layer) in model.layers.iter().enumerate() {
        previous = match layer {
            QuantizedLayer::Conv(conv) => {
                let name = layer_name(index, Kind::Conv);
                let part = |suffix: &str| format!("{name}_{suffix}");
                let filters = conv.output[2];
                graph.f32s(&part("x_scale"), &[], &[conv.input_scale]);
                graph.i8s(&part("x_zero_point"), &[], [conv.input_zero_point]);
                let inside = conv.input[2] / conv.groups;
                let shape = [filters, inside, conv.kernel, conv.kernel];
                graph.i8s(&part("weight"), &shape, to_oihw(&conv.weight, conv.kernel, inside));
                graph.f32s(&part("weight_scale"), &[filters], &conv.weight_scale);
                graph.f32s(&part("y_scale"), &[], &[conv.output_scale]);
                graph.i8s(&part("y_zero_point"), &[], [conv.output_zero_point]);
                graph.i32s(&part("bias"), &[filters], &conv.bias);
                let attributes = vec![
                    int("group", conv.groups as i64),
                    ints("kernel_shape", &[conv.kernel; 2]),
                    ints("pads", &[conv.pad; 4]),
                    ints("strides", &[conv.stride; 2]),
                ];
                convolution(&mut graph, &name, &previous, filters, attributes);
                graph.value(&name, Int8, &[1, filters, conv.output[0], conv.output[1]]);
                name
            }
            QuantizedLayer::Pool(QuantizedPool { pool, scale, zero_point, mean }) => {
                let name = layer_name(index, pool.kind.into());
                let part = |suffix: &str| format!("{name}_{suffix}");
                let channels = pool.output[2];
                let mut attributes = vec![ints("kernel_shape", &pool.window), ints("strides", &[pool.stride; 2])];
                if let Some(mean) = mean {
                    // A mean is a depthwise convolution with weights of 1. tract rounds differently where all factors of a
                    // layer are equal: every other channel has weights of 2 and half the scale, which is the same number.
                    let weights = (0..channels).map(|c| 1 + c % 2);
                    let area = pool.window[0] * pool.window[1];
                    let weight: Vec<i8> = weights.clone().flat_map(|w| vec![w as i8; area]).collect();
                    let scales: Vec<f32> = weights.map(|w| mean.weight_scale / w as f32).collect();
                    graph.f32s(&part("x_scale"), &[], &[*scale]);
                    graph.i8s(&part("x_zero_point"), &[], [*zero_point]);
                    graph.i8s(&part("weight"), &[channels, 1, pool.window[0], pool.window[1]], weight);
                    graph.f32s(&part("weight_scale"), &[channels], &scales);
                    graph.f32s(&part("y_scale"), &[], &[*scale]);
                    graph.i8s(&part("y_zero_point"), &[], [*zero_point]);
                    graph.i32s(&part("bias"), &[channels], &vec![0; channels]);
                    attributes.push(int("group", channels as i64));
                    convolution(&mut graph, &name, &previous, channels, attributes);
                } else {
                    graph.node("MaxPool", &name, &[&previous], attributes);
                }
                graph.value(&name, Int8, &[1, channels, pool.output[0], pool.output[1]]);
                name
            }
            QuantizedLayer::Dense(dense) => {
                let name = layer_name(index, Kind::Dense);
                let part = |suffix: &str| format!("{name}_{suffix}");
                let (inputs, classes) = (dense.input.iter().product::<usize>(), dense.classes);
                // MatMulInteger wants [inputs, classes].
                let rows = to_chw(&dense.weight, dense.input);
                let columns = (0..inputs).flat_map(|i| (0..classes).map(move |k| (i, k)));
                graph.i8s(&part("weight"), &[inputs, classes], columns.map(|(i, k)| rows[k * inputs + i]));
                graph.i64s(&part("shape"), &[2], &[1, inputs as i64]);
                graph.i8s(&part("x_zero_point"), &[], [dense.input_zero_point]);
                graph.i32s(&part("bias"), &[classes], &dense.bias);
                graph.f32s(&part("scale"), &[classes], &dense.scale);
                graph.node("Reshape", &part("flatten"), &[&previous, &part("shape")], vec![]);
                let matmul_inputs = [part("flatten"), part("weight"), part("x_zero_point")];
                graph.node("MatMulInteger", &part("matmul"), &matmul_inputs.each_ref().map(String::as_str), vec![]);
                graph.node("Add", &name, &[&part("matmul"), &part("bias")], vec![]);
                graph.value(&name, Int32, &[1, classes]);
                graph.node("Cast", &part("float"), &[&name], vec![int("to", Float as i64)]);
                graph.node("Mul", OUTPUT, &[&part("float"), &part("scale")], vec![]);
                graph.output(OUTPUT, Float, &[1, classes]);
                OUTPUT.to_owned()
            }
        };
    }
    graph.finish(
        &format!("{}, int8. Research software, not a medical device.", about.title),
        &about.properties("q = pixel - 128 as s8, gray replicated to the channels, NCHW"),
    )
}

/// A QLinearConv whose constants are named after it, the weights' zero points (all 0) added.
fn convolution(graph: &mut Graph, name: &str, previous: &str, filters: usize, attributes: Vec<AttributeProto>) {
    let part = |suffix: &str| format!("{name}_{suffix}");
    graph.i8s(&part("weight_zero_point"), &[filters], vec![0; filters]);
    let parts = ["x_scale", "x_zero_point", "weight", "weight_scale", "weight_zero_point", "y_scale", "y_zero_point", "bias"];
    let inputs: Vec<String> = std::iter::once(previous.to_owned()).chain(parts.map(part)).collect();
    graph.node("QLinearConv", name, &inputs.iter().map(String::as_str).collect::<Vec<_>>(), attributes);
}
