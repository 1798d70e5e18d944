"""Every operation beside its derivatives; at the end, the table of Tensor's methods."""

import functools
from typing import Any

from minitorch_rnn import backend
from minitorch_rnn.engine import Parameter, Tensor, clone
from minitorch_rnn.errors import BackendError, DTypeError, GraphError, ShapeError
from minitorch_rnn.ops.arithmetic import (
    add,
    bitwise_and,
    bitwise_or,
    divide,
    equal,
    floor_divide,
    greater,
    greater_equal,
    invert,
    less,
    less_equal,
    multiply,
    negative,
    not_equal,
    power,
    remainder,
    subtract,
)
from minitorch_rnn.ops.creation import (
    arange,
    eye,
    full,
    ones,
    ones_like,
    rand,
    randn,
    zeros,
    zeros_like,
)
from minitorch_rnn.ops.elementwise import (
    absolute,
    arctan,
    astype,
    cos,
    erf,
    exp,
    expm1,
    log,
    log1p,
    relu,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    tan,
    tanh,
)
from minitorch_rnn.ops.indexing import getitem, index_add, index_update, take_along_axis
from minitorch_rnn.ops.linalg import einsum, linear, matmul, outer
from minitorch_rnn.ops.reduction import (
    argmax,
    argmin,
    cumsum,
    log_softmax,
    logsumexp,
    mean,
    norm,
    prod,
    reduce_all,
    reduce_any,
    reduce_max,
    reduce_min,
    reduce_sum,
    softmax,
    std,
    var,
)
from minitorch_rnn.ops.selection import clip, maximum, minimum, where
from minitorch_rnn.ops.shape import (
    broadcast_to,
    concatenate,
    flatten,
    flip,
    moveaxis,
    pad,
    permute,
    repeat,
    reshape,
    roll,
    sizes,
    split,
    squeeze,
    stack,
    sum_to,
    swapaxes,
    tile,
    transpose,
    unsqueeze,
)
from minitorch_rnn.ops.sharing import from_dlpack, from_numpy

__all__ = [
    "absolute", "add", "arange", "arctan", "argmax", "argmin", "astype", "bitwise_and",
    "bitwise_or", "broadcast_to", "clip", "clone", "concatenate", "cos", "cumsum", "divide",
    "einsum", "equal", "erf", "exp", "expm1", "eye", "flatten", "flip", "floor_divide",
    "from_dlpack", "from_numpy", "full", "getitem", "greater", "greater_equal", "index_add",
    "index_update", "invert", "less", "less_equal", "linear", "log", "log1p", "log_softmax",
    "logsumexp", "matmul", "maximum", "mean", "minimum", "moveaxis", "multiply", "negative", "norm",
    "not_equal", "ones", "ones_like", "outer", "pad", "permute", "power", "prod", "rand", "randn",
    "reduce_all", "reduce_any", "reduce_max", "reduce_min", "reduce_sum", "relu", "remainder",
    "repeat", "reshape", "roll", "sigmoid", "sign", "sin", "softmax", "softplus", "split", "sqrt",
    "squeeze", "stack", "std", "subtract", "sum_to", "swapaxes", "take_along_axis", "tan", "tanh",
    "tile", "to", "transpose", "unsqueeze", "var", "where", "zeros", "zeros_like",
]  # fmt: skip


def to(x: Tensor, *targets: Any, dtype: Any = None, device: Any = None) -> Any:
    """x on another backend ("numpy" or "cpu", "cupy" or "cuda") or in another dtype ("float32").

    Several are met one after the other: x.to("cpu", "float32"), or x.to(device="cpu", dtype=…).

    A change of backend leaves the graph behind, so x must not be part of one; a change of dtype is
    an operation like any other.

    Raises:
        BackendError: if x was computed in a graph, or the backend is not there.
        DTypeError: if there is no such dtype.

    >>> import minitorch_rnn as mt
    >>> mt.tensor([1.0]).to("cpu").to("float32").dtype
    dtype('float32')
    """
    for target in (*targets, *[t for t in (device, dtype) if t is not None]):
        there = backend.place(target)
        x = astype(x, target) if there is None else _moved(x, there)
    return x


def _moved(x: Tensor, there: str) -> Tensor:
    if there == x.backend:
        return x
    if not x.is_leaf:
        raise BackendError(
            f"to({there!r}): this tensor was computed on {x.backend!r}, and a graph does not "
            "cross backends. Move the inputs, or y.detach()."
        )
    return Tensor(backend.to_numpy(x._data), None, x.requires_grad, there)


