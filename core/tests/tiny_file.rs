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
fn files_of_version_2_are_read_and_of_no_older_or_newer() {
    use cxr_core::{error::Error, format::Model, session::Session};
    let file = tiny::model(16, 16, 3);
    let verdict = |file: &[u8]| -> Result<_, Error> {
        let model = Model::parse(file)?;
        let mut arena = vec![0; model.arena_bytes()];
        let verdict = Session::new(&model, &mut arena)?.run(&[77; 16 * 16 * 3])?;
        Ok((verdict.logits().to_vec(), verdict.refusal_score()))
    };
    // Its head reads the last map, the only one that version 2 has. The checksum does not cover the version.
    let of = |version: u8| [&file[..4], &[version, 0], &file[6..]].concat();
    assert!(verdict(&file).unwrap().1.is_some());
    assert_eq!(verdict(&of(2)), verdict(&file));
    for version in [0, 1, 4] {
        assert_eq!(verdict(&of(version)), Err(Error::UnsupportedVersion { found: version.into() }));
    }
}
