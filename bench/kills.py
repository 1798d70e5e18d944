"""Trainings killed at random moments: does each go on as if it had not been?

    python -m bench.kills --kills 200

Small trainings of every task run once undisturbed, and then again and again in new folders, where
SIGKILL ends them, `resume` goes on, SIGKILL ends that, until one gets through. One kill in two
comes at a random time; the others in the middle of a write to the disk, or just before or behind.
After each kill all files are whole; at the end weights, the last checkpoint, figures, metrics and
pictures are those of the undisturbed training bit for bit, but for times, and nothing else is left.

Processes are forked from this one, which has everything loaded; --cold kills are of processes that
start from nothing. Needs POSIX.
"""

from __future__ import annotations

import argparse
import builtins
import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn import cli, load
from minitorch_rnn.training import Run

TEXT = "It was a bright cold day in April, and the clocks were striking thirteen. 1984! " * 40
TAGGED = "".join(
    f"{c}\t{'vowel' if c in 'aeiou' else 'other'}\n" if c.isalpha() else "\n" for c in TEXT
)
_SMALL = "--hidden 8 --batch 4 --sequence 20 --dtype float64"
TRAININGS = {
    "rnn": "--text {text} --steps 80 --validate-every 10 --checkpoint-every 3",
    "lstm": "--text {text} --cell lstm --layers 2 --dropout 0.3 --schedule cosine --warmup 5 "
    "--steps 60 --validate-every 7 --checkpoint-every 4 --keep 1 --dtype float32",
    "gru": "--text {text} --cell gru --optimizer sgd --epochs 2 --schedule plateau --log-every 3 "
    "--symbols bytes",
    "early": "--text {text} --lr 2 --steps 100 --validate-every 4 --patience 2",
    "narx": "--task forecast --steps 60 --validate-every 6 --checkpoint-every 5",
    "forecast": "--task forecast --network gru --layers 2 --dropout 0.2 --steps 40 "
    "--checkpoint-every 4 --optimizer rmsprop",
    "tag": "--task tag --data {tagged} --layers 2 --dropout 0.2 --steps 40 --validate-every 9 "
    "--checkpoint-every 5 --schedule linear --embedding 5",
}


class Moment(NamedTuple):
    """When a process is killed: at the n-th time that it comes by a place; or after `seconds`."""

    place: str = ""
    number: int = 0
    seconds: float = float("inf")


class Difference(Exception):
    """Something is not as in the undisturbed training."""


# Processes ----------------------------------------------------------------------------------------


