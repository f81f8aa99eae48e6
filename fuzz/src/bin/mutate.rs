//! The fuzz targets on a stable compiler: `mutate TARGET SECONDS [SEED]` changes the seeds at random, without guidance, with
//! overflow checks and debug assertions on. A panic prints the input's number, which is a function of SEED.

use cxr_fuzz::seeds::Random;
use cxr_fuzz::{TARGETS, Target};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let Some(Target { run, seeds, .. }) = TARGETS.iter().find(|target| words.first() == Some(&target.name)) else {
        eprintln!("usage: mutate {} SECONDS [SEED]", TARGETS.map(|target| target.name).join("|"));
        return ExitCode::from(2);
    };
    let seeds = seeds();
    let number = |i: usize, default: u64| words.get(i).and_then(|word| word.parse().ok()).unwrap_or(default);
    let (time, seed) = (Duration::from_secs(number(1, 10)), number(2, 1));
    let (start, mut runs) = (Instant::now(), 0u64);
    seeds.iter().for_each(|input| run(input));
    while start.elapsed() < time {
        for _ in 0..64 {
            let mut r = Random((seed << 40 ^ runs).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let mut input = seeds[r.below(seeds.len())].clone();
            for _ in 0..1 + r.below(6) {
                change(&mut r, &mut input, &seeds);
            }
            let number = runs;
            let report = std::panic::catch_unwind(|| run(&input));
            if report.is_err() {
                eprintln!("error: input {number} of seed {seed} panics");
                return ExitCode::FAILURE;
            }
            runs += 1;
        }
    }
    println!("{}: {runs} inputs in {} s, no panic", words[0], time.as_secs());
    ExitCode::SUCCESS
}

/// One mutation: a byte, a bit, a number, a cut, an insertion, or the tail of another seed.
fn change(r: &mut Random, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = r.below(input.len());
    // Headers and layer records matter most.
    let at = if r.below(2) == 0 { at.min(r.below(300)) } else { at };
    let Some(byte) = input.get_mut(at) else { return };
    match r.below(7) {
        0 => *byte = r.bits() as u8,
        1 => *byte ^= 1 << r.below(8),
        2 => *byte = [0, 1, 0x7F, 0x80, 0xFF][r.below(5)],
        3 => *byte = byte.wrapping_add(r.below(3) as u8).wrapping_sub(1),
        4 => input.truncate(at),
        5 => input.insert(at, r.bits() as u8),
        _ => {
            let other = &seeds[r.below(seeds.len())];
            let tail = other.get(at..).unwrap_or_default().to_vec();
            input.truncate(at);
            input.extend(tail);
        }
    }
}
