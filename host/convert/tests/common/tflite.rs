//! Writes a graph as a .tflite file.

use flatbuffers::{FlatBufferBuilder, UnionWIPOffset, WIPOffset};
use rownet_convert::ir::{Activation, Bias, Element, Graph, Node, Op, Padding, Quantization, Weights, Window};
use tract_tflite::tflite as schema;
use tract_tflite::tflite::{ActivationFunctionType as Act, BuiltinOperator as Code, BuiltinOptions, TensorType};

#[derive(Default)]
struct Writer<'b> {
    builder: FlatBufferBuilder<'b>,
    buffers: Vec<WIPOffset<schema::Buffer<'b>>>,
    tensors: Vec<WIPOffset<schema::Tensor<'b>>>,
    codes: Vec<Code>,
}

/// Scales, their zero point, and the axis along which they lie.
type Scales<'s> = (&'s [f32], i64, i32);

impl<'b> Writer<'b> {
    fn buffer(&mut self, data: &[u8]) -> u32 {
        let data = (!data.is_empty()).then(|| self.builder.create_vector(data));
        let buffer = schema::Buffer::create(&mut self.builder, &schema::BufferArgs { data });
        self.buffers.push(buffer);
        self.buffers.len() as u32 - 1
    }

    fn tensor(
        &mut self,
        name: &str,
        kind: TensorType,
        shape: &[usize],
        data: &[u8],
        (scales, zero_point, axis): Scales<'_>,
    ) -> i32 {
        // The empty buffer is number 0.
        let buffer = if data.is_empty() { 0 } else { self.buffer(data) };
        let quantization = (!scales.is_empty()).then(|| {
            let zeros = vec![zero_point; scales.len()];
            let (scale, zero_point) = (Some(self.builder.create_vector(scales)), Some(self.builder.create_vector(&zeros)));
            schema::QuantizationParameters::create(
                &mut self.builder,
                &schema::QuantizationParametersArgs { scale, zero_point, quantized_dimension: axis, ..Default::default() },
            )
        });
        let shape: Vec<i32> = shape.iter().map(|&n| n as i32).collect();
        let (name, shape) = (Some(self.builder.create_string(name)), Some(self.builder.create_vector(&shape)));
        let tensor = schema::Tensor::create(
            &mut self.builder,
            &schema::TensorArgs { shape, type_: kind, buffer, name, quantization, ..Default::default() },
        );
        self.tensors.push(tensor);
        self.tensors.len() as i32 - 1
    }

    fn whole_numbers(&mut self, numbers: &[i32], shape: &[usize]) -> i32 {
        let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        self.tensor("numbers", TensorType::INT32, shape, &bytes, (&[], 0, 0))
    }

    fn code(&mut self, code: Code) -> u32 {
        let known = self.codes.iter().position(|&known| known == code);
        known.unwrap_or_else(|| {
            self.codes.push(code);
            self.codes.len() - 1
        }) as u32
    }
}

fn activation(activation: Activation) -> Act {
    match activation {
        Activation::None => Act::NONE,
        Activation::RELU => Act::RELU,
        Activation::RELU6 => Act::RELU6,
        Activation::RELU_N1_TO_1 => Act::RELU_N1_TO_1,
        other => panic!("{other:?}"),
    }
}

fn padding(window: &Window) -> schema::Padding {
    if window.padding == Padding::NONE { schema::Padding::VALID } else { schema::Padding::SAME }
}

/// The file of a graph before its folds.
pub fn write(graph: &Graph) -> Vec<u8> {
    let mut w = Writer::default();
    w.buffer(&[]);
    let mut values = Vec::new();
    for (i, value) in graph.values.iter().enumerate() {
        let kind = match value.element {
            Element::I8 => TensorType::INT8,
            Element::U8 => TensorType::UINT8,
            Element::F32 => TensorType::FLOAT32,
        };
        let scales: Vec<f32> = value.quantization.iter().map(|q| q.scale).collect();
        let zero_point = value.quantization.map_or(0, |q| q.zero_point.into());
        values.push(w.tensor(&format!("{i} {}", value.name), kind, &value.shape, &[], (&scales, zero_point, 0)));
    }
    let operators: Vec<_> = graph.nodes.iter().map(|node| operator(&mut w, graph, node, &values)).collect();
    let ids = |ids: &[rownet_convert::ir::Id]| ids.iter().map(|id| values[id.0]).collect::<Vec<_>>();
    let (inputs, outputs) = (ids(&graph.inputs), ids(&graph.outputs));
    let b = &mut w.builder;
    let subgraph = schema::SubGraphArgs {
        tensors: Some(b.create_vector(&w.tensors)),
        inputs: Some(b.create_vector(&inputs)),
        outputs: Some(b.create_vector(&outputs)),
        operators: Some(b.create_vector(&operators)),
        ..Default::default()
    };
    let subgraph = schema::SubGraph::create(b, &subgraph);
    let codes: Vec<_> = w
        .codes
        .iter()
        .map(|code| {
            let deprecated_builtin_code = code.0.min(127) as i8;
            schema::OperatorCode::create(
                b,
                &schema::OperatorCodeArgs { deprecated_builtin_code, builtin_code: *code, version: 1, ..Default::default() },
            )
        })
        .collect();
    let model = schema::ModelArgs {
        version: 3,
        operator_codes: Some(b.create_vector(&codes)),
        subgraphs: Some(b.create_vector(&[subgraph])),
        buffers: Some(b.create_vector(&w.buffers)),
        ..Default::default()
    };
    let model = schema::Model::create(b, &model);
    b.finish(model, Some("TFL3"));
    w.builder.finished_data().to_vec()
}

