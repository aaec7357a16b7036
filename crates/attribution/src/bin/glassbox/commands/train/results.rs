//! The results of a test as lines and as tables.

use nn::train::{Confusion, LabelScores, Results, ValueScores};

use crate::report::{Figure, Table};

fn shown(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.3}"))
}

/// A line for each label or value, and a heading.
pub(super) fn lines(results: &Results) -> String {
    let names: Vec<String> = match results {
        Results::Labels(labels) => labels.iter().map(|label| label.name.clone()).collect(),
        Results::Values(values) => values.iter().map(named).collect(),
        Results::Classes { .. } | Results::Map(_) => Vec::new(),
    };
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
    let mut lines = match results {
        Results::Labels(_) => vec![format!("{:width$}  AUROC  average precision     F1  images", "label")],
        _ => vec![format!("{:width$}  mean absolute error     R²", "value")],
    };
    match results {
        Results::Labels(labels) => lines.extend(labels.iter().zip(&names).map(|(label, name)| {
            let [auroc, precision, f1] = [label.auroc, label.average_precision, label.f1].map(shown);
            format!("{name:width$}  {auroc:>5}  {precision:>17}  {f1:>5}  {:>6}", label.present)
        })),
        Results::Values(values) => lines.extend(values.iter().zip(&names).map(|(value, name)| {
            format!("{name:width$}  {:>19.4}  {:>5.3}", value.mean_absolute_error, value.r_squared)
        })),
        Results::Classes { .. } | Results::Map(_) => {}
    }
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

/// What fits the task, for each class, label or value.
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
        assert_eq!(lines.lines().nth(1).unwrap(), "dent   0.875              0.500      -       3");
        let age = ValueScores { name: "age".into(), unit: "years".into(), mean_absolute_error: 2.5, r_squared: 0.75 };
        let lines = super::lines(&Results::Values(vec![age]));
        assert_eq!(lines.lines().nth(1).unwrap(), "age [years]               2.5000  0.750");
    }
}
