"""The program in which a student's file runs, and the form in which values travel to it and back.

    python child.py FOLDER

FOLDER holds ``calls.json`` and ``calls.npz``; ``results.json`` and ``results.npz`` go there too.
The program imports NumPy and nothing of ours, so that it starts fast, and judges nothing: it calls
the student's functions and says what they returned or where they failed. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import json
import linecache
import math
import os
import signal
import sys
import tokenize
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

CANNOT_REPORT = 70  # the exit status if what came of the calls cannot be written down
_LARGEST = 1_000_000  # numbers in an array that is sent back


def pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """A value as JSON, its arrays laid down in `arrays`; what has no such form becomes its type.

    >>> arrays = {}
    >>> packed = pack({"W": {1: np.eye(1)}, "T": 3}, arrays)
    >>> unpack(packed, arrays)
    {'W': {1: array([[1.]])}, 'T': 3}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return {"value": value} if _fits(value) else {"other": f"a very large {_type(value)}"}
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind not in "biufc" or array.size > _LARGEST:
            return {"other": f"an array of {array.dtype} of shape {array.shape}"}
        arrays[f"a{len(arrays)}"] = array.copy()  # a later call may write into it
        return {"array": f"a{len(arrays) - 1}"}
    if isinstance(value, list | tuple) and len(value) <= _LARGEST:
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [pack(each, arrays) for each in value]}
    if isinstance(value, dict) and len(value) <= _LARGEST:
        pairs = [[pack(_key(key), arrays), pack(each, arrays)] for key, each in value.items()]
        return {"dict": pairs}
    return {"other": f"a {_type(value)}"}


def unpack(packed: Any, arrays: Any) -> Any:
    """The value that `pack` made this of. It runs nothing, whoever wrote what it reads."""
    ((kind, content),) = packed.items()
    match kind:
        case "array":
            return arrays[content]
        case "list":
            return [unpack(each, arrays) for each in content]
        case "tuple":
            return tuple(unpack(each, arrays) for each in content)
        case "dict":
            return {unpack(key, arrays): unpack(each, arrays) for key, each in content}
        case "other":
            return Other(content)
        case "value":
            return content
    raise AssertionError(f"nothing of this kind is packed: {kind!r}")


def as_argument(value: Any) -> Any:
    """An argument of a call; of the text of a function, as exercises write it, that function.

    >>> as_argument("lambda x: x + 1")(2), as_argument("x")
    (3, 'x')
    """
    formula = isinstance(value, str) and value.startswith("lambda ")
    return eval(value, {"np": np}) if formula else value


class Other:
    """Stands for a value that cannot travel.

    >>> Other("a set")
    a set
    """

    def __init__(self, what: str) -> None:
        self.what = what

    def __repr__(self) -> str:
        return self.what


def _key(key: Any) -> Any:
    """A key, its numbers of NumPy as Python's: an array cannot be one again."""
    if isinstance(key, tuple):
        return tuple(map(_key, key))
    return key.item() if isinstance(key, np.generic) else key


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) < 10_000
    return not isinstance(value, int) or abs(value) < 10**300


def _type(value: object) -> str:
    return type(value).__name__


class Counted(np.ndarray):
    """An array that counts the operations in which it or anything made of it takes part.

    >>> Counted.operations = 0
    >>> x = np.ones((2, 2)).view(Counted)
    >>> y = (x @ x + 1).sum()
    >>> Counted.operations
    3
    """

    operations = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        Counted.operations += 1
        out = kwargs.pop("out", ())
        if out:
            kwargs["out"] = tuple(map(_plain, out))
        return _counted(getattr(ufunc, method)(*map(_plain, inputs), **kwargs))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        Counted.operations += 1
        return _counted(func(*_plain(args), **_plain(kwargs)))

    def dot(self, other: Any, out: Any = None) -> Any:
        """The product, which is no ufunc."""
        Counted.operations += 1
        return _counted(_plain(self).dot(_plain(other), out=_plain(out)))


def _plain(value: Any) -> Any:
    if isinstance(value, Counted):
        return value.view(np.ndarray)
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value


def _counted(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.view(Counted)
    return type(value)(map(_counted, value)) if isinstance(value, list | tuple) else value


def _protected(value: Any, counted: bool) -> Any:
    """The value with its arrays read-only, so that writing into one fails where it is done."""
    if isinstance(value, np.ndarray):
        array = value.view(Counted) if counted else value
        array.flags.writeable = False
        return array
    if isinstance(value, list | tuple):
        return type(value)(_protected(each, counted) for each in value)
    if isinstance(value, dict):
        return {key: _protected(each, counted) for key, each in value.items()}
    return value


def _layout(value: Any) -> Any:
    """What of a value can change although its arrays are read-only."""
    if isinstance(value, list | tuple):
        return [_layout(each) for each in value]
    if isinstance(value, dict):
        return {key: _layout(each) for key, each in value.items()}
    return id(value)


@contextlib.contextmanager
def _limited(megabytes: int) -> Iterator[None]:
    """A limit of memory where the system knows one, lifted again for telling that it was met."""
    try:
        import resource  # not on Windows

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most if hard < 0 else min(most, hard), hard))
    except (ImportError, ValueError, OSError):  # macOS refuses some
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _told(error: BaseException, file: str) -> dict[str, Any]:
    """What happened, and the deepest line of the student's own file that it happened in."""
    told: dict[str, Any] = {"error": type(error).__name__, "line": None, "function": None}
    try:
        told["message"] = str(error)[:300]
    except Exception:
        told["message"] = ""
    place = error.__traceback__
    while place is not None:
        code = place.tb_frame.f_code
        if code.co_filename == file:
            told["line"], told["function"] = place.tb_lineno, code.co_name
        place = place.tb_next
    if isinstance(error, SyntaxError) and error.filename == file:
        told["line"], told["function"], told["message"] = error.lineno, None, str(error.msg)[:300]
    if told["line"]:
        told["code"] = linecache.getline(file, told["line"]).strip()[:200]
    return told


