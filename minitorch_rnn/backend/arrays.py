"""Dtypes, and new arrays made of whatever values came."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn.backend.switch import backend_of, current_backend, namespace_of, told
from minitorch_rnn.errors import DTypeError

__all__ = ["asarray", "dtype_of", "get_default_dtype", "plain", "set_default_dtype"]


_FLOATING = (
    "Floating-point types are 'float16', 'float32' and 'float64'; NumPy and CuPy store no bfloat16."
)


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
        raise DTypeError(f"dtype: {name!r} is none of NumPy's. {_FLOATING}") from cause
    if dtype.kind not in "biufc":
        raise DTypeError(  # of bfloat16 too, where another library has told NumPy of it
            f"dtype: '{dtype}' values cannot be computed with; give a number's type. {_FLOATING}"
        )
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
    backend = backend_of(values)
    if backend is not None and backend.xp is not np:
        with told("a copy"):
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
    xp = current_backend().xp if on is None else namespace_of(on)
    if xp is np:
        return array
    with told(f"an array of shape {array.shape}"):
        return xp.asarray(array)
