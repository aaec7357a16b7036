//! The figures as tables on the terminal.

use attribution::measures::{Group, Interval, Measure, half};

use super::figures::{Figures, mean};
use super::subject::Subject;

/// Width of a method's name.
const NAME: usize = 17;
/// Width of a figure.
const FIGURE: usize = 17;
/// Limit on the steps of a cascade that are shown.
const STEPS: usize = 9;
/// A method passes the randomization check if the rank correlation is below this limit after the upper half of the
/// layers is re-initialized.
const FAILURE: f64 = 0.5;

/// A table for each group of measures, with a line for each subject: the means ± half the width of the confidence
/// interval.
pub(crate) fn groups(
    subjects: &[Subject<'_>],
    measures: &[&Measure],
    intervals: &[Vec<Option<Interval>>],
) -> Vec<String> {
    let mut lines = Vec::new();
    for group in Group::ALL {
        let chosen: Vec<usize> = (0..measures.len()).filter(|&m| measures[m].group == group).collect();
        if chosen.is_empty() {
            continue;
        }
        let heads: String = chosen.iter().map(|&m| format!("{:>FIGURE$}", measures[m].head())).collect();
        lines.extend([String::new(), group.title().into(), format!("  {:NAME$}{heads}", "")]);
        for (subject, intervals) in subjects.iter().zip(intervals) {
            if chosen.iter().all(|&m| intervals[m].is_none()) {
                continue;
            }
            let figures: String = chosen.iter().map(|&m| format!("{:>FIGURE$}", figure(group, intervals[m]))).collect();
            lines.push(format!("  {:NAME$}{figures}", subject.title()));
        }
    }
    lines
}

/// `85.3 ± 2.1` in per cent; similarities are not in per cent.
pub(super) fn figure(group: Group, interval: Option<Interval>) -> String {
    let Some(Interval { mean, low, high }) = interval else { return "–".into() };
    let half = (high - low) / 2.0;
    match group {
        Group::Sanity | Group::Form => format!("{mean:.2} ± {half:.2}"),
        _ => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * half),
    }
}

/// The rank correlations after more and more layers are re-initialized, and whether each method passes.
pub(crate) fn cascade(subjects: &[Subject<'_>], figures: &Figures, layers: &[&str]) -> Vec<String> {
    let count = layers.len();
    if count == 0 {
        return Vec::new();
    }
    // At most as many steps as fit on a line, with the last one among them.
    let mut shown: Vec<usize> = (1..=STEPS.min(count)).map(|i| i * count / STEPS.min(count) - 1).collect();
    if !shown.contains(&half(count)) {
        shown.push(half(count));
        shown.sort_unstable();
    }
    let heads: String = shown.iter().map(|&step| format!("{:>8.8}", layers[step])).collect();
    let mut lines = vec![
        String::new(),
        "The randomization check: rank correlation with the map after re-initializing all layers from the head down to …"
            .into(),
        format!("  {:NAME$}{heads}", ""),
    ];
    for (subject, steps) in subjects.iter().zip(&figures.cascade) {
        let left = |step: usize| steps.get(step).and_then(|step| mean(&step[0]));
        let Some(at_half) = left(half(count)) else { continue };
        let row: String = shown.iter().map(|&step| format!("{:>8.2}", left(step).unwrap_or_default())).collect();
        let verdict = if at_half < FAILURE { "passes" } else { "fails" };
        lines.push(format!("  {:NAME$}{row}  {verdict}", subject.title()));
    }
    lines.push(format!(
        "  A method fails if the correlation is {FAILURE} or more at {}, when the upper half of the layers is re-initialized.",
        layers[half(count)]
    ));
    lines
}

/// The rank correlation of each pair of methods.
pub(crate) fn agreement(subjects: &[Subject<'_>], figures: &Figures) -> Vec<String> {
    let methods: Vec<usize> = (0..subjects.len()).filter(|&s| !subjects[s].is_trivial()).collect();
    if methods.len() < 2 {
        return Vec::new();
    }
    let heads: String = (1..=methods.len()).map(|number| format!("{number:>7}")).collect();
    let mut lines = vec![
        String::new(),
        "Do they agree? Rank correlation of the methods' maps".into(),
        format!("  {:1$}{heads}", "", NAME + 4),
    ];
    for (number, &a) in (1..).zip(&methods) {
        let row: String =
            methods.iter().map(|&b| format!("{:>7.2}", mean(&figures.agreement[a][b]).unwrap_or_default())).collect();
        lines.push(format!("  {number:>2}  {:NAME$}{row}", subjects[a].title()));
    }
    lines
}
