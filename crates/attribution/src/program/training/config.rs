//! `run.toml`: the settings of a training.

use std::fs;
use std::path::{Path, PathBuf};

use nn::Task;
use nn::data::{Augmentation, Crop, Split, Unreadable};
use nn::optim::{Adam, AdamSettings, Decay, Optimizer, Schedule, Sgd, SgdSettings};
use nn::train::Training;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::program::terminal::Failure;

/// Every setting, with comments and its default.
pub(crate) const TEMPLATE: &str = include_str!("template.toml");

/// The settings of a training, as in `run.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Config {
    pub(crate) data: Data,
    pub(crate) network: Network,
    pub(crate) training: Settings,
    pub(crate) augmentation: Augmentation,
    pub(crate) output: Output,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Data {
    pub(crate) source: Source,
    pub(crate) images: PathBuf,
    pub(crate) labels: PathBuf,
    pub(crate) test_images: PathBuf,
    pub(crate) test_labels: PathBuf,
    pub(crate) class_names: Vec<String>,
    pub(crate) folder: PathBuf,
    pub(crate) test_folder: PathBuf,
    pub(crate) masks: PathBuf,
    pub(crate) csv: PathBuf,
    pub(crate) test_csv: PathBuf,
    pub(crate) task: String,
    pub(crate) shape: [usize; 3],
    pub(crate) crop: CropMode,
    pub(crate) centre: f64,
    pub(crate) unreadable: Unreadable,
    pub(crate) memory_mb: usize,
    pub(crate) validation: f64,
    pub(crate) test: f64,
    pub(crate) balanced: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    /// Whichever is given: a CSV file, a folder, IDX files, or else the scattered images.
    Auto,
    FashionMnist,
    Scattered,
    Idx,
    Cifar10,
    Cifar100,
    Folder,
    Csv,
}

