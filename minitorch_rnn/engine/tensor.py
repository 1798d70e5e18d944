"""Tensor: the array that remembers how it was made, and so the node of the graph itself.

A Tensor holds its value and, where a gradient may be asked for, the operation, inputs and
attributes that produced it. One counter numbers all Tensors. The number is the order in which the
backward walk visits the graph, newest first, and also a clock: an input whose number is higher than
its user's was changed after it was used, and the walk refuses it.

How nodes are made is in `primitive`, how gradients flow back is in `walk`, what the operations
compute is in `ops`; `operators` lists the methods that are bound from there.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from minitorch_rnn import backend as backends
from minitorch_rnn.engine.hooks import NO_HOOKS, RETAIN, Handle
from minitorch_rnn.engine.interchange import Interchange
from minitorch_rnn.engine.names import Elsewhere
from minitorch_rnn.engine.staying import check_staying
from minitorch_rnn.errors import BackendError, DTypeError, GraphError, ShapeError

if TYPE_CHECKING:
    from minitorch_rnn.engine.primitive import Op

_tick = count().__next__
_adding = threading.Lock()

FREED = object()  # in place of the first argument of a node that a walk has freed


class Tensor(Interchange):
    """An array with an optional record of how it was computed.

    Args:
        data: numbers, nested lists, an array of any backend or a Tensor; always copied.
        dtype: of the new tensor. None keeps an array's dtype and gives Python floats the default.
        requires_grad: record what is computed from this tensor, so that it can have a gradient.
        backend: where to make it; None is the current backend. A device array stays where it is.

    Raises:
        DTypeError: if the dtype is not a number's, or not a float's where a gradient is required.
        BackendError: if there is no such backend here.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = (
        "__weakref__", "_data", "_first", "_hooks", "_index", "_op", "_rest", "_tracked", "grad",
    )  # fmt: skip

    # Before CuPy's own arrays: `array * tensor` is ours on every backend.
    __array_priority__ = 1000

    grad: Tensor | None

    def __init__(
        self,
        data: Any,
        dtype: Any = None,
        requires_grad: bool = False,
        backend: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            if data._tracked:
                check_staying("mt.tensor(…)")
            data = data._data
        elif isinstance(data, list | tuple) and any(isinstance(x, Tensor) for x in data):
            raise DTypeError(
                f"tensor: got a {type(data).__name__} that holds Tensors. mt.stack joins them and "
                "keeps their graph; of what a recurrent layer returns, (output, h_n), take one."
            )
        self._data: Any = backends.asarray(data, dtype, backend)
        self._index = _tick()
        self._op: Op | None = None
        self._first: Any = None
        self._rest: Any = ()
        self._hooks: Any = NO_HOOKS
        self._tracked = False
        self.grad = None
        if requires_grad:
            self.requires_grad = True

    # What it holds ------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded."""
        return self._tracked

    @requires_grad.setter
    def requires_grad(self, required: bool) -> None:
        if required and self._data.dtype.kind != "f":
            raise DTypeError(
                "requires_grad: only floating-point tensors can require gradients, "
                f"got {self._data.dtype}. Convert first: x.astype('float64')."
            )
        if self._op is not None and not required:
            raise GraphError(
                f"requires_grad: this tensor was computed by {self._op.name!r}, and only a leaf "
                "can stop requiring a gradient. Use y.detach() for a copy without history."
            )
        if required and isinstance(self._data, ndarray) and not self._data.flags.writeable:
            # The memory is somebody else's, see `from_numpy`.
            self._data = backends.asarray(self._data, on="numpy")
        self._tracked = bool(required)

    def requires_grad_(self, required: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor itself."""
        self.requires_grad = required
        return self

    @property
    def is_leaf(self) -> bool:
        """True for a tensor that no recorded operation produced."""
        return self._op is None

    def detach(self) -> Tensor:
        """The same value without history: nothing flows back through it."""
        if self._tracked:
            check_staying("detach()")
        return constant(self._data)

    def update_(self, values: Any) -> Tensor:
        """Replace the value in place, as optimisers and loaders do; returns the tensor itself.

        A graph that already used the old value notices and raises in `backward`.

        Raises:
            GraphError: if the tensor was computed by a recorded operation.
            ShapeError: if `values` have another shape.
        """
        if self._op is not None:
            raise GraphError(
                f"update_: this tensor was computed by {self._op.name!r}; only a leaf can be "
                "updated in place. Compute a new tensor instead."
            )
        xp = backends.namespace(self._data)
        if isinstance(values, Tensor) and values._tracked:
            check_staying("update_()")
        raw = values._data if isinstance(values, Tensor) else values
        raw = backends.plain("update_", raw, self._data.dtype)
        if backends.backend_of(raw) not in (None, backends.backend_of(self._data)):
            raise BackendError(
                f"update_: the tensor lives on {self.backend!r}, the values do not. "
                f"Move them first: values.to({self.backend!r})."
            )
        new = xp.array(raw, dtype=self._data.dtype)  # a copy: the caller keeps its own
        if new.shape != self._data.shape:
            raise ShapeError(
                f"update_: got values of shape {new.shape} for a tensor of shape {self.shape}."
            )
        self._rebind(new)
        return self

    def _rebind(self, array: Any) -> None:
        self._data = array
        self._index = _tick()  # later than every node that used the old value

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of every axis."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Number of elements, as in NumPy (PyTorch's `numel()`)."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """Type of the elements."""
        return self._data.dtype

    # How it was made ----------------------------------------------------------------------------

    @property
    def _inputs(self) -> tuple[Any, ...] | None:
        """What it was computed from: () of a leaf, None once a walk has freed it."""
        return None if self._first is FREED else self._arguments()[0]

    @property
    def _attrs(self) -> tuple[Any, ...]:
        """The arguments of its operation that are no inputs."""
        return () if self._first is FREED else self._arguments()[1]

    def _arguments(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        # A node keeps its first argument, and beside it the second if there are two, else a tuple
        # of all others. A tuple of both would be one object more for each operation, and of long
        # graphs the garbage collector's passes over all objects are what costs most.
        op, first, rest = self._op, self._first, self._rest
        if op is None:
            return (), ()
        if op.joint is not None:
            return first, rest
        arguments = (first, rest) if op.pair else (first, *rest)
        return arguments[: op.arity], arguments[op.arity :]

    # Gradients ----------------------------------------------------------------------------------

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> Handle:
        """Call `hook(gradient)` when this tensor's gradient is complete.

        The hook may return another gradient of the same shape, which then takes its place.
        Returns a handle whose `remove()` undoes the registration.
        """
        return Handle(self._own_hooks(), hook)

    def _own_hooks(self) -> dict[float, Any]:
        if not self._tracked:
            raise GraphError("register_hook: this tensor does not require a gradient, none comes.")
        if self._hooks is NO_HOOKS:
            self._hooks = {}
        return self._hooks  # type: ignore[no-any-return]

    def retain_grad(self) -> None:
        """Give this computed tensor a `.grad`, as leaves have one."""
        me = weakref.ref(self)  # the tensor holds the hook, so the hook must not hold it

        def keep(gradient: Tensor) -> None:
            if (tensor := me()) is not None:
                accumulate([(tensor, gradient)])

        if self._op is not None:
            self._own_hooks()[RETAIN] = keep

    # As a Python value ---------------------------------------------------------------------------

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise DTypeError(f"index: got a {self._data.dtype} tensor; an index is an integer.")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ShapeError(
                f"bool: a tensor of shape {self.shape} has no single truth value. "
                "Use (a == b).all() or .any()."
            )
        return bool(self.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise DTypeError("len: a 0-d tensor has no length.")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, key: Any, value: Any) -> None:
        raise GraphError(
            "t[...] = v: a tensor is not written in place, since a graph may still need its value. "
            "Use t = mt.index_update(t, key, v), which is differentiable, or t.update_(values)."
        )

    def __repr__(self) -> str:
        text = np.array2string(
            backends.to_numpy(self._data), separator=", ", prefix="tensor(", threshold=1000
        )
        dtype = self._data.dtype
        size = self._data.size
        shown = f", shape={self.shape}" if size > 1000 or (not size and self.ndim > 1) else ""
        note = shown + (
            "" if dtype in (backends.get_default_dtype(), int, bool) else f", dtype={dtype}"
        )
        if self.backend != "numpy":
            note += f", backend={self.backend!r}"
        if self._op is not None:
            note += f", op={self._op.name}"
        elif self._tracked or isinstance(self, Parameter):
            note += f", requires_grad={self._tracked}"
        return f"tensor({text}{note})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._op is not None:
            raise GraphError(
                "copy: only graph leaves can be deep-copied or pickled; use y.detach()."
            )
        if self._tracked:
            check_staying("a copy")
        return _restored, (type(self), backends.to_numpy(self._data), self.backend, self._tracked)

    __hash__ = object.__hash__


class Parameter(Tensor):
    """A Tensor that a Module owns and an optimiser updates: it requires a gradient.

    >>> import minitorch_rnn as mt
    >>> mt.nn.Parameter([1.0, 2.0])
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(
        self,
        data: Any,
        dtype: Any = None,
        requires_grad: bool = True,
        backend: str | None = None,
    ) -> None:
        super().__init__(data, dtype, requires_grad, backend)


def _restored(kind: type[Tensor], array: ndarray, where: str, tracked: bool) -> Tensor:
    return kind(array, None, tracked, where)


def constant(array: Any) -> Tensor:
    """A Tensor around `array` itself, without history. For arrays nobody else will change."""
    return node(array, None, None, ())


def tensor(
    data: Any, dtype: Any = None, requires_grad: bool = False, backend: str | None = None
) -> Tensor:
    """A new Tensor holding a copy of `data`; see `Tensor`.

    >>> import minitorch_rnn as mt
    >>> mt.tensor([[1, 2], [3, 4]]).sum(axis=0)
    tensor([4, 6])
    """
    return Tensor(data, dtype, requires_grad, backend)


def node(data: Any, op: Op | None, first: Any, rest: Any) -> Tensor:
    """A Tensor around `data` itself, with its record, for which see `Tensor._arguments`."""
    if data.__class__ is not ndarray and backends.backend_of(data) is None:
        data = np.asarray(data)  # NumPy's reductions and 0-d arithmetic give scalars
    y = _new(Tensor)
    y._data = data
    y._op = op
    y._first = first
    y._rest = rest
    y._tracked = op is not None
    y._hooks = NO_HOOKS
    y.grad = None
    y._index = _tick()
    return y


def accumulate(gradients: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Add each gradient to the `.grad` of its tensor; or none of them, if one cannot be added.

    Raises:
        ShapeError: if a `.grad` was set to something of another shape.
    """
    for x, _ in gradients:
        if x.grad is not None and getattr(x.grad, "shape", None) != x.shape:
            raise ShapeError(
                f"backward: .grad was set to a {type(x.grad).__name__} of shape "
                f"{getattr(x.grad, 'shape', None)}; a tensor of shape {x.shape} is needed."
            )
    with _adding:  # walks of several threads may end in one leaf
        for x, gradient in gradients:
            x.grad = gradient if x.grad is None else x.grad + gradient


for _name in Elsewhere.NAMES:
    setattr(Tensor, _name, Elsewhere(_name))

_new = Tensor.__new__
