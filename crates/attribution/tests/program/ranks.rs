//! Ranks: processes that a launcher starts.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{IDX, idx, listing};

/// Runs `glassbox train` as if a launcher had started several processes.
fn launched(folder: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glassbox"));
    command.current_dir(folder).args(IDX).args(["--epochs", "1", "--slot", "10", "--out", "net"]);
    command.envs(variables.iter().copied()).output().unwrap()
}

/// The launcher of another library than the program's, or any launcher of a program without one, starts lonely copies.
#[test]
fn lonely_copies_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    idx(folder.path(), "train", 20, 12, 2);
    let before = listing(folder.path());
    for (count, rank) in [("PMI_SIZE", "PMI_RANK"), ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID")] {
        let [first, second] = ["0", "1"].map(|number| launched(folder.path(), &[(count, "4"), (rank, number)]));
        assert_eq!([first.status.code(), second.status.code()], [Some(1); 2]);
        let line = String::from_utf8(first.stderr).unwrap();
        assert!(line.starts_with("glassbox: 4 processes were started, but each would find only 1: "), "{line}");
        assert!(line.lines().count() == 1 && second.stderr.is_empty());
    }
    assert_eq!(listing(folder.path()), before);
    let alone = launched(folder.path(), &[("SLURM_STEP_NUM_TASKS", "1"), ("SLURM_PROCID", "0")]);
    assert!(alone.status.success());
}

#[cfg(all(feature = "mpi", target_os = "linux"))]
mod with_mpi {
    use std::fs;
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    /// `mpirun -n ranks` of the program, with one thread a rank.
    fn on_ranks(folder: &Path, ranks: usize, arguments: &[&str]) -> Command {
        let mut command = Command::new("mpirun");
        command.current_dir(folder).args(["-n", &ranks.to_string(), env!("CARGO_BIN_EXE_glassbox")]);
        command.args(arguments).args(["--threads", "1"]);
        // Open MPI refuses the superuser, and more ranks than cores, unless it is told.
        command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
        command.env("OMPI_MCA_rmaps_base_oversubscribe", "1");
        command
    }

    const OPTIONS: [&str; 8] = ["--epochs", "3", "--batch", "24", "--slot", "5", "--rate", "0.05"];

    fn train(out: &'static str) -> Vec<&'static str> {
        [&IDX[..], &OPTIONS, &["--out", out]].concat()
    }

    fn model(folder: &Path, out: &str) -> Vec<u8> {
        fs::read(folder.join(out).join("model.safetensors")).unwrap()
    }

    #[test]
    fn the_network_is_that_of_one_process() {
        let folder = tempfile::tempdir().unwrap();
        idx(folder.path(), "train", 130, 12, 3);
        crate::support::succeeds(folder.path(), &train("one"));
        for (ranks, out) in [(1, "of-1"), (2, "of-2"), (3, "of-3"), (4, "of-4")] {
            let output = on_ranks(folder.path(), ranks, &train(out)).output().expect("an mpirun");
            let printed = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(printed.matches("The network is in").count(), 1, "one rank speaks: {printed}");
            assert!(model(folder.path(), out) == model(folder.path(), "one"), "{ranks} ranks");
        }
        let many = on_ranks(folder.path(), 6, &train("of-6")).output().unwrap();
        let errors = String::from_utf8_lossy(&many.stderr);
        assert!(errors.contains("6 ranks share a batch of 5 slots of 5 images"), "{errors}");
        assert!(!many.status.success() && !folder.path().join("of-6").exists());
    }

    /// A training on four ranks, after its first line.
    fn started(folder: &Path, arguments: &[&str]) -> Child {
        let command = &mut on_ranks(folder, 4, arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        child
    }

    /// How it ends, which it does within five seconds.
    fn ends(mut child: Child) -> String {
        let began = Instant::now();
        let mut errors = String::new();
        child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(!child.wait().unwrap().success(), "{errors}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}: {errors}", began.elapsed());
        errors
    }

    /// The process of a rank of this launcher.
    fn process(launcher: &Child, rank: usize) -> String {
        let children = |parents: &str| {
            let found = Command::new("pgrep").args(["-P", parents]).output().unwrap();
            String::from_utf8(found.stdout).unwrap()
        };
        // MPICH starts a proxy, which starts the ranks.
        let children_of_launcher = children(&launcher.id().to_string());
        let grandchildren = children(&children_of_launcher.lines().collect::<Vec<_>>().join(","));
        let processes = children_of_launcher + &grandchildren;
        let is_rank = |process: &&str| {
            let variables = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
            let own = [format!("OMPI_COMM_WORLD_RANK={rank}"), format!("PMI_RANK={rank}")];
            variables.split(|&byte| byte == 0).any(|variable| own.iter().any(|own| own.as_bytes() == variable))
        };
        processes.lines().find(is_rank).expect("a process for each rank").into()
    }

    #[test]
    fn what_stops_one_rank_stops_all_and_the_training_goes_on_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        idx(folder.path(), "train", 130, 12, 3);
        let long = |out| [&IDX[..], &["--epochs", "40"], &OPTIONS[2..], &["--out", out]].concat();
        crate::support::succeeds(folder.path(), &long("one"));
        for rank in 0..4 {
            let child = started(folder.path(), &long("killed"));
            let process = process(&child, rank);
            assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
            ends(child);
        }
        let child = started(folder.path(), &long("stopped"));
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        let errors = ends(child);
        assert!(errors.contains("everything is saved; resume with `glassbox train --resume stopped`"), "{errors}");
        for (out, ranks) in [("killed", 3), ("stopped", 2)] {
            let resumed = on_ranks(folder.path(), ranks, &["train", "--resume", out]).output().unwrap();
            assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
            assert!(model(folder.path(), out) == model(folder.path(), "one"), "{out}");
        }
    }
}
