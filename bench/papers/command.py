"""`python -m bench papers [NAME …]`: run the experiments, print them, draw them, write the page.

Several seeds run at the same time, each in a process with one thread. Nothing that loads NumPy is
imported before the threads are pinned.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context
from types import ModuleType
from typing import Any

from bench import surroundings
from bench.papers import page
from bench.papers.record import Kept, read, same, write

NAMES = (
    "temporal_xor", "blocked_gradient", "letters", "lexical_classes", "jordan_plans",
    "narx_latching", "bidirectional", "sunspots", "embedded_reber", "adding", "temporal_order",
    "copying", "anchors",
)  # fmt: skip


def script(name: str) -> ModuleType:
    """The module of an experiment."""
    return importlib.import_module(f"bench.papers.{name}")


def main(arguments: list[str] | None = None) -> None:
    """Parse, run, print; keep the figures, or compare them with those that are kept."""
    options = _options(arguments)
    surroundings.pin_threads(1)
    try:
        kept = in_order(read(page.FIGURES))
        needed = [script(name) for name in options.names]
        _look_ahead(options, kept)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(f"python -m bench papers: {error}")
    others = []
    try:
        if options.page:
            for name in options.names:
                page.write(kept, name)
            return
        if not options.again:  # what is found anew need not fit any more
            kept = {name: one for name, one in kept.items() if not _misfit(name, one)}
        for name, module, new in zip(options.names, needed, _run(options, needed), strict=True):
            print("\n".join(page.told(module.PAPER, module.findings(new.found), new)), flush=True)
            if options.again:
                others += [name] if _differs(new, kept[name]) else []
                continue
            kept = in_order(kept | {name: new})
            write(kept, page.FIGURES)
            page.write(kept, name)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenProcessPool as error:
        sys.exit(f"python -m bench papers: a process was killed, for want of memory? {error}")
    except OSError as error:
        sys.exit(f"python -m bench papers: {error}")
    if others:
        sys.exit(f"not the bits that are kept: {', '.join(others)}")


def in_order(kept: Mapping[str, Kept]) -> dict[str, Kept]:
    """The experiments that there are, in the order of the page."""
    return {name: kept[name] for name in NAMES if name in kept}


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench papers",
        description="Run the experiments of the papers, print what they find, and write "
        "bench/PAPERS.md with its pictures and bench/papers.json.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"experiments, of {', '.join(NAMES)} (all)"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument(
        "--again", action="store_true",
        help="write nothing, and compare every figure with those that are kept, bit by bit",
    )  # fmt: skip
    instead.add_argument(
        "--page", action="store_true",
        help="run nothing; draw and write the page anew from the figures that are kept",
    )  # fmt: skip
    parser.add_argument(
        "--processes", type=int, default=surroundings.cores(), metavar="N",
        help="how many seeds run at the same time (as many as there are cores)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"{', '.join(unknown)}: known are {', '.join(NAMES)}")
    if options.processes < 1:
        parser.error(f"--processes is {options.processes}; at least 1 is needed")
    options.names = options.names or list(NAMES)
    return options


def _look_ahead(options: argparse.Namespace, kept: Mapping[str, Kept]) -> None:
    """Whatever would fail after minutes of work is to fail before them.

    Raises:
        ImportError: if a package is missing.
        OSError: if nothing can be written.
        ValueError: if the kept figures are missing where they are needed, or do not fit.
    """
    for package in ("matplotlib", "scipy"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"{package} is missing; pip install -e '.[papers]' brings it.")
    if options.again or options.page:
        if missing := [name for name in options.names if name not in kept]:
            raise ValueError(f"no figures of {', '.join(missing)} are kept; run without an option.")
    if options.again:
        return
    if not os.access(page.FIGURES.parent, os.W_OK):
        raise OSError(f"{page.FIGURES.parent}: nothing can be written there.")
    for name in kept:  # the page is made of all
        if (options.page or name not in options.names) and (cause := _misfit(name, kept[name])):
            raise ValueError(
                f"the figures of {name} that are kept do not fit its script ({cause!r}); "
                "run it as well."
            )


def _misfit(name: str, kept: Kept) -> Exception | None:
    """What is wrong where figures were found by another version of the script."""
    try:
        script(name).findings(kept.found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as cause:
        return cause
    return None


def _run(options: argparse.Namespace, scripts: list[ModuleType]) -> Iterator[Kept]:
    """What each experiment finds, one after the other."""
    machine = surroundings.described(1, peers=())
    with ProcessPoolExecutor(
        options.processes,
        mp_context=get_context("spawn"),
        initializer=signal.signal,  # an interrupt ends these at once; the first process tells it
        initargs=(signal.SIGINT, signal.SIG_DFL),
    ) as pool:
        for name, module in zip(options.names, scripts, strict=True):
            seeds = module.PAPER.seeds
            started = time.perf_counter()
            try:
                turns = list(pool.map(seed_of, [name] * seeds, range(seeds)))
            except KeyboardInterrupt:
                for process in active_children():  # or the pool would wait for them
                    process.terminate()
                raise
            wall = time.perf_counter() - started
            found, seconds = [turn[0] for turn in turns], [turn[1] for turn in turns]
            yield Kept(machine, options.processes, wall, seconds, found)


def seed_of(name: str, seed: int, **sizes: Any) -> tuple[dict[str, Any], float]:
    """One seed of an experiment, as JSON gives it back, and the processor time it took.

    Raises:
        ValueError: naming the experiment, if it found what JSON does not know, such as a nan.
    """
    started = time.process_time()
    found = script(name).run(seed, **sizes)
    took = time.process_time() - started
    try:
        return json.loads(json.dumps(found, allow_nan=False)), took
    except (TypeError, ValueError) as cause:
        raise ValueError(f"{name}, seed {seed}: its figures are not JSON ({cause}).") from cause


def _differs(new: Kept, old: Kept) -> bool:
    """Tell whether the bits are others; bits of another machine or version may well be."""
    if same(new, old):
        print("  the same bits as kept\n")
        return False
    changed = [key for key in new.machine if new.machine[key] != old.machine.get(key)]
    known = [f"{key} {old.machine.get(key)}" for key in changed if key not in ("date", "threads")]
    print("  NOT the bits that are kept" + (f", of {', '.join(known)}" if known else "") + "\n")
    return True
