"""Runs a student's file in a process of its own, with limits of time and memory."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.teaching.exercises import child
from minitorch_rnn.teaching.exercises.exercise import Call

__all__ = ["MEGABYTES", "Run", "run"]

MEGABYTES = 1024  # of address space, NumPy included
_KEPT = 4000  # bytes of what the file prints
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Run(NamedTuple):
    """What came of running a file.

    Attributes:
        results: one dictionary for each call, if the process came to its end: ``answer``,
            ``operations`` and ``changed``; or ``raised``, ``missing`` or ``signature``.
        failed: what happened while the file was loaded.
        ended: "time", "signal SIGSEGV" or "status 3" if the process did not come to its end.
        call: the number of the call that it was in then.
        line, function: where in the student's file that was.
        printed: what the file printed, its beginning.
    """

    results: list[dict[str, Any]]
    failed: dict[str, Any] | None
    ended: str | None
    call: int | None
    line: int | None
    function: str | None
    printed: str


def run(file: Path, calls: Sequence[Call], seconds: float) -> Run:
    """Load `file` in a new process and do `calls`.

    Args:
        file: the student's file.
        calls: what to call, in this order.
        seconds: for all of it; then the process is killed, and all that it has started (but on
            Windows, and what has made itself a session of its own).

    The process starts in an empty folder, its input closed. A limit of memory, `MEGABYTES`, exists
    where the system has one: on Linux, not on Windows.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder) / "mine.py"
    ...     _ = file.write_text("def double(x): return x + x")
    ...     run(file, [Call("double", {"x": 2.0})], seconds=10).results[0]["answer"]
    4.0
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _write(folder, file.resolve(), calls, seconds)
        status, printed = _process(folder, seconds)
        if status == 0 and (report := _report(folder, len(calls))):
            return Run(*report, None, None, None, None, printed)
        line, function = _place(folder, file.resolve())
        return Run([], None, _ended(status), _number(folder, len(calls)), line, function, printed)


def _write(folder: Path, file: Path, calls: Sequence[Call], seconds: float) -> None:
    arrays: dict[str, np.ndarray] = {}
    plan = {
        "file": str(file),
        "seconds": seconds,
        "megabytes": MEGABYTES,
        "calls": [
            {
                "function": call.function,
                "arguments": [
                    [name, child.pack(value, arrays)] for name, value in call.arguments.items()
                ],
                "counted": call.counted,
            }
            for call in calls
        ],
    }
    (folder / "calls.json").write_text(json.dumps(plan), encoding="utf-8")
    np.savez(folder / "calls.npz", **arrays)  # type: ignore[arg-type]


def _process(folder: Path, seconds: float) -> tuple[int | None, str]:
    """The exit status, None if time was up, and the beginning of what was printed."""
    work = folder / "work"
    work.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-P", "-X", "utf8", child.__file__, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=work,
        env=os.environ | _ENVIRONMENT,
        start_new_session=True,  # a group of its own, which can be killed with all its children
    )
    kept = bytearray()
    reader = threading.Thread(target=_read, args=(process.stdout, kept), daemon=True)
    reader.start()
    try:
        status: int | None = process.wait(seconds)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        _kill(process)
    reader.join(1)
    return status, bytes(kept).decode("utf-8", "replace")


def _read(stream: io.BufferedReader, kept: bytearray) -> None:
    """Keep the beginning of a stream and drain the rest, so that printing never blocks."""
    with contextlib.suppress(ValueError, OSError), stream:
        while piece := stream.read1(65536):
            kept += piece[: _KEPT - len(kept)]


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # all have ended already
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ended(status: int | None) -> str:
    """How a process ended that did not come to its end."""
    if status is None:
        return "time"
    if status >= 0:
        return f"status {status}"
    with contextlib.suppress(ValueError):  # not every signal has a name
        return f"signal {signal.Signals(-status).name}"
    return f"signal {-status}"


def _report(folder: Path, count: int) -> tuple[list[dict[str, Any]], dict[str, Any] | None] | None:
    """Results of `count` calls, and what failed before them; None if the child wrote none.

    The student's file runs where the child writes: what is not of its form is no report.
    """
    try:
        report = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        if report["failed"] is not None:
            return [], _told(report["failed"])
        with np.load(folder / "results.npz") as arrays:
            results = [_result(found, arrays) for found in report["results"]]
    except Exception:  # whatever was written there
        return None
    return (results, None) if len(results) == count else None


def _result(found: Any, arrays: Any) -> dict[str, Any]:
    """What came of one call, its answer unpacked."""
    match found:
        case {"missing": True}:
            return {"missing": True}
        case {"signature": str(why)}:
            return {"signature": why}
        case {"raised": told}:
            return {"raised": _told(told)}
        case {"changed": [*names], "operations": int(operations), "answer": packed}:
            answer = child.unpack(packed, arrays)
            return {"changed": [str(n) for n in names], "operations": operations, "answer": answer}
    raise ValueError("no result of a call")


def _told(found: Any) -> dict[str, Any]:
    """An error, and where in the student's file it happened."""
    match found:
        case {"error": str(), "message": str(), "line": None, "function": None}:
            return dict(found)
        case {"error": str(), "message": str(), "line": int(), "code": str(), "function": place}:
            return dict(found) | {"function": None if place is None else str(place)}
    raise ValueError("no error of a call")


def _number(folder: Path, count: int) -> int | None:
    """The number of the call that was being made, of `count` calls."""
    with contextlib.suppress(OSError, ValueError):
        number = int((folder / "now.txt").read_text(encoding="utf-8"))
        return number if 0 <= number < count else None
    return None


def _place(folder: Path, file: Path) -> tuple[int | None, str | None]:
    """The innermost line of the student's file in what faulthandler wrote."""
    with contextlib.suppress(OSError):
        text = (folder / "stack.txt").read_text(encoding="utf-8", errors="replace")
        name = str(file).encode("ascii", "backslashreplace").decode()  # as faulthandler writes it
        newest = re.split(r"Timeout \(|Fatal Python error", text)[-1]
        found = re.search(rf'File "{re.escape(name)}", line (\d+) in (\S+)', newest)
        if found:
            return int(found[1]), found[2]
    return None, None
