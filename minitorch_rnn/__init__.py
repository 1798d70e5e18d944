"""How gradients flow through recurrent networks: a tiny autograd, the slides' BPTT, the proof.

`import minitorch_rnn as mt` gives PyTorch's names where it has one: `mt.tensor`, `t.backward()`,
`mt.no_grad()`, `mt.autograd.grad`, `mt.nn`, `mt.optim`; array operations follow NumPy's names.
`mt.bptt` holds the explicit algorithms of the lecture and `mt.verify` shows that all roads agree.

Sizes, here and everywhere: T steps, B sequences in a batch, I inputs, H hidden units, L layers,
O outputs.
"""

from typing import TYPE_CHECKING, Any

from numpy import float16, float32, float64, int32, int64

from minitorch_rnn import errors
from minitorch_rnn.backend import (
    get_default_dtype,
    manual_seed,
    namespace,
    set_default_dtype,
    use,
)
from minitorch_rnn.engine import (
    Parameter,
    Tensor,
    enable_grad,
    is_grad_enabled,
    no_grad,
    primitive,
    set_grad_enabled,
    tensor,
)
from minitorch_rnn.engine.names import unknown
from minitorch_rnn.ops import (
    absolute,
    add,
    arange,
    arctan,
    argmax,
    argmin,
    astype,
    bitwise_and,
    bitwise_or,
    broadcast_to,
    clip,
    clone,
    concatenate,
    cos,
    cumsum,
    divide,
    einsum,
    equal,
    erf,
    exp,
    expm1,
    eye,
    flatten,
    flip,
    floor_divide,
    from_dlpack,
    from_numpy,
    full,
    getitem,
    greater,
    greater_equal,
    index_add,
    index_update,
    invert,
    less,
    less_equal,
    linear,
    log,
    log1p,
    log_softmax,
    logsumexp,
    matmul,
    maximum,
    mean,
    minimum,
    moveaxis,
    multiply,
    negative,
    norm,
    not_equal,
    ones,
    ones_like,
    outer,
    pad,
    permute,
    power,
    prod,
    rand,
    randn,
    relu,
    remainder,
    repeat,
    reshape,
    roll,
    sigmoid,
    sign,
    sin,
    softmax,
    softplus,
    split,
    sqrt,
    squeeze,
    stack,
    std,
    subtract,
    sum_to,
    swapaxes,
    take_along_axis,
    tan,
    tanh,
    tile,
    transpose,
    unsqueeze,
    var,
    where,
    zeros,
    zeros_like,
)
from minitorch_rnn.ops import (
    absolute as abs,
)
from minitorch_rnn.ops import (
    reduce_all as all,
)
from minitorch_rnn.ops import (
    reduce_any as any,
)
from minitorch_rnn.ops import (
    reduce_max as max,
)
from minitorch_rnn.ops import (
    reduce_min as min,
)
from minitorch_rnn.ops import (
    reduce_sum as sum,
)

if TYPE_CHECKING:
    from minitorch_rnn import (
        autograd,
        bptt,
        column,
        data,
        nn,
        numeric,
        optim,
        teaching,
        training,
    )
    from minitorch_rnn.agreement import Agreement, verify
    from minitorch_rnn.serialization import load, save

__version__ = "0.1.0"

__all__ = [
    "Agreement", "Parameter", "Tensor", "__version__", "abs", "absolute", "add", "all", "any",
    "arange", "arctan", "argmax", "argmin", "astype", "autograd", "bitwise_and", "bitwise_or",
    "bptt", "broadcast_to", "clip", "clone", "column", "concatenate", "cos", "cumsum", "data",
    "divide", "einsum", "enable_grad", "equal", "erf", "errors", "exp", "expm1", "eye", "flatten",
    "flip", "float16", "float32", "float64", "floor_divide", "from_dlpack", "from_numpy", "full",
    "get_default_dtype", "getitem", "greater", "greater_equal", "index_add", "index_update",
    "int32", "int64", "invert", "is_grad_enabled", "less", "less_equal", "linear", "load", "log",
    "log1p", "log_softmax", "logsumexp", "manual_seed", "matmul", "max", "maximum", "mean", "min",
    "minimum", "moveaxis", "multiply", "namespace", "negative", "nn", "no_grad", "norm",
    "not_equal", "numeric", "ones", "ones_like", "optim", "outer", "pad", "permute", "power",
    "primitive", "prod", "rand", "randn", "relu", "remainder", "repeat", "reshape", "roll", "save",
    "set_default_dtype", "set_grad_enabled", "sigmoid", "sign", "sin", "softmax", "softplus",
    "split", "sqrt", "squeeze", "stack", "std", "subtract", "sum", "sum_to", "swapaxes",
    "take_along_axis", "tan", "tanh", "teaching", "tensor", "tile", "training", "transpose",
    "unsqueeze", "use", "var", "verify", "where", "zeros", "zeros_like",
]  # fmt: skip

# Rooms that are loaded at their first use: importing this package costs little more than NumPy.
_ROOMS = {
    "autograd", "bptt", "column", "data", "nn", "numeric", "optim", "teaching", "training",
}  # fmt: skip
_MEMBERS = {  # and names of rooms that are shown here
    "Agreement": "agreement", "verify": "agreement", "load": "serialization",
    "save": "serialization",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    import importlib

    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MEMBERS:
        return getattr(importlib.import_module(f"{__name__}.{_MEMBERS[name]}"), name)
    raise unknown(f"module {__name__!r}", name)


def __dir__() -> list[str]:
    return __all__
