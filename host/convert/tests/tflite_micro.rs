//! The interpreter against TFLite Micro: every byte of every value.

use rownet_convert::{import, referee, reference, samples};
use std::path::Path;

#[test]
fn public_networks_compute_what_tflite_micro_computes() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/networks"));
    if !folder.exists() {
        return println!("skipped: {} is not there", folder.display());
    }
    if !referee::has("tflite_micro") {
        return println!("skipped: no Python with tflite-micro; set CXR_PYTHON");
    }
    // The autoencoder is small: more inputs reach multipliers that differ in their last bits.
    for (name, random) in
        [("ad01", 4000), ("kws", 100), ("mcunet_vww1", 100), ("person_detect", 100), ("resnet8", 100), ("vww_96", 100)]
    {
        let path = folder.join(format!("{name}_int8.tflite"));
        let graph = import::read(&std::fs::read(&path).unwrap()).unwrap();
        let inputs = samples::generated(graph.value(graph.inputs[0]), random, 20);
        let answers = referee::tflite_micro(&path, &inputs, true).unwrap();
        let mut compared = 0u64;
        for i in 0..inputs.shape[0] {
            let tensors = reference::run(&graph, &[samples::sample(&inputs, i)]).unwrap();
            for (name, expected) in &answers.values {
                let index = graph.values.iter().position(|value| value.name == *name).unwrap();
                let (got, expected) = (tensors[index].as_ref().unwrap(), samples::sample(expected, i));
                assert_eq!(got.data, expected.data, "input {i}, value {name}");
                compared += got.data.len() as u64;
            }
        }
        println!("{name}: {} inputs, {} values, {compared} elements, 0 differ", inputs.shape[0], answers.values.len());
    }
}

#[test]
fn folds_change_no_byte_of_public_networks() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/networks"));
    if !folder.exists() {
        return println!("skipped: {} is not there", folder.display());
    }
    let left = [("ad01", 10), ("kws", 12), ("mcunet_vww1", 58), ("person_detect", 30), ("resnet8", 15), ("vww_96", 30)];
    for (name, nodes) in left {
        let graph = import::read(&std::fs::read(folder.join(format!("{name}_int8.tflite"))).unwrap()).unwrap();
        let mut folded = graph.clone();
        rownet_convert::fold::fold(&mut folded).unwrap();
        println!("{name}: {:?}", folded.nodes.iter().map(|n| n.op.name()).collect::<Vec<_>>());
        let inputs = samples::generated(graph.value(graph.inputs[0]), 4, 11);
        for i in 0..inputs.shape[0] {
            let x = [samples::sample(&inputs, i)];
            let (before, after) = (reference::outputs(&graph, &x).unwrap(), reference::outputs(&folded, &x).unwrap());
            assert_eq!(before[0].data, after[0].data, "{name}, input {i}");
        }
        assert_eq!((folded.nodes.len(), folded.macs()), (nodes, graph.macs()), "{name}");
    }
}

#[test]
fn the_engine_gives_the_bytes_of_public_networks() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/networks"));
    if !folder.exists() {
        return println!("skipped: {} is not there", folder.display());
    }
    // Bytes of arena that are wanted at most.
    for (name, most) in [
        ("ad01", 800),
        ("kws", 3_700),
        ("mcunet_vww1", 13_200),
        ("person_detect", 12_000),
        ("resnet8", 10_800),
        ("vww_96", 12_500),
    ] {
        let path = folder.join(format!("{name}_int8.tflite"));
        let package = rownet_convert::package::import(&std::fs::read(&path).unwrap(), name, "", "", None).unwrap();
        let network = rownet_convert::execute::Network::parse(&package.file).unwrap();
        let report = rownet_convert::verify::verify(name, &network, &path, None).unwrap();
        println!("{name}: {} bytes of arena, {} differ, {:?}", package.plan.bytes, report.differing, report.referee);
        assert_eq!(report.first_difference, None, "{name}");
        assert!(package.plan.bytes <= most, "{name}: {} bytes", package.plan.bytes);
        assert_eq!(network.model.arena_bytes(), package.plan.bytes);
    }
}
