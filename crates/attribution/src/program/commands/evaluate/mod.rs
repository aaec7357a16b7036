//! `glassbox evaluate`: the quality of explanations.

mod arguments;
mod classes;
mod data;
mod figures;
mod files;
mod given;
mod plot;
mod report;
mod sharded;
mod subject;
mod table;
mod trial;

use std::ops::Range;
use std::time::Instant;

use attribution::measures::{ALL, Measure, Needs, cascade};
use attribution::{ExplainError, LayerRef};
use nn::train::{Ranks, evaluate};
use tensor::simd::tier;

pub(crate) use arguments::EvaluateArgs;

use crate::program::commands::glance::{Glance, Looked};
use crate::program::commands::methods;
use crate::program::files::folder;
use crate::program::files::shards::Facts;
use crate::program::report::{self as html, Labelled, Page};
use crate::program::terminal::progress::{bar, left};
use crate::program::terminal::{Failure, interrupt, say, words};
use crate::program::training::data::first;

use classes::Classes;
use data::Data;
use figures::{Figures, LEVEL};
use subject::Subject;
use trial::Trial;

/// Number of images in a forward pass.
const BATCH: usize = 20;
/// Number of pictures in the report.
const SHOWN: usize = 20;

/// Runs methods over a data set and measures their maps: all of it, a part of it, or a part on each rank.
pub(crate) fn run(args: &EvaluateArgs, ranks: &dyn Ranks) -> Result<(), Failure> {
    measured(args, |trial, facts| match args.shard {
        Some(shard) => sharded::measure(trial, facts, args, shard).map(|()| None),
        None if ranks.count() > 1 => sharded::among(trial, facts, args, ranks),
        None => over(trial, 0..trial.images.len()).map(Some),
    })
}

/// Puts the parts in this folder together.
pub(crate) fn merge(args: &EvaluateArgs) -> Result<(), Failure> {
    measured(args, |trial, facts| sharded::gather(trial, facts, &args.out).map(Some))
}