/// Weights and bias of a node, after its input.
fn constants(w: &mut Writer<'_>, graph: &Graph, node: &Node, inputs: &mut Vec<i32>) {
    let (Op::Conv2d { weights, bias, .. } | Op::Dense { weights, bias, .. }) = &node.op else { return };
    let depthwise = is_depthwise(graph, node);
    match (weights, bias) {
        (Weights::Int8 { shape, data, scales }, Bias::Int32(bias)) => {
            let sx = graph.value(node.inputs[0]).quantization.unwrap_or(Quantization { scale: 1.0, zero_point: 0 }).scale;
            let (mut shape, mut bytes) = (shape.clone(), data.iter().map(|&w| w as u8).collect::<Vec<_>>());
            if depthwise {
                let (out, taps) = (shape[0], shape[1] * shape[2]);
                bytes = (0..taps).flat_map(|tap| (0..out).map(move |o| (o, tap))).map(|(o, tap)| bytes[o * taps + tap]).collect();
                shape = vec![1, shape[1], shape[2], out];
            }
            inputs.push(w.tensor("weights", TensorType::INT8, &shape, &bytes, (scales, 0, if depthwise { 3 } else { 0 })));
            let bytes: Vec<u8> = bias.iter().flat_map(|b| b.to_le_bytes()).collect();
            let scales: Vec<f32> = scales.iter().map(|sw| sx * sw).collect();
            inputs.push(w.tensor("bias", TensorType::INT32, &[bias.len()], &bytes, (&scales, 0, 0)));
        }
        _ => panic!("float weights"),
    }
}

fn is_depthwise(graph: &Graph, node: &Node) -> bool {
    matches!(&node.op, Op::Conv2d { groups, weights, .. }
        if *groups == graph.value(node.inputs[0]).map()[2] && weights.shape()[3] == 1 && *groups > 1)
}

