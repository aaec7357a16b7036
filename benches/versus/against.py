"""Glassbox as it was at an earlier commit, as one more engine."""

import shutil
import subprocess

from networks import CACHE
from process import ENGINES, HERE, ONLY, OURS

FILES = ("src", "Cargo.toml")


def add(revision):
    """Builds that commit's crates with the peer as it is now, so that only the crates differ; if that doesn't build, with the
    commit's own peer. The engine is called `glassbox@REVISION`."""
    git = ["git", "-C", HERE.parents[1]]
    commit = subprocess.run([*git, "rev-parse", "--verify", f"{revision}^{{commit}}"], check=True, text=True,
                            capture_output=True).stdout.strip()
    name, folder = f"{OURS}@{revision}", CACHE / f"against-{commit[:12]}"
    peers = folder / "benches/versus/peers"
    unpack(git, commit, folder)
    for file in FILES:
        take(HERE / "peers" / file, peers / file)
    if not build(peers):
        print(f"{name} doesn't build with today's peer: it has its own, and no whole networks", flush=True)
        unpack(git, commit, folder)
        if not build(peers):
            raise SystemExit(f"{name} doesn't build")
        ONLY[name] = ["conv", "fc", "train", "explain"]
    ENGINES[name] = [peers / "target/release/glassbox"]
    return name


def unpack(git, commit, folder):
    """The commit's files; what was compiled before stays."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "benches/versus/peers/src", ignore_errors=True)
    archive = subprocess.Popen([*git, "archive", "--format=tar", commit], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", folder], stdin=archive.stdout, check=True)
    if archive.wait():
        raise SystemExit(f"{commit} can't be unpacked")


def take(source, target):
    """Puts a file or a folder in the place of another, with its times, so that nothing is compiled for nothing."""
    if source.is_dir():
        shutil.rmtree(target)
        shutil.copytree(source, target)
    else:
        shutil.copy2(source, target)


def build(peers):
    command = ["cargo", "build", "--release", "--no-default-features", "--features", "glassbox"]
    return subprocess.run(command, cwd=peers).returncode == 0
