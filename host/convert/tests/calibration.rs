//! Float networks to int8 by inputs, and what is written of them.

use rownet_convert::reference::Tensor;
use rownet_convert::{calibrate, fold, import, package, reference, samples};
use std::path::Path;
use std::process::Command;

fn inputs(graph: &rownet_convert::ir::Graph, count: usize) -> Tensor {
    samples::generated(graph.value(graph.inputs[0]), count, 20)
}

/// Calibrates, writes, reads again: the same bytes; and says how near it is.
fn check(name: &str, file: &[u8], count: usize) -> calibrate::Report {
    let mut float = import::read(file).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    assert!(calibrate::is_float(&float), "{name}");
    let all = inputs(&float, count);
    let converted = calibrate::convert(file, &all).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    println!("{name}\n{}", converted.report);
    calibrate::without_softmax(&mut float);
    fold::fold(&mut float).unwrap();
    let again = calibrate::calibrate(&float, &all).unwrap().graph;
    let read = package::prepare(&converted.onnx).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    for i in 0..all.shape[0].min(8) {
        let x = [samples::sample(&all, i)];
        let (made, written) = (reference::outputs(&again, &x).unwrap(), reference::outputs(&read.graph, &x).unwrap());
        for (made, written) in made.iter().zip(&written) {
            assert_eq!(made.data, written.data, "{name}, input {i}: the file computes something else");
        }
    }
    converted.report
}

#[test]
fn made_networks_keep_their_classes() {
    if !rownet_convert::referee::has("onnx, onnxruntime") {
        return println!("skipped: no Python with onnx and onnxruntime; set CXR_PYTHON");
    }
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/make_onnx.py");
    let names = ["resnet8", "excite", "vectors"];
    let done = Command::new(rownet_convert::referee::python()).arg(script).arg(folder.path()).args(names).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for name in names {
        let file = std::fs::read(folder.path().join(format!("{name}_float.onnx"))).unwrap();
        let report = check(name, &file, 60);
        assert!(report.outputs_sqnr_db > 20.0, "{name}: {} dB", report.outputs_sqnr_db);
    }
}

#[test]
fn public_float_networks_are_quantised() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/networks"));
    if !folder.exists() {
        return println!("skipped: {} is not there", folder.display());
    }
    let file = std::fs::read(folder.join("resnet8_float.tflite")).unwrap();
    let report = check("resnet8_float", &file, 40);
    assert!(report.outputs_sqnr_db > 15.0, "{} dB", report.outputs_sqnr_db);
}
