"""Which library computes: that of an array's own type; and `use`, which says where new ones go."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.backend import cuda
from minitorch_rnn.backend.device import Device
from minitorch_rnn.backend.setting import Setting, Switch
from minitorch_rnn.errors import BackendError

__all__ = [
    "Backend", "backend_of", "current_backend", "device_of", "erf", "names", "namespace",
    "namespace_of", "place", "raise_if_of_device", "register", "to_numpy",
    "told", "use",
]  # fmt: skip


class Backend(NamedTuple):
    """An array library: its name, module and array type, and what NumPy lacks.

    Attributes:
        name, xp, ndarray: the name, the module, and the type of its arrays.
        to_numpy: the one way from such an array to the host.
        erf: the error function.
        device: what computes, where that is no CPU.

    >>> current_backend().to_numpy(current_backend().xp.ones(2))
    array([1., 1.])
    """

    name: str
    xp: Any
    ndarray: type
    to_numpy: Callable[[Any], np.ndarray]
    erf: Callable[[Any], Any]
    device: Device | None = None


def _numpy() -> Backend:
    erf_of_objects = np.frompyfunc(math.erf, 1, 1)

    def erf(x: Any) -> Any:
        return np.asarray(erf_of_objects(x)).astype(np.asarray(x).dtype)

    return Backend("numpy", np, np.ndarray, np.asarray, erf)


def _cupy() -> Backend:
    xp, erf, gpu = cuda.load()
    return Backend("cupy", xp, xp.ndarray, xp.asnumpy, erf, gpu)


_loaders: dict[str, Callable[[], Backend]] = {"numpy": _numpy, "cupy": _cupy}
_DEVICES = {"cpu": "numpy", "cpu:0": "numpy", "cuda": "cupy", "cuda:0": "cupy"}  # PyTorch's names
_ELSEWHERE = {"cpu", "cuda", "gpu", "hip", "meta", "mps", "tpu", "xla", "xpu"}
_loaded: dict[str, Backend] = {}
_by_type: dict[type, Backend] = {}
_ndarray = np.ndarray


def register(name: str, load: Callable[[], Backend]) -> None:
    """Make a further array library known under `name`; `load` runs at its first use."""
    _loaders[name] = load


def names() -> list[str]:
    """The names that `use` and `Tensor.to` understand.

    >>> "numpy" in names(), "cupy" in names()
    (True, True)
    """
    return list(_loaders)


def place(name: Any) -> str | None:
    """The backend that `name` means, "cpu" and "cuda:0" included; None if it names none.

    Raises:
        BackendError: for another device than the first.

    >>> place("cpu"), place("cuda:0"), place("float32")
    ('numpy', 'cupy', None)
    """
    if not isinstance(name, str):
        return None
    if name.partition(":")[0] in _ELSEWHERE and name not in _DEVICES:
        raise BackendError(
            f"{name!r}: the backends are {_listed()}; 'cpu' means the first, 'cuda' and 'cuda:0' "
            "the second. For another GPU set CUDA_VISIBLE_DEVICES."
        )
    name = _DEVICES.get(name, name)
    return name if name in _loaders else None


def _listed() -> str:
    return ", ".join(repr(name) for name in _loaders)


def namespace_of(name: str) -> Any:
    """The array library of the backend `name`.

    Raises:
        BackendError: as `use` does.

    >>> namespace_of("numpy") is np
    True
    """
    return _get(name).xp


def _get(name: str) -> Backend:
    if name not in _loaded:
        known = place(name)
        if known is None:
            raise BackendError(f"use({name!r}): the backends are {_listed()}.")
        if known != name:
            return _get(known)
        backend = _loaders[name]()
        _loaded[name] = _by_type[backend.ndarray] = backend
    return _loaded[name]


_get("numpy")
# None until somebody asks: the environment decides then.
_current: Setting[Backend | None] = Setting(None)


class use(Switch[Backend | None]):
    """Make new arrays on the backend `name`; as a context manager, only inside the block.

    The setting is one for all threads.

    Raises:
        BackendError: if the backend is unknown, not installed, or has no device. There is no
            silent way back to the CPU.

    >>> import minitorch_rnn as mt
    >>> with mt.use("numpy"):
    ...     mt.zeros(2).backend
    'numpy'
    """

    def __init__(self, name: str) -> None:
        super().__init__(_current, _get(name))

    def __enter__(self) -> Backend:
        chosen = super().__enter__()
        assert chosen is not None
        return chosen


def current_backend() -> Backend:
    """The backend on which new arrays are made: as `use` or MINITORCH_RNN_BACKEND said.

    >>> with use("numpy"):
    ...     current_backend().name
    'numpy'
    """
    if _current.value is None:
        _current.value = _get(os.environ.get("MINITORCH_RNN_BACKEND") or "numpy")
    return _current.value


def backend_of(array: Any) -> Backend | None:
    """The backend whose array `array` is; None for numbers, lists and foreign objects.

    Raises:
        BackendError: for an array on another GPU than the one that computes.

    >>> backend_of(np.ones(2)).name, backend_of([1.0, 2.0])
    ('numpy', None)
    """
    backend = _by_type.get(type(array))
    if backend is not None and backend.device is not None:
        backend.device.check(array)
    return backend


def namespace(*arrays: Any) -> Any:
    """The array library to compute with: that of the first array that is not NumPy's, else NumPy.

    >>> namespace(np.ones(3), 2.0).__name__
    'numpy'
    """
    for array in arrays:
        if array.__class__ is not _ndarray:
            backend = _by_type.get(array.__class__)
            if backend is not None:
                return backend.xp
    return np


def device_of(array: Any) -> Device | None:
    """The GPU that computes with `array`; None for an array of the host, or a foreign object.

    >>> device_of(np.ones(2)) is None
    True
    """
    backend = _by_type.get(type(array))
    return None if backend is None else backend.device


def raise_if_of_device(who: str, error: Exception) -> None:
    """Raise what `error` means, from it, if a device raised it while `who` computed.

    Raises:
        BackendError: saying what happened and what to do.

    >>> raise_if_of_device("add", KeyError("x"))
    """
    if isinstance(error, BackendError):
        return
    for backend in _loaded.values():
        told = None if backend.device is None else backend.device.explain(who, error)
        if told is not None:
            raise told from error


class told:
    """Inside the block an error of a device becomes the BackendError that says what it means.

    >>> with told("add"):
    ...     pass
    """

    def __init__(self, who: str) -> None:
        self._who = who

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise_if_of_device(self._who, error)


def to_numpy(array: Any) -> np.ndarray:
    """`array` as a NumPy array; a device array is copied to the host, visibly, here.

    >>> to_numpy([1.0, 2.0])
    array([1., 2.])
    """
    backend = _by_type.get(type(array))
    return np.asarray(array) if backend is None else backend.to_numpy(array)


def erf(array: Any) -> Any:
    """The error function on whichever backend `array` lives; NumPy itself has none.

    >>> erf(np.array([-9.0, 0.0, 9.0]))
    array([-1.,  0.,  1.])
    """
    return (_by_type.get(type(array)) or _loaded["numpy"]).erf(array)
