//! Training on a folder of 20,000 JPEG files: what each epoch takes, and how much memory.
//!
//! `cargo bench --bench folder` makes the files (of garments among clutter, tinted, 128×160 pixels) in a folder that is
//! removed at the end; `cargo bench --bench folder -- 2000 64` makes 2000, and keeps no more than 64 MiB of them decoded.
//! For the share of the processor's time in each function:
//! `CARGO_PROFILE_BENCH_DEBUG=1 cargo bench --bench folder --no-run`, then `perf record -e cpu-clock` of what that built.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use image::RgbImage;
use nn::data::{Augmentation, Crop, Dataset, FolderSettings, ImageFolder, Loader, Scatter, Unreadable, fashion_mnist};
use nn::layers::{BatchNorm, Conv2d, GlobalAvgPool, Linear, MaxPool, Relu};
use nn::optim::Sgd;
use nn::train::train_step;
use nn::{Model, ModelInfo};
use rayon::prelude::*;

const SHAPE: [usize; 3] = [64, 64, 3];
const CANVAS: [usize; 2] = [128, 160];
const EPOCHS: u64 = 3;
const BATCH: usize = 64;

/// Writes `count` pictures, a folder a class.
fn write(folder: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let garments = fashion_mnist::train();
    for name in garments.class_names() {
        fs::create_dir(folder.join(name.replace('/', "-")))?;
    }
    for first in (0..count).step_by(1000) {
        let places: Vec<usize> = (first..count.min(first + 1000)).map(|place| place % garments.len()).collect();
        let scatter = Scatter { canvas: CANVAS, patches: 60, seed: first as u64, ..Scatter::default() };
        let canvases = scatter.scatter(&garments.subset(&places))?.images;
        (0..canvases.len()).into_par_iter().try_for_each(|index| {
            // A colour for each picture, whatever its class.
            let tint = [0, 1, 2].map(|k| 128 + ((first + index) * [37, 59, 83][k] % 128) as u32);
            let pixels = canvases.image(index).iter();
            let tinted = pixels.flat_map(|&v| tint.map(|tint| (u32::from(v) * tint / 255 + (255 - tint) / 4) as u8));
            let picture = RgbImage::from_raw(CANVAS[1] as u32, CANVAS[0] as u32, tinted.collect()).expect("its size");
            let class = canvases.class_names()[canvases.labels()[index]].replace('/', "-");
            picture.save(folder.join(class).join(format!("{:05}.jpg", first + index)))
        })?;
    }
    Ok(())
}

/// The most memory that the process has held so far, in MiB, where the system tells (Linux).
fn peak_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? / 1024)
}

fn report(what: &str, start: Instant) {
    let memory = peak_memory().map_or(String::new(), |peak| format!(", at most {peak} MiB so far"));
    println!("{what}: {:.1} s{memory}", start.elapsed().as_secs_f64());
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let (count, memory) = (numbers.next().unwrap_or(20_000), numbers.next().unwrap_or(256));
    let folder = tempfile::tempdir()?;
    let start = Instant::now();
    write(folder.path(), count)?;
    report(&format!("{count} files written"), start);

    let start = Instant::now();
    let settings =
        FolderSettings { shape: SHAPE, crop: Crop::Largest, unreadable: Unreadable::Refuse, memory: memory << 20 };
    let pictures = ImageFolder::open(folder.path(), settings, |_, _| ())?;
    let normalization = pictures.statistics()?;
    report(&format!("opened, {} kept in {memory} MiB", pictures.kept()), start);

    let mut builder = Model::builder(SHAPE);
    for (number, channels) in (1..).zip([32, 32, 64, 64]) {
        builder = builder
            .layer(format!("conv{number}"), Conv2d::new(channels, 3).without_bias())
            .layer(format!("bn{number}"), BatchNorm::new())
            .layer(format!("relu{number}"), Relu);
        if number < 4 {
            builder = builder.layer(format!("pool{number}"), MaxPool::new(2));
        }
    }
    let info = ModelInfo { normalization: Some(normalization.clone()), ..ModelInfo::default() };
    let mut model = builder.layer("gap", GlobalAvgPool).layer("fc", Linear::new(10)).info(info).build(1)?;
    let mut optimizer = Sgd::new(0.05, 0.9);
    let augmentation = Augmentation { flip: true, shift: 4, brightness: 0.2, ..Augmentation::default() };
    let loader = Loader::new(&pictures, &normalization, BATCH).shuffled(1).augmented(&augmentation, 1)?;
    for epoch in 0..EPOCHS {
        let start = Instant::now();
        let loss = loader.epoch(epoch, 0, |batches| {
            let mut loss = 0.0;
            for batch in batches {
                let batch = batch?;
                let of_step = train_step(&mut model, &mut optimizer, batch.images.clone(), batch.labels(), 0.0, epoch)?;
                loss += f64::from(of_step);
            }
            Ok::<f64, Box<dyn Error>>(loss)
        })?;
        report(&format!("epoch {}, mean loss {:.3}", epoch + 1, loss / loader.batches() as f64), start);
    }
    Ok(())
}
