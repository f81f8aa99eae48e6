//! The interpreter and the engine against onnxruntime, every byte of every value: networks of onnxruntime's quantize_static.

use rownet_convert::reference::Data;
use rownet_convert::{execute, import, package, referee, reference, samples, verify};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Networks that scripts/make_onnx.py writes; none without a Python that has onnxruntime.
fn made(names: &[&str]) -> Option<(tempfile::TempDir, Vec<PathBuf>)> {
    if !referee::has("onnx, onnxruntime") {
        println!("skipped: no Python with onnx and onnxruntime; set CXR_PYTHON");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/make_onnx.py");
    let done = Command::new(referee::python()).arg(script).arg(folder.path()).args(names).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    Some((folder, files))
}

fn is_quantized(path: &Path) -> bool {
    !path.to_string_lossy().contains("_float")
}

#[test]
fn every_value_of_quantized_networks_is_onnxruntimes() {
    let Some((_folder, files)) = made(&[]) else { return };
    for path in files.iter().filter(|path| is_quantized(path)) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = std::fs::read(path).unwrap();
        let (graph, layout) = (import::read(&file).unwrap(), import::onnx::layout(&file).unwrap());
        let inputs = samples::generated(graph.value(graph.inputs[0]), 12, 20);
        let taps: Vec<referee::Tap> =
            layout.values.iter().map(|v| referee::Tap { name: v.name.clone(), axes: v.axes.clone() }).collect();
        let answers = referee::onnxruntime(path, &inputs, &layout.input, &taps).unwrap();
        let (mut compared, mut plain) = (0usize, 0usize);
        for i in 0..inputs.shape[0] {
            let tensors = reference::run(&graph, &[samples::sample(&inputs, i)]).unwrap();
            for (number, value) in layout.values.iter().enumerate() {
                let Data::I8(bytes) = &tensors[value.id.0].as_ref().unwrap().data else { continue };
                let bytes = match value.unsigned {
                    true => Data::U8(bytes.iter().map(|&q| q.cast_unsigned() ^ 0x80).collect()),
                    false => Data::I8(bytes.clone()),
                };
                assert_eq!(bytes, samples::sample(&answers.integer[number], i).data, "{name}, input {i}, {}", value.name);
                compared += bytes.len();
                let other = samples::sample(&answers.plain[number], i).data;
                plain += match (&bytes, &other) {
                    (Data::U8(a), Data::U8(b)) => a.iter().zip(b).filter(|(a, b)| a != b).count(),
                    (Data::I8(a), Data::I8(b)) => a.iter().zip(b).filter(|(a, b)| a != b).count(),
                    _ => panic!("{name}: {} has another type", value.name),
                };
            }
        }
        println!("{name}: {} inputs, {} values, {compared} bytes, 0 differ; {plain} from the file as it is", inputs.shape[0], taps.len());
        assert!(plain * 1000 < compared, "{name}: {plain} of {compared}");
    }
}

#[test]
fn the_engine_gives_onnxruntimes_outputs() {
    let Some((_folder, files)) = made(&["resnet8", "excite", "vectors"]) else { return };
    for path in files.iter().filter(|path| is_quantized(path)) {
        let package = package::import(&std::fs::read(path).unwrap(), "made", "", "").unwrap();
        let network = execute::Network::parse(&package.file).unwrap();
        let report = verify::verify("made", &network, path, None).unwrap();
        let sum = |counts: &[verify::Count]| counts.iter().map(|c| (c.compared, c.differing)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        println!("{}: {:?} bytes of arena, values {:?}, outputs {:?}, as it is {:?}", path.display(), package.plan.bytes, sum(&report.values), sum(&report.outputs), sum(&report.as_it_is));
        assert_eq!(report.first_difference, None, "{}", path.display());
        assert_eq!(report.referee.as_deref(), Some("onnxruntime"), "{:?}", report.referee_missing);
    }
}
