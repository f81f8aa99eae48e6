//! Random graphs: what is written is read, folds change nothing, the engine gives the interpreter's bytes, and TFLite Micro too.

mod common;

use rownet_convert::execute::Network;
use rownet_convert::ir::{Graph, Op};
use rownet_convert::reference::{self, Tensor};
use rownet_convert::{fold, import, package, referee, samples};

/// Reads the file of a graph and compares the outputs of the graph, of the folded one and of the engine.
fn compare(seed: u64, graph: &Graph) -> (Vec<u8>, Tensor, Vec<Tensor>) {
    let at = |what: &str| format!("seed {seed}, {what}");
    graph.check().unwrap_or_else(|error| panic!("{}: {error}", at("made")));
    let file = common::tflite::write(graph);
    let read = import::read(&file).unwrap_or_else(|error| panic!("{}: {error:#}", at("read")));
    let plain = |graph: &Graph| graph.nodes.iter().map(|node| node.op.clone()).collect::<Vec<Op>>();
    assert!(plain(graph) == plain(&read), "{}", at("the operators that were written are not those that are read"));
    let mut folded = read.clone();
    fold::fold(&mut folded).unwrap_or_else(|error| panic!("{}: {error}", at("folded")));
    let package = package::import(&file, "random", "", "", None).unwrap_or_else(|error| panic!("{}: {error:#}", at("imported")));
    let network = Network::parse(&package.file).unwrap();
    let inputs = samples::generated(graph.value(graph.inputs[0]), 4, 9);
    let made = network.run(&inputs).unwrap_or_else(|error| panic!("{}: {error:#}", at("run")));
    for i in 0..inputs.shape[0] {
        let x = [samples::sample(&inputs, i)];
        let expected = reference::outputs(graph, &x).unwrap_or_else(|error| panic!("{}: {error:#}", at("interpreted")));
        let after = reference::outputs(&folded, &x).unwrap();
        for (number, expected) in expected.iter().enumerate() {
            assert_eq!(expected.data, after[number].data, "{}, output {number}", at("folds"));
            assert_eq!(expected.data, samples::sample(&made[number], i).data, "{}, output {number}, input {i}", at("engine"));
        }
    }
    (file, inputs, made)
}

#[test]
fn engine_and_folds_give_the_interpreters_bytes() {
    for seed in 0..400 {
        compare(seed, &common::random::graph(seed, 1 + seed as usize % 14));
    }
}

#[test]
fn tflite_micro_gives_the_same_bytes() {
    if !referee::has("tflite_micro") {
        return println!("skipped: no Python with tflite-micro; set CXR_PYTHON");
    }
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for seed in 1000..1040 {
        let (file, inputs, made) = compare(seed, &common::random::graph(seed, 4 + seed as usize % 10));
        let path = folder.path().join("random.tflite");
        std::fs::write(&path, &file).unwrap();
        let answers = referee::tflite_micro(&path, &inputs, false).unwrap_or_else(|error| panic!("seed {seed}: {error:#}"));
        for (number, (engine, other)) in made.iter().zip(&answers.outputs).enumerate() {
            assert_eq!(engine.data, other.data, "seed {seed}, output {number}");
            compared += engine.data.len();
        }
    }
    println!("{compared} elements, 0 differ");
}
