//! Progress on standard error: a bar on a terminal, otherwise a line for each epoch.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use attribution::question::{self, Watch};
use indicatif::{ProgressBar, ProgressStyle};
use nn::train::{Epoch, Progress};

use super::complain;
use super::interrupt::until_asked;

static QUIET: AtomicBool = AtomicBool::new(false);

/// Hides progress from now on.
pub(crate) fn silence() {
    QUIET.store(true, Ordering::Relaxed);
}

fn is_silent() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// A bar of `length` units with a name. It is hidden with `--quiet`, and if standard error isn't a terminal.
pub(crate) fn bar(name: impl Into<Cow<'static, str>>, length: usize) -> ProgressBar {
    if is_silent() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix} {bar:10} {percent:>3} %  {msg}").expect("the template is valid");
    ProgressBar::new(length as u64).with_style(style.progress_chars("━━╌")).with_prefix(name)
}

/// Minutes and seconds: `1:07`.
pub(crate) fn minutes(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The remaining time after `done` of `all`, at the average speed so far.
pub(crate) fn left(started: Instant, done: usize, all: usize) -> String {
    let factor = (all - done) as f64 / done.max(1) as f64;
    format!("{} left", minutes(started.elapsed().mul_f64(factor)))
}

/// Runs a method with a progress bar, which appears if the method runs the network many times.
pub(crate) fn watched<R>(name: &str, run: impl FnOnce(Watch<'_>) -> R) -> R {
    let (bar, started) = (bar(name.to_string(), 0), Instant::now());
    let outcome = run(&|progress| {
        let question::Progress { done, total } = progress;
        bar.set_length(total as u64);
        bar.set_position(done as u64);
        bar.set_message(format!("{done} of {total} images, {}", left(started, done, total)));
        until_asked(progress)
    });
    bar.finish_and_clear();
    outcome
}

/// The progress of a training: loss, score, learning rate, images per second, remaining time.
pub(crate) struct TrainingBar {
    bar: ProgressBar,
    epochs: usize,
    started: Instant,
    /// The starts of the previous and the current epoch: the time, and the number of steps before it. The speed may
    /// differ between epochs.
    began: Option<[(Instant, usize); 2]>,
    epoch: Sums,
}

/// Sums over the current epoch.
struct Sums {
    started: Instant,
    images: usize,
    score: f64,
    loss: f64,
}

impl Sums {
    fn begin() -> Self {
        Self { started: Instant::now(), images: 0, score: 0.0, loss: 0.0 }
    }
}

impl TrainingBar {
    pub(crate) fn new(epochs: usize) -> Self {
        Self { bar: bar("training", 0), epochs, started: Instant::now(), began: None, epoch: Sums::begin() }
    }

    /// Updates the bar after a step.
    pub(crate) fn show(&mut self, progress: &Progress) {
        let &Progress { epoch, step, steps, images, score, loss, learning_rate, .. } = progress;
        // After a resume, only the remaining steps are run.
        let began = self.began.get_or_insert([(self.started, step - 1); 2]);
        let (since, first) = began[0];
        self.epoch.images += images;
        self.epoch.score += score.value() * images as f64;
        self.epoch.loss += loss * images as f64;
        let seen = self.epoch.images as f64;
        let rate = seen / self.epoch.started.elapsed().as_secs_f64();
        let left = left(since, step - first, steps - first);
        let (loss, name, score) = (self.epoch.loss / seen, score.name(), self.epoch.score / seen);
        let line = format!(
            "epoch {} of {}: loss {loss:.3}, {name} {score:.3}, rate {learning_rate:.2e}, {rate:.0} images/s, {left}",
            epoch + 1,
            self.epochs,
        );
        self.bar.set_length(steps as u64);
        self.bar.set_position(step as u64);
        if step.is_multiple_of(steps / self.epochs) {
            *began = [began[1], (Instant::now(), step)];
            self.print(&line);
            self.epoch = Sums::begin();
        }
        self.bar.set_message(line);
    }

    /// Prints the results after an epoch with validation.
    pub(crate) fn epoch(&mut self, epoch: &Epoch) {
        if let Some(scores) = epoch.validation {
            self.print(&format!("  test: loss {:.3}, {}", scores.loss, scores.score));
        }
        self.epoch = Sums::begin();
    }

    fn print(&self, line: &str) {
        if is_silent() {
            return;
        }
        match self.bar.is_hidden() {
            true => complain!("{line}"),
            false => self.bar.println(line),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_carry() {
        let shown = [0.2, 59.4, 59.6, 61.0, 3600.0].map(|seconds| minutes(Duration::from_secs_f64(seconds)));
        assert_eq!(shown, ["0:00", "0:59", "1:00", "1:01", "60:00"]);
    }
}
