"""`primitive`: an array function and its derivative rules become one differentiable operation.

A rule is a plain function `(g, y, *inputs, *attrs)` that returns the gradient of one input from the
gradient `g` of the output. The walk calls it on raw arrays; with `create_graph=True` it calls the
same rule on Tensors, so derivatives of every order come from one line. Rules therefore use
operators, methods that arrays and Tensors share, and other primitives, and nothing else.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from minitorch_rnn import backend
from minitorch_rnn.engine import places
from minitorch_rnn.engine.recording import is_grad_enabled
from minitorch_rnn.engine.tensor import Tensor, node
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError

_OTHER_NAMES = {
    "dim": "axis", "keepdim": "keepdims", "correction": "ddof", "min": "low", "max": "high",
    "start_dim": "start", "end_dim": "stop",
}  # fmt: skip
_NUMBERS = {float, int, bool, type(None)}  # operands that nobody can change afterwards

REGISTRY: dict[str, "Op"] = {}  # every primitive by name; the tests hold a row for each


class Op:
    """What all nodes made by one primitive share: its name, array function and rules."""

    __slots__ = (
        "arity", "defaults", "forward", "joint", "name", "pair", "parameters", "recorded", "rules",
        "variants",
    )  # fmt: skip

    def __init__(self, forward: Callable[..., Any], rules: tuple[Any, ...]) -> None:
        self.joint: Callable[..., Any] | None = None
        self.name = forward.__name__.strip("_").removeprefix("reduce_")
        self.forward = forward
        self.rules = rules
        self.arity = len(rules)
        plain = getattr(forward, "__wrapped__", forward)  # behind a decorator
        self.parameters = plain.__code__.co_varnames[: plain.__code__.co_argcount]
        self.defaults = plain.__defaults__ or ()
        self.pair = len(self.parameters) == 2  # how a node keeps its arguments
        self.recorded = any(rules)
        self.variants: dict[int, Op] = {}

    def __repr__(self) -> str:
        return f"Op({self.name})"

    def complete(self, args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        """Positional arguments in the order of the array function, defaults filled in."""
        missing = len(self.parameters) - len(args)
        if not named and 0 <= missing <= len(self.defaults):
            return args + self.defaults[len(self.defaults) - missing :]
        return _bind(self.name, self.parameters, self.defaults, args, named)

    def of_arity(self, arity: int, attrs: int) -> "Op":
        """The variant of a variadic primitive for `arity` inputs: one rule for each of them."""
        if arity not in self.variants:
            op = Op(self.forward, (None,) * arity)
            op.pair = arity + attrs == 2
            op.rules = tuple(functools.partial(self.rules[0], i) for i in range(arity))
            op.name, op.recorded = self.name, True
            self.variants[arity] = op
        return self.variants[arity]


def joint(name: str, rule: Callable[..., Any]) -> Op:
    """An operation with one rule for all inputs, which gives their gradients together.

    For what is differentiated as a whole: a user's own function, a part that is computed again.
    The rule is `(wanted, g, y, *inputs, *attrs)`: `wanted` says for each input whether its gradient
    is asked for, and the answer is one gradient or None for each. `record` makes its nodes.
    """
    op = Op(lambda: None, ())
    op.name, op.joint = name, rule
    return op


def record(op: Op, value: Any, inputs: tuple[Any, ...], attrs: tuple[Any, ...]) -> Tensor:
    """A node of the `joint` operation `op` around the array `value`."""
    y = node(value, op, inputs, attrs)
    for watcher in places.watchers:
        watcher.computed(op.name, tuple([raw(x) for x in inputs]), value)
        watcher.recorded(y._index)
    return y


def primitive(*rules: Callable[..., Any] | None) -> Callable[[Callable[..., Any]], Any]:
    """Make a differentiable operation of an array function whose first inputs have these `rules`.

    One rule for each differentiable input, in order; the function's further parameters are
    attributes. A rule `None` marks an input, or an operation, without a derivative. Called without
    a Tensor, the operation is its array function: arrays in, array out.

    >>> from minitorch_rnn import tensor
    >>> from minitorch_rnn.engine import primitive
    >>> @primitive(lambda g, y, x: g * 3 * x * x)
    ... def cube(x):
    ...     return x * x * x
    >>> x = tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad
    tensor(12.)
    """

    def decorate(forward: Callable[..., Any]) -> Any:
        op = REGISTRY[forward.__name__.strip("_")] = Op(forward, rules)
        total = len(op.parameters)

        @functools.wraps(forward)
        def operation(*args: Any, **named: Any) -> Any:
            if named or len(args) != total:
                args = op.complete(args, named)
            return apply(op, args)

        return operation

    return decorate


def variadic(rule: Callable[..., Any], attrs: int) -> Callable[[Callable[..., Any]], Any]:
    """As `primitive`, for any number of inputs followed by `attrs` attributes, all positional.

    The one rule takes the number of the input first: `(i, g, y, *inputs, *attrs)`.
    """

    def decorate(forward: Callable[..., Any]) -> Any:
        op = REGISTRY[forward.__name__.strip("_")] = Op(forward, (rule,))

        @functools.wraps(forward)
        def operation(*args: Any) -> Any:
            return apply(op.of_arity(len(args) - attrs, attrs), args)

        return operation

    return decorate


def composite(function: Callable[..., Any]) -> Any:
    """Let a function made of primitives understand `dim` and `keepdim` as primitives do."""
    code = function.__code__
    parameters = code.co_varnames[: code.co_argcount]

    @functools.wraps(function)
    def operation(*args: Any, **named: Any) -> Any:
        if named and not code.co_flags & 0x04:  # without *args, names map onto positions
            args = _bind(function.__name__, parameters, function.__defaults__ or (), args, named)
            named = {}
        return function(*args, **named)

    return operation


def apply(op: Op, args: tuple[Any, ...]) -> Any:
    """Compute `op`, and record it if an input requires a gradient and recording is on."""
    inputs, attrs = args, args[op.arity :]
    if attrs:
        inputs = args[: op.arity]
    values = []
    any_tensor = tracked = constants = False
    for x in inputs:
        if isinstance(x, Tensor):
            any_tensor = True
            if x._tracked:
                tracked = True
            else:
                constants = True
            x = x._data
        elif x.__class__ not in _NUMBERS:
            constants = True
            if (
                x.__class__ is not ndarray and backend.backend_of(x) is None
            ) or x.dtype.kind not in "biufc":
                x = _operand(op, x, inputs)
        values.append(x)
    try:
        y = op.forward(*values, *attrs) if attrs else op.forward(*values)
    except Exception as cause:
        backend.raise_if_of_device(op.name, cause)
        if not isinstance(cause, TypeError | ValueError | IndexError):
            raise
        raise _explained(op, args, cause) from cause
    if not any_tensor:
        return y
    if places.watchers:
        for watcher in places.watchers:
            watcher.computed(op.name, tuple(values), y)
    if not (tracked and op.recorded and is_grad_enabled()):
        return node(y, None, None, ())
    if constants:
        args = tuple(map(kept, inputs, values)) + attrs
    for a in attrs:
        if a.__class__ not in _NUMBERS:
            args = args[: op.arity] + tuple(map(_settled, attrs))
            break
    if y.dtype.kind != "f":
        _check_carries(op, y, inputs)
    y = node(y, op, args[0], args[1] if op.pair else args[1:])
    if places.watchers:
        for watcher in places.watchers:
            watcher.recorded(y._index)
    return y


def kept(x: Any, value: Any) -> Any:
    """An operand as the graph keeps it, so that nobody can change what the rules will read.

    Of a constant it keeps the value. An array of the caller's is copied, and so is a value in
    memory that somebody else may write to: that is what a read-only array means here
    (`from_numpy`).
    """
    if isinstance(x, Tensor):
        if x._tracked:
            return x
        return value if value.__class__ is not ndarray or value.flags.writeable else _copied(value)
    return _copied(value) if backend.backend_of(value) is not None else value


def _copied(array: Any) -> Any:
    """A copy, in which what is repeated by broadcasting stays repeated."""
    if 0 not in array.strides or not array.size:
        return array.copy()
    once = tuple([slice(1) if s == 0 else slice(None) for s in array.strides])
    return backend.namespace(array).broadcast_to(array[once].copy(), array.shape)


def _check_carries(op: Op, y: Any, inputs: tuple[Any, ...]) -> None:
    # Complex values can carry a derivative where all is complex: the complex step of a gradient.
    carriers = [x._data for x in inputs if isinstance(x, Tensor)]
    if y.dtype.kind != "c" or any(x.dtype.kind != "c" for x in carriers):
        raise DTypeError(
            f"{op.name}: an input requires a gradient, which {y.dtype} values cannot carry. "
            "Use x.detach() where none is meant."
        )


def _settled(attr: Any) -> Any:
    """An attribute as the graph keeps it: of arrays, also inside others, a copy."""
    kind = attr.__class__
    if kind is tuple or kind is list:
        return kind([a if a.__class__ in _NUMBERS else _settled(a) for a in attr])
    if kind is slice:
        return slice(_settled(attr.start), _settled(attr.stop), _settled(attr.step))
    attr = raw(attr)
    return attr.copy() if backend.backend_of(attr) is not None else attr


def _operand(op: Op, x: Any, others: Sequence[Any]) -> Any:
    """An operand that is neither a tensor nor an array of a backend as something to compute with.

    A list of numbers becomes an array on the backend of the operands it meets.
    """
    if isinstance(x, list | tuple):
        owners = [owner.name for x in others if (owner := backend.backend_of(raw(x)))]
        return Tensor(x, backend=owners[0] if owners else None)._data
    numeric = getattr(getattr(x, "dtype", None), "kind", "") in "biufc"
    if isinstance(x, ndarray) and not isinstance(x, np.ma.MaskedArray) and numeric:
        return np.asarray(x)  # a matrix, a memory map
    if isinstance(x, complex | float | int) or (isinstance(x, np.generic) and numeric):
        return x
    kind = f"{type(x).__module__}.{type(x).__qualname__}".removeprefix("builtins.")
    kind += f" of {x.dtype}" if isinstance(x, ndarray) else ""
    raise DTypeError(
        f"{op.name}: cannot compute with a {kind}; operands are tensors, arrays of one backend and "
        "numbers. mt.from_dlpack takes tensors of other libraries."
    )


def _bind(
    name: str,
    parameters: tuple[str, ...],
    defaults: tuple[Any, ...],
    args: tuple[Any, ...],
    named: dict[str, Any],
) -> tuple[Any, ...]:
    given = dict(zip(parameters, args, strict=False))
    if "out" in named:  # np.sum(t) calls t.sum(axis=None, dtype=None, out=None)
        raise DTypeError(f"np.{name}: NumPy would lose the graph. Use mt.{name}.")
    for key, value in named.items():
        key = key if key in parameters else _OTHER_NAMES.get(key, key)
        if key not in parameters or key in given:
            problem = "is given twice" if key in given else "is not one of its arguments"
            raise TypeError(f"{name}: {key!r} {problem}: {name}({', '.join(parameters)}).")
        given[key] = value
    given = dict(zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True)) | given
    if len(args) > len(parameters) or len(given) < len(parameters):
        raise TypeError(
            f"{name}: takes {name}({', '.join(parameters)}), "
            f"got {len(args)} positional and {len(named)} named arguments."
        )
    return tuple([given[key] for key in parameters])


def _explained(op: Op, args: tuple[Any, ...], cause: Exception) -> Exception:
    """The error of an array library, told in terms of the operation and its inputs."""
    if isinstance(cause, ShapeError | DTypeError | BackendError):
        return cause
    inputs = args[: op.arity]
    everything = [x for arg in args for x in (arg if isinstance(arg, tuple) else (arg,))]
    if len({owner.name for x in everything if (owner := backend.backend_of(raw(x)))}) > 1:
        return BackendError(mixed(op.name, everything))
    shapes = " and ".join(str(x.shape) for x in inputs if hasattr(x, "shape"))
    if isinstance(cause, IndexError):
        return IndexError(f"{op.name} of shape {shapes}: {cause}")
    if isinstance(cause, ValueError) and "negative integer powers" in str(cause):
        return DTypeError(f"{op.name}: {cause} Convert first: x.astype('float64').")
    if isinstance(cause, ValueError):
        return ShapeError(f"{op.name}: cannot compute with shapes {shapes}: {cause}")
    kinds = " and ".join(str(getattr(x, "dtype", type(x).__name__)) for x in inputs)
    return DTypeError(f"{op.name}: cannot compute with {kinds}: {cause}")


def raw(x: Any) -> Any:
    """The array inside a Tensor; anything else as it is."""
    return x._data if isinstance(x, Tensor) else x


def mixed(name: str, inputs: Sequence[Any]) -> str:
    """The message for arrays of two backends in one operation, with the line that mends it."""
    told = []
    for i, x in enumerate(inputs):
        if owner := backend.backend_of(raw(x)):
            kind = "tensor" if isinstance(x, Tensor) else "array"
            told.append(f"input {i} is a {kind} of shape {x.shape} on {owner.name!r}")
            target = owner.name
    return (
        f"{name}: {', '.join(told)}. Arrays never move by themselves; "
        f"move one of them: x.to({target!r})."
    )
