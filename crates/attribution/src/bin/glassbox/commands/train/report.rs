//! The HTML report of a training.

use std::path::PathBuf;

use attribution::LayerRef;
use nn::Model;
use nn::train::{Confusion, Epoch, Evaluation, Scores, Trained};

use super::film::Film;
use crate::commands::methods;
use crate::report::{Curve, Figure, Labelled, Page, Table};
use crate::terminal::Failure;
use crate::training::config::Config;

/// Limit on the columns of the film strip.
const COLUMNS: usize = 12;
/// The names of the two curves: training images, and validation images.
const LEARNT: &str = "training";
const CHOSEN: &str = "validation";

/// Writes the report, `index.html`, into the folder of the training.
pub(super) fn write(
    config: &Config,
    model: &Model,
    trained: &Trained,
    images: usize,
    test: Option<(&Evaluation, usize)>,
    film: &Film,
) -> Result<PathBuf, Failure> {
    let summary = model.summary();
    let epochs = trained.history.len();
    let mut facts = vec![
        ("Network", format!("{}, {} parameters", config.network.name(), summary.parameters)),
        ("Trained on", format!("{images} images, {epochs} epochs, {} steps", trained.step)),
    ];
    if let Some(best) = trained.best() {
        facts.push(("Best epoch", format!("{}", best.epoch + 1)));
    }
    if let Some((evaluation, count)) = test {
        facts.push(("Test accuracy", format!("{:.2} % of {count}", 100.0 * evaluation.accuracy)));
    }
    let pictures = film.images(&(0..model.classes()).map(|class| model.class_name(class)).collect::<Vec<_>>())?;
    let mut page = Page::new("train", "How did the network learn?", facts, pictures.len());
    let layers: Vec<LayerRef<'_>> = model.last_spatial_layer().map(LayerRef::Index).into_iter().collect();
    let methods = methods::usual(model)?;
    let indices: Vec<usize> = (0..pictures.len()).collect();
    let (images, methods, layers) = (&pictures, &methods[..], &layers[..]);
    Labelled { model, images, boxes: None, methods, layers, certified: true }.show(&mut page, &indices)?;
    page.training(&curves(trained));
    let columns = film.columns(epochs, model, COLUMNS)?;
    if !columns.is_empty() {
        page.film(&columns)?;
    }
    if let Some((evaluation, _)) = test {
        page.classes(&classes(&evaluation.confusion));
        page.confusion(&evaluation.confusion);
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
    [
        Curve { name: "Loss", lines: vec![(LEARNT, of(|e| e.loss)), (CHOSEN, validated(|scores| scores.loss))] },
        Curve {
            name: "Accuracy",
            lines: vec![(LEARNT, of(|e| e.accuracy)), (CHOSEN, validated(|scores| scores.accuracy))],
        },
        Curve { name: "Learning rate", lines: vec![("last step", of(|e| e.learning_rate))] },
    ]
}

/// The precision and recall of each class.
fn classes(confusion: &Confusion) -> Table {
    let share = |share: Option<f64>| share.map(|value| Figure { shown: format!("{:.1} %", 100.0 * value), value });
    let count = |count: usize| Figure { shown: count.to_string(), value: count as f64 };
    let rival = |class: usize| {
        let (rival, count) = confusion.rival(class)?;
        Some(Figure { shown: format!("{} ({count})", confusion.names()[rival]), value: count as f64 })
    };
    let rows = confusion.names().iter().enumerate().map(|(class, name)| {
        let [precision, recall] = [confusion.precision(class), confusion.recall(class)].map(share);
        (name.clone(), vec![precision, recall, Some(count(confusion.support(class))), rival(class)])
    });
    Table {
        caption:
            "Precision: the share of the images classified as this class that belong to it. Recall: the share of its images classified correctly."
                .into(),
        subject: "Class",
        heads: ["precision", "recall", "images", "most often taken for"].map(String::from).to_vec(),
        rows: rows.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_their_shares_and_their_rivals() {
        let mut confusion = Confusion::new(["cat", "dog"].map(String::from).to_vec());
        for (truth, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
            confusion.add(truth, predicted);
        }
        let table = classes(&confusion);
        let shown = |row: usize| -> Vec<&str> {
            table.rows[row].1.iter().map(|figure| figure.as_ref().map_or("none", |figure| &figure.shown)).collect()
        };
        assert_eq!(shown(0), ["100.0 %", "66.7 %", "3", "dog (1)"]);
        assert_eq!(shown(1), ["50.0 %", "100.0 %", "1", "none"]);
    }
}
