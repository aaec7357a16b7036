//! The HTML report of a training.

use std::path::PathBuf;

use attribution::LayerRef;
use nn::data::Dataset;
use nn::train::{Epoch, Evaluation, Score, Scores, Trained};
use nn::{Model, Task};

use super::chart::scores_title;
use super::film::Film;
use super::results;
use crate::program::commands::glance::{Glance, Looked, sample};
use crate::program::commands::methods;
use crate::program::report::{Curve, Labelled, Page};
use crate::program::terminal::Failure;
use crate::program::training::config::Config;

/// Limit on the columns of the film strip.
const COLUMNS: usize = 12;
/// The names of the two curves: training images, and validation images.
const LEARNT: &str = "training";
const CHOSEN: &str = "validation";

/// Writes the report, `index.html`, into the folder of the training; `images` are those of the training.
pub(super) fn write(
    config: &Config,
    model: &Model,
    trained: &Trained,
    images: &dyn Dataset,
    test: Option<(&Evaluation, usize)>,
    film: &Film,
) -> Result<PathBuf, Failure> {
    let summary = model.summary();
    let epochs = trained.history.len();
    let mut facts = vec![
        ("Network", format!("{}, {} parameters", config.network.name(), summary.parameters)),
        ("Trained on", format!("{} images, {epochs} epochs, {} steps", images.len(), trained.step)),
    ];
    if let Some(best) = trained.best() {
        facts.push(("Best epoch", format!("{}", best.epoch + 1)));
    }
    if let Some((evaluation, count)) = test {
        let shown = match evaluation.score() {
            Score::Accuracy(accuracy) => format!("accuracy {:.2} % of {count}", 100.0 * accuracy),
            score => format!("{score} of {count}"),
        };
        facts.push(("Test", shown));
    }
    // The true class of a picture is explained: there must be one.
    let has_classes = model.task() == Task::Classes && !model.is_map();
    let pictures = film.images(&(0..model.classes()).map(|class| model.class_name(class)).collect::<Vec<_>>())?;
    let shown = if has_classes { pictures.len() } else { 0 };
    let mut page = Page::new("train", "How did the network learn?", facts, shown);
    if has_classes {
        let layers: Vec<LayerRef<'_>> = model.last_spatial_layer().map(LayerRef::Index).into_iter().collect();
        let methods = methods::usual(model)?;
        let indices: Vec<usize> = (0..shown).collect();
        let (shown, methods, layers) = (&pictures, &methods[..], &layers[..]);
        let labelled = Labelled { model, images: shown, places: Vec::new(), methods, layers, certified: true };
        labelled.show(&mut page, &indices)?;
        page.training(&curves(trained));
        if let Some(method) = methods.first() {
            let (images, seed) = (&sample(images)?, config.training.seed);
            let looked = Looked { model, images, truths: None, method, layers, seed };
            if let Some(glance) = Glance::of(&looked, images.len())? {
                glance.show(&mut page, &looked)?;
            }
        }
    } else {
        page.training(&curves(trained));
    }
    let columns = film.columns(epochs, model, COLUMNS)?;
    if !columns.is_empty() {
        page.film(&columns)?;
    }
    if let Some((evaluation, _)) = test {
        page.classes(&results::table(&evaluation.results));
        evaluation.confusion().into_iter().for_each(|confusion| page.confusion(confusion));
    }
    page.text("Settings", "settings", &toml::to_string(config)?);
    page.text("Network", "network", &summary.to_string());
    page.write(&config.output.folder)
}

fn curves(trained: &Trained) -> [Curve; 3] {
    let of = |value: fn(&Epoch) -> f64| trained.history.iter().map(value).collect();
    let validated = |value: fn(&Scores) -> f64| {
        trained.history.iter().filter_map(|epoch| epoch.validation.as_ref().map(value)).collect()
    };
    let last = trained.history.last();
    let step = last.map_or(Score::Accuracy(0.0), |epoch| epoch.score);
    let title = scores_title(step, last.and_then(|epoch| epoch.validation).map(|scores| scores.score));
    [
        Curve { name: "Loss", lines: vec![(LEARNT, of(|e| e.loss)), (CHOSEN, validated(|scores| scores.loss))] },
        Curve {
            name: title,
            lines: vec![
                (LEARNT, of(|e| e.score.value().max(0.0))),
                (CHOSEN, validated(|scores| scores.score.value().max(0.0))),
            ],
        },
        Curve { name: "Learning rate", lines: vec![("last step", of(|e| e.learning_rate))] },
    ]
}
