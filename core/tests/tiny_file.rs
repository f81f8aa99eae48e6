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

#[test]
fn files_of_another_version_are_refused() {
    use cxr_core::{error::Error, format::Model};
    let file = tiny::model(16, 16, 3);
    // The checksum does not cover the version.
    for version in [0, 3, 5] {
        let other = [&file[..4], &[version, 0], &file[6..]].concat();
        assert_eq!(Model::parse(&other).unwrap_err(), Error::UnsupportedVersion { found: version.into() });
    }
}
