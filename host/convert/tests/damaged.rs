//! Damaged files: refused or read, never a panic, a hang or unbounded memory.

mod common;

use common::random::Choices;
use rownet_convert::package;

#[test]
fn damaged_tflite_files_are_refused_or_read() {
    let mut choices = Choices::new(7);
    let mut read = 0;
    for seed in 0..24 {
        let file = common::tflite::write(&common::random::graph(seed, 1 + seed as usize % 8));
        for _ in 0..150 {
            let mut damaged = file.clone();
            match choices.below(4) {
                0 => damaged.truncate(choices.below(file.len())),
                1 => damaged.extend(vec![0xff; choices.below(100)]),
                _ => {
                    for _ in 0..1 + choices.below(4) {
                        let at = choices.below(damaged.len());
                        damaged[at] = [0, 1, 0x7f, 0x80, 0xff, choices.below(256) as u8][choices.below(6)];
                    }
                }
            }
            match package::prepare(&damaged) {
                Ok(_) => read += 1,
                Err(error) => assert!(!format!("{error:#}").is_empty()),
            }
        }
    }
    println!("{read} of {} damaged files still hold a network", 24 * 150);
    assert!(read > 0);
}

#[test]
fn refusals_name_node_operator_attribute_reason_and_remedy() {
    use rownet_convert::ir::{Activation, Id, Op};
    // A transposition that moves pixels, at the end.
    let mut graph = common::random::graph(3, 2);
    let output = graph.outputs[0];
    let mut value = graph.value(output).clone();
    graph.nodes.retain(|node| !matches!(node.op, Op::Softmax { .. } | Op::Dequantize));
    value.shape = vec![1, 2, 3, 4];
    graph.values = vec![graph.values[0].clone()];
    graph.values[0] = value.clone();
    graph.values[0].name = "input".to_owned();
    graph.inputs = vec![Id(0)];
    graph.nodes.truncate(1);
    graph.nodes[0].op = Op::Clip { activation: Activation::RELU6 };
    graph.nodes[0].inputs = vec![Id(0)];
    graph.nodes[0].output = Id(1);
    graph.values.push(value.clone());
    value.shape = vec![1, 3, 2, 4];
    graph.values.push(value);
    let mut last = graph.nodes[0].clone();
    (last.op, last.inputs, last.output) = (Op::Transpose { permutation: vec![0, 2, 1, 3] }, vec![Id(1)], Id(2));
    graph.nodes.push(last);
    graph.outputs = vec![Id(2)];
    for value in &mut graph.values {
        value.element = rownet_convert::ir::Element::I8;
        value.quantization = Some(rownet_convert::ir::Quantization { scale: 0.1, zero_point: 3 });
    }
    let Err(error) = package::prepare(&common::tflite::write(&graph)) else { panic!("it is refused") };
    let text = format!("{error:#}");
    for part in ["node 1 ", "TRANSPOSE", "perm", "[0, 2, 1, 3] moves pixels", "channels last"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn many_operators_and_rows_take_bounded_time() {
    use rownet_convert::ir::{Activation, Id, Op};
    let started = std::time::Instant::now();
    // Clamps that nothing takes up, over many rows.
    let mut graph = common::random::graph(3, 1);
    graph.values.truncate(1);
    graph.values[0].shape = vec![1, 200, 1, 2];
    graph.values[0].element = rownet_convert::ir::Element::I8;
    graph.values[0].quantization = Some(rownet_convert::ir::Quantization { scale: 0.1, zero_point: 3 });
    let mut node = graph.nodes[0].clone();
    node.op = Op::Clip { activation: Activation::RELU };
    graph.nodes.clear();
    for i in 0..60 {
        let mut value = graph.values[0].clone();
        value.quantization = Some(rownet_convert::ir::Quantization { scale: 0.1 + i as f32 * 0.001, zero_point: -3 });
        graph.values.push(value);
        graph.nodes.push(rownet_convert::ir::Node { inputs: vec![Id(i)], output: Id(i + 1), ..node.clone() });
    }
    graph.outputs = vec![Id(60)];
    let prepared = package::prepare(&common::tflite::write(&graph)).unwrap();
    let plan = rownet_convert::plan::plan(&prepared.graph, &prepared.lowered);
    println!("{} bytes in {:.1} s", plan.unwrap().bytes, started.elapsed().as_secs_f32());
    assert!(started.elapsed().as_secs() < 120);
}

/// Networks of onnxruntime's quantize_static that lie in the fixtures, and a float one.
const ONNX: [&[u8]; 3] = [
    include_bytes!("fixtures/excite_qdq_u8s8.onnx"),
    include_bytes!("fixtures/vectors_qop_s8s8.onnx"),
    include_bytes!("fixtures/vectors_float.onnx"),
];

#[test]
fn damaged_onnx_files_are_refused_or_read() {
    let mut choices = Choices::new(11);
    let (mut read, mut all) = (0, 0);
    for file in ONNX {
        for _ in 0..1500 {
            let mut damaged = file.to_vec();
            match choices.below(5) {
                0 => damaged.truncate(choices.below(file.len())),
                1 => {
                    // A piece of the file somewhere else.
                    let (from, to, length) = (choices.below(file.len()), choices.below(file.len()), choices.below(64));
                    let piece: Vec<u8> = file[from..].iter().copied().take(length).collect();
                    damaged.splice(to..(to + piece.len()).min(file.len()), piece);
                }
                _ => {
                    for _ in 0..1 + choices.below(4) {
                        let at = choices.below(damaged.len());
                        damaged[at] = [0, 1, 0x7f, 0x80, 0xff, choices.below(256) as u8][choices.below(6)];
                    }
                }
            }
            all += 1;
            match rownet_convert::import::read(&damaged) {
                Ok(graph) => {
                    graph.check().unwrap();
                    read += 1;
                    let _ = package::prepare(&damaged);
                }
                Err(error) => assert!(!format!("{error:#}").is_empty()),
            }
        }
    }
    println!("{read} of {all} damaged files still hold a network");
    assert!(read > 100);
}

#[test]
fn hostile_onnx_files_take_bounded_time() {
    use prost::Message;
    use rownet_convert::import::onnx::schema::{
        Attribute, Dimension, Graph, Model, Node, OperatorSet, Shape, Tensor, TensorType, Type, ValueInfo,
    };
    let started = std::time::Instant::now();
    let info = |name: &str, dims: &[i64]| {
        let dim = dims.iter().map(|&dim_value| Dimension { dim_value }).collect();
        let tensor_type = Some(TensorType { elem_type: 1, shape: Some(Shape { dim }) });
        ValueInfo { name: name.to_owned(), r#type: Some(Type { tensor_type }) }
    };
    let node = |kind: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>| Node {
        input: inputs.iter().map(|&i| i.to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: kind.to_owned(),
        attribute,
        ..Node::default()
    };
    let model = |node: Vec<Node>, initializer: Vec<Tensor>, dims: &[i64]| {
        let graph = Graph { node, initializer, input: vec![info("x", dims)], output: vec![info("y", &[1])], ..Graph::default() };
        let opset_import = vec![OperatorSet { domain: String::new(), version: 17 }];
        Model { ir_version: 8, graph: Some(graph), opset_import, ..Model::default() }.encode_to_vec()
    };
    let refused = |what: &str, file: Vec<u8>, part: &str| {
        let Err(error) = package::prepare(&file) else { panic!("{what} is read") };
        let text = format!("{error:#}");
        assert!(text.contains(part), "{what}: {text}");
    };
    let floats = |name: &str, dims: &[i64], data: Vec<f32>| Tensor {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: 1,
        float_data: data,
        ..Tensor::default()
    };
    let ints =
        |name: &str, all: &[i64]| Attribute { name: name.to_owned(), ints: all.to_vec(), r#type: 7, ..Attribute::default() };
    // Cycles.
    refused(
        "a node that reads itself",
        model(vec![node("Relu", &["y"], "y", vec![])], vec![], &[1, 4]),
        "not made before it is read",
    );
    let ring = vec![node("Relu", &["x"], "a", vec![]), node("Relu", &["b"], "c", vec![]), node("Relu", &["c"], "b", vec![])];
    refused("a ring", model(ring, vec![], &[1, 4]), "not made before it is read");
    let scale = || vec![floats("s", &[], vec![0.1])];
    let loops = vec![
        node("QuantizeLinear", &["x", "s"], "q", vec![]),
        node("DequantizeLinear", &["q", "s"], "r", vec![]),
        node("Sigmoid", &["r"], "a", vec![]),
        node("Identity", &["a"], "a", vec![]),
    ];
    refused("a value that is its own", model(loops, scale(), &[1, 4]), "no QuantizeLinear");
    // Extents.
    for dims in [&[1, i64::MAX, i64::MAX, 2][..], &[1, 1 << 20, 1 << 20], &[1, -5, 2], &[1; 9]] {
        refused("a huge input", model(vec![node("Relu", &["x"], "y", vec![])], vec![], dims), "input");
    }
    let pads = ints("pads", &[0, 0, i64::MAX, i64::MAX, 0, 0, i64::MAX, i64::MAX]);
    refused("huge pads", model(vec![node("Pad", &["x"], "y", vec![pads])], vec![], &[1, 1, 4, 4]), "pads");
    let pool = vec![ints("kernel_shape", &[i64::MAX, 2]), ints("strides", &[1, i64::MAX])];
    refused("a huge window", model(vec![node("MaxPool", &["x"], "y", pool)], vec![], &[1, 1, 4, 4]), "out of range");
    refused(
        "weights that are not there",
        model(vec![node("Gemm", &["x", "w"], "y", vec![])], vec![floats("w", &[1 << 40, 1 << 40], vec![])], &[1, 4]),
        "its shape is",
    );
    refused("weights of a huge rank", model(vec![], vec![floats("w", &vec![1; 50_000], vec![1.0])], &[1, 4]), "its shape is");
    // Maps that grow with each node.
    let name = |i: usize| {
        if i == 0 {
            "x".to_owned()
        } else if i == 40 {
            "y".to_owned()
        } else {
            format!("v{i}")
        }
    };
    let grow = |i: usize| {
        node(
            "Resize",
            &[&name(i), "", "f"],
            &name(i + 1),
            vec![Attribute { name: "mode".to_owned(), s: b"nearest".to_vec().into(), r#type: 3, ..Attribute::default() }],
        )
    };
    let factors = floats("f", &[4], vec![1.0, 1.0, 60_000.0, 60_000.0]);
    refused("maps that grow", model((0..40).map(grow).collect(), vec![factors], &[1, 1, 4, 4]), "use smaller maps");
    // One constant that everybody takes.
    let shared = floats("w", &[256, 256], vec![0.5; 1 << 16]);
    let layer =
        |i: usize| node("Gemm", &[&if i == 0 { "x".to_owned() } else { format!("v{i}") }, "w"], &format!("v{}", i + 1), vec![]);
    refused("shared weights", model((0..900).map(layer).collect(), vec![shared], &[1, 256]), "too many operators share");
    // Fields that are small in the file and large in memory.
    refused("a million empty nodes", [vec![0x08, 8, 0x3a, 0x80, 0x89, 0x7a], [0x0a, 0].repeat(1_000_000)].concat(), "");
    println!("{:.1} s", started.elapsed().as_secs_f32());
    assert!(started.elapsed().as_secs() < 120);
}
