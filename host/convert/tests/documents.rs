//! Pages that are made from the code, and figures in pages, are those of the code.

mod common;

use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// A page is what `text` is; with `CXR_WRITE_DOCS` it is written.
fn is_current(page: &str, text: &str) {
    let path = Path::new(ROOT).join(page);
    if std::env::var_os("CXR_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "{page} is not what the code says; run this test with CXR_WRITE_DOCS=1");
}

#[test]
fn operators_are_those_that_are_read() {
    is_current("docs/operators.md", &rownet_convert::document::operators());
}

#[test]
fn arenas_of_public_networks_are_those_of_the_page() {
    let folder = Path::new(ROOT).join("../shared/networks");
    if !folder.exists() {
        return println!("skipped: {} is not there", folder.display());
    }
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/networks.md")).unwrap();
    for line in page.lines().filter(|line| line.contains("_int8.tflite |")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let file = std::fs::read(folder.join(cells[1])).unwrap();
        let prepared = rownet_convert::package::prepare(&file).unwrap();
        let plan = rownet_convert::plan::plan(&prepared.graph, &prepared.lowered).unwrap();
        let count = |cell: &str| cell.replace(',', "").parse::<u64>().unwrap();
        let say = format!("{}: docs/networks.md; make its table again", cells[1]);
        // The engine may have got better since.
        assert!(plan.bytes as u64 <= count(cells[2]), "{say}: {} bytes", plan.bytes);
        assert_eq!(plan.macs, count(cells[4]), "{say}");
    }
}

/// A small file for tests that have no writer.
#[test]
fn the_fixture_is_what_the_writer_writes() {
    let file = common::tflite::write(&common::random::graph(42, 8));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/small.tflite");
    if std::env::var_os("CXR_WRITE_DOCS").is_some() {
        std::fs::write(&path, &file).unwrap();
    }
    assert!(std::fs::read(&path).unwrap() == file, "run this test with CXR_WRITE_DOCS=1");
}
