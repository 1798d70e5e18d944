"""Damage for files: what a bad disk, a wrong program, an editor or an enemy may make of them.

`damaged` works on bytes, `changed` on nests of dictionaries, lists and plain values; both draw what
they do. `Watched` notices what a call writes, and where.
"""

import contextlib
import os
import re
import signal
import sys

import numpy as np

FOREIGN = [
    b"", b"\0", b"\xff" * 300, b"\xef\xbb\xbf", b"\xff\xfea\0=\0001\0", b"PK\x03\x04" + bytes(99),
    b"\x89PNG\r\n\x1a\n" + bytes(64), b"\x1f\x8b\x08\0junk", b"\x7fELF" + bytes(60), b"%PDF-1.7\n",
    b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x94.", b"<html></html>",
    b"#!/bin/sh\ntouch ran\n", b"{}", b"[]", b"null", b"1", b'"x"', b"\n" * 3000, b"a = 1\n",
    b"a,b\n", b"x" * 2_000_000, b",\n" * 50_000,
]  # fmt: skip
PATHS = [
    "../x", "../../../../tmp/x", "/etc/passwd", "/nowhere/x", "~root/x", "a/../../b", "C:\\x",
    "-rf", "\\\\host\\x", "file:///etc/passwd", "/dev/zero", "/dev/stdin", "/proc/self/mem", ".",
    "/", "x" * 5000, "a\0b", "a\nb", "\ud800", "\u202e", "*", "%s%n", "{0.__class__}", "$(touch x)",
]  # fmt: skip
NUMBERS = [
    "0", "-1", "-0", "1e999", "-1e999", "NaN", "Infinity", "nan", "inf", "0x10", "1_000", "1e-999",
    str(2**31), str(2**63), str(2**64), "9" * 400, "9" * 5000, "1." + "0" * 500, "1e5",
    "0.1.2", "1,5",
]  # fmt: skip
TOKENS = ["null", "true", "[]", "{}", '""', '"x"', "[[]]", "[1, 2]", '{"a": 1}', "1979-05-27", "''"]


class Hang(BaseException):
    """A call took too long. Not an Exception, so that nobody catches it by the way."""


def damaged(content, rng):
    """The bytes, damaged in one to three ways."""
    for _ in range(int(rng.integers(1, 4))):
        content = _WAYS[int(rng.integers(len(_WAYS)))](bytes(content), rng)
    return content


def _span(content, rng):
    a, b = sorted(rng.integers(0, len(content) + 1, 2).tolist())
    return a, min(b, a + int(2 ** rng.integers(0, 13)))


def _truncated(content, rng):
    return content[: rng.integers(0, len(content) + 1)]


