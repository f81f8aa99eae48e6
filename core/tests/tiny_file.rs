//! `tests/tiny/tiny.cxr`, the model of the examples in the documentation, is what `tests/tiny/mod.rs` makes.

mod tiny;

#[test]
fn the_committed_file_is_current() {
    let (path, wanted) = (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tiny/tiny.cxr"), tiny::model(16, 16, 3));
    if std::env::var_os("CXR_WRITE").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    assert!(
        std::fs::read(path).unwrap_or_default() == wanted,
        "CXR_WRITE=1 cargo test -p cxr-core --test tiny_file writes {path}"
    );
}