def killed(arguments: Sequence[str], home: pathlib.Path, moment: Moment, cold: bool) -> int | None:
    """Run the command line in a folder; its exit status, or None if it was killed."""
    started = time.monotonic()
    if cold:
        with open(home / "log", "ab") as log:
            command = [sys.executable, "-m", "minitorch_rnn", *arguments]
            path = os.environ | {"PYTHONPATH": str(pathlib.Path(cli.__file__).parents[2])}
            pid = subprocess.Popen(command, cwd=home, stdout=log, stderr=log, env=path).pid
    else:
        sys.stdout.flush()
        pid = os.fork()
        if not pid:
            _child(arguments, home, moment)
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        if time.monotonic() - started > moment.seconds:
            os.kill(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    status = os.waitstatus_to_exitcode(ended[1])
    return None if status == -signal.SIGKILL else status


def _child(arguments: Sequence[str], home: pathlib.Path, moment: Moment) -> None:
    status = 99
    try:
        os.chdir(home)
        log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        passed = _watch(moment)
        status = cli.main(arguments)
        pathlib.Path("moments.json").write_text(json.dumps(passed), encoding="utf-8")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _watch(moment: Moment) -> dict[str, int]:
    """From here on this process counts how often it passes each place, and dies at its moment."""
    passed: dict[str, int] = collections.Counter()
    real_open, real_fsync, real_replace = builtins.open, os.fsync, os.replace
    real_unlink = pathlib.Path.unlink

    def pass_by(place: str) -> None:
        passed[place] += 1
        if (place, passed[place]) == moment[:2]:
            os.kill(os.getpid(), signal.SIGKILL)

    class Slow:
        """A file that is written in two halves, each of which reaches the disk."""

        def __init__(self, file: Any, place: str) -> None:
            self.file, self.place = file, place

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> Slow:
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        def write(self, content: bytes) -> int:
            half = len(content) // 2
            self.file.write(content[:half])
            self.file.flush()
            pass_by(self.place)
            self.file.write(content[half:])
            self.file.flush()
            pass_by("written")
            return len(content)

    def watched_open(file: Any, *args: Any, **named: Any) -> Any:
        opened = real_open(file, *args, **named)
        name = os.fspath(file) if isinstance(file, str | os.PathLike) else ""
        if str(name).endswith("metrics.jsonl") and "ab" in args:
            return Slow(opened, "metrics")
        return Slow(opened, "half written") if ".tmp." in str(name) else opened

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        folder = os.path.isdir(f"/dev/fd/{descriptor}")
        pass_by("folder flushed" if folder else "flushed")

    def replace(*args: Any) -> None:
        pass_by("before the move")
        real_replace(*args)
        pass_by("moved")

    def unlink(path: pathlib.Path, *args: Any, **named: Any) -> None:
        pass_by("before removal")
        real_unlink(path, *args, **named)
        pass_by("removed")

    builtins.open = watched_open
    for owner, name, watched in (
        (os, "fsync", fsync), (os, "replace", replace), (pathlib.Path, "unlink", unlink),
    ):  # fmt: skip
        setattr(owner, name, watched)
    return passed


# What must be true --------------------------------------------------------------------------------


def check_whole(run: pathlib.Path) -> None:
    """After a kill every file is whole, besides those that were not finished."""
    for path in [*run.glob("*"), *run.glob("checkpoints/*")]:
        if path.suffix == ".safetensors":
            load(path)
    if (run / "run.json").exists():
        Run.open(run).edited()
    if (run / "metrics.jsonl").exists():
        for line in (run / "metrics.jsonl").read_bytes().split(b"\n")[:-1]:
            json.loads(line)


def result(run: pathlib.Path) -> dict[str, Any]:
    """All that a training left, but for times: by file, what it holds."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in run.rglob("*") if path.is_file()):
        name = str(path.relative_to(run))
        if path.parent.name == "checkpoints":
            content = load(path)
            content["numbers"].pop("seconds")
            found[name] = _frozen(content)
        elif name == "metrics.jsonl":
            lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            found[name] = [{k: v for k, v in line.items() if k != "seconds"} for line in lines]
        elif name == "run.json":
            record = json.loads(path.read_text("utf-8"))
            found[name] = {k: v for k, v in record.items() if k not in ("seconds", "started")}
        else:
            found[name] = path.read_bytes()
    return found


def _frozen(value: Any) -> Any:
    """A nest of arrays as plain values that differ if a bit does."""
    if isinstance(value, dict):
        return {name: _frozen(held) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [_frozen(held) for held in value]
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return value


def check_same(run: pathlib.Path, wanted: dict[str, Any]) -> None:
    """The training came to what the undisturbed one came to, and left nothing else."""
    found = result(run)
    if set(found) != set(wanted):
        raise Difference(f"{run}: files differ: {sorted(set(found) ^ set(wanted))}")
    for name, content in wanted.items():
        if found[name] != content:
            raise Difference(f"{run}: {name} differs")


# All of it ----------------------------------------------------------------------------------------


class Training:
    """A training of the command line: what it comes to undisturbed, and killed ones like it."""

    def __init__(self, name: str, home: pathlib.Path) -> None:
        self.name, self.home, self.tries = name, home / name, 0
        self.home.mkdir()
        files = {"text": self.home / "text.txt", "tagged": self.home / "words.tsv"}
        files["text"].write_text(TEXT, encoding="utf-8")
        files["tagged"].write_text(TAGGED, encoding="utf-8")
        own = TRAININGS[name].format_map(files)
        batch = "--hidden 8 --batch 4" if "narx" in name else _SMALL
        self.options = ["train", "--out", "run", *f"{batch} --quiet {own}".split()]
        folder, started = self._folder("undisturbed"), time.monotonic()
        status = killed(self.options, folder, Moment(), cold=False)
        if status != 0:
            raise Difference(f"{folder}: exit status {status}: {(folder / 'log').read_text()}")
        self.seconds = time.monotonic() - started
        self.passed = json.loads((folder / "moments.json").read_text())
        self.wanted = result(folder / "run")

    def _folder(self, name: str) -> pathlib.Path:
        folder = self.home / name
        folder.mkdir()
        return folder

    def moment(self, rng: np.random.Generator) -> Moment:
        """A random one; the last places of a training are as likely as the first."""
        if rng.random() < 0.5:
            return Moment(seconds=rng.uniform(0, self.seconds))
        place = str(rng.choice(sorted(self.passed)))
        return Moment(place, int(rng.integers(1, self.passed[place] + 1)))

    def survives(self, rng: np.random.Generator, most: int, cold: bool) -> list[str]:
        """Train, be killed at most so often, go on to the end; where it was killed.

        Raises:
            Difference: if anything is not as it was undisturbed.
        """
        self.tries += 1
        folder = self._folder(f"{'cold' if cold else 'killed'}-{self.tries}")
        run = folder / "run"
        kills: list[str] = []
        while True:
            moment = self.moment(rng) if len(kills) < most else Moment()
            if cold and len(kills) < most:  # from the start of the interpreter
                moment = Moment(seconds=rng.uniform(0, self.seconds + 1.5))
            going_on = (run / "run.json").exists()
            arguments = ["resume", "run", "--quiet"] if going_on else self.options
            status = killed(arguments, folder, moment, cold)
            if status is not None:
                break
            kills.append(moment.place or "at a random time")
            check_whole(run)
        if status != 0:
            log = (folder / "log").read_text("utf-8", "replace")[-2000:]
            raise Difference(f"{folder}: exit status {status} after {kills}:\n{log}")
        check_same(run, self.wanted)
        return kills


def survived(
    home: pathlib.Path, kills: int, cold: int = 0, seed: int = 0, names: Sequence[str] = ()
) -> dict[str, int]:
    """How many processes were killed where; all trainings went on to the same bits.

    Raises:
        Difference: if one did not.
    """
    rng = np.random.default_rng(seed)
    trainings = [Training(name, home) for name in names or TRAININGS]
    count: collections.Counter[str] = collections.Counter()
    for least, from_nothing in ((kills, False), (kills + cold, True)):
        turn = 0
        while sum(count.values()) < least:
            training = trainings[turn % len(trainings)]
            count.update(training.survives(rng, least - sum(count.values()), from_nothing))
            turn += 1
    return dict(count)


def main() -> None:
    """Kill as often as asked, and tell where."""
    parser = argparse.ArgumentParser(prog="python -m bench.kills", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"trainings, of {', '.join(TRAININGS)} (all)"
    )
    parser.add_argument("--kills", type=int, default=200, help="of forked processes (200)")
    parser.add_argument("--cold", type=int, default=0, help="of processes from nothing (0)")
    parser.add_argument("--seed", type=int, default=0, help="draws the moments (0)")
    parser.add_argument("--keep", metavar="FOLDER", help="leave the runs here, to be looked at")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(TRAININGS)):
        parser.error(f"{', '.join(unknown)}: known are {', '.join(TRAININGS)}")
    with tempfile.TemporaryDirectory() as temporary:
        home = pathlib.Path(options.keep or temporary)
        home.mkdir(exist_ok=True)
        started = time.monotonic()
        count = survived(home, options.kills, options.cold, options.seed, options.names)
    for place, number in sorted(count.items(), key=lambda entry: -entry[1]):
        print(f"{number:4d}  {place}")
    print(
        f"{sum(count.values())} kills in {time.monotonic() - started:.0f} s: every training went "
        "on to the bits of the undisturbed one, and no temporary file is left"
    )


if __name__ == "__main__":
    main()