def _flipped(content, rng):
    found = bytearray(content)
    for place in rng.integers(0, 8 * len(content), int(rng.integers(1, 9))) if content else ():
        found[place // 8] ^= 1 << place % 8
    return bytes(found)


def _swapped(content, rng):
    a, b, c, d = sorted(rng.integers(0, len(content) + 1, 4).tolist())
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _repeated(content, rng):
    a, b = _span(content, rng)
    return content[:b] + content[a:b] * int(rng.integers(1, 9)) + content[b:]


def _removed(content, rng):
    a, b = _span(content, rng)
    return content[:a] + content[b:]


def _inserted(content, rng):
    a = int(rng.integers(0, len(content) + 1))
    junk = [
        b"\0",
        b"\0" * 5000,
        b"\n",
        b"\r",
        b'"',
        b"\\",
        b"\xff",
        b"\xc3",
        "\u2028".encode(),
        b"\t",
    ]
    junk += [b"[" * 60_000, b'{"a":' * 60_000, b"(" * 60_000, rng.bytes(20), b"x" * 100_000]
    return content[:a] + junk[int(rng.integers(len(junk)))] + content[a:]


def _foreign(content, rng):
    return FOREIGN[int(rng.integers(len(FOREIGN)))]


def _replaced(pattern, texts):
    def replaced(content, rng):
        places = [found.span() for found in re.finditer(pattern, content)]
        if not places:
            return content
        a, b = places[int(rng.integers(len(places)))]
        text = texts[int(rng.integers(len(texts)))].encode("utf-8", "surrogatepass")
        return content[:a] + text + content[b:]

    return replaced


_WAYS = [
    _truncated, _flipped, _swapped, _repeated, _removed, _inserted, _foreign,
    _replaced(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?", NUMBERS),
    _replaced(rb"(?<=\")[^\"\n]*(?=\")", PATHS),
    _replaced(rb"(?<=[:=] )[^,\n\]}]+", TOKENS + NUMBERS),
    _replaced(rb"[,;:=\t\n]", ["", "\n", ",", "\t", " ", ";;", "="]),
]  # fmt: skip


def changed(value, rng):
    """A copy of a nest in which a few entries are something else, or gone, or more."""
    for _ in range(int(rng.integers(1, 4))):
        place = _place(value, (), rng)
        value = _with(value, place, rng)
    return value


def _place(value, path, rng):
    """The keys that lead to a random entry; each level is as likely as those below together."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if _is_list(value) else ()
    if not len(keys) or (path and rng.random() < 0.2):
        return path
    key = keys[int(rng.integers(len(keys)))]
    return _place(value[key], (*path, key), rng)


def _with(value, path, rng):
    if not path:
        return _other(value, rng)
    key, *rest = path
    if isinstance(value, dict):
        if not rest and rng.random() < 0.2:
            return {k: held for k, held in value.items() if k != key}
        return {k: _with(held, rest, rng) if k == key else held for k, held in value.items()}
    entries = list(value)
    if not rest and rng.random() < 0.2:
        del entries[key]
    else:
        entries[key] = _with(entries[key], rest, rng)
    return type(value)(entries)


def _other(value, rng):
    if isinstance(value, np.ndarray) and rng.random() < 0.7:
        others = [
            value[..., None], value.ravel()[:-1], value.astype(np.int64, copy=False) * 2,
            value.astype(np.float16), np.full_like(value, 1) * np.float64("nan"), np.zeros(0),
            value.T.copy(), np.concatenate([value.ravel()] * 2), value > 0,
        ]  # fmt: skip
        with np.errstate(all="ignore"):
            return others[int(rng.integers(len(others)))]
    deep = "x"
    for _ in range(300):
        deep = [deep]
    others = [
        None, True, False, 0, -1, 1, 7, 2.5, -0.5, 1e308, 10**9, 10**30, -(10**30), 2**63, "", "x",
        [], {}, [value], {"a": value}, [value, value], deep, float("nan"), float("inf"),
        "9" * 5000, *PATHS,
    ]  # fmt: skip
    return others[int(rng.integers(len(others)))]


def _is_list(value):
    return isinstance(value, list | tuple)


# What a call writes -------------------------------------------------------------------------------

_WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_WRITES |= {
    "os.chmod",
    "shutil.rmtree",
    "shutil.move",
    "subprocess.Popen",
    "os.system",
    "socket.connect",
}
_watching = None  # the list that takes what is written; a hook cannot be removed


def _heard(event, arguments):
    if _watching is None:
        return
    if event == "open":
        path, mode, flags = arguments
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            _watching.append((event, path))
    elif event in _WRITES:
        _watching.extend(
            (event, argument) for argument in arguments if isinstance(argument, str | os.PathLike)
        )
        if not arguments:
            _watching.append((event, "?"))


@contextlib.contextmanager
def watched(folder, seconds=20.0):
    """Inside the block nothing is written outside of a folder, and it ends in time."""
    global _watching
    if not getattr(sys, "_minitorch_rnn_watched", False):
        sys._minitorch_rnn_watched = True
        sys.addaudithook(_heard)
    _watching = written = []

    def late(number, frame):
        raise Hang(f"more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        _watching = None
    home = os.path.realpath(folder)
    outside = [
        (event, path)
        for event, path in written
        if isinstance(path, str | os.PathLike)
        and not os.path.realpath(path).startswith(home + os.sep)
        and os.path.realpath(path) not in (home, os.devnull)
    ]
    assert not outside, f"written outside of {home}: {outside}"
