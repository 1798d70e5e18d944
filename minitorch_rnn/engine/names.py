"""PyTorch's names that have another one here, where NumPy's are used: what an error then says."""

ELSEWHERE = {
    "add_": "t = t + x, or t.update_(t + x) for a leaf", "addmm": "b + x @ w", "amax": "max",
    "amin": "min", "atan": "arctan", "baddbmm": "b + x @ w", "bmm": "matmul, or @",
    "cat": "concatenate", "chunk": "split", "clamp": "clip", "copy_": "update_", "cpu": "to('cpu')",
    "cuda": "to('cuda')", "data_ptr": "data", "dim": "ndim", "dot": "matmul, or @",
    "double": "astype('float64')", "empty": "zeros", "expand": "broadcast_to",
    "expand_as": "broadcast_to", "fill_": "update_", "float": "astype('float32')",
    "full_like": "full", "gather": "take_along_axis",
    "grad_fn": "is_leaf, and the operation that repr shows", "half": "astype('float16')",
    "index_select": "t[:, indices]", "int": "astype('int32')", "is_cuda": "device",
    "long": "astype('int64')", "masked_fill": "where", "masked_select": "t[mask]",
    "mm": "matmul, or @", "movedim": "moveaxis",
    "mul_": "t = t * x, or t.update_(t * x) for a leaf", "mv": "matmul, or @",
    "narrow": "t[start:stop]", "neg": "negative, or -t", "nelement": "size", "numel": "size",
    "rand_like": "rand(t.shape)", "randn_like": "randn(t.shape)", "repeat_interleave": "repeat",
    "scatter": "index_update", "scatter_add": "index_add", "select": "t[i]",
    "stride": "numpy().strides", "sub": "subtract, or a - b", "t": "T", "unbind": "list(t)",
    "view": "reshape", "view_as": "reshape", "zero_": "update_",
}  # fmt: skip


def unknown(who: str, name: str) -> AttributeError:
    """The error for an attribute that is not there, with the name that is.

    >>> unknown("Tensor", "view")
    AttributeError("Tensor has no attribute 'view'. NumPy's names are used here: reshape.")
    """
    told = f"{who} has no attribute {name!r}."
    if name in ELSEWHERE:
        told += f" NumPy's names are used here: {ELSEWHERE[name]}."
    return AttributeError(told)
