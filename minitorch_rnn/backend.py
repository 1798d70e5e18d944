"""Where arrays live: NumPy on the CPU or CuPy on a GPU. The only file that names cupy.

An array's own type decides which library computes with it (`namespace`); `use` only decides where
*new* arrays are made. Nothing here ever moves an array by itself. Random numbers are drawn on the
host by NumPy for every backend, so one seed means one model everywhere.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from minitorch_rnn.errors import BackendError, DTypeError

__all__ = [
    "Backend", "asarray", "backend_of", "current_backend", "drawing_again", "dtype_of", "erf",
    "generator", "get_default_dtype", "manual_seed", "names", "namespace", "namespace_of", "place",
    "plain", "register", "set_default_dtype", "to_numpy", "use",
]  # fmt: skip


class Backend(NamedTuple):
    """An array library: its name, module and array type, and the two things NumPy lacks.

    >>> current_backend().to_numpy(current_backend().xp.ones(2))
    array([1., 1.])
    """

    name: str
    xp: Any
    ndarray: type
    to_numpy: Callable[[Any], np.ndarray]
    erf: Callable[[Any], Any]


def _numpy() -> Backend:
    erf_of_objects = np.frompyfunc(math.erf, 1, 1)

    def erf(x: Any) -> Any:
        return np.asarray(erf_of_objects(x)).astype(np.asarray(x).dtype)

    return Backend("numpy", np, np.ndarray, np.asarray, erf)


def _cupy() -> Backend:
    try:
        import cupy
        from cupyx.scipy.special import erf
    except ImportError as cause:
        raise BackendError(
            "use('cupy'): CuPy is not installed. For CUDA 12: pip install -e '.[cuda12]', "
            "for CUDA 13: pip install -e '.[cuda13]'."
        ) from cause
    if not cupy.is_available():
        raise BackendError(
            f"use('cupy'): CuPy {cupy.__version__} is installed but finds no GPU or driver. "
            "Install the NVIDIA driver, or stay on the CPU with use('numpy')."
        )
    return Backend("cupy", cupy, cupy.ndarray, cupy.asnumpy, erf)


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
_current: Backend | None = None  # None until somebody asks: the environment decides then


class use:
    """Make new arrays on the backend `name`; as a context manager, only inside the block.

    Raises:
        BackendError: if the backend is unknown, not installed, or has no device. There is no
            silent way back to the CPU.

    >>> import minitorch_rnn as mt
    >>> with mt.use("numpy"):
    ...     mt.zeros(2).backend
    'numpy'
    """

    def __init__(self, name: str) -> None:
        global _current
        self._before, self._chosen = _current, _get(name)
        _current = self._chosen

    def __enter__(self) -> Backend:
        global _current
        _current = self._chosen
        return _current

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        global _current
        _current = self._before


def current_backend() -> Backend:
    """The backend on which new arrays are made: as `use` or MINITORCH_RNN_BACKEND said.

    >>> with use("numpy"):
    ...     current_backend().name
    'numpy'
    """
    global _current
    if _current is None:
        _current = _get(os.environ.get("MINITORCH_RNN_BACKEND") or "numpy")
    return _current


def backend_of(array: Any) -> Backend | None:
    """The backend whose array `array` is; None for numbers, lists and foreign objects.

    >>> backend_of(np.ones(2)).name, backend_of([1.0, 2.0])
    ('numpy', None)
    """
    return _by_type.get(type(array))


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


def dtype_of(name: Any) -> np.dtype[Any]:
    """The NumPy dtype that `name` means, one of numbers; both backends have the same ones.

    Raises:
        DTypeError: if there is none, as of bfloat16, or it is not a number's.

    >>> dtype_of("float32")
    dtype('float32')
    """
    try:
        if name is None:
            raise TypeError("None")
        dtype: np.dtype[Any] = np.dtype(name)
    except TypeError as cause:
        raise DTypeError(
            f"dtype: {name!r} is none of NumPy's. Floating-point types are 'float16', 'float32' "
            "and 'float64'; NumPy and CuPy store no bfloat16."
        ) from cause
    if dtype.kind not in "biufc":
        raise DTypeError(f"dtype: {dtype} values cannot be computed with; give a number's type.")
    return dtype


_default_dtype = np.dtype(np.float64)


def set_default_dtype(dtype: Any) -> None:
    """Give new parameters, and tensors made from Python floats, this dtype (at first float64).

    Raises:
        DTypeError: if `dtype` is not a floating-point type.

    >>> import minitorch_rnn as mt
    >>> mt.set_default_dtype("float32")
    >>> mt.zeros(2).dtype, mt.tensor(1.0).dtype
    (dtype('float32'), dtype('float32'))
    >>> mt.set_default_dtype("float64")
    """
    global _default_dtype
    if dtype_of(dtype).kind != "f":
        raise DTypeError(
            f"set_default_dtype: got {dtype_of(dtype)}; new parameters need a floating-point type, "
            "such as 'float64' or 'float32'."
        )
    _default_dtype = np.dtype(dtype)


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of new parameters and of tensors made from Python floats.

    >>> get_default_dtype()
    dtype('float64')
    """
    return _default_dtype


