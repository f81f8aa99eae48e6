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
