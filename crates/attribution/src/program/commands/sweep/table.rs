//! The results of the trainings.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use attribution::measures::{Interval, bootstrap};
use nn::train::{Ended, Epoch, Scores, Trained};

use super::grid::Training;
use crate::program::commands::train::log::{Event, Log};
use crate::program::terminal::{Failure, words};

/// The setting that isn't compared: what differs between seeds is chance.
const SEED: &str = "training.seed";
/// The confidence level of the intervals.
const LEVEL: f64 = 0.95;

/// The best epoch of a training.
pub(super) struct Row {
    values: Vec<String>,
    /// From 1.
    epoch: usize,
    scores: Scores,
}

impl Row {
    /// Reads the log of a training.
    pub(super) fn read(training: &Training) -> Result<Self, Failure> {
        let file = training.config.output.folder.join("log.jsonl");
        let best = best(&file)?.ok_or_else(|| format!("{}: no epoch is finished", file.display()))?;
        let scores = best.validation.unwrap_or(Scores { score: best.score, loss: best.loss });
        Ok(Self { values: training.values.clone(), epoch: best.epoch + 1, scores })
    }
}

fn best(file: &Path) -> Result<Option<Epoch>, Failure> {
    let log = Log::open(file, true)?;
    let epochs = log.events().iter().filter_map(|event| match event {
        Event::Epoch(epoch) => Some(*epoch),
        Event::Step { .. } => None,
    });
    let trained = Trained { ended: Ended::Finished, step: 0, steps: 0, history: epochs.collect() };
    Ok(trained.best().copied())
}

/// A line for each training.
pub(super) fn csv(keys: &[String], rows: &[Row]) -> String {
    let mut text = format!("{},epoch,measure,score,loss\n", keys.join(","));
    for Row { values, epoch, scores: Scores { score, loss } } in rows {
        let quoted = |value: &String| if value.contains(',') { format!("\"{value}\"") } else { value.clone() };
        let values = values.iter().map(quoted).collect::<Vec<_>>().join(",");
        writeln!(text, "{values},{epoch},{},{},{loss}", score.name(), score.value()).expect("memory");
    }
    text
}

/// A line for each combination of settings other than the seed, and one on the best.
pub(super) fn lines(keys: &[String], rows: &[Row]) -> Vec<String> {
    let compared: Vec<usize> = (0..keys.len()).filter(|&key| keys[key] != SEED).collect();
    let name = |row: &Row| {
        let setting =
            |&key: &usize| format!("{}={}", keys[key].rsplit('.').next().unwrap_or_default(), row.values[key]);
        compared.iter().map(setting).collect::<Vec<_>>().join(" ")
    };
    // In the order in which they first appear.
    let (mut order, mut scores) = (Vec::new(), BTreeMap::<String, Vec<f64>>::new());
    for row in rows {
        let name = name(row);
        let scores = scores.entry(name.clone()).or_insert_with(|| {
            order.push(name);
            Vec::new()
        });
        scores.push(row.scores.score.value());
    }
    let Some(measure) = rows.first().map(|row| row.scores.score) else { return Vec::new() };
    let width = order.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let means: Vec<(&str, Interval, usize)> =
        order.iter().map(|name| (name.as_str(), interval(&scores[name]), scores[name].len())).collect();
    let line = |&(name, interval, runs): &(&str, Interval, usize)| {
        format!("{name:width$}  {} {}, {}", measure.name(), shown(interval, runs), words::count(runs, "training"))
    };
    let best = means.iter().reduce(|best, next| if next.1.mean > best.1.mean { next } else { best });
    let last = best.filter(|_| means.len() > 1).map(|best| format!("Best: {}", line(best).trim_start()));
    means.iter().map(line).chain(last).collect()
}

/// The mean of the scores, with the interval over the seeds.
fn interval(scores: &[f64]) -> Interval {
    bootstrap(scores, LEVEL, 0).expect("a score")
}

fn shown(Interval { mean, low, high }: Interval, runs: usize) -> String {
    if runs > 1 { format!("{mean:.4} ({low:.4} to {high:.4})") } else { format!("{mean:.4}") }
}

#[cfg(test)]
mod tests {
    use nn::train::Score;

    use super::*;

    #[test]
    fn seeds_are_averaged_and_the_best_is_named() {
        let keys = ["training.learning_rate", "training.seed"].map(String::from);
        let row = |rate: &str, seed: u8, score: f64| Row {
            values: vec![rate.into(), seed.to_string()],
            epoch: 3,
            scores: Scores { score: Score::Accuracy(score), loss: 0.5 },
        };
        let rows = [row("0.1", 0, 0.5), row("0.1", 1, 0.75), row("0.02", 0, 0.75), row("0.02", 1, 1.0)];
        let lines = lines(&keys, &rows);
        assert_eq!(lines[0], "learning_rate=0.1   accuracy 0.6250 (0.5000 to 0.7500), 2 trainings");
        assert_eq!(lines[2], "Best: learning_rate=0.02  accuracy 0.8750 (0.7500 to 1.0000), 2 trainings");
        let csv = csv(&keys, &rows);
        assert!(
            csv.starts_with(
                "training.learning_rate,training.seed,epoch,measure,score,loss\n0.1,0,3,accuracy,0.5,0.5\n"
            )
        );
    }
}
