//! Shards: parts of an evaluation or of explanations that are computed by themselves, and their files.

use std::env;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nn::train::{Ranks, share};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tensor::simd::{Tier, tier};

use super::folder::{self, prepare};
use crate::program::terminal::{Failure, Stopped};

/// The folder of the shards' files, in the output folder.
const FOLDER: &str = "shards";

/// One of several parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// `K/N`, or `slurm`: the part that the task of a Slurm array is to do.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "slurm" {
            return Self::of_slurm(|name| env::var(name).ok());
        }
        let numbers = text.split_once('/').and_then(|(number, of)| Some([number.parse().ok()?, of.parse().ok()?]));
        match numbers {
            Some([number, of]) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("expected K/N, such as 1/8 for the first of eight, or slurm".into()),
        }
    }
}

impl Shard {
    /// The part of a task among those of its array, which are `MIN`, `MIN + STEP`, …
    fn of_slurm(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| {
            let name = format!("SLURM_ARRAY_TASK_{name}");
            let value = variable(&name).and_then(|value| value.parse::<usize>().ok());
            value.ok_or_else(|| format!("{name} isn't set: `slurm` works only in a job of `sbatch --array`"))
        };
        let (id, of, least) = (number("ID")?, number("COUNT")?, number("MIN")?);
        let step = number("STEP").unwrap_or(1).max(1);
        let number = id.saturating_sub(least) / step + 1;
        if number > of {
            return Err(format!("SLURM_ARRAY_TASK_ID is {id}, though there are {of} tasks from {least} on"));
        }
        Ok(Self { number, of })
    }

    /// The places of its things among `count`.
    pub(crate) fn range(self, count: usize) -> Range<usize> {
        share(count, self.of, self.number - 1)
    }

    fn file(self, out: &Path) -> PathBuf {
        out.join(FOLDER).join(format!("{}-of-{}.json", self.number, self.of))
    }
}

/// The facts that all shards of one result share, each with a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts(Vec<(String, String)>);

impl Facts {
    /// The program's version and arithmetic, and the SHA-256 of each of the other facts.
    pub(crate) fn new<'f>(others: impl IntoIterator<Item = (&'static str, &'f [u8])>) -> Self {
        // The fused instruction sets round alike.
        let arithmetic = if tier() == Tier::Portable { "portable" } else { "fused" };
        let arithmetic = format!("{arithmetic} {:?}", env::var_os("GLASSBOX_WINOGRAD"));
        let hashed = others.into_iter().map(|(what, fact)| {
            let hex = Sha256::digest(fact).iter().map(|byte| format!("{byte:02x}")).collect();
            (what.into(), hex)
        });
        let own = [("version", env!("CARGO_PKG_VERSION").into()), ("arithmetic", arithmetic)];
        Self(own.into_iter().map(|(what, fact)| (what.into(), fact)).chain(hashed).collect())
    }

    /// The first fact that differs.
    fn differing<'a>(&'a self, other: &Self) -> Option<&'a str> {
        let differs = |(own, other): &(&(String, String), Option<&(String, String)>)| *other != Some(*own);
        let pairs = self.0.iter().enumerate().map(|(index, own)| (own, other.0.get(index)));
        pairs.into_iter().find(differs).map(|(own, _)| own.0.as_str())
    }
}

/// The contents of a shard's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<T> {
    #[serde(flatten)]
    shard: Shard,
    /// The command line, from the command on.
    command: Vec<String>,
    facts: Facts,
    found: T,
}

/// The command line with which this process was started, from the command on.
fn command_line() -> Vec<String> {
    env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect()
}

/// Creates the folder of the shards, and looks for the file of this one. `true` if it is there already.
///
/// # Errors
/// If there are shards of another number, or this one's file is of another result.
pub(crate) fn begin(out: &Path, shard: Shard, facts: &Facts) -> Result<bool, Failure> {
    prepare(&out.join(FOLDER))?;
    for file in files(out)? {
        let of = read::<serde::de::IgnoredAny>(&file)?.shard.of;
        if of != shard.of {
            let file = file.display();
            return Err(
                format!("{file}: a shard of {of}, not of {}; remove it, or choose another --out", shard.of).into()
            );
        }
    }
    let file = shard.file(out);
    if !file.exists() {
        return Ok(false);
    }
    same(&file, &read::<serde::de::IgnoredAny>(&file)?, facts)?;
    Ok(true)
}

/// Writes what a shard has found, atomically.
pub(crate) fn write(out: &Path, shard: Shard, facts: &Facts, found: &impl Serialize) -> Result<PathBuf, Failure> {
    let file = shard.file(out);
    let written = Written { shard, command: command_line(), facts: facts.clone(), found };
    folder::write(&file, &serde_json::to_string(&written)?)?;
    Ok(file)
}

/// Runs the part of each rank. A rank that was stopped doesn't leave the others waiting.
pub(crate) fn on_each_rank(ranks: &dyn Ranks, run: impl FnOnce(Shard) -> Result<(), Failure>) -> Result<(), Failure> {
    let done = run(Shard { number: ranks.rank() + 1, of: ranks.count() });
    let stopped = done.as_ref().is_err_and(|failure| failure.is::<Stopped>());
    if !stopped {
        done?;
    }
    let mut all = vec![0; ranks.count()];
    ranks.all_gather(&[stopped.into()], &mut all, &vec![1; ranks.count()])?;
    match all.contains(&1) {
        true => Err(Stopped("stopped; the same command keeps the shards that are written".into()).into()),
        false => Ok(()),
    }
}

