//! Pages that are made from the code, and figures in pages, are those of the code.

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
        assert_eq!(
            (count(cells[2]), count(cells[4])),
            (plan.bytes as u64, plan.macs),
            "{}: docs/networks.md; make its table again",
            cells[1]
        );
    }
}
