//! `host predict` on folders, lists, standard input and shares of them, with the shipped model.

use cxr_tests::host::{Run, binary, run, run_with};
use cxr_tests::{data, root};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::{TempDir, tempdir};

/// Two series whose images have one name, a UID each, a broken image, notes, and a folder below.
fn tree() -> TempDir {
    let folder = tempdir().expect("a temporary folder");
    let images = ["a/IM000001", "b/IM000001", "b/1.2.840.1", "b/1.2.840.2", "b/below/x.png", "c.png"];
    for (seed, name) in images.iter().enumerate() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a temporary folder");
        data::write_image(&path, seed as u32 + 1);
    }
    fs::write(folder.path().join("b/notes.txt"), "seen by nobody").expect("a temporary file");
    folder
}

fn predict(folder: &Path, arguments: &[&str]) -> Run {
    run(folder, ["predict"].iter().chain(arguments))
}

fn images(run: &Run) -> Vec<String> {
    run.json_lines().iter().map(|line| line["image"].as_str().expect("a path").to_owned()).collect()
}

#[test]
fn folders_are_taken_in_the_order_of_their_paths() {
    let folder = tree();
    let flat = predict(folder.path(), &["--json", "b"]).success();
    assert_eq!(images(&flat), ["b/1.2.840.1", "b/1.2.840.2", "b/IM000001"]);
    assert!(flat.stderr.contains("passed over: 1 files") && flat.stderr.contains("notes.txt"), "{}", flat.stderr);
    let all = predict(folder.path(), &["--json", "--recursive", "."]).success();
    let expected =
        ["./a/IM000001", "./b/1.2.840.1", "./b/1.2.840.2", "./b/IM000001", "./b/below/x.png", "./c.png"].map(str::to_owned);
    assert_eq!(images(&all), expected);
    // Standard error is no terminal here: no bar.
    assert!(!all.stderr.contains('[') && !all.stderr.contains('\u{1b}'), "{}", all.stderr);
    fs::create_dir_all(folder.path().join("empty/below")).expect("a temporary folder");
    predict(folder.path(), &["empty"]).error(2, &["empty: a folder without files", "--recursive"]);
    fs::write(folder.path().join("empty/readme.md"), "text").expect("a temporary file");
    predict(folder.path(), &["empty"]).error(2, &["no image in this folder"]);
}

#[test]
fn lists_and_standard_input_give_the_numbers_of_files() {
    let folder = tree();
    let path = folder.path();
    let expected = predict(path, &["--json", "c.png", "a/IM000001"]).success().json_lines();
    fs::write(path.join("list.txt"), "c.png\r\n\r\na/IM000001\r\n").expect("a temporary file");
    let listed = predict(path, &["--json", "@list.txt"]).success().json_lines();
    let piped = run_with(path, ["predict", "--json", "@-"], b"c.png\0a/IM000001\0").success().json_lines();
    let image = fs::read(path.join("c.png")).expect("an image");
    let stdin = run_with(path, ["predict", "--json", "-"], &image).success().json_lines();
    assert_eq!((listed.len(), piped.len(), stdin.len()), (2, 2, 1));
    for ((expected, listed), piped) in expected.iter().zip(&listed).zip(&piped) {
        for field in ["image", "sha256", "logits", "warnings"] {
            assert_eq!((&listed[field], &piped[field]), (&expected[field], &expected[field]), "{field}");
        }
    }
    assert_eq!(
        (&stdin[0]["image"], &stdin[0]["sha256"], &stdin[0]["logits"]),
        (&"-".into(), &expected[0]["sha256"], &expected[0]["logits"])
    );
    run_with(path, ["predict", "-"], b"").error(2, &["-: empty file"]);
    run_with(path, ["predict", "-", "@-"], b"").error(2, &["standard input was named twice"]);
    predict(path, &["@absent"]).error(2, &["@absent"]);
}

#[test]
fn a_bad_file_costs_itself_alone() {
    let folder = tree();
    let path = folder.path();
    fs::write(path.join("b/bad.png"), "Dear Sir or Madam").expect("a temporary file");
    let found = predict(path, &["--json", "--csv", "table.csv", "b", "absent.png", "c.png"]);
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    assert_eq!(images(&found), ["b/1.2.840.1", "b/1.2.840.2", "b/IM000001", "c.png"]);
    for told in ["error: b/bad.png: not an image", "error: absent.png: cannot be opened", "2 of 6 images could not be classified"]
    {
        assert!(found.stderr.contains(told), "{told} is not in: {}", found.stderr);
    }
    let table = fs::read_to_string(path.join("table.csv")).expect("a table");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 7, "{table}");
    assert!(rows[0].starts_with("image,sha256,label,abstained,reason,refusal_score,p(Normal/NA)"), "{}", rows[0]);
    let names: Vec<&str> = rows[1..].iter().filter_map(|row| row.split(',').next()).collect();
    assert_eq!(names, ["b/1.2.840.1", "b/1.2.840.2", "b/IM000001", "b/bad.png", "absent.png", "c.png"]);
    assert!(rows[4].contains("not an image") && !rows[1].contains("error"), "{table}");
    // Nothing but failures.
    predict(path, &["absent.png", "b/bad.png"]).error_lines(2, &["absent.png", "bad.png", "2 of 2"]);
    predict(path, &["--csv", "/nowhere/t.csv", "c.png"]).error(2, &["/nowhere/t.csv"]);
    predict(path, &[]).error(2, &["no image was given"]);
}

