//! `glassbox demo`: the whole pipeline, from images to scored explanations.

mod arguments;
mod run_file;
mod score;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use attribution::Pass;
use attribution::render::{Panel, save_png};
use image::GrayImage;
use ndarray::ArrayView3;
use nn::Model;
use nn::data::{LabelledImages, Scattered, fashion_mnist};
use nn::train::{Confusion, evaluate};
use tensor::simd::tier;

pub(crate) use arguments::DemoArgs;

use crate::program::commands::methods::{self, Chosen};
use crate::program::files::folder;
use crate::program::files::picture::Picture;
use crate::program::report::{self, Curve, Figure, Labelled, Page, Table, panel, sheet};
use crate::program::terminal::interrupt::{self, until_asked};
use crate::program::terminal::words::count;
use crate::program::terminal::{Failure, say};
use crate::program::training::config::Config;
use crate::program::training::data::{TrainingSet, first, scattered_test};
use crate::program::training::network;
use run_file::Run;
use score::{Score, measure, score};

/// Number of pictures in the summary.
const SUMMARY: usize = 6;

/// Trains, tests, explains, scores and draws.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let source = first(fashion_mnist::train(), args.images);
    let (training_images, data) = (source.len(), TrainingSet::Scattered { source, seed: args.seed });
    let test = scattered_test(args.test_images, args.seed)?;
    let images = data.epoch(0)?;
    // The other settings keep their defaults, which are those of this task.
    let mut config = Config::default();
    (config.training.epochs, config.training.seed) = (args.epochs, args.seed);
    let mut model = network::build(&config, &*images)?;
    folder::prepare(&args.out)?;
    report::refuse_another(&args.out, "demo")?;
    folder::prepare(&args.out.join("inputs"))?;
    interrupt::listen()?;

    let [height, width, _] = images.image_shape();
    drop(images);
    let (summary, threads) = (model.summary(), rayon::current_num_threads());
    say!("Glassbox {}, {}, {}", env!("CARGO_PKG_VERSION"), count(threads, "thread"), tier());
    say!(
        "Task     which garment is hidden among the clutter? {training_images} pictures of {height}×{width} for training,"
    );
    say!("         at new random positions in each epoch; {} for the test", test.images.len());
    let millions = summary.multiply_adds as f64 / 1e6;
    say!("Network  four convolutions, global average pooling, one fully connected layer:");
    say!("         {} parameters, {millions:.1} million multiply–adds per picture", summary.parameters);

    let began = Instant::now();
    let (ended, losses) = network::fit(&mut model, &config, &data)?;
    let seconds_training = began.elapsed().as_secs_f64();
    let (model_file, report_file) = (args.out.join("model.safetensors"), args.out.join("run.json"));
    // A report of an earlier run doesn't belong to this network.
    fs::remove_file(&report_file).ok();
    model.save(&model_file)?;
    ended.or_failure(&model_file)?;
    let evaluation = evaluate(&model, &test.images)?;
    say!("Trained  in {seconds_training:.1} s; test accuracy {:.3}\n", evaluation.score().value());

    let methods = methods::usual(&model)?;
    let Some(scores) = score(&model, &test, &methods)? else {
        return Err(format!("stopped; the network is trained and saved in {}", model_file.display()).into());
    };
    print_scores(&methods, &scores);
    let drawn = draw(&model, &test, &methods, args)?;

    let run = Run {
        version: env!("CARGO_PKG_VERSION"),
        simd: tier().to_string(),
        threads,
        seed: args.seed,
        training_images,
        test_images: test.images.len(),
        training: &config.training(),
        parameters: summary.parameters,
        accuracy: evaluation.score().value(),
        loss: evaluation.loss,
        seconds: started.elapsed().as_secs_f64(),
        seconds_training,
        explanations: methods.iter().map(|method| method.id.clone()).zip(scores).collect::<BTreeMap<_, _>>(),
    };
    run.write(&report_file)?;
    let page = show(args, &model, &test, &methods, &run, losses, evaluation.confusion())?;
    let out = args.out.display();
    say!("\nIn {out}/ after {:.1} s:", run.seconds);
    say!("  index.html          the report: open {} in a browser", page.display());
    say!("  summary.png         {} and their explanations", count(drawn.min(SUMMARY), "picture"));
    say!("  NN-….png            {}: the true class and the likeliest other class", count(drawn, "sheet"));
    say!("  inputs/NN-….png     the pictures");
    say!("  model.safetensors   the network");
    say!("  run.json            settings and results");
    let program = std::env::args().next().unwrap_or_else(|| "glassbox".into());
    say!("\nNext: {program} explain {out}/inputs/*.png --model {} --out {out}/explained", model_file.display());
    Ok(())
}

/// Writes the HTML report.
fn show(
    args: &DemoArgs,
    model: &Model,
    test: &Scattered,
    methods: &[Chosen],
    run: &Run<'_>,
    losses: Vec<f64>,
    confusion: Option<&Confusion>,
) -> Result<PathBuf, Failure> {
    let indices = by_rank_in_class(&test.images, args.pictures);
    let facts = vec![
        ("Task", "which garment is hidden among the clutter?".to_string()),
        ("Trained on", format!("{} pictures, {} epochs", run.training_images, args.epochs)),
        ("Test accuracy", format!("{:.1} % of {}", 100.0 * run.accuracy, run.test_images)),
    ];
    let mut page = Page::new("demo", "Which garment, and where did the network look?", facts, indices.len());
    let (images, places, layers) = (&test.images, test.boxes.iter().copied().map(Some).collect(), &[]);
    Labelled { model, images, places, methods, layers, certified: true }.show(&mut page, &indices)?;
    page.training(&[Curve { name: "Loss", lines: vec![("training", losses)] }]);
    let figure = |share: f64| Some(Figure { shown: format!("{:.1} %", 100.0 * share), value: share });
    let mut rows: Vec<(String, Vec<Option<Figure>>)> = (methods.iter())
        .filter_map(|method| Some((method, run.explanations.get(&method.id)?)))
        .map(|(method, score)| (method.title.clone(), vec![figure(score.pointing_game), figure(score.box_score)]))
        .collect();
    if let Some(score) = run.explanations.values().next() {
        rows.push(("chance".into(), vec![figure(score.chance), figure(score.chance_of_box)]));
    }
    let caption = "Do the maps of the true class show where the garment is?".into();
    let heads = vec!["pointing game".into(), "box score".into()];
    page.measures(&[Table { caption, subject: "Method", heads, rows }], &MEASURES);
    confusion.into_iter().for_each(|confusion| page.confusion(confusion));
    page.write(&args.out)
}