/// The results of all shards in their order, each with its file.
///
/// # Errors
/// If a shard is missing, damaged, or of another result.
pub(crate) fn gather<T: DeserializeOwned>(out: &Path, facts: &Facts) -> Result<Vec<(PathBuf, Shard, T)>, Failure> {
    let of = one_of(out)?.shard.of;
    let mut found = Vec::new();
    for number in 1..=of {
        let shard = Shard { number, of };
        let file = shard.file(out);
        if !file.exists() {
            return Err(format!("{}: missing; run the command with --shard {shard} first", file.display()).into());
        }
        let written: Written<T> = read(&file)?;
        same(&file, &written, facts)?;
        found.push((file, shard, written.found));
    }
    match files(out)?.into_iter().find(|file| found.iter().all(|(known, ..)| known != file)) {
        Some(file) => Err(format!("{}: expected the shards of one result, in {of} parts", file.display()).into()),
        None => Ok(found),
    }
}

/// The command line that has written the shards in this folder, from the command on.
pub(crate) fn command(out: &Path) -> Result<Vec<String>, Failure> {
    Ok(one_of(out)?.command)
}

/// One of the shards.
fn one_of(out: &Path) -> Result<Written<serde::de::IgnoredAny>, Failure> {
    match files(out)?.first() {
        Some(file) => read(file),
        None => Err(format!("{}: has no shards, which `--shard` writes", out.display()).into()),
    }
}

fn files(out: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = out.join(FOLDER);
    if folder.is_dir() { folder::entries(&folder) } else { Ok(Vec::new()) }
}

fn read<T: DeserializeOwned>(file: &Path) -> Result<Written<T>, Failure> {
    let text = fs::read(file).map_err(|error| format!("{}: can't be read: {error}", file.display()))?;
    let written = serde_json::from_slice(&text);
    written.map_err(|error| format!("{}: expected a shard's file: {error}; remove it", file.display()).into())
}

fn same<T>(file: &Path, written: &Written<T>, facts: &Facts) -> Result<(), Failure> {
    match facts.differing(&written.facts) {
        Some(what) => {
            Err(format!("{}: a shard of another result, with another {what}; remove it", file.display()).into())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_named_as_they_are_counted() {
        assert_eq!("2/3".parse(), Ok(Shard { number: 2, of: 3 }));
        for bad in ["0/3", "4/3", "3", "a/b", "-1/2", ""] {
            assert!(bad.parse::<Shard>().unwrap_err().starts_with("expected K/N"), "{bad}");
        }
    }

    #[test]
    fn a_task_of_an_array_has_its_part() {
        let array = |id: u8, count: u8, least: u8, step: u8| {
            let values = [("ID", id), ("COUNT", count), ("MIN", least), ("STEP", step)];
            Shard::of_slurm(|name| {
                let value = values.iter().find(|(short, _)| name == format!("SLURM_ARRAY_TASK_{short}"));
                value.map(|(_, value)| value.to_string())
            })
        };
        assert_eq!(array(1, 8, 1, 1), Ok(Shard { number: 1, of: 8 }));
        assert_eq!(array(14, 4, 0, 7), Ok(Shard { number: 3, of: 4 }));
        assert!(array(9, 4, 0, 1).unwrap_err().contains("there are 4 tasks from 0 on"));
        assert!(Shard::of_slurm(|_| None).unwrap_err().contains("SLURM_ARRAY_TASK_ID isn't set"));
    }

    #[test]
    fn what_does_not_belong_together_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let facts = |network: &'static str| Facts::new([("network", network.as_bytes())]);
        let shard = |number, of| Shard { number, of };
        let message = |result: Result<(), Failure>| result.unwrap_err().to_string();
        assert!(message(gather::<u8>(out, &facts("a")).map(drop)).contains("has no shards"));
        for number in [3, 1] {
            assert!(!begin(out, shard(number, 3), &facts("a")).unwrap());
            write(out, shard(number, 3), &facts("a"), &number).unwrap();
        }
        assert!(begin(out, shard(1, 3), &facts("a")).unwrap(), "it is done already");
        assert!(message(begin(out, shard(1, 3), &facts("b")).map(drop)).contains("another network"));
        assert!(message(begin(out, shard(1, 2), &facts("a")).map(drop)).contains("a shard of 3, not of 2"));
        let missing = message(gather::<u8>(out, &facts("a")).map(drop));
        assert!(missing.contains("2-of-3.json: missing; run the command with --shard 2/3 first"), "{missing}");
        write(out, shard(2, 3), &facts("b"), &2).unwrap();
        let foreign = message(gather::<u8>(out, &facts("a")).map(drop));
        assert!(foreign.contains("2-of-3.json: a shard of another result, with another network"), "{foreign}");
        write(out, shard(2, 3), &facts("a"), &2).unwrap();
        let found: Vec<u8> = gather(out, &facts("a")).unwrap().into_iter().map(|(_, _, found)| found).collect();
        assert_eq!(found, [1, 2, 3]);
        fs::write(out.join(FOLDER).join("1-of-3.json"), "{").unwrap();
        assert!(message(gather::<u8>(out, &facts("a")).map(drop)).contains("1-of-3.json: expected a shard's file"));
    }
}
