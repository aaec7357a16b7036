//! The figures as tables of the report.

use attribution::measures::{Group, Interval, Measure};

use super::figures::{Figures, mean};
use super::subject::Subject;
use super::table::figure as shown;
use crate::program::report::{Figure, Table};

pub(super) const NOTES: [&str; 2] = [
    "Maps of the true class; mean ± half the 95 % interval over the pictures. ↑: more is better, ↓: less is better.",
    "The centred Gaussian and chance don't depend on the network: a method must beat them.",
];

/// A table for each group of measures, one for the randomization check and one for the agreement of the methods.
pub(super) fn tables(
    subjects: &[Subject<'_>],
    measures: &[&Measure],
    intervals: &[Vec<Option<Interval>>],
    figures: &Figures,
    randomized_layers: &[&str],
) -> Vec<Table> {
    let groups = Group::ALL.into_iter().map(|group| {
        let chosen: Vec<usize> = (0..measures.len()).filter(|&m| measures[m].group == group).collect();
        let figure = |interval: Option<Interval>| Some(Figure { shown: shown(group, interval), value: interval?.mean });
        let rows = subjects.iter().zip(intervals);
        let rows = rows.map(|(subject, row)| (subject.title(), chosen.iter().map(|&m| figure(row[m])).collect()));
        table(group.title(), "Method", chosen.iter().map(|&m| measures[m].head()).collect(), rows)
    });
    let correlation = |values: &Vec<f64>| mean(values).map(|value| Figure { shown: format!("{value:.2}"), value });
    let cascade = subjects.iter().zip(&figures.cascade).map(|(subject, steps)| {
        let figures = (0..randomized_layers.len()).map(|step| correlation(&steps.get(step)?[0]));
        (subject.title(), figures.collect())
    });
    let cascade = table(
        "The randomization check: rank correlation with the map after re-initializing all layers from the head down to …",
        "Method",
        randomized_layers.iter().map(|layer| layer.to_string()).collect(),
        cascade,
    );
    let methods: Vec<usize> = (0..subjects.len()).filter(|&subject| !subjects[subject].is_trivial()).collect();
    let agreement = methods.iter().map(|&a| {
        let figures = methods.iter().map(|&b| correlation(&figures.agreement[a][b]));
        (subjects[a].title(), figures.collect())
    });
    let agreement = table(
        "Do they agree? Rank correlation of the methods' maps",
        "Method",
        methods.iter().map(|&method| subjects[method].title().into()).collect(),
        agreement,
    );
    let filled = |table: &Table| !table.heads.is_empty() && table.rows.len() > 1;
    groups.chain([cascade, agreement]).filter(filled).collect()
}

/// A table, without subjects that have no figure.
fn table<'a>(
    caption: &str,
    subject: &'static str,
    heads: Vec<String>,
    rows: impl Iterator<Item = (&'a str, Vec<Option<Figure>>)>,
) -> Table {
    let rows = rows.filter(|(_, figures)| figures.iter().any(Option::is_some));
    Table { caption: caption.into(), subject, heads, rows: rows.map(|(name, row)| (name.into(), row)).collect() }
}
