//! The rate that a server can at best reach: decoding and classifying one JPEG on every core, without HTTP.
//!
//! usage: bare_rate JPEG SECONDS      (a generated 224 x 224 JPEG is written where there is none)

use anyhow::{Context, Result};
use cxr_app::decode::Image;
use cxr_app::model_file::ModelFile;
use cxr_app::predict::default_model;
use image::{GrayImage, ImageFormat, Luma};
use std::path::Path;
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("usage: bare_rate JPEG SECONDS")?;
    let seconds: f64 = arguments.next().context("usage: bare_rate JPEG SECONDS")?.parse()?;
    if !Path::new(&path).exists() {
        let level = |x: u32, y: u32| {
            (128.0 + 90.0 * (x as f64 / 17.0).sin() * (y as f64 / 23.0).cos()) as u8 ^ ((x * 7 + y * 13) % 5) as u8
        };
        GrayImage::from_fn(224, 224, |x, y| Luma([level(x, y)])).save_with_format(&path, ImageFormat::Jpeg)?;
    }
    let bytes = std::fs::read(&path)?;
    let file = ModelFile::read(&default_model()?)?;
    let threads = std::thread::available_parallelism()?.get();
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let work = || -> Result<u64> {
        let engine = file.engine()?;
        let [height, width, _] = engine.input();
        let mut count = 0;
        while Instant::now() < end {
            engine.classify(&Image::decode(&bytes, &path)?.gray(width, height)?)?;
            count += 1;
        }
        Ok(count)
    };
    let total: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum::<Result<u64>>()
    })?;
    println!("{:.1}", total as f64 / seconds);
    Ok(())
}