def _load(file: str) -> types.ModuleType:
    module = types.ModuleType("student")
    module.__file__ = file
    sys.modules["student"] = module  # dataclasses look there
    sys.path.append(os.path.dirname(file))  # last: a file random.py beside it does no harm
    with tokenize.open(file) as stream:
        code = compile(stream.read(), file, "exec")
    exec(code, vars(module))
    return module


class _Caller:
    """Calls the functions of a loaded file, one after another."""

    def __init__(self, plan: dict[str, Any], arrays: Any) -> None:
        self.file, self.megabytes, self.arrays = plan["file"], plan["megabytes"], arrays
        self.sent: dict[str, np.ndarray] = {}
        self.exhausted: dict[str, Any] | None = None

    def load(self) -> dict[str, Any] | None:
        """Load the file; what happened if that fails."""
        try:
            with _limited(self.megabytes):
                self.module = _load(self.file)
        except BaseException as error:
            return _told(error, self.file)
        return None

    def call(self, call: dict[str, Any]) -> dict[str, Any]:
        """Call one function with the values of its case, and see what it left of them."""
        function = vars(self.module).get(call["function"])
        if not callable(function):
            return {"missing": True}
        if self.exhausted:  # filling the memory once is enough
            return self.exhausted
        names = [name for name, _ in call["arguments"]]
        given = [as_argument(unpack(packed, self.arrays)) for _, packed in call["arguments"]]
        values = [_protected(value, call["counted"]) for value in given]
        before = [_layout(value) for value in values]
        try:
            inspect.signature(function).bind(*values)
        except TypeError as error:
            return {"signature": str(error)}
        except ValueError:
            pass  # a function of NumPy itself, say, has none
        Counted.operations = 0
        try:
            with _limited(self.megabytes):
                answer = function(*values)
                operations, packed = Counted.operations, self._packed(answer)
        except BaseException as error:
            result = {"raised": _told(error, self.file)}
            self.exhausted = result if isinstance(error, MemoryError) else None
            return result
        compared = zip(names, values, before, strict=True)
        return {
            "changed": [name for name, value, old in compared if _layout(value) != old],
            "operations": operations,
            "answer": packed,
        }

    def _packed(self, answer: Any) -> Any:
        before = len(self.sent)
        try:
            return pack(_plain(answer), self.sent)
        except MemoryError:
            for name in list(self.sent)[before:]:
                del self.sent[name]
            return {"other": "more than the memory holds"}
        except RecursionError:  # a list that holds itself
            return {"other": "a structure without end"}
        except Exception:  # a class of the student's own, say
            return {"other": f"a {_type(answer)} that cannot be read"}


def _end_alone(seconds: float) -> None:
    """Let the system end this process, and its copies, if nobody is left who would kill them."""
    if hasattr(signal, "alarm"):  # not on Windows
        most = math.ceil(min(seconds, 10**6)) + 2

        def start() -> None:
            signal.alarm(most)

        start()
        os.register_at_fork(after_in_child=start)  # a copy has no alarm of its own


def main(folder: Path) -> None:
    """Do all calls and write down what came of them."""
    process = os.getpid()
    plan = json.loads((folder / "calls.json").read_text(encoding="utf-8"))
    _end_alone(plan["seconds"])
    with np.load(folder / "calls.npz") as file:
        caller = _Caller(plan, dict(file))
    results = []
    with open(folder / "stack.txt", "w", encoding="utf-8") as stack:
        faulthandler.enable(stack)
        often = min(plan["seconds"] / 4, 3600)  # it takes no number whatever
        faulthandler.dump_traceback_later(often, repeat=True, file=stack)
        failed = caller.load()
        for number, call in enumerate([] if failed else plan["calls"]):
            (folder / "now.txt").write_text(str(number), encoding="utf-8")
            results.append(caller.call(call))
        faulthandler.cancel_dump_traceback_later()
    if os.getpid() != process:  # the student's file has forked
        os._exit(0)
    np.savez(folder / "results.npz", **caller.sent)  # type: ignore[arg-type]
    report = json.dumps({"failed": failed, "results": results})
    (folder / "results.json").write_text(report, encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # threads that still run are not waited for


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except BaseException:  # the student's file has closed our files, say; no traceback of ours
        os._exit(CANNOT_REPORT)
