//! The results of a test as lines and as tables.

use nn::train::{Confusion, LabelScores, Results, ValueScores};

use crate::program::report::{Figure, Table};

fn shown(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.3}"))
}

/// A line for each class, label or value, and a heading.
pub(super) fn lines(results: &Results) -> String {
    let (subject, heads, rows): (_, &[&str], Vec<(String, Vec<String>)>) = match results {
        Results::Classes { confusion, .. } => return confusion.to_string(),
        Results::Map(confusion) => {
            let row = |(class, name): (usize, &String)| {
                let shares = [confusion.iou(class), confusion.precision(class), confusion.recall(class)].map(shown);
                (name.clone(), [&shares[..], &[confusion.support(class).to_string()]].concat())
            };
            let rows = confusion.names().iter().enumerate().map(row).collect();
            ("class", &["IoU", "precision", "recall", "pixels"], rows)
        }
        Results::Labels(labels) => {
            let row = |label: &LabelScores| {
                let scores = [label.auroc, label.average_precision, label.f1].map(shown);
                (label.name.clone(), [&scores[..], &[label.present.to_string()]].concat())
            };
            ("label", &["AUROC", "average precision", "F1", "images"], labels.iter().map(row).collect())
        }
        Results::Values(values) => {
            let row = |value: &ValueScores| {
                let error = format!("{:.4}", value.mean_absolute_error);
                (named(value), vec![error, shown(Some(value.r_squared))])
            };
            ("value", &["mean absolute error", "R²"], values.iter().map(row).collect())
        }
    };
    let width = |text: &str| text.chars().count();
    let first = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0).max(width(subject));
    let line = |name: &str, cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(heads).map(|(cell, head)| format!("  {cell:>0$}", width(head).max(6)));
        format!("{name:first$}{}", cells.collect::<String>())
    };
    let mut lines = vec![line(subject, &mut heads.iter().copied())];
    lines.extend(rows.iter().map(|(name, cells)| line(name, &mut cells.iter().map(String::as_str))));
    lines.join("\n")
}

/// `age [years]`.
fn named(value: &ValueScores) -> String {
    match value.unit.as_str() {
        "" => value.name.clone(),
        unit => format!("{} [{unit}]", value.name),
    }
}

fn share(share: Option<f64>) -> Option<Figure> {
    share.map(|value| Figure { shown: format!("{:.1} %", 100.0 * value), value })
}

fn figure(value: Option<f64>) -> Option<Figure> {
    value.map(|value| Figure { shown: format!("{value:.3}"), value })
}

fn count(count: usize) -> Option<Figure> {
    Some(Figure { shown: count.to_string(), value: count as f64 })
}

/// The scores that fit the task, for each class, label or value.
pub(super) fn table(results: &Results) -> Table {
    match results {
        Results::Classes { confusion, .. } => classes(confusion),
        Results::Map(confusion) => pixels(confusion),
        Results::Labels(labels) => self::labels(labels),
        Results::Values(values) => self::values(values),
    }
}

/// The precision and recall of each class.
fn classes(confusion: &Confusion) -> Table {
    let rival = |class: usize| {
        let (rival, count) = confusion.rival(class)?;
        Some(Figure { shown: format!("{} ({count})", confusion.names()[rival]), value: count as f64 })
    };
    let rows = confusion.names().iter().enumerate().map(|(class, name)| {
        let [precision, recall] = [confusion.precision(class), confusion.recall(class)].map(share);
        (name.clone(), vec![precision, recall, count(confusion.support(class)), rival(class)])
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

/// The intersection over union of each class of a map.
fn pixels(confusion: &Confusion) -> Table {
    let rows = confusion.names().iter().enumerate().map(|(class, name)| {
        let [iou, precision, recall] =
            [confusion.iou(class), confusion.precision(class), confusion.recall(class)].map(share);
        (name.clone(), vec![iou, precision, recall, count(confusion.support(class))])
    });
    Table {
        caption: "IoU: of the pixels that are of this class or taken for it, the share that are both. Precision and recall: the \
                  share of both in those taken for it, and in those of it."
            .into(),
        subject: "Class",
        heads: ["IoU", "precision", "recall", "pixels"].map(String::from).to_vec(),
        rows: rows.collect(),
    }
}

fn labels(labels: &[LabelScores]) -> Table {
    let rows = labels.iter().map(|label| {
        let figures = [label.auroc, label.average_precision, label.f1].map(figure);
        let [auroc, precision, f1] = figures;
        (label.name.clone(), vec![auroc, precision, f1, count(label.present)])
    });
    Table {
        caption: "AUROC: the probability that an image with the label has a higher score than one without it. Average precision: \
                  the area under the curve of precision over recall. F1: the harmonic mean of both at a probability of 1/2."
            .into(),
        subject: "Label",
        heads: ["AUROC", "average precision", "F1", "images with it"].map(String::from).to_vec(),
        rows: rows.collect(),
    }
}

fn values(values: &[ValueScores]) -> Table {
    let rows = values.iter().map(|value| {
        let error = Figure { shown: format!("{:.4}", value.mean_absolute_error), value: value.mean_absolute_error };
        (named(value), vec![Some(error), figure(Some(value.r_squared))])
    });
    Table {
        caption: "R²: the share of the value's variance that the network explains.".into(),
        subject: "Value",
        heads: ["mean absolute error", "R²"].map(String::from).to_vec(),
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
        let shown = |table: &Table, row: usize| -> Vec<String> {
            let figures = table.rows[row].1.iter();
            figures.map(|figure| figure.as_ref().map_or("none".into(), |figure| figure.shown.clone())).collect()
        };
        assert_eq!(shown(&table, 0), ["100.0 %", "66.7 %", "3", "dog (1)"]);
        assert_eq!(shown(&table, 1), ["50.0 %", "100.0 %", "1", "none"]);
        assert_eq!(shown(&pixels(&confusion), 1), ["50.0 %", "50.0 %", "100.0 %", "1"]);
    }

    #[test]
    fn labels_and_values_have_a_line_each() {
        let dent = LabelScores {
            name: "dent".into(),
            present: 3,
            auroc: Some(0.875),
            average_precision: Some(0.5),
            f1: None,
            accuracy: 0.5,
        };
        let lines = lines(&Results::Labels(vec![dent]));
        assert_eq!(lines.lines().nth(1).unwrap(), "dent    0.875              0.500       -       3");
        let age = ValueScores { name: "age".into(), unit: "years".into(), mean_absolute_error: 2.5, r_squared: 0.75 };
        let lines = super::lines(&Results::Values(vec![age]));
        assert_eq!(lines.lines().nth(1).unwrap(), "age [years]               2.5000   0.750");
    }
}
