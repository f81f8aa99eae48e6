//! Mutates the fixtures of every format and decodes what comes of them: no panic, nothing slow. Seeds are the fixtures and what
//! is named. `cargo xtask fuzz` runs it.
//!
//! usage: fuzz_decode SECONDS SEED [FILE...]

use anyhow::{Context, Result, ensure};
use cxr_app::decode::Image;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [seconds, seed, files @ ..] = &arguments[..] else { anyhow::bail!("give SECONDS SEED [FILE...]") };
    let (seconds, mut state) = (seconds.parse().context("SECONDS")?, seed.parse::<u64>().context("SEED")?.max(1));
    let mut paths: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    for kind in ["dicom", "pictures"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(kind))? {
            paths.push(entry?.path());
        }
    }
    paths.retain(|path| path.is_file());
    paths.sort();
    let seeds = paths.iter().map(std::fs::read).collect::<std::io::Result<Vec<_>>>()?;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below.max(1)
    };
    // Decoders' own assertions are caught within; their messages would fill the screen.
    std::panic::set_hook(Box::new(|_| {}));
    let (begun, mut count, mut decoded, mut slowest) = (Instant::now(), 0u64, 0u64, Duration::ZERO);
    while begun.elapsed() < Duration::from_secs(seconds) {
        let mut bytes = seeds[next(seeds.len())].clone();
        for _ in 0..=next(6) {
            let at = if next(2) == 0 { next(bytes.len()) } else { bytes.len().saturating_sub(1 + next(bytes.len() / 2)) };
            let Some(byte) = bytes.get_mut(at) else { continue };
            match next(5) {
                0 => *byte ^= 1 << next(8),
                1 => *byte = next(256) as u8,
                2 => *byte = [0, 255, 127, 128][next(4)],
                3 => drop(bytes.drain(at..(at + next(16)).min(bytes.len()))),
                _ => {
                    let start = next(bytes.len());
                    let copied = bytes[start..(start + next(16)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copied);
                }
            }
        }
        let one = Instant::now();
        let decode = || Image::decode_within(&bytes, "x", 64 << 20).and_then(|image| image.gray(256, 256)).is_ok();
        let Ok(sound) = catch_unwind(decode) else {
            std::fs::write("fuzz_decode.panic", &bytes)?;
            anyhow::bail!("a panic: see fuzz_decode.panic");
        };
        (count, decoded, slowest) = (count + 1, decoded + u64::from(sound), slowest.max(one.elapsed()));
    }
    println!("{count} files, {decoded} decoded, slowest {slowest:?}");
    ensure!(slowest < Duration::from_secs(5), "slower than 5 s");
    Ok(())
}
