//! `log.jsonl`: a line of JSON for each step and each epoch.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nn::files::write_whole;
use nn::train::{Epoch, Progress, Score};
use serde::{Deserialize, Serialize};

use crate::program::terminal::Failure;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    Step {
        step: usize,
        epoch: usize,
        loss: f64,
        #[serde(flatten)]
        score: Score,
        gradient_norm: f64,
        learning_rate: f64,
    },
    Epoch(Epoch),
}

impl Event {
    pub(crate) fn step(progress: &Progress) -> Self {
        let &Progress { epoch, step, score, loss, gradient_norm, learning_rate, .. } = progress;
        Self::Step { step, epoch, loss, score, gradient_norm, learning_rate }
    }

    /// The number of steps before this event, and whether it ends an epoch. The end of an epoch comes after its last
    /// step.
    fn position(&self) -> (usize, bool) {
        match self {
            Self::Step { step, .. } => (*step, false),
            Self::Epoch(epoch) => (epoch.step, true),
        }
    }
}

/// The events so far, in memory and in a file.
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    events: Vec<Event>,
    /// Whether the file may contain events after the checkpoint from which the training resumes.
    ahead: bool,
}

impl Log {
    /// Starts a new log, or reads the existing one to continue it. A line that was cut off by a kill is ignored.
    pub(crate) fn open(path: &Path, resume: bool) -> Result<Self, Failure> {
        let open = || {
            let text = match resume {
                true => fs::read_to_string(path).or_else(|error| match error.kind() {
                    io::ErrorKind::NotFound => Ok(String::new()),
                    _ => Err(error),
                })?,
                false => String::new(),
            };
            let events: Vec<Event> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
            let mut options = OpenOptions::new();
            let file = options.create(true).append(resume).write(true).truncate(!resume).open(path)?;
            Ok(Self { path: path.into(), file, events, ahead: resume })
        };
        open().map_err(|error: io::Error| format!("{}: can't be opened: {error}", path.display()).into())
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, event: Event) -> Result<(), Failure> {
        let add = || {
            if std::mem::take(&mut self.ahead) {
                // Steps after the checkpoint are repeated.
                self.events.retain(|earlier| earlier.position() < event.position());
                let lines = self.events.iter().map(line).collect::<Result<String, _>>()?;
                write_whole(&self.path, lines.as_bytes())?;
                self.file = OpenOptions::new().append(true).open(&self.path)?;
            }
            self.file.write_all(line(&event)?.as_bytes())?;
            self.events.push(event);
            Ok::<(), io::Error>(())
        };
        add().map_err(|error| format!("{}: can't be written: {error}", self.path.display()).into())
    }

    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }
}

fn line(event: &Event) -> serde_json::Result<String> {
    serde_json::to_string(event).map(|json| json + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: usize) -> Event {
        Event::Step {
            step,
            epoch: 0,
            loss: 0.1 * step as f64,
            score: Score::Accuracy(0.5),
            gradient_norm: 1.0,
            learning_rate: 0.1,
        }
    }

    #[test]
    fn what_comes_after_the_checkpoint_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let mut log = Log::open(&path, false).unwrap();
        (1..=5).for_each(|number| log.add(step(number)).unwrap());
        drop(log);
        let mut text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(r#"{"event":"step","step":1,"#), "{text}");
        text += r#"{"event":"st"#;
        fs::write(&path, text).unwrap();
        let mut log = Log::open(&path, true).unwrap();
        (4..=6).for_each(|number| log.add(step(number)).unwrap());
        assert_eq!(log.events(), (1..=6).map(step).collect::<Vec<_>>());
        let written: Vec<Event> =
            fs::read_to_string(&path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(written, log.events());
    }

    /// With a checkpoint at an epoch's last step, only the end of the epoch is logged again.
    #[test]
    fn the_end_of_an_epoch_comes_after_its_last_step() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        let end =
            Epoch { epoch: 0, step: 3, loss: 0.5, score: Score::Accuracy(0.5), learning_rate: 0.1, validation: None };
        let mut log = Log::open(&path, false).unwrap();
        (1..=3).for_each(|number| log.add(step(number)).unwrap());
        for _ in 0..2 {
            let mut log = Log::open(&path, true).unwrap();
            log.add(Event::Epoch(end)).unwrap();
            assert_eq!(log.events(), [step(1), step(2), step(3), Event::Epoch(end)]);
            assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 4);
        }
    }
}
