//! examples/kubernetes-job.yaml, pod by pod, on this machine.

use cxr_tests::host::{binary, run};
use cxr_tests::{data, root};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::tempdir;

/// The words of the list behind `key: ` in the example.
fn list(key: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("examples/kubernetes-job.yaml")).expect("the example");
    let rest = text.split_once(&format!(" {key}: [")).unwrap_or_else(|| panic!("{key} is not in the example")).1;
    rest.split(']').next().expect("a list").split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect()
}

/// Starts the pod of that index, with its volumes below `folder`.
fn pod(folder: &Path, index: usize) -> Child {
    let words = list("args").into_iter().map(|word| {
        let word = word.replace("$(JOB_COMPLETION_INDEX)", &index.to_string());
        word.strip_prefix('/').map_or(word.clone(), |path| folder.join(path).display().to_string())
    });
    let mut command = Command::new(binary());
    command.current_dir(root());
    // The image's model is inside the program; here it lies in the source tree.
    command.args(words).env("JOB_COMPLETION_INDEX", index.to_string()).stdout(Stdio::null());
    command.spawn().expect("host starts")
}

/// The answers of a table, without their times.
fn answers(table: &Path) -> Vec<String> {
    let text = fs::read_to_string(table).expect("a table");
    assert!(text.ends_with('\n') && text.starts_with("image,sha256,label"), "{text}");
    let steady = |line: &str| {
        // Behind the time are model, its hash and an error, which no image here has.
        let [error, hash, model, _, rest] = line.rsplitn(5, ',').collect::<Vec<_>>().try_into().expect("columns");
        [rest, model, hash, error].join(",")
    };
    text.lines().skip(1).map(steady).collect()
}

#[test]
fn pods_part_the_archive_and_one_that_dies_is_made_good() {
    let folder = tempdir().expect("a temporary folder");
    let folder = folder.path();
    fs::create_dir_all(folder.join("results")).expect("a temporary folder");
    for n in 0..40 {
        let path = folder.join(format!("archive/{}/{n}.png", n % 3));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a temporary folder");
        data::write_image(&path, n + 1);
    }
    assert_eq!(list("command"), ["/host"]);
    // One pod is killed with part of its table written, and another takes its index.
    let mut killed = pod(folder, 3);
    let table = folder.join("results/share-3.csv");
    while !fs::read_to_string(&table).is_ok_and(|table| table.lines().count() > 1)
        && killed.try_wait().expect("a child").is_none()
    {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    killed.kill().and_then(|()| killed.wait()).expect("a child");
    let mut found = Vec::new();
    for indices in [[0, 1], [2, 3], [4, 5], [6, 7]] {
        // Two at a time, as two nodes run them.
        let pods = indices.map(|index| pod(folder, index));
        for (mut pod, index) in pods.into_iter().zip(indices) {
            assert!(pod.wait().expect("a child").success(), "pod {index}");
            let mut share = answers(&folder.join(format!("results/share-{index}.csv")));
            assert_eq!(share.len(), 5);
            found.append(&mut share);
        }
    }
    // What one process says of the whole archive, byte for byte.
    let [all, archive] = ["all.csv", "archive"].map(|name| folder.join(name).display().to_string());
    run(root(), ["predict", "--recursive", "--csv", &all, &archive]).success();
    let mut expected = answers(Path::new(&all));
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}