/// How a picture is cropped to the shape of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CropMode {
    Largest,
    Centre,
    Squeezed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) start: String,
    pub(crate) cut: String,
    pub(crate) freeze: String,
    pub(crate) features_mb: usize,
    pub(crate) architecture: String,
    pub(crate) channels: Vec<usize>,
    pub(crate) pool_after: Vec<usize>,
    pub(crate) dropout: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) epochs: usize,
    pub(crate) batch_size: usize,
    pub(crate) slot_size: usize,
    pub(crate) optimizer: OptimizerKind,
    pub(crate) learning_rate: f64,
    pub(crate) momentum: f64,
    pub(crate) nesterov: bool,
    pub(crate) beta1: f64,
    pub(crate) beta2: f64,
    pub(crate) weight_decay: f64,
    pub(crate) schedule: ScheduleKind,
    pub(crate) warmup: f64,
    pub(crate) floor: f64,
    pub(crate) step_every: f64,
    pub(crate) step_factor: f64,
    pub(crate) loss: Loss,
    pub(crate) label_smoothing: f64,
    pub(crate) clip_norm: f64,
    pub(crate) weight_average: f64,
    pub(crate) patience: usize,
    pub(crate) seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OptimizerKind {
    Sgd,
    Adam,
    #[serde(rename = "adamw")]
    AdamW,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ScheduleKind {
    Constant,
    Step,
    Cosine,
    OneCycle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Loss {
    /// The loss that fits the task.
    Fitting,
    /// Of values: large errors count less.
    Huber,
    /// Of masks: the per-pixel cross-entropy and the Dice loss.
    Dice,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Output {
    pub(crate) folder: PathBuf,
    pub(crate) checkpoint_seconds: u64,
    pub(crate) film_every: usize,
    pub(crate) film_pictures: usize,
}

impl Data {
    /// The source: the one that follows from what is given, if the settings leave it open.
    pub(crate) fn source(&self) -> Source {
        let given = |path: &Path| !path.as_os_str().is_empty();
        match self.source {
            Source::Auto if given(&self.csv) => Source::Csv,
            Source::Auto if given(&self.folder) => Source::Folder,
            Source::Auto if given(&self.images) => Source::Idx,
            Source::Auto => Source::Scattered,
            source => source,
        }
    }

    /// What the images' truths are to be taken for, if the settings say it.
    pub(crate) fn task(&self) -> Result<Option<Task>, Failure> {
        match self.task.as_str() {
            "" => Ok(None),
            task => Ok(Some(task.parse().map_err(|error| format!("data.task: {error}, found {task}"))?)),
        }
    }

    /// Refuses paths that the source doesn't read.
    fn check(&self) -> Result<(), Failure> {
        use Source::{Cifar10, Cifar100, Csv, Folder, Idx};
        let source = self.source();
        let paths: [(&str, &Path, &[Source]); 9] = [
            ("images", &self.images, &[Idx]),
            ("labels", &self.labels, &[Idx]),
            ("test_images", &self.test_images, &[Idx]),
            ("test_labels", &self.test_labels, &[Idx]),
            ("folder", &self.folder, &[Folder, Cifar10, Cifar100]),
            ("test_folder", &self.test_folder, &[Folder]),
            ("masks", &self.masks, &[Folder]),
            ("csv", &self.csv, &[Csv]),
            ("test_csv", &self.test_csv, &[Csv]),
        ];
        let unused =
            |(_, path, sources): &(&str, &Path, &[Source])| !path.as_os_str().is_empty() && !sources.contains(&source);
        if let Some((field, path, _)) = paths.into_iter().find(unused) {
            let (path, source) = (path.display(), Value::try_from(source)?);
            return Err(format!(
                "data.{field}: the images come from the source {source}, which doesn't read {path}: leave out one of the two"
            )
            .into());
        }
        if !self.masks.as_os_str().is_empty() && !self.test_folder.as_os_str().is_empty() {
            return Err(
                "data.test_folder: pictures with masks are divided by `test` or by folders `train` and `test`".into()
            );
        }
        if !self.class_names.is_empty() && source != Idx && self.masks.as_os_str().is_empty() {
            return Err("data.class_names: only IDX files and masks take their names from the settings".into());
        }
        let task = self.task()?;
        if task.is_some_and(|task| task != Task::Classes) && source != Csv {
            return Err(format!("data.task: these images have classes, not {}", self.task).into());
        }
        Ok(())
    }
}

impl Network {
    /// A short name for the network.
    pub(crate) fn name(&self) -> String {
        match self.start.as_str() {
            "" => self.architecture.clone(),
            start => format!("{start} with a new head"),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse("").expect("a test parses the template")
    }
}

impl Config {
    /// Reads a file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let named = |problem: String| Failure::from(format!("{}: {problem}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| named(format!("can't be read: {error}")))?;
        Self::parse(&text).map_err(|error| named(error.to_string()))
    }

    /// Parses settings; those that the text leaves out have the template's defaults.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        let mut table: Table = TEMPLATE.parse()?;
        merge(&mut table, text.parse()?, "")?;
        Self::of(table)
    }

    /// These settings, but for those in a table.
    pub(crate) fn with(&self, over: Table) -> Result<Self, Failure> {
        let mut table = Table::try_from(self)?;
        merge(&mut table, over, "")?;
        Self::of(table)
    }

    fn of(table: Table) -> Result<Self, Failure> {
        let config: Self = Value::Table(table).try_into()?;
        config.check()?;
        Ok(config)
    }

    /// Checks the ranges that the types don't ensure, and that the data's settings don't contradict each other.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.data.check()?;
        let Settings { learning_rate, momentum, beta1, beta2, weight_decay, warmup, floor, .. } = self.training;
        let Settings { step_every, step_factor, label_smoothing, clip_norm, weight_average, .. } = self.training;
        let at_least_one = |field, found: usize| (field, found as f64, 1.0, f64::MAX);
        let ranges = [
            at_least_one("training.epochs", self.training.epochs),
            at_least_one("training.batch_size", self.training.batch_size),
            ("data.validation", self.data.validation, 0.0, 1.0),
            ("data.test", self.data.test, 0.0, 1.0),
            ("training.learning_rate", learning_rate, f64::MIN_POSITIVE, f64::MAX),
            ("training.momentum", momentum, 0.0, 1.0),
            ("training.beta1", beta1, 0.0, 0.999_999_9),
            ("training.beta2", beta2, 0.0, 0.999_999_9),
            ("training.weight_decay", weight_decay, 0.0, f64::MAX),
            ("training.warmup", warmup, 0.0, 1.0),
            ("training.floor", floor, 0.0, 1.0),
            ("training.step_every", step_every, 0.0, 1.0),
            ("training.step_factor", step_factor, 0.0, f64::MAX),
            ("training.label_smoothing", label_smoothing, 0.0, 1.0),
            ("training.clip_norm", clip_norm, 0.0, f64::MAX),
            ("training.weight_average", weight_average, 0.0, 0.999_999_9),
        ];
        match ranges.into_iter().find(|&(_, found, least, most)| !(least..=most).contains(&found)) {
            Some((field, found, least, f64::MAX)) if least <= 0.0 => {
                Err(format!("{field}: expected a number of at least 0, found {found}").into())
            }
            Some((field, found, 1.0, _)) => Err(format!("{field}: expected at least 1, found {found}").into()),
            Some((field, found, _, f64::MAX)) => {
                Err(format!("{field}: expected a number above 0, found {found}").into())
            }
            Some((field, found, least, most)) => {
                Err(format!("{field}: expected a number from {least} to {most}, found {found}").into())
            }
            None => Ok(()),
        }
    }

    /// The settings for the trainer.
    pub(crate) fn training(&self) -> Training {
        let s = &self.training;
        let decay = match s.schedule {
            ScheduleKind::Constant => Decay::Constant,
            ScheduleKind::Step => Decay::Step { every: s.step_every, factor: s.step_factor },
            ScheduleKind::Cosine => Decay::Cosine { floor: s.floor },
            ScheduleKind::OneCycle => Decay::OneCycle,
        };
        Training {
            epochs: s.epochs,
            batch_size: s.batch_size,
            slot_size: (s.slot_size > 0).then_some(s.slot_size),
            learning_rate: s.learning_rate,
            schedule: Schedule { warmup: s.warmup, decay },
            label_smoothing: s.label_smoothing,
            clip_norm: (s.clip_norm > 0.0).then_some(s.clip_norm),
            weight_average: (s.weight_average > 0.0).then_some(s.weight_average),
            patience: (s.patience > 0).then_some(s.patience),
            seed: s.seed,
        }
    }

    /// How a picture is resized to an image. Images of other sources are not resized.
    pub(crate) fn crop(&self) -> Result<Crop, Failure> {
        Ok(match self.data.crop {
            CropMode::Largest => Crop::Largest,
            CropMode::Centre => Crop::centre(self.data.centre).map_err(|error| format!("data.centre: {error}"))?,
            CropMode::Squeezed => Crop::Squeezed,
        })
    }

    /// The shares of the images for validation and for the test.
    pub(crate) fn split(&self) -> Split {
        Split { validation: self.data.validation, test: self.data.test, seed: self.training.seed }
    }

    /// The optimizer.
    pub(crate) fn optimizer(&self) -> Box<dyn Optimizer<f32>> {
        let Settings { learning_rate, momentum, nesterov, beta1, beta2, weight_decay, .. } = self.training;
        let adam = AdamSettings { beta1, beta2, weight_decay, ..AdamSettings::new(learning_rate) };
        match self.training.optimizer {
            OptimizerKind::Sgd => Box::new(Sgd::with(SgdSettings { learning_rate, momentum, weight_decay, nesterov })),
            OptimizerKind::Adam => Box::new(Adam::with(AdamSettings { decoupled: false, ..adam })),
            OptimizerKind::AdamW => Box::new(Adam::with(AdamSettings { decoupled: true, ..adam })),
        }
    }
}

/// Overwrites values in `table`, which has all settings, with those in `over`. An integer is accepted for a float.
fn merge(table: &mut Table, over: Table, path: &str) -> Result<(), Failure> {
    for (key, value) in over {
        let name = format!("{path}{key}");
        let Some(own) = table.get_mut(&key) else {
            let near = |other: &&String| strsim::damerau_levenshtein(&key, other);
            let like = table.keys().min_by_key(near).filter(|other| near(other) <= key.chars().count().div_ceil(2));
            let hint = like.map(|like| format!("; did you mean `{like}`?")).unwrap_or_default();
            let fields = table.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(format!("there is no field `{name}`{hint} (there are {fields})").into());
        };
        match (own, value) {
            (Value::Table(own), Value::Table(value)) => merge(own, value, &format!("{name}."))?,
            (Value::Float(own), Value::Integer(value)) => *own = value as f64,
            (own, value) if own.same_type(&value) => *own = value,
            (own, value) => {
                let (expected, found) = (own.type_str(), value.type_str());
                return Err(format!("{name}: expected {expected}, such as {own}, found {found}").into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        Config::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn the_template_has_every_setting_with_a_comment() {
        let config = Config::default();
        assert_eq!(Config::parse(TEMPLATE).unwrap(), config);
        let written = toml::to_string(&config).unwrap();
        let keys = |text: &str| {
            let table: Table = text.parse().unwrap();
            table.iter().flat_map(|(_, section)| section.as_table().unwrap().keys().cloned()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&written), keys(TEMPLATE));
    }

    #[test]
    fn the_template_lists_the_networks_of_the_zoo() {
        let names = nn::zoo::Net::ALL.map(|net| format!("\"{net}\"")).join(", ");
        assert!(TEMPLATE.contains(&format!("network of the zoo: {names}.")), "{names}");
    }

    #[test]
    fn settings_override_the_template() {
        let config = Config::parse("[training]\nlearning_rate = 1\noptimizer = \"adamw\"\npatience = 3").unwrap();
        assert_eq!((config.training.learning_rate, config.training.optimizer), (1.0, OptimizerKind::AdamW));
        assert_eq!(config.training().patience, Some(3));
        assert_eq!(config.network, Config::default().network);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_expected() {
        let unknown = message("[training]\nlearnin_rate = 0.1");
        assert!(unknown.contains("no field `training.learnin_rate`; did you mean `learning_rate`?"), "{unknown}");
        assert!(message("[trainig]").contains("no field `trainig`; did you mean `training`?"));
        let kind = message("[training]\nepochs = \"many\"");
        assert!(kind.contains("training.epochs: expected integer, such as 8, found string"), "{kind}");
        assert!(message("[training]\nwarmup = 3").contains("training.warmup: expected a number from 0 to 1, found 3"));
        assert!(message("[training]\nepochs = 0").contains("training.epochs: expected at least 1, found 0"));
        assert!(message("[training]\nlearning_rate = -1").contains("learning_rate: expected a number above 0"));
        assert!(
            message("[training]\nclip_norm = nan").contains("clip_norm: expected a number of at least 0, found NaN")
        );
        assert!(message("[training]\noptimizer = \"sdg\"").contains("expected one of `sgd`, `adam`, `adamw`"));
    }
}
