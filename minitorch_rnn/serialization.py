"""save and load: arrays in safetensors files, which hold numbers and text and run nothing.

A state_dict becomes a plain safetensors file that PyTorch and others read as it is. What is nested
(models and optimisers together, numbers, names) is written beside the arrays as JSON, in the file's
metadata, with a checksum of all arrays. There is no pickle here, and no way to it.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import threading
from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import CheckpointError

__all__ = ["load", "needs_app", "save", "write_whole"]

_NOTE = "minitorch_rnn"  # our one entry of the file's metadata, whose order would be at random
_NUMBERS = str | bool | int | float | None


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Write arrays, and dictionaries, lists and tuples of them, to a safetensors file.

    The file is written beside its place, flushed to the disk and moved there whole: whatever
    happens, `path` holds the old state or the new one.

    Args:
        obj: a state_dict, or any nesting of dictionaries, lists, tuples, arrays, tensors, text,
            numbers, booleans and None. Tensors are saved as arrays, from wherever they live.
        path: of the file, by custom ``.safetensors``.

    Raises:
        TypeError: naming the entry of another kind, such as a module: save its state_dict().
        OSError: if the file cannot be written; an older one is left as it was.
        ImportError: if safetensors is not installed.

    >>> import os, tempfile
    >>> import minitorch_rnn as mt
    >>> model = mt.nn.Linear(3, 2)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> mt.save({"model": model.state_dict(), "epoch": 7}, path)
    >>> saved = mt.load(path)
    >>> saved["epoch"], model.load_state_dict(saved["model"])
    (7, Linear(in_features=3, out_features=2, bias=True))
    """
    write_whole(path, to_bytes(obj))


def to_bytes(obj: Any) -> bytes:
    """What `save` writes."""
    try:
        from safetensors.numpy import save as serialized
    except ImportError as cause:
        raise needs_app("save: safetensors") from cause
    arrays: dict[str, np.ndarray] = {}
    structure = _taken(obj, "", arrays)
    text = json.dumps(structure)
    checksum = _checksum(arrays, text)
    note = json.dumps({"format": f"{_NOTE} 1", "sha256": checksum, "structure": text})
    content: bytes = serialized(arrays, metadata={_NOTE: note})
    return content


def load(path: str | os.PathLike[str]) -> Any:
    """What `save` wrote, or the arrays of any safetensors file, such as PyTorch's, by name.

    Arrays come back as NumPy arrays, which `load_state_dict` and `tensor` take. Nothing in the file
    is executed.

    Raises:
        CheckpointError: naming the file, if it is damaged, cut off, changed since it was written,
            or of another format. A pickle is not opened, whatever its name.
        OSError: if the file cannot be read.
        ImportError: if safetensors is not installed.

    >>> import os, tempfile
    >>> import minitorch_rnn as mt
    >>> path = os.path.join(tempfile.mkdtemp(), "two.safetensors")
    >>> mt.save({"a": mt.ones(2), "b": mt.zeros(3)}, path)
    >>> mt.load(path)
    {'a': array([1., 1.]), 'b': array([0., 0., 0.])}
    """
    return from_bytes(pathlib.Path(path).read_bytes(), os.fspath(path))


