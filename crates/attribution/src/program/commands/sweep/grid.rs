//! The trainings of a sweep.

use std::collections::HashSet;
use std::path::Path;
use std::str::FromStr;

use toml::{Table, Value};

use crate::program::terminal::Failure;
use crate::program::training::config::Config;

/// Limit on the trainings of a sweep.
const MOST: usize = 10_000;

/// A setting, and its values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Over {
    key: String,
    values: Vec<Value>,
}

/// `SETTING=VALUE,…`, with values as in TOML, words without quotes, or `FROM..TO`.
impl FromStr for Over {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, list)) = text.split_once('=') else {
            return Err("expected SETTING=VALUE,…, such as training.seed=0..5".into());
        };
        let values = match list.split_once("..").map(|(from, to)| (from.parse::<i64>(), to.parse::<i64>())) {
            Some((Ok(from), Ok(to))) if from < to && to.abs_diff(from) <= MOST as u64 => {
                (from..to).map(Value::Integer).collect()
            }
            Some((Ok(from), Ok(to))) => {
                return Err(format!("{from}..{to}: expected up to {MOST} numbers, the first below the last"));
            }
            _ => parts(list).into_iter().map(value).collect::<Vec<_>>(),
        };
        match (key.split('.').all(|part| !part.is_empty()), list.is_empty()) {
            (true, false) => Ok(Self { key: key.into(), values }),
            _ => Err("expected SETTING=VALUE,…, such as training.learning_rate=0.05,0.1".into()),
        }
    }
}

/// The parts between commas that aren't within brackets.
fn parts(list: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let outside = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    list.split(outside).collect()
}

/// A value as in TOML, or else a word.
fn value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.into()))
}

/// A training of the sweep.
pub(super) struct Training {
    /// The settings that the sweep sets, each with its value.
    pub(super) name: String,
    /// The values.
    pub(super) values: Vec<String>,
    pub(super) config: Config,
}

/// All combinations of the values.
pub(super) struct Grid {
    pub(super) keys: Vec<String>,
    pub(super) trainings: Vec<Training>,
}

impl Grid {
    /// The trainings in folders in `out`; the last setting changes first.
    pub(super) fn new(over: &[Over], base: &Config, out: &Path) -> Result<Self, Failure> {
        let keys: Vec<String> = over.iter().map(|over| over.key.clone()).collect();
        if let Some(twice) = keys.iter().enumerate().find_map(|(at, key)| keys[..at].contains(key).then_some(key)) {
            return Err(format!("--over: {twice} is given twice").into());
        }
        let count = over.iter().try_fold(1_usize, |count, over| count.checked_mul(over.values.len()));
        let Some(count) = count.filter(|&count| count <= MOST) else {
            return Err(format!("--over: expected up to {MOST} trainings, found more").into());
        };
        let mut trainings = Vec::new();
        for number in 0..count {
            let mut rest = number;
            let mut chosen: Vec<(&str, &Value)> = Vec::new();
            for over in over.iter().rev() {
                chosen.push((&over.key, &over.values[rest % over.values.len()]));
                rest /= over.values.len();
            }
            chosen.reverse();
            trainings.push(Training::new(&chosen, base, out)?);
        }
        let mut names = HashSet::new();
        match trainings.iter().find(|training| !names.insert(training.config.output.folder.clone())) {
            Some(twice) => Err(format!("--over: two trainings would be {}", twice.name).into()),
            None => Ok(Self { keys, trainings }),
        }
    }
}

impl Training {
    fn new(chosen: &[(&str, &Value)], base: &Config, out: &Path) -> Result<Self, Failure> {
        let mut table = Table::new();
        for (key, value) in chosen {
            let mut parts: Vec<&str> = key.split('.').collect();
            let last = parts.pop().expect("a setting has a name");
            let section = parts.into_iter().try_fold(&mut table, |table, part| {
                table.entry(part).or_insert_with(|| Value::Table(Table::new())).as_table_mut()
            });
            let section = section.ok_or_else(|| format!("--over: {key}: a setting within a setting"))?;
            section.insert(last.into(), (*value).clone());
        }
        let mut config = base.with(table).map_err(|error| format!("--over: {error}"))?;
        let values: Vec<String> = chosen.iter().map(|(_, value)| shown(value)).collect();
        let named = chosen.iter().zip(&values).map(|((key, _), value)| {
            let short = key.rsplit('.').next().unwrap_or(key);
            format!("{short}={value}")
        });
        let name = named.collect::<Vec<_>>().join(",");
        let plain = |c: char| if c.is_alphanumeric() || "=,.+-_".contains(c) { c } else { '_' };
        config.output.folder = out.join(name.chars().map(plain).collect::<String>());
        Ok(Self { name, values, config })
    }
}

/// A value without quotes.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(over: &[&str]) -> Result<Grid, Failure> {
        let over: Vec<Over> = over.iter().map(|text| text.parse().unwrap()).collect();
        Grid::new(&over, &Config::default(), Path::new("out"))
    }

    #[test]
    fn every_combination_is_a_training() {
        let grid = grid(&["training.learning_rate=0.05,1", "training.seed=3..5", "network.channels=[8,16]"]).unwrap();
        let names: Vec<&str> = grid.trainings.iter().map(|training| training.name.as_str()).collect();
        let rest = "channels=[8, 16]";
        let expected = [("0.05", 3), ("0.05", 4), ("1", 3), ("1", 4)];
        assert_eq!(names, expected.map(|(rate, seed)| format!("learning_rate={rate},seed={seed},{rest}")));
        let last = &grid.trainings[3].config;
        assert_eq!(
            (last.training.learning_rate, last.training.seed, &last.network.channels[..]),
            (1.0, 4, &[8, 16][..])
        );
        assert_eq!(last.output.folder, Path::new("out/learning_rate=1,seed=4,channels=_8,_16_"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |over: &[&str]| grid(over).err().unwrap().to_string();
        assert!(message(&["training.optimizer=sgd,adm"]).contains("expected one of `sgd`, `adam`, `adamw`"));
        assert!(
            message(&["training.sed=1"]).contains("--over: there is no field `training.sed`; did you mean `seed`?")
        );
        assert!(message(&["training.seed=1", "training.seed=2"]).contains("training.seed is given twice"));
        assert!(message(&["training.seed=1,1"]).contains("two trainings would be seed=1"));
        assert!(message(&["training.seed.x=1"]).contains("expected"));
        assert!(message(&["training.seed=0..9999", "training.epochs=1..9"]).contains("up to 10000 trainings"));
        for bad in ["training.seed", "=1", "training.seed=", "training.seed=5..1", "training..seed=1"] {
            assert!(bad.parse::<Over>().unwrap_err().contains("expected"), "{bad}");
        }
    }
}
