"""PyTorch's names for what goes by another one here, mostly NumPy's: what an error then says."""

from typing import Any

ELSEWHERE = {
    "Flatten": "x.flatten(1) in forward", "ParameterList": "a list of Parameters",
    "add_": "t = t + x, or t.update_(t + x) for a leaf", "add_module": "setattr",
    "addmm": "b + x @ w", "allclose": "numpy.allclose of t.numpy()", "amax": "max", "amin": "min",
    "amp": "nn.scan_options(products='float16')",
    "as_tensor": "tensor", "atan": "arctan", "backends": "nn.scan_options(products='tf32')",
    "baddbmm": "b + x @ w", "bmm": "matmul, or @",
    "cat": "concatenate", "chunk": "split", "clamp": "clip", "copy_": "update_", "cpu": "to('cpu')",
    "cuda": "use('cuda') for new arrays, to('cuda') to move one", "data_ptr": "data", "dim": "ndim",
    "div": "divide, or a / b",
    "div_": "t = t / x, or t.update_(t / x) for a leaf", "dot": "matmul, or @",
    "double": "to('float64')", "empty": "zeros", "eq": "==", "expand": "broadcast_to",
    "expand_as": "broadcast_to", "fill_": "update_", "flatten_parameters": "not needed",
    "float": "to('float32')", "full_like": "full", "gather": "take_along_axis", "ge": ">=",
    "get_rng_state": "manual_seed(seed).bit_generator.state",
    "grad_fn": "is_leaf, and the operation that repr shows", "gt": ">", "half": "to('float16')",
    "index_select": "t[:, indices]", "inference_mode": "no_grad", "int": "astype('int32')",
    "is_cuda": "device", "isnan": "x != x", "le": "<=", "linspace": "tensor of numpy.linspace",
    "long": "astype('int64'); as a dtype 'int64'", "lt": "<", "masked_fill": "where",
    "masked_select": "t[mask]",
    "max_memory_allocated": "watched() of backend.current_backend().device", "mm": "matmul, or @",
    "movedim": "moveaxis",
    "mul": "multiply, or a * b", "mul_": "t = t * x, or t.update_(t * x) for a leaf",
    "multinomial": "numpy's rng.choice", "mv": "matmul, or @", "narrow": "t[start:stop]",
    "ne": "!=", "neg": "negative, or -t", "nelement": "size", "numel": "size",
    "pack_padded_sequence": "lengths= of the recurrent layers, or a list of sequences",
    "pack_sequence": "a list of sequences, which the recurrent layers take",
    "pad_packed_sequence": "lengths= of the recurrent layers, or a list of sequences",
    "rand_like": "rand(t.shape)", "randint": "tensor of numpy's rng.integers",
    "randn_like": "randn(t.shape)", "randperm": "tensor of numpy's rng.permutation",
    "register_buffer": "an attribute, or a Parameter with requires_grad=False",
    "register_parameter": "an attribute that is a Parameter", "repeat_interleave": "repeat",
    "scatter": "index_update", "scatter_add": "index_add", "select": "t[i]",
    "set_default_device": "use", "set_detect_anomaly": "detect_anomaly, a context manager",
    "set_float32_matmul_precision": "nn.scan_options(products='tf32')",
    "sort": "t[indices], with indices of numpy.argsort", "square": "x**2",
    "stride": "numpy().strides", "sub": "subtract, or a - b",
    "sub_": "t = t - x, or t.update_(t - x) for a leaf", 
    "synchronize": "backend.current_backend().device.synchronize()", "t": "T",
    "topk": "t[indices], with indices of numpy.argsort", "tril": "where, with a mask of numpy.tril",
    "triu": "where, with a mask of numpy.triu", "true_divide": "divide, or a / b",
    "unbind": "list(t)", "view": "reshape", "view_as": "reshape", "zero_": "update_",
}  # fmt: skip


class Elsewhere:
    """An attribute that Tensor does not have, which says where to look.

    A `__getattr__` would say it too, and make every attribute of a tensor slower to reach.
    """

    NAMES = frozenset(ELSEWHERE)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, tensor: object, kind: type) -> Any:
        raise unknown(kind.__name__, self._name)


def unknown(who: str, name: str) -> AttributeError:
    """The error for an attribute that is not there, with the name that is.

    >>> unknown("Tensor", "view")
    AttributeError("Tensor has no attribute 'view'. Here it is: reshape.")
    """
    told = f"{who} has no attribute {name!r}."
    if name in ELSEWHERE:
        told += f" Here it is: {ELSEWHERE[name]}."
    return AttributeError(told)
