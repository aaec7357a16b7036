//! The figures as files: CSV and JSON.

use std::collections::BTreeMap;
use std::fmt::Write;

use attribution::measures::{Interval, Measure};
use serde::Serialize;

use super::classes::Classes;
use super::figures::{Figures, mean};
use super::subject::Subject;
use crate::program::commands::glance::Glance;

/// `method,measure,mean,low,high,images`, with a line for each figure.
pub(crate) fn csv(
    subjects: &[Subject<'_>],
    measures: &[&Measure],
    intervals: &[Vec<Option<Interval>>],
    figures: &Figures,
) -> String {
    let mut text = String::from("method,measure,mean,low,high,images\n");
    for (number, (subject, intervals)) in subjects.iter().zip(intervals).enumerate() {
        for (index, (measure, interval)) in measures.iter().zip(intervals).enumerate() {
            if let Some(Interval { mean, low, high }) = interval {
                let images = figures.of(number, index).len();
                writeln!(text, "{},{},{mean},{low},{high},{images}", subject.id(), measure.id).expect("memory");
            }
        }
    }
    text
}

/// The contents of `evaluation.json`.
#[derive(Serialize)]
pub(crate) struct EvaluationFile<'a> {
    pub(crate) version: &'static str,
    /// Instruction set.
    pub(crate) simd: String,
    pub(crate) model: String,
    pub(crate) data: &'a str,
    pub(crate) images: usize,
    pub(crate) seed: u64,
    /// The confidence level of the intervals.
    pub(crate) level: f64,
    pub(crate) accuracy: f64,
    /// By method, then by measure.
    pub(crate) figures: BTreeMap<String, BTreeMap<String, Interval>>,
    /// Similarity to the maps of a network with more and more re-initialized layers.
    pub(crate) cascade: Vec<Step>,
    /// Rank correlation of the maps of two methods.
    pub(crate) agreement: BTreeMap<String, BTreeMap<String, f64>>,
    /// What the first method looks at in each class; `None` if nothing is known of where the objects are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) classes: Option<&'a Classes>,
    /// Clusters of the first method's maps; `None` if it shows nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) glance: Option<&'a Glance>,
}

/// The similarity of the maps after all layers down to this one are re-initialized.
#[derive(Serialize)]
pub(crate) struct Step {
    pub(crate) layer: String,
    pub(crate) rank_correlation: BTreeMap<String, f64>,
    pub(crate) ssim: BTreeMap<String, f64>,
}

/// The figures by method and measure.
pub(crate) fn named(
    subjects: &[Subject<'_>],
    measures: &[&Measure],
    intervals: &[Vec<Option<Interval>>],
) -> BTreeMap<String, BTreeMap<String, Interval>> {
    let row = |intervals: &Vec<Option<Interval>>| {
        let named = measures.iter().zip(intervals);
        named.filter_map(|(measure, interval)| Some((measure.id.to_string(), (*interval)?))).collect()
    };
    subjects.iter().zip(intervals).map(|(subject, intervals)| (subject.id().to_string(), row(intervals))).collect()
}

/// The steps of the cascade; `layers` contains their names.
pub(crate) fn steps(subjects: &[Subject<'_>], figures: &Figures, layers: &[&str]) -> Vec<Step> {
    let step = |(index, layer): (usize, &&str)| {
        let means = |which: usize| {
            let of = |(subject, steps): (&Subject<'_>, &Vec<[Vec<f64>; 2]>)| {
                Some((subject.id().to_string(), mean(&steps.get(index)?[which])?))
            };
            subjects.iter().zip(&figures.cascade).filter_map(of).collect()
        };
        Step { layer: layer.to_string(), rank_correlation: means(0), ssim: means(1) }
    };
    layers.iter().enumerate().map(step).collect()
}

/// The agreement of each pair of methods.
pub(crate) fn agreement(subjects: &[Subject<'_>], figures: &Figures) -> BTreeMap<String, BTreeMap<String, f64>> {
    let row = |row: &Vec<Vec<f64>>| {
        subjects
            .iter()
            .zip(row)
            .filter_map(|(subject, values)| Some((subject.id().to_string(), mean(values)?)))
            .collect()
    };
    subjects.iter().zip(&figures.agreement).map(|(subject, values)| (subject.id().to_string(), row(values))).collect()
}
