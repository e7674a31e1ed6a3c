//! Decoding and stretching, timed for `benches/images.py`, which asks for one measurement a line:
//!
//! `time SIZE THREADS` answers `{"seconds": .., "images": .., "peak_kib": ..}`, `stages SIZE` the
//! milliseconds an image that decoding and stretching take on one thread, and `pixels SIZE FILE`
//! writes the stretched pixels of all images, one after the other. The argument is a file with one
//! path a line.

#![allow(clippy::print_stdout, reason = "its answers go there")]

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use miss_data::image::{decode_rgb, stretch};
use rayon::prelude::*;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let list = std::env::args().nth(1).ok_or("name a list of files")?;
    let list = std::fs::read_to_string(list)?;
    let paths: Vec<PathBuf> = list.lines().map(PathBuf::from).collect();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["time", size, threads] => time(&paths, size.parse()?, threads.parse()?)?,
            ["stages", size] => stages(&paths, size.parse()?)?,
            ["pixels", size, file] => {
                let mut file = io::BufWriter::new(File::create(file)?);
                for path in &paths {
                    let size = size.parse()?;
                    file.write_all(&stretch(&decode_rgb(path)?, size, size))?;
                }
                json!({})
            }
            _ => return Err(format!("what is {line:?}?").into()),
        };
        println!("{answer}");
    }
    Ok(())
}

fn time(paths: &[PathBuf], size: u32, threads: usize) -> Result<serde_json::Value, Box<dyn Error>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?;
    let start = Instant::now();
    let bytes = pool.install(|| {
        paths
            .par_iter()
            .with_max_len(1)
            .map(|path| Ok(stretch(&decode_rgb(path)?, size, size).len()))
            .sum::<Result<usize, miss_data::ImageError>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let images = bytes / (size * size * 3) as usize;
    Ok(json!({ "seconds": seconds, "images": images, "peak_kib": peak_kib() }))
}

fn stages(paths: &[PathBuf], size: u32) -> Result<serde_json::Value, Box<dyn Error>> {
    let [mut decoding, mut stretching] = [0.0; 2];
    for path in paths {
        let start = Instant::now();
        let image = decode_rgb(path)?;
        let decoded = Instant::now();
        std::hint::black_box(stretch(&image, size, size));
        decoding += (decoded - start).as_secs_f64();
        stretching += decoded.elapsed().as_secs_f64();
    }
    let each = |seconds: f64| seconds * 1e3 / paths.len() as f64;
    Ok(json!({ "decode_ms": each(decoding), "stretch_ms": each(stretching) }))
}

/// The peak of resident memory so far, where the system tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
