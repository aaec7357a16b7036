//! The loop of commands and answers; `../worker.py` describes it.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use crate::Case;

/// A case with its inputs ready.
pub trait Work {
    /// Computes once.
    fn run(&mut self);

    /// Computes once and gives the numbers in the canonical layout.
    fn result(&mut self) -> Vec<f32>;

    /// How it is computed, where there is a choice.
    fn algorithm(&self) -> Option<String> {
        None
    }
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Command {
    Prepare { case: Case },
    Result { path: PathBuf },
    Run { seconds: f64, least: usize },
    Peak { seconds: f64 },
    Bandwidth { seconds: f64 },
    Memory,
    Drop,
}

/// Answers commands until there are none. `prepare` says why where it can't do a case.
///
/// # Panics
/// If a command can't be understood or obeyed.
pub fn serve(mut prepare: impl FnMut(&Case) -> Result<Box<dyn Work>, String>) {
    let mut work: Option<Box<dyn Work>> = None;
    let mut idle = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line of text");
        let command = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
        let answer = match command {
            Command::Prepare { case } => {
                idle = idle.or_else(|| status("VmRSS"));
                match prepare(&case) {
                    Ok(ready) => {
                        let algorithm = ready.algorithm();
                        work = Some(ready);
                        json!({ "algorithm": algorithm })
                    }
                    Err(why) => json!({ "unsupported": why }),
                }
            }
            Command::Result { path } => {
                let values = work.as_mut().expect("a case").result();
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(path, bytes).expect("a place for the result");
                json!({})
            }
            Command::Run { seconds, least } => {
                let (seconds, runs) = shortest(work.as_mut().expect("a case").as_mut(), seconds, least);
                json!({ "seconds": seconds, "runs": runs })
            }
            Command::Peak { seconds } => json!({ "gflops": crate::gflops(seconds) }),
            Command::Bandwidth { seconds } => json!({ "gigabytes": crate::gigabytes(seconds) }),
            Command::Memory => json!({ "peak": status("VmHWM"), "idle": idle }),
            Command::Drop => {
                work = None;
                json!({})
            }
        };
        println!("{answer}");
        std::io::stdout().flush().expect("a reader");
    }
}

fn shortest(work: &mut dyn Work, seconds: f64, least: usize) -> (f64, usize) {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let (mut best, mut runs) = (f64::INFINITY, 0);
    while runs < least || Instant::now() < end {
        let start = Instant::now();
        work.run();
        best = best.min(start.elapsed().as_secs_f64());
        runs += 1;
    }
    (best, runs)
}

/// A size in bytes from what Linux tells of this process: `VmRSS`, now in memory; `VmHWM`, the most there ever was.
fn status(field: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