def _swapped(operation: Any) -> Any:
    return lambda self, other: operation(other, self)


@functools.wraps(transpose)
def _transposed(self: Tensor, *axes: Any) -> Any:
    if len(axes) == 2 and (self.ndim != 2 or axes in ((0, 1), (-2, -1))):
        raise ShapeError(
            f"transpose{axes} of shape {self.shape}: transpose takes the new order of all axes, "
            f"which this is not or which changes nothing. swapaxes{axes} swaps two."
        )
    return transpose(self, sizes(axes) if axes else None)


def _compared(operation: Any) -> Any:
    """== and !=, which Python also asks of things that cannot be compared: those are not equal."""

    @functools.wraps(operation)
    def compare(self: Tensor, other: Any) -> Any:
        try:
            return operation(self, other)
        except DTypeError:
            return NotImplemented

    return compare


def _in_place(operation: Any) -> Any:
    """`y += x` makes a new y; of a leaf that is trained, nothing would be trained."""

    def assign(self: Tensor, other: Any) -> Any:
        if isinstance(self, Parameter) or (self.is_leaf and self.requires_grad):
            raise GraphError(
                f"{operation.__name__} in place: this leaf requires a gradient and would not "
                "change. Use p.update_(p - lr * p.grad)."
            )
        return operation(self, other)

    return assign


def _of_sizes(operation: Any) -> Any:
    """The method that takes its sizes one by one, too: x.reshape(2, 3) and x.reshape((2, 3))."""

    @functools.wraps(operation)
    def method(self: Tensor, *shape: Any) -> Any:
        return operation(self, sizes(shape))

    return method


METHODS: dict[str, Any] = {
    "__iadd__": _in_place(add), "__ifloordiv__": _in_place(floor_divide),
    "__imatmul__": _in_place(matmul), "__imod__": _in_place(remainder),
    "__imul__": _in_place(multiply), "__ipow__": _in_place(power),
    "__isub__": _in_place(subtract), "__itruediv__": _in_place(divide),
    "__abs__": absolute, "__add__": add, "__and__": bitwise_and, "__eq__": _compared(equal),
    "__floordiv__": floor_divide, "__ge__": greater_equal, "__getitem__": getitem,
    "__gt__": greater, "__invert__": invert, "__le__": less_equal, "__lt__": less,
    "__matmul__": matmul, "__mod__": remainder, "__mul__": multiply, "__ne__": _compared(not_equal),
    "__neg__": negative, "__or__": bitwise_or, "__pow__": power, "__radd__": _swapped(add),
    "__rand__": _swapped(bitwise_and), "__rfloordiv__": _swapped(floor_divide),
    "__rmatmul__": _swapped(matmul), "__rmod__": _swapped(remainder),
    "__rmul__": _swapped(multiply), "__ror__": _swapped(bitwise_or), "__rpow__": _swapped(power),
    "__rsub__": _swapped(subtract), "__rtruediv__": _swapped(divide), "__sub__": subtract,
    "__truediv__": divide, "abs": absolute, "all": reduce_all, "any": reduce_any, "arctan": arctan,
    "argmax": argmax, "argmin": argmin, "astype": astype, "broadcast_to": _of_sizes(broadcast_to),
    "clip": clip, "clone": clone, "cos": cos, "cumsum": cumsum, "erf": erf, "exp": exp,
    "expm1": expm1, "flatten": flatten, "flip": flip, "index_add": index_add,
    "index_update": index_update, "log": log, "log1p": log1p, "log_softmax": log_softmax,
    "logsumexp": logsumexp, "matmul": matmul, "max": reduce_max, "maximum": maximum, "mean": mean,
    "min": reduce_min, "minimum": minimum, "moveaxis": moveaxis,
    "mT": property(lambda self: swapaxes(self, -1, -2), doc="The matrices transposed."),
    "norm": norm,
    "permute": _of_sizes(permute), "pow": power, "prod": prod, "relu": relu, "repeat": repeat,
    "reshape": _of_sizes(reshape), "roll": roll, "sigmoid": sigmoid, "sign": sign, "sin": sin,
    "softmax": softmax, "softplus": softplus, "split": split, "sqrt": sqrt, "squeeze": squeeze,
    "std": std, "sum": reduce_sum, "swapaxes": swapaxes, "T": property(transpose),
    "take_along_axis": take_along_axis, "tan": tan, "tanh": tanh, "tile": tile, "to": to,
    "transpose": _transposed,
    "unsqueeze": unsqueeze, "var": var,
}  # fmt: skip

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
