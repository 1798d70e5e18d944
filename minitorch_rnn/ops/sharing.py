"""Tensors around memory that another library made and may still write to: no copy is taken.

Such a tensor holds a read-only view, and so do its own views. Where a recorded operation uses one,
the graph takes a copy of the value it used: what the owner of the memory does afterwards cannot
change a gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor, constant
from minitorch_rnn.errors import BackendError, DTypeError


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory of `array`; `tensor` would copy it.

    Changes of the array are seen by the tensor, never by a gradient: a graph keeps a copy of the
    value it used, and a tensor that is to require a gradient takes one of its own.

    Raises:
        DTypeError: if it is no NumPy array, or not one of numbers.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> a, w = np.array([1.0, 2.0]), mt.tensor([3.0, 4.0], requires_grad=True)
    >>> x = mt.from_numpy(a)
    >>> y = (w * x).sum()
    >>> a[:] = 0.0
    >>> y.backward()
    >>> x, w.grad
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    if not isinstance(array, np.ndarray):
        raise DTypeError(
            f"from_numpy: got a {type(array).__name__}; a NumPy array is needed. "
            "mt.tensor takes numbers and lists, mt.from_dlpack arrays of other libraries."
        )
    if array.dtype.kind not in "biufc":
        raise DTypeError(f"from_numpy: {array.dtype} values cannot be computed with.")
    backend.plain("from_numpy", array)
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return constant(view)


def from_dlpack(x: Any) -> Tensor:
    """A tensor of what another library exports by DLPack: shared on the CPU, a copy on a GPU.

    In shared memory the rules of `from_numpy` hold. A device has no read-only arrays, so there the
    tensor takes a copy, on the device.

    Raises:
        DTypeError: if x does not speak DLPack, or holds values that NumPy has no type for.
        BackendError: if x is on a GPU and CuPy cannot be used, or on another GPU than ours.

    >>> import numpy as np
    >>> import minitorch_rnn as mt
    >>> mt.from_dlpack(np.arange(3.0))
    tensor([0., 1., 2.])
    """
    if isinstance(x, np.ndarray):  # NumPy 2.0 itself exports nothing that is read-only
        return from_numpy(x)
    if not hasattr(x, "__dlpack_device__"):
        raise DTypeError(f"from_dlpack: a {type(x).__name__} does not export itself by DLPack.")
    on_cpu = x.__dlpack_device__()[0] == 1
    try:
        if on_cpu:
            return from_numpy(np.from_dlpack(x))
        found = backend.namespace_of("cupy").from_dlpack(x)
        backend.backend_of(found)  # refuses that of another GPU, which copy() would move
        return constant(found.copy())
    except BackendError:
        raise
    except (BufferError, RuntimeError, TypeError) as cause:
        raise DTypeError(f"from_dlpack: {cause}") from cause
