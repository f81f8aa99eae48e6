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
    let listed = |folder: &Path| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut files = listed(folder.path());
    // Somebody's own, e.g. exported by PyTorch: NAME_float.onnx or quantised ones.
    if let (Some(more), true) = (std::env::var_os("CXR_ONNX_NETWORKS"), names.is_empty()) {
        files.extend(listed(Path::new(&more)).into_iter().filter(|path| path.extension().is_some_and(|e| e == "onnx")));
    }
    files.sort();
    Some((folder, files))
}

fn is_quantized(path: &Path) -> bool {
    !path.to_string_lossy().contains("_float")
}

#[test]
fn every_value_of_quantized_networks_is_onnxruntimes() {
    let Some((_folder, files)) = made(&[]) else { return };
    let mut failed = false;
    for path in files.iter().filter(|path| is_quantized(path)) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = std::fs::read(path).unwrap();
        let (graph, layout) = (import::read(&file).unwrap(), import::onnx::layout(&file).unwrap());
        let inputs = samples::generated(graph.value(graph.inputs[0]), 12, 20);
        let taps: Vec<referee::Tap> =
            layout.values.iter().map(|v| referee::Tap { name: v.name.clone(), axes: v.axes.clone() }).collect();
        let answers = referee::onnxruntime(path, &inputs, &layout.input, &taps).unwrap();
        let (mut compared, mut plain, mut wrong) = (0usize, 0usize, vec![0usize; layout.values.len()]);
        let differ = |a: &Data, b: &Data| match (a, b) {
            (Data::U8(a), Data::U8(b)) if a.len() == b.len() => a.iter().zip(b).filter(|(a, b)| a != b).count(),
            (Data::I8(a), Data::I8(b)) if a.len() == b.len() => a.iter().zip(b).filter(|(a, b)| a != b).count(),
            _ => panic!("{name}: a value has another type or length"),
        };
        for i in 0..inputs.shape[0] {
            let tensors = reference::run(&graph, &[samples::sample(&inputs, i)]).unwrap();
            for (number, value) in layout.values.iter().enumerate() {
                let Data::I8(bytes) = &tensors[value.id.0].as_ref().unwrap().data else { continue };
                let bytes = match value.unsigned {
                    true => Data::U8(bytes.iter().map(|&q| q.cast_unsigned() ^ 0x80).collect()),
                    false => Data::I8(bytes.clone()),
                };
                compared += bytes.len();
                wrong[number] += differ(&bytes, &samples::sample(&answers.integer[number], i).data);
                plain += differ(&bytes, &samples::sample(&answers.plain[number], i).data);
            }
        }
        println!(
            "{name}: {} inputs, {} values, {compared} bytes, {} differ; {plain} from the file as it is",
            inputs.shape[0],
            taps.len(),
            wrong.iter().sum::<usize>()
        );
        for (value, wrong) in layout.values.iter().zip(&wrong).filter(|(_, wrong)| **wrong > 0) {
            println!("  {wrong} of {}", value.name);
            failed = true;
        }
    }
    assert!(!failed);
}

#[test]
fn the_engine_gives_onnxruntimes_outputs() {
    let Some((_folder, files)) = made(&["resnet8", "excite", "vectors"]) else { return };
    for path in files.iter().filter(|path| is_quantized(path)) {
        let package = package::import(&std::fs::read(path).unwrap(), "made", "", "", None).unwrap();
        let network = execute::Network::parse(&package.file).unwrap();
        let report = verify::verify("made", &network, path, None).unwrap();
        let sum = |counts: &[verify::Count]| {
            counts.iter().map(|c| (c.compared, c.differing)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        println!(
            "{}: {:?} bytes of arena, values {:?}, outputs {:?}, as it is {:?}",
            path.display(),
            package.plan.bytes,
            sum(&report.values),
            sum(&report.outputs),
            sum(&report.as_it_is)
        );
        assert_eq!(report.first_difference, None, "{}", path.display());
        assert_eq!(report.referee.as_deref(), Some("onnxruntime"), "{:?}", report.referee_missing);
    }
}

/// Sums of floats differ in their order, not in what is summed.
#[test]
fn floats_are_nearly_onnxruntimes() {
    let Some((_folder, files)) = made(&[]) else { return };
    for path in files.iter().filter(|path| !is_quantized(path)) {
        let file = std::fs::read(path).unwrap();
        let (graph, layout) = (import::read(&file).unwrap(), import::onnx::layout(&file).unwrap());
        let mut folded = graph.clone();
        rownet_convert::fold::fold(&mut folded).unwrap();
        let inputs = samples::generated(graph.value(graph.inputs[0]), 3, 6);
        let tap = referee::Tap { name: graph.value(graph.outputs[0]).name.clone(), axes: layout.outputs[0].clone() };
        let answers = referee::onnxruntime(path, &inputs, &layout.input, &[tap]).unwrap();
        for i in 0..inputs.shape[0] {
            let x = [samples::sample(&inputs, i)];
            let Data::F32(expected) = samples::sample(&answers.plain[0], i).data else { panic!("floats") };
            let scale = expected.iter().fold(1e-3f32, |most, x| most.max(x.abs()));
            for graph in [&graph, &folded] {
                let Data::F32(made) = reference::outputs(graph, &x).unwrap().remove(0).data else { panic!("floats") };
                let apart = made.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart <= 1e-4 * scale, "{}, input {i}: {apart} of {scale}", path.display());
            }
        }
    }
}

/// What onnxruntime answered once, for machines without it: outputs of the fixtures on generated inputs.
#[test]
fn fixtures_give_what_onnxruntime_gave() {
    for name in ["excite_qdq_u8s8", "vectors_qop_s8s8"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.onnx"));
        let golden = path.with_extension("npy");
        let file = std::fs::read(&path).unwrap();
        let (graph, layout) = (import::read(&file).unwrap(), import::onnx::layout(&file).unwrap());
        let inputs = samples::generated(graph.value(graph.inputs[0]), 6, 10);
        if std::env::var_os("CXR_WRITE_DOCS").is_some() {
            let tap = referee::Tap { name: graph.value(graph.outputs[0]).name.clone(), axes: layout.outputs[0].clone() };
            let answers = referee::onnxruntime(&path, &inputs, &layout.input, &[tap]).unwrap();
            std::fs::write(&golden, rownet_convert::npy::write(&answers.integer[0]).unwrap()).unwrap();
        }
        let expected = rownet_convert::npy::read(&std::fs::read(&golden).unwrap()).unwrap();
        let package = package::import(&file, name, "", "", None).unwrap();
        let made = execute::Network::parse(&package.file).unwrap().run(&inputs).unwrap().remove(0);
        assert_eq!(made.data, expected.data, "{name}; run this test with CXR_WRITE_DOCS=1");
    }
}