fn operator<'b>(w: &mut Writer<'b>, graph: &Graph, node: &Node, values: &[i32]) -> WIPOffset<schema::Operator<'b>> {
    let mut inputs: Vec<i32> = node.inputs.iter().map(|id| values[id.0]).collect();
    constants(w, graph, node, &mut inputs);
    type Options = Option<(BuiltinOptions, WIPOffset<UnionWIPOffset>)>;
    let (code, options): (Code, Options) = match &node.op {
        Op::Conv2d { window, activation: a, .. } if is_depthwise(graph, node) => {
            let options = schema::DepthwiseConv2DOptionsArgs {
                padding: padding(window),
                stride_h: window.stride[0] as i32,
                stride_w: window.stride[1] as i32,
                depth_multiplier: (graph.value(node.output).map()[2] / graph.value(node.inputs[0]).map()[2]) as i32,
                fused_activation_function: activation(*a),
                dilation_h_factor: window.dilation[0] as i32,
                dilation_w_factor: window.dilation[1] as i32,
            };
            let options = schema::DepthwiseConv2DOptions::create(&mut w.builder, &options).as_union_value();
            (Code::DEPTHWISE_CONV_2D, Some((BuiltinOptions::DepthwiseConv2DOptions, options)))
        }
        Op::Conv2d { window, activation: a, .. } => {
            let options = schema::Conv2DOptionsArgs {
                padding: padding(window),
                stride_h: window.stride[0] as i32,
                stride_w: window.stride[1] as i32,
                fused_activation_function: activation(*a),
                dilation_h_factor: window.dilation[0] as i32,
                dilation_w_factor: window.dilation[1] as i32,
            };
            let options = schema::Conv2DOptions::create(&mut w.builder, &options).as_union_value();
            (Code::CONV_2D, Some((BuiltinOptions::Conv2DOptions, options)))
        }
        Op::Dense { activation: a, .. } => {
            let options = schema::FullyConnectedOptionsArgs { fused_activation_function: activation(*a), ..Default::default() };
            let options = schema::FullyConnectedOptions::create(&mut w.builder, &options).as_union_value();
            (Code::FULLY_CONNECTED, Some((BuiltinOptions::FullyConnectedOptions, options)))
        }
        Op::Add { activation: a } => {
            let options = schema::AddOptionsArgs { fused_activation_function: activation(*a), ..Default::default() };
            (Code::ADD, Some((BuiltinOptions::AddOptions, schema::AddOptions::create(&mut w.builder, &options).as_union_value())))
        }
        Op::Mul { activation: a } => {
            let options = schema::MulOptionsArgs { fused_activation_function: activation(*a) };
            (Code::MUL, Some((BuiltinOptions::MulOptions, schema::MulOptions::create(&mut w.builder, &options).as_union_value())))
        }
        Op::AveragePool { window, activation: a } | Op::MaxPool { window, activation: a } => {
            let options = schema::Pool2DOptionsArgs {
                padding: padding(window),
                stride_h: window.stride[0] as i32,
                stride_w: window.stride[1] as i32,
                filter_height: window.kernel[0] as i32,
                filter_width: window.kernel[1] as i32,
                fused_activation_function: activation(*a),
            };
            let options = schema::Pool2DOptions::create(&mut w.builder, &options).as_union_value();
            let code = if matches!(node.op, Op::MaxPool { .. }) { Code::MAX_POOL_2D } else { Code::AVERAGE_POOL_2D };
            (code, Some((BuiltinOptions::Pool2DOptions, options)))
        }
        Op::Mean { axes } | Op::Max { axes } => {
            let axes: Vec<i32> = axes.iter().map(|&axis| axis as i32).collect();
            inputs.push(w.whole_numbers(&axes, &[axes.len()]));
            let keep_dims = graph.value(node.output).shape.len() == graph.value(node.inputs[0]).shape.len();
            let options =
                schema::ReducerOptions::create(&mut w.builder, &schema::ReducerOptionsArgs { keep_dims }).as_union_value();
            let code = if matches!(node.op, Op::Max { .. }) { Code::REDUCE_MAX } else { Code::MEAN };
            (code, Some((BuiltinOptions::ReducerOptions, options)))
        }
        Op::Concat { axis } => {
            let options = schema::ConcatenationOptionsArgs { axis: *axis as i32, fused_activation_function: Act::NONE };
            let options = schema::ConcatenationOptions::create(&mut w.builder, &options).as_union_value();
            (Code::CONCATENATION, Some((BuiltinOptions::ConcatenationOptions, options)))
        }
        Op::Pad { pads } => {
            let numbers: Vec<i32> = pads.iter().flatten().map(|&n| n as i32).collect();
            inputs.push(w.whole_numbers(&numbers, &[pads.len(), 2]));
            let options = schema::PadOptions::create(&mut w.builder, &schema::PadOptionsArgs {}).as_union_value();
            (Code::PAD, Some((BuiltinOptions::PadOptions, options)))
        }
        Op::ResizeNearest { .. } => {
            let [height, width, _] = graph.value(node.output).map();
            inputs.push(w.whole_numbers(&[height as i32, width as i32], &[2]));
            let options = schema::ResizeNearestNeighborOptions::create(&mut w.builder, &Default::default()).as_union_value();
            (Code::RESIZE_NEAREST_NEIGHBOR, Some((BuiltinOptions::ResizeNearestNeighborOptions, options)))
        }
        Op::Clip { activation } => (if *activation == Activation::RELU { Code::RELU } else { Code::RELU6 }, None),
        Op::HardSwish => (Code::HARD_SWISH, None),
        Op::Logistic => (Code::LOGISTIC, None),
        Op::Tanh => (Code::TANH, None),
        Op::LeakyRelu { alpha } => {
            let options = schema::LeakyReluOptions::create(&mut w.builder, &schema::LeakyReluOptionsArgs { alpha: *alpha })
                .as_union_value();
            (Code::LEAKY_RELU, Some((BuiltinOptions::LeakyReluOptions, options)))
        }
        Op::Softmax { beta } => {
            let options =
                schema::SoftmaxOptions::create(&mut w.builder, &schema::SoftmaxOptionsArgs { beta: *beta }).as_union_value();
            (Code::SOFTMAX, Some((BuiltinOptions::SoftmaxOptions, options)))
        }
        Op::Reshape => {
            let shape: Vec<i32> = graph.value(node.output).shape.iter().map(|&n| n as i32).collect();
            inputs.push(w.whole_numbers(&shape, &[shape.len()]));
            (Code::RESHAPE, None)
        }
        Op::Transpose { permutation } => {
            let axes: Vec<i32> = permutation.iter().map(|&axis| axis as i32).collect();
            inputs.push(w.whole_numbers(&axes, &[axes.len()]));
            let options = schema::TransposeOptions::create(&mut w.builder, &schema::TransposeOptionsArgs {}).as_union_value();
            (Code::TRANSPOSE, Some((BuiltinOptions::TransposeOptions, options)))
        }
        Op::Quantize => (Code::QUANTIZE, None),
        Op::Dequantize => (Code::DEQUANTIZE, None),
        Op::Swish | Op::HardSigmoid { .. } | Op::Scalar { .. } => panic!("{} is of .onnx alone", node.op.name()),
    };
    let opcode_index = w.code(code);
    let (inputs, outputs) = (Some(w.builder.create_vector(&inputs)), Some(w.builder.create_vector(&[values[node.output.0]])));
    let mut arguments = schema::OperatorArgs { opcode_index, inputs, outputs, ..Default::default() };
    if let Some((kind, options)) = options {
        (arguments.builtin_options_type, arguments.builtin_options) = (kind, Some(options));
    }
    schema::Operator::create(&mut w.builder, &arguments)
}
