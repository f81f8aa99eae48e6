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
    for name in ["ad01", "kws", "mcunet_vww1", "person_detect", "resnet8", "vww_96"] {
        let path = folder.join(format!("{name}_int8.tflite"));
        let graph = import::read(&std::fs::read(&path).unwrap()).unwrap();
        let inputs = samples::generated(graph.value(graph.inputs[0]), 100, 20);
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