def from_bytes(content: bytes, name: str) -> Any:
    """What `load` reads from the file `name`, of its content."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load as deserialized
    except ImportError as cause:
        raise needs_app("load: safetensors") from cause
    try:
        arrays = deserialized(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except (SafetensorError, ValueError, RecursionError, MemoryError, OverflowError) as cause:
        if content[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
            raise CheckpointError(
                f"{name}: looks like a pickle or a zip archive, as torch.save writes them. Opening "
                "one can run any program, so it is not opened; write it with "
                "safetensors.torch.save_file."
            ) from cause
        raise CheckpointError(
            f"{name}: is no whole safetensors file ({len(content)} bytes{_expected(content)}): "
            f"{cause}."
        ) from cause
    except KeyError as cause:
        raise CheckpointError(
            f"{name}: holds {cause} values, for which NumPy has no type; write it as float32."
        ) from cause
    metadata = header.get("__metadata__") or {}
    if not any(_NOTE in key or _NOTE in value for key, value in metadata.items()):
        return {key: arrays[key] for key in header if key in arrays}  # of another program
    try:
        note = json.loads(metadata[_NOTE])
        if note["sha256"] != _checksum(arrays, note["structure"]):
            raise ValueError("the checksum differs")
        return _restored(json.loads(note["structure"]), arrays)
    except (
        ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError
    ) as cause:  # fmt: skip
        raise CheckpointError(
            f"{name}: does not hold what was saved; it was changed or damaged: {cause}."
        ) from cause


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it is there with all of `content` or as it was before.

    Raises:
        OSError: naming `path`, if it cannot be written.

    >>> import tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_whole(folder / "notes.txt", b"done")
    >>> [file.name for file in folder.iterdir()]
    ['notes.txt']
    """
    target = pathlib.Path(path)
    _remove_stale(target)
    beside = target.with_name(f"{target.name}.tmp.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
        if os.name == "posix":  # the new name, too, is to survive a power cut
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as cause:
        raise type(cause)(cause.errno, cause.strerror, os.fspath(target)) from cause
    finally:
        beside.unlink(missing_ok=True)


def _remove_stale(target: pathlib.Path) -> None:
    """Remove what processes left beside `target` that were killed while they wrote it."""
    if os.name != "posix":  # elsewhere one cannot ask whether a process lives without harm
        return
    start = f"{target.name}.tmp."
    try:
        found = os.listdir(target.parent)  # glob would remember the pattern of every name
    except OSError:
        return  # whoever writes there says why
    for name in found:
        if not name.startswith(start):
            continue
        writer = name.removeprefix(start).partition(".")[0]
        try:
            os.kill(int(writer), 0)
        except ProcessLookupError:
            (target.parent / name).unlink(missing_ok=True)
        except (ValueError, OverflowError, OSError):
            continue  # not ours, or somebody else's who is at work


def needs_app(what: str) -> ImportError:
    """The error of a missing package of the extra `app`, with the line that installs it.

    >>> needs_app("save: safetensors")
    ImportError("save: safetensors is needed; install it with: pip install -e '.[app]'")
    """
    return ImportError(f"{what} is needed; install it with: pip install -e '.[app]'")


def _taken(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON; its arrays go into `arrays` under the path that leads to them."""
    if isinstance(value, Tensor):
        value = value._data
    backend.plain(f"save: {path or 'the array'}", value)
    if backend.backend_of(value) is not None or isinstance(value, np.generic | np.ndarray):
        array = np.asarray(backend.to_numpy(value), order="C")  # strided ones are written wrong
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise TypeError(
                f"save: {path or 'the array'} is {array.dtype}; real numbers and booleans can be "
                "saved."
            )
        name = path or "array"
        while name in arrays or name == "__metadata__":
            name += "_"
        arrays[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        return {"array": name}
    inner = f"{path}." if path else ""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, _NUMBERS):
                raise TypeError(f"save: {path or 'the dictionary'} has a key {key!r}.")
        pairs = [[key, _taken(held, f"{inner}{key}", arrays)] for key, held in value.items()]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_taken(held, f"{inner}{i}", arrays) for i, held in enumerate(value)]}
    if isinstance(value, _NUMBERS):
        return {"value": value}
    advice = " Save its state_dict()." if hasattr(value, "state_dict") else ""
    raise TypeError(
        f"save: {path or 'the object'} is a {type(value).__name__}; arrays, tensors, text, numbers "
        f"and dictionaries, lists and tuples of them can be saved.{advice}"
    )


def _restored(structure: Any, arrays: dict[str, np.ndarray]) -> Any:
    ((kind, content),) = structure.items()
    if kind == "array":
        return arrays[content]
    if kind == "dict":
        return {key: _restored(held, arrays) for key, held in content}
    if kind in ("list", "tuple"):
        parts = [_restored(held, arrays) for held in content]
        return parts if kind == "list" else tuple(parts)
    if kind == "value" and isinstance(content, _NUMBERS):
        return content
    raise ValueError(f"{kind!r} is not known")


def _checksum(arrays: dict[str, np.ndarray], structure: str) -> str:
    total = hashlib.sha256(structure.encode())
    for name, array in sorted(arrays.items()):
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _expected(content: bytes) -> str:
    """How long the file should be, as far as its header can be read."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key[:2] != "__"]
        return f", {8 + size + max(ends, default=0)} expected"
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return ""