def plain(who: str, values: Any, dtype: Any = None) -> Any:
    """`values` themselves, if nothing of them is lost where they become an array of `dtype`.

    Raises:
        DTypeError: for masked arrays, and for complex values where the dtype is real.

    >>> plain("update_", [1.0, 2.0], "float32")
    [1.0, 2.0]
    """
    if isinstance(values, np.ma.MaskedArray):
        raise DTypeError(f"{who}: a masked array came; its mask would be lost. Use .filled(…).")
    if dtype is not None and np.dtype(dtype).kind != "c":
        kind = getattr(values, "dtype", None) or np.asarray(values).dtype
        if kind.kind == "c":
            raise DTypeError(f"{who}: {kind} values came for {np.dtype(dtype)}; take their .real.")
        if kind.kind == "f" and np.dtype(dtype).kind in "biu":
            raise DTypeError(f"{who}: {kind} values came for {np.dtype(dtype)}; round them first.")
    return values


def asarray(values: Any, dtype: Any = None, on: str | None = None) -> Any:
    """A new array holding a copy of `values`: numbers, nested lists or an array of any backend.

    An array keeps its dtype, Python floats take the default dtype. A NumPy array or Python values
    go to the backend `on`, by default the current one; a device array stays where it is.

    Raises:
        DTypeError: if `values` are not numbers.

    >>> asarray([1, 2]).dtype, asarray([1.0, 2.0]).dtype, asarray(np.float32([1.0])).dtype
    (dtype('int64'), dtype('float64'), dtype('float32'))
    """
    dtype = None if dtype is None else dtype_of(dtype)
    plain("tensor", values)
    backend = _by_type.get(type(values))
    if backend is not None and backend.xp is not np:
        return backend.xp.array(values, dtype=dtype)
    if hasattr(values, "__array__") and not isinstance(values, np.ndarray | np.generic):
        values = values.__array__()  # of another library, which may not know NumPy's newest ways
    array = np.array(values, dtype=dtype)
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"tensor: {array.dtype} values cannot be computed with; give numbers.")
    if dtype is None and not isinstance(values, np.ndarray | np.generic) and array.dtype == float:
        array = array.astype(_default_dtype)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    xp = (current_backend() if on is None else _get(on)).xp
    return array if xp is np else xp.asarray(array)


_generator: np.random.Generator | None = None
_again: ContextVar[np.random.Generator | None] = ContextVar("again", default=None)


class drawing_again:
    """Inside the block, here and in no other thread, the default generator starts from `state`.

    >>> import minitorch_rnn as mt
    >>> state = mt.manual_seed(0).bit_generator.state
    >>> first = mt.rand(3)
    >>> with drawing_again(state):
    ...     bool((mt.rand(3) == first).all())
    True
    """

    def __init__(self, state: Any) -> None:
        bits = getattr(np.random, state["bit_generator"])()
        bits.state = state
        self._generator = np.random.Generator(bits)

    def __enter__(self) -> None:
        self._before = _again.set(self._generator)

    def __exit__(self, *error: object) -> None:
        _again.reset(self._before)


def manual_seed(seed: int | None) -> np.random.Generator:
    """Restart the generator that draws initial weights; returns it. None takes a fresh seed.

    >>> import minitorch_rnn as mt
    >>> rng = mt.manual_seed(0)
    >>> first = mt.rand(3)
    >>> rng = mt.manual_seed(0)
    >>> bool((mt.rand(3) == first).all())
    True
    """
    global _generator
    fresh = np.random.default_rng(seed)
    if _again.get() is None:
        _generator = fresh
    else:
        _again.set(fresh)
    return fresh


def generator(rng: np.random.Generator | None = None) -> np.random.Generator:
    """`rng` itself, or the default generator of the host where None is given.

    Raises:
        TypeError: for anything else; a number would restart the stream at every parameter.

    >>> rng = np.random.default_rng(0)
    >>> generator(rng) is rng
    True
    """
    if rng is None:
        return _again.get() or _generator or manual_seed(None)
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is {rng!r}; give a generator: np.random.default_rng({rng!r}).")
    return rng