/// Prints and writes the results. `figures` gets the trial and its identifying facts; if it returns `None`, nothing is written.
fn measured(
    args: &EvaluateArgs,
    figures: impl FnOnce(&Trial<'_>, &Facts) -> Result<Option<Figures>, Failure>,
) -> Result<(), Failure> {
    let model = args.preprocessing.open(Some(&args.model))?;
    let data = Data::open(args, &model)?;
    let normalization = model.info().normalization.as_ref();
    let normalization = normalization.ok_or_else(|| {
        let file = args.model.display();
        format!("{file}: has no normalization, so images can't become its input; set it with --mean and --std")
    })?;
    let layers: Vec<LayerRef<'_>> = args.layer.iter().flatten().map(LayerRef::from).collect();
    for layer in args.layer.iter().flatten() {
        model.layer_index(layer)?;
    }
    let methods = match &args.method[..] {
        [] => methods::quick(&model)?,
        named => methods::chosen(named, &model)?,
    };
    let measures = measures(args, &data)?;
    let subjects = Subject::all(&methods, data.given.as_ref());
    for (number, subject) in subjects.iter().enumerate() {
        if subjects[..number].iter().any(|other| other.id() == subject.id()) {
            return Err(
                format!("--maps: a folder called {} takes the place of that method; rename it", subject.id()).into()
            );
        }
    }
    let randomizes = measures.iter().any(|measure| measure.needs == Needs::Randomized);
    let randomized: Vec<_> = if randomizes { cascade(&model, args.seed)?.collect() } else { Vec::new() };
    folder::prepare(&args.out)?;
    html::refuse_another(&args.out, "evaluate")?;
    interrupt::listen()?;

    let trial = Trial {
        model: &model,
        normalization,
        randomized: &randomized,
        images: &data.images,
        truths: data.truths.as_deref(),
        layers: &layers,
        subjects: &subjects,
        measures: &measures,
        seed: args.seed,
    };
    let count = data.images.len();
    let facts = sharded::facts(args, &data, &model)?;
    let Some(figures) = figures(&trial, &facts)? else { return Ok(()) };
    if figures.images == 0 {
        return Err("stopped before any image was measured".into());
    }
    let evaluation = evaluate(&model, &first(&data.images, figures.images))?;
    let accuracy = evaluation.score().value();
    let intervals = figures.intervals(&measures, args.seed);
    let randomized_layers: Vec<&str> = randomized.iter().map(|(layer, _)| layer.as_str()).collect();

    let classes = Classes::of(&trial, &figures, &data);
    let looked = methods.first().map(|method| Looked {
        model: &model,
        images: &data.images,
        truths: data.truths.as_deref(),
        method,
        layers: &layers,
        seed: args.seed,
    });
    let glance = looked.as_ref().map(|looked| Glance::of(looked, figures.images)).transpose()?.flatten();
    let record = files::EvaluationFile {
        version: env!("CARGO_PKG_VERSION"),
        simd: tier().to_string(),
        model: args.model.display().to_string(),
        data: &data.name,
        images: figures.images,
        seed: args.seed,
        level: LEVEL,
        accuracy,
        figures: files::named(&subjects, &measures, &intervals),
        cascade: files::steps(&subjects, &figures, &randomized_layers),
        agreement: files::agreement(&subjects, &figures),
        classes: classes.as_ref(),
        glance: glance.as_ref(),
    };
    let json = serde_json::to_string_pretty(&record)?;
    if args.json {
        say!("{json}");
    } else {
        let measured = words::count(figures.images, "image");
        say!("{} on {measured} of {}; accuracy {accuracy:.3}", args.model.display(), data.name);
        say!("Maps of the true class; mean ± half the 95 % interval; ↑ more is better, ↓ less");
        let tables = table::groups(&subjects, &measures, &intervals).into_iter();
        let tables = tables.chain(table::cascade(&subjects, &figures, &randomized_layers));
        let tables = tables.chain(table::agreement(&subjects, &figures));
        tables.chain(classes.iter().flat_map(Classes::lines)).for_each(|line| say!("{line}"));
        let sentences: Vec<String> = glance.iter().flat_map(Glance::sentences).collect();
        if !sentences.is_empty() {
            say!("\nA set at a glance\n  {}", sentences.join("\n  "));
        }
    }
    folder::write(&args.out.join("evaluation.json"), &(json + "\n"))?;
    folder::write(&args.out.join("evaluation.csv"), &files::csv(&subjects, &measures, &intervals, &figures))?;
    folder::write(&args.out.join("evaluation.svg"), &plot::svg(&subjects, &measures, &intervals)?)?;
    let facts = vec![
        ("Network", args.model.display().to_string()),
        ("Pictures", format!("{} of {}", figures.images, data.name)),
        ("Accuracy", format!("{:.1} %", 100.0 * accuracy)),
    ];
    let shown: Vec<usize> = (0..figures.images.min(SHOWN)).collect();
    let mut page = Page::new("evaluate", "How good are the explanations?", facts, shown.len());
    let labelled = Labelled {
        model: &model,
        images: &data.images,
        places: data.places(),
        methods: &methods,
        layers: &layers,
        certified: false,
    };
    labelled.show(&mut page, &shown)?;
    page.measures(&report::tables(&subjects, &measures, &intervals, &figures, &randomized_layers), &report::NOTES);
    if let (Some(glance), Some(looked)) = (&glance, &looked) {
        glance.show(&mut page, looked)?;
    }
    if let Some(classes) = &classes {
        classes.show(&mut page, &data, &model)?;
    }
    evaluation.confusion().into_iter().for_each(|confusion| page.confusion(confusion));
    page.write(&args.out)?;
    if !args.json {
        say!("\nIn {}: index.html, evaluation.csv, evaluation.json, evaluation.svg", args.out.display());
    }
    match figures.images {
        done if done < count => {
            Err(format!("stopped after {done} of {count} images; the figures cover only those").into())
        }
        _ if data.skipped > 0 => {
            let skipped = words::count(data.skipped, "file");
            Err(format!(
                "{}: {skipped} can't be read and {} skipped",
                data.name,
                if data.skipped == 1 { "was" } else { "were" }
            )
            .into())
        }
        _ => Ok(()),
    }
}

/// Measures the images at these places batch by batch, until all are done or the user presses Ctrl-C. Returns the figures
/// of the completed batches.
fn over(trial: &Trial<'_>, places: Range<usize>) -> Result<Figures, Failure> {
    let count = places.len();
    let (bar, started) = (bar("evaluating", count), Instant::now());
    bar.set_message(format!("0 of {count} images"));
    let mut figures = Figures::default();
    for batch in places.collect::<Vec<_>>().chunks(BATCH) {
        match trial.run(batch) {
            Ok(more) => figures.append(more),
            Err(ExplainError::Cancelled { .. }) => break,
            Err(error) => return Err(error.into()),
        }
        let done = figures.images;
        bar.set_position(done as u64);
        bar.set_message(format!("{done} of {count} images, {}", left(started, done, count)));
        if interrupt::asked() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(figures)
}

/// The measures on the command line, or all that the images allow.
fn measures(args: &EvaluateArgs, data: &Data) -> Result<Vec<&'static Measure>, Failure> {
    let boxless = |measure: &Measure| measure.needs == Needs::Truth && data.truths.is_none();
    match &args.measure {
        Some(measures) => match measures.iter().find(|measure| boxless(measure)) {
            Some(Measure { id, .. }) => {
                Err(format!(
                    "{id}: compares with the truth, true boxes or masks, which {} doesn't have; give it with --boxes or --masks",
                    data.name
                )
                .into())
            }
            None => Ok(measures.clone()),
        },
        None => Ok(ALL.into_iter().filter(|measure| !boxless(measure)).collect()),
    }
}
