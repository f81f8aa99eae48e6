//! What decoders of pictures hold alive at once is no more than the limit under which they begin.
//!
//! For each fixture the smallest limit is found that is not refused; the bytes alive while it is decoded are counted by
//! the allocator. One test alone in this file: another thread would be counted too.

use cxr_app::decode::{Image, Kind, Refusal};
use peak_alloc::PeakAlloc;
use std::path::Path;

#[global_allocator]
static COUNTING: PeakAlloc = PeakAlloc;

/// What a decoder may ask for beyond what it took: dictionaries, profiles, progressive strips that this one has not.
const SLACK: u64 = 26 << 20;

fn is_too_large(bytes: &[u8], name: &str, limit: u64) -> bool {
    match Image::decode_within(bytes, name, limit) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.downcast_ref::<Refusal>().map(|refusal| refusal.kind), Some(Kind::TooLarge), "{error}");
            true
        }
    }
}

#[test]
fn no_decoder_takes_more_than_its_limit() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pictures/large");
    let mut wrong = Vec::new();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 25, "{} files", files.len());
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy();
        let bytes = std::fs::read(path).unwrap();
        let (mut refused, mut enough) = (0, 256 << 20);
        while enough - refused > 64 << 10 {
            let limit = u64::midpoint(refused, enough);
            if is_too_large(&bytes, &name, limit) { refused = limit } else { enough = limit }
        }
        let before = COUNTING.current_usage();
        COUNTING.reset_peak_usage();
        let image = Image::decode_within(&bytes, &name, enough).unwrap();
        let peak = (COUNTING.peak_usage() - before) as u64;
        println!("{name}: {} kB alive, {} kB asked for, {:?}", peak >> 10, enough >> 10, image.dimensions());
        // And no refusal allocates what it refuses.
        COUNTING.reset_peak_usage();
        assert!(is_too_large(&bytes, &name, refused), "{name}");
        let unread = (COUNTING.peak_usage() - before) as u64;
        drop(image);
        if peak > enough || enough > 2 * peak + SLACK || unread > peak / 2 + (4 << 20) {
            wrong.push(format!("{name}: {peak} alive, {enough} asked for, {unread} to refuse"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