#[test]
fn threads_change_nothing_but_the_time() {
    let folder = tree();
    let lines = |jobs: &str| {
        let run = predict(folder.path(), &["--json", "--recursive", "--jobs", jobs, ".", "c.png", "a"]).success();
        let strip = |mut line: Value| {
            line["milliseconds"].take();
            line
        };
        run.json_lines().into_iter().map(strip).collect::<Vec<_>>()
    };
    let alone = lines("1");
    assert_eq!(alone.len(), 8);
    assert_eq!(alone, lines("5"));
    assert_eq!(predict(folder.path(), &["--jobs", "0", "c.png"]).code, Some(2));
}

#[test]
fn shares_part_the_images_and_no_two_images_share_a_heatmap() {
    let folder = tree();
    let path = folder.path();
    let (mut seen, mut heatmaps) = (Vec::new(), BTreeSet::new());
    for shard in ["1/3", "2/3", "3/3"] {
        let run = predict(path, &["--json", "--recursive", "--heatmap", "maps", "--shard", shard, "a", "b", "c.png"]).success();
        for line in run.json_lines() {
            seen.push(line["image"].as_str().expect("a path").to_owned());
            let heatmap = line["heatmap"].as_str().expect("a path").to_owned();
            assert!(image::open(path.join(&heatmap)).is_ok(), "{heatmap}");
            assert!(heatmaps.insert(heatmap.clone()), "{heatmap} is of two images");
        }
    }
    seen.sort();
    assert_eq!(seen, ["a/IM000001", "b/1.2.840.1", "b/1.2.840.2", "b/IM000001", "b/below/x.png", "c.png"]);
    // One after the other and from elsewhere is as good as together.
    let alone = predict(&path.join("a"), &["--json", "--heatmap", "../maps", "IM000001"]).success().json_lines();
    let again = predict(path, &["--json", "--heatmap", "maps", "a/IM000001"]).success().json_lines();
    let name = |line: &Value| Path::new(line["heatmap"].as_str().expect("a path")).file_name().map(ToOwned::to_owned);
    assert_eq!(name(&alone[0]), name(&again[0]));
    assert_eq!(fs::read_dir(path.join("maps")).expect("a folder").count(), 6);
    assert!(predict(path, &["--shard", "9/9", "a", "b", "c.png"]).success().stdout.is_empty());
    assert_eq!(predict(path, &["--shard", "4/3", "c.png"]).code, Some(2));
}

#[test]
fn lines_come_one_by_one_and_a_reader_that_leaves_is_no_error() {
    let folder = tree();
    let path = folder.path();
    let list: String = std::iter::repeat_n("a/IM000001\n", 3000).collect();
    fs::write(path.join("list.txt"), list).expect("a temporary file");
    let start = |out: &str| {
        let mut command = Command::new(binary());
        command.current_dir(path).args(["predict", "--json", "--csv", out, "@list.txt"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("host")
    };
    // Killed after its first line: what is in the table is whole.
    let mut child = start("killed.csv");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    assert!(lines.next().expect("a line").expect("a line").ends_with('}'));
    child.kill().expect("it runs");
    child.wait().expect("a status");
    let table = fs::read_to_string(path.join("killed.csv")).expect("a table");
    assert!(table.ends_with('\n') && (2..3001).contains(&table.lines().count()), "{} lines", table.lines().count());
    // Commas between quotes part no columns.
    let columns = |line: &str| line.split('"').step_by(2).map(|open| open.matches(',').count()).sum::<usize>();
    let header = table.lines().next().map(columns);
    assert!(table.lines().all(|line| Some(columns(line)) == header && line.matches('"').count() % 2 == 0), "a line is cut");
    // `| head -1`.
    let mut child = start("left.csv");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    let output = child.wait_with_output().expect("a status");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn what_is_known_of_hospitals_never_seen_is_said_beside_the_model() {
    let folder = tree();
    let path = folder.path();
    let model = path.join("m.cxr");
    fs::copy(root().join("models/default.cxr"), &model).expect("a temporary file");
    let said = || predict(path, &["--model", "m.cxr", "c.png"]).success().stdout;
    assert!(
        said().contains("Figures on sources that it was trained on say nothing of a hospital that it has never seen"),
        "{}",
        said()
    );
    let sha256 = cxr_tests::sha256(&fs::read(&model).expect("a model"));
    let rate = serde_json::json!({ "hits": 425, "n": 513 });
    let report = serde_json::json!({ "model_sha256": sha256, "unseen": { "pk_mendeley": { "healthy_called_covid": rate } } });
    fs::write(path.join("m.report.json"), report.to_string()).expect("a temporary file");
    assert!(said().contains("Of 513 X-rays of healthy adults of a hospital never seen, 425 (83 %) were called COVID-19."));
}