/// Definitions of the two measures.
const MEASURES: [&str; 2] = [
    "Pointing game: the strongest pixel lies in the garment's box.",
    "Box score: the box around the strong part (above 20 % of the maximum) overlaps the garment's by more than half (IoU > 0.5).",
];

/// Prints the scores of the methods and of chance.
fn print_scores(methods: &[Chosen], scores: &[Score]) {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    say!("True class, all test pictures   pointing game   box score");
    for (method, score) in methods.iter().zip(scores) {
        let [pointing, boxes] = [score.pointing_game, score.box_score].map(percent);
        say!("  {:28}  {pointing:>13}   {boxes:>9}", method.title);
    }
    if let Some(score) = scores.first() {
        let [pointing, boxes] = [score.chance, score.chance_of_box].map(percent);
        say!("  {:28}  {pointing:>13}   {boxes:>9}", "chance");
    }
    MEASURES.iter().for_each(|line| say!("{line}"));
}

/// Draws the first images of each class: a sheet for each, and a summary. Returns the number of sheets.
fn draw(model: &Model, test: &Scattered, methods: &[Chosen], args: &DemoArgs) -> Result<usize, Failure> {
    let (indices, out) = (by_rank_in_class(&test.images, args.pictures), &args.out);
    let abouts = || methods.iter().map(Chosen::about);
    let mut summary = sheet("Which garment, and where did the network look? The true class, explained", abouts());
    for (number, &index) in (1..).zip(&indices) {
        let label = test.images.labels()[index];
        let name = model.class_name(label);
        let file = format!("{number:02}-{}.png", name.to_lowercase().replace([' ', '/'], "-"));
        let [_, height, width, channels] = test.images.shape();
        let pixels = ArrayView3::from_shape((height, width, channels), test.images.image(index))?;
        save_input(&out.join("inputs").join(&file), pixels)?;

        let picture = Picture::from_pixels(pixels, model)?;
        let pass = picture.observe(model)?;
        let rival = pass.top(2).into_iter().find(|other| other.class != label);
        let mut page = sheet(format!("{name}: {}", outcome(&pass, label)), abouts());
        for class in [Some(label), rival.map(|rival| rival.class)].into_iter().flatten() {
            let row = panels(&pass, &picture, test, index, class, methods)?;
            if class == label && number <= SUMMARY {
                summary = summary.row("", row.clone());
            }
            page = page.row(if class == label { "the true class" } else { "the likeliest other class" }, row);
        }
        save_png(out.join(file), &page.draw())?;
    }
    save_png(out.join("summary.png"), &summary.draw())?;
    Ok(indices.len())
}

/// The picture, and a panel with each method's map for a class.
fn panels(
    pass: &Pass<'_>,
    picture: &Picture,
    test: &Scattered,
    index: usize,
    class: usize,
    methods: &[Chosen],
) -> Result<Vec<Panel>, Failure> {
    let truth = &test.boxes[index];
    let said = pass.prediction(0, class);
    let name = format!("{} {}", said.name, said.brief());
    let label = test.images.labels()[index];
    let detail = if class == label { outcome(pass, label) } else { String::new() };
    let mut panels = vec![Panel::new(picture.outlined(picture.shown(), truth), name).detail(detail)];
    for Chosen { method, title, .. } in methods {
        let map = pass.why(class).watched(&until_asked).explain(&**method)?;
        let (hit, overlap) = measure(&map, truth);
        let note = format!("{}, IoU {overlap:.2}", if hit { "points at it" } else { "points elsewhere" });
        panels.push(panel(picture.outlined(picture.draw(&map, map.scale()), truth), &map, title, note));
    }
    Ok(panels)
}

/// The prediction in words.
fn outcome(pass: &Pass<'_>, label: usize) -> String {
    let best = &pass.top(1)[0];
    if best.class == label { "recognised".into() } else { format!("classified as {} ({:.2})", best.name, best.value) }
}

/// The first image of each class, then the second of each, and so on.
fn by_rank_in_class(images: &LabelledImages, count: usize) -> Vec<usize> {
    let mut seen = HashMap::new();
    let rank = |label: &usize| {
        let rank: &mut usize = seen.entry(*label).or_default();
        *rank += 1;
        (*rank, *label)
    };
    let ranks: Vec<_> = images.labels().iter().map(rank).collect();
    let mut indices: Vec<usize> = (0..images.len()).collect();
    indices.sort_by_key(|&index| ranks[index]);
    indices.truncate(count);
    indices
}

fn save_input(path: &Path, pixels: ArrayView3<u8>) -> Result<(), Failure> {
    let (height, width, _) = pixels.dim();
    let image = GrayImage::from_fn(width as u32, height as u32, |x, y| [pixels[[y as usize, x as usize, 0]]].into());
    Ok(save_png(path, &image)?)
}
