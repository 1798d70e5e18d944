"""How a tensor leaves this library: as Python numbers, as a NumPy array, by DLPack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from minitorch_rnn import backend as backends
from minitorch_rnn.engine.operators import REFLECTED, Operators
from minitorch_rnn.engine.staying import check_staying
from minitorch_rnn.errors import BackendError, DTypeError, GraphError, ShapeError


class Interchange(Operators):
    """Base of Tensor: what others see of its value."""

    __slots__ = ()

    _data: Any
    _tracked: bool
    shape: Any

    @property
    def data(self) -> Any:
        """The value as a plain array: a read-only view, since rules may read the value later.

        On a device, where nothing can be marked read-only, it is a copy. Assigning
        (`p.data = new`) is `p.update_(new)`.
        """
        if self._tracked:
            check_staying(".data")
        if not isinstance(self._data, ndarray):
            return self._data.copy()
        view = self._data.view()
        view.flags.writeable = False
        return view

    @data.setter
    def data(self, values: Any) -> None:
        self.update_(values)  # type: ignore[attr-defined]

    @property
    def backend(self) -> str:
        """Name of the backend the value lives on: "numpy", "cupy"."""
        owner = backends.backend_of(self._data)
        assert owner is not None
        return owner.name

    @property
    def device(self) -> str:
        """Where the value lives, in PyTorch's words: "cpu" or "cuda:0"."""
        return "cpu" if isinstance(self._data, ndarray) else "cuda:0"

    def item(self) -> Any:
        """The one element as a Python number."""
        if self._data.size != 1:
            raise ShapeError(f"item: the tensor has shape {self.shape}; only one element converts.")
        if self._tracked:
            check_staying("item()")
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        if self._tracked:
            check_staying("tolist()")
        return self._data.tolist()

    def numpy(self) -> ndarray:
        """The value as a NumPy array: a read-only view, or a copy from a device.

        Raises:
            GraphError: if the tensor requires a gradient, which would be lost without a word.
        """
        if self._tracked:
            raise GraphError(
                "numpy: this tensor requires a gradient, and NumPy would lose it. "
                "Use y.detach().numpy()."
            )
        return self.data if isinstance(self._data, ndarray) else backends.to_numpy(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        if self._data.__class__ is not ndarray:
            raise BackendError(
                f"numpy: this tensor lives on {self.backend!r}; use y.numpy() to copy it here."
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        # NumPy comes here for `array * tensor`, which is ours, and for np.exp(tensor).
        mine = REFLECTED.get(ufunc.__name__)
        if mine and method == "__call__" and not options and inputs[1] is self:
            return getattr(self, mine)(inputs[0])
        raise DTypeError(
            f"np.{ufunc.__name__}: NumPy would lose the graph. Use mt.{ufunc.__name__} where there "
            f"is one, or np.{ufunc.__name__}(y.detach().numpy())."
        )

    def __dlpack__(self, **options: Any) -> Any:
        if self._tracked:
            raise BufferError("dlpack: this tensor requires a gradient; export y.detach().")
        if options.get("copy") is False:
            raise BufferError("dlpack: only a copy is exported; rules may still read the original.")
        return self._data.copy().__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()
