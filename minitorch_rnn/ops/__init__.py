"""Every operation beside its derivatives; at the end, the table of Tensor's methods."""

from typing import Any

from minitorch_rnn import backend
from minitorch_rnn.engine import Tensor, clone, constant
from minitorch_rnn.errors import BackendError
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
from minitorch_rnn.ops.indexing import getitem, index_add, index_update, setitem, take_along_axis
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

__all__ = [
    "absolute", "add", "arange", "arctan", "argmax", "argmin", "astype", "bitwise_and",
    "bitwise_or", "broadcast_to", "clip", "clone", "concatenate", "cos", "cumsum", "divide",
    "einsum", "equal", "erf", "exp", "expm1", "eye", "flatten", "flip", "floor_divide", "full",
    "getitem", "greater", "greater_equal", "index_add", "index_update", "invert", "less",
    "less_equal", "linear", "log", "log1p", "log_softmax", "logsumexp", "matmul", "maximum", "mean",
    "minimum", "moveaxis", "multiply", "negative", "norm", "not_equal", "ones", "ones_like",
    "outer", "pad", "permute", "power", "prod", "rand", "randn", "reduce_all", "reduce_any",
    "reduce_max", "reduce_min", "reduce_sum", "relu", "remainder", "repeat", "reshape", "roll",
    "setitem", "sigmoid", "sign", "sin", "softmax", "softplus", "split", "sqrt", "squeeze", "stack",
    "std",
    "subtract", "sum_to", "swapaxes", "take_along_axis", "tan", "tanh", "tile", "to", "transpose",
    "unsqueeze", "var", "where", "zeros", "zeros_like",
]  # fmt: skip


def to(x: Tensor, target: Any) -> Any:
    """x on another backend ("numpy", "cupy") or in another dtype ("float32", np.float64).

    A change of backend leaves the graph behind, so x must not be part of one; a change of dtype is
    an operation like any other.
    """
    if not isinstance(target, str) or target not in backend.names():
        return astype(x, target)
    if target == x.backend:
        return x
    if not x.is_leaf:
        raise BackendError(
            f"to({target!r}): this tensor was computed on {x.backend!r}, and a graph does not "
            "cross backends. Move the inputs, or y.detach()."
        )
    with backend.use(target):
        moved = backend.asarray(backend.to_numpy(x.data))
    return constant(moved).requires_grad_(x.requires_grad)


def _swapped(operation: Any) -> Any:
    return lambda self, other: operation(other, self)


def _of_sizes(operation: Any) -> Any:
    return lambda self, *shape: operation(self, sizes(shape))


METHODS: dict[str, Any] = {
    "__abs__": absolute, "__add__": add, "__and__": bitwise_and, "__eq__": equal, "__ge__":
    greater_equal, "__getitem__": getitem, "__gt__": greater, "__invert__": invert, "__le__":
    less_equal, "__lt__": less, "__matmul__": matmul, "__mul__": multiply, "__ne__": not_equal,
    "__neg__": negative, "__or__": bitwise_or, "__pow__": power, "__setitem__": setitem,
    "__sub__": subtract,
    "__truediv__": divide, "__floordiv__": floor_divide, "__mod__": remainder,
    "__radd__": _swapped(add), "__rsub__": _swapped(subtract), "__rmul__": _swapped(multiply),
    "__rtruediv__": _swapped(divide), "__rfloordiv__": _swapped(floor_divide),
    "__rmod__": _swapped(remainder), "__rpow__": _swapped(power), "__rmatmul__": _swapped(matmul),
    "__rand__": _swapped(bitwise_and), "__ror__": _swapped(bitwise_or),
    "abs": absolute, "all": reduce_all, "any": reduce_any, "argmax": argmax, "argmin": argmin,
    "astype": astype, "clip": clip, "clone": clone, "cos": cos, "cumsum": cumsum, "erf": erf,
    "exp": exp, "expm1": expm1, "flatten": flatten, "flip": flip, "index_add": index_add,
    "index_update": index_update, "log": log, "log1p": log1p, "log_softmax": log_softmax,
    "logsumexp": logsumexp, "max": reduce_max, "mean": mean, "min": reduce_min, "norm": norm,
    "permute": _of_sizes(permute), "pow": power, "prod": prod, "relu": relu, "repeat": repeat,
    "reshape": _of_sizes(reshape), "roll": roll, "sigmoid": sigmoid, "sign": sign, "sin": sin,
    "softmax": softmax, "softplus": softplus, "split": split, "sqrt": sqrt, "squeeze": squeeze,
    "std": std, "sum": reduce_sum, "swapaxes": swapaxes, "take_along_axis": take_along_axis,
    "tan": tan, "tanh": tanh, "tile": tile, "to": to,
    "transpose": lambda self, *axes: transpose(self, sizes(axes) if axes else None),
    "unsqueeze": unsqueeze, "var": var, "T": property(transpose),
    "mT": property(lambda self: swapaxes(self, -1, -2)),
}  # fmt: skip

for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
