"""Products: matmul, linear, einsum, outer."""

import math

import numpy as np

from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import primitive, raw, variadic
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.ops.shape import broadcast_to, fit, unsqueeze


def _matmul_vjp_a(g, y, a, b):
    if b.ndim == 1:  # y[…, i] = sum_j a[…, i, j] b[j]
        return fit(unsqueeze(g, -1) * b if a.ndim > 1 else g * b, a.shape)
    if a.ndim == 1:  # y[…, j] = sum_i a[i] b[…, i, j]
        return fit((unsqueeze(g, -2) * b).sum(axis=-1), a.shape)
    return fit(g @ b.swapaxes(-1, -2), a.shape)


def _matmul_vjp_b(g, y, a, b):
    if a.ndim == 1:
        return fit(unsqueeze(g, -2) * unsqueeze(a, -1) if b.ndim > 1 else g * a, b.shape)
    if b.ndim == 1:
        return fit((unsqueeze(g, -1) * a).sum(axis=-2), b.shape)
    return fit(a.swapaxes(-1, -2) @ g, b.shape)


@primitive(_matmul_vjp_a, _matmul_vjp_b)
def matmul(a, b):
    """The matrix product a @ b: vectors, matrices and broadcast batches of matrices, as NumPy.

        (…, n, k) @ (…, k, m) -> (…, n, m),  (k,) @ (…, k, m) -> (…, m),  (…, n, k) @ (k,) -> (…, n)

    >>> import minitorch_rnn as mt
    >>> mt.matmul(mt.tensor([[1.0, 2.0], [3.0, 4.0]]), mt.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    return a @ b


def _rows(x):
    """x as a matrix, whatever axes its rows are spread over: what makes one product of many."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_vjp_x(g, y, x, weight, bias):
    gx = _rows(g) @ weight
    return gx if x.ndim == 2 else gx.reshape(x.shape)


def _linear_vjp_weight(g, y, x, weight, bias):
    return _rows(g).T @ _rows(x)  # the sum over every row of x


def _linear_vjp_bias(g, y, x, weight, bias):
    return fit(_rows(g), bias.shape)


@primitive(_linear_vjp_x, _linear_vjp_weight, _linear_vjp_bias)
def linear(x, weight, bias=None):
    """y = x Wᵀ + b over the last axis: x (…, I), W (O, I), b (O,) or None, y (…, O).

    PyTorch's `nn.functional.linear`.

    Raises:
        ShapeError: if W or b has other axes, or x another last axis than I.

    >>> import minitorch_rnn as mt
    >>> mt.linear(mt.tensor([1.0, 2.0]), mt.tensor([[3.0, 4.0]]), mt.tensor([5.0]))
    tensor([16.])
    """
    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        raise ShapeError(
            f"linear: the weight has shape {weight.shape}, the bias "
            f"{getattr(bias, 'shape', None)}; needed are (O, I) and (O,)."
        )
    if x.shape[-1:] != weight.shape[-1:]:
        raise ShapeError(
            f"linear: x has shape {x.shape}, that is {x.shape[-1] if x.ndim else 'no'} features, "
            f"but the weight has shape {weight.shape}: it takes {weight.shape[-1]}."
        )
    y = _rows(x) @ weight.T
    if bias is not None:
        y = y + bias
    return y if x.ndim == 2 else y.reshape((*x.shape[:-1], len(weight)))


def outer(a, b):
    """y[i, j] = a[i] b[j], of two vectors.

    Raises:
        ShapeError: if a or b is not a vector.

    >>> import minitorch_rnn as mt
    >>> mt.outer(mt.tensor([1.0, 2.0]), mt.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    a, b = (np.asarray(x) if isinstance(x, list | tuple) else x for x in (a, b))
    if a.ndim != 1 or b.ndim != 1:
        raise ShapeError(f"outer: shapes {a.shape} and {b.shape}; two vectors are needed.")
    return unsqueeze(a, -1) * b


def _einsum_vjp(i, g, y, *args):
    # The gradient of one operand is the einsum of all the others with g, in its place. An index
    # that only this operand has was summed away; every element along it gets the same share.
    *arrays, terms, result = args
    x, term = arrays[i], terms[i]
    others = terms[:i] + terms[i + 1 :]
    known = "".join(k for k in term if k in result or any(k in other for other in others))
    part = _einsum(*arrays[:i], *arrays[i + 1 :], g, (*others, result), known)
    for axis, index in enumerate(term):
        if index not in known:
            part = unsqueeze(part, axis)
    # `part` has the broadcast sizes; an axis of size 1 in x is summed again, a missing one grown.
    wide = tuple(b if a == 1 else a for a, b in zip(part.shape, x.shape, strict=True))
    return fit(broadcast_to(part, wide) if part.shape != wide else part, x.shape)


@variadic(_einsum_vjp, attrs=2)
def _einsum(*args):
    *arrays, terms, result = args
    optimise = {"optimize": True} if len(arrays) > 2 else {}
    return namespace(*arrays).einsum(f"{','.join(terms)}->{result}", *arrays, **optimise)


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def einsum(subscripts, *operands):
    """Sums of products by index letters, as NumPy's einsum in its string form.

    Any number of operands, "..." and repeated letters ("ii" reads the diagonal); each operand is
    differentiable.

    Raises:
        ShapeError: if the pattern does not fit the operands.

    >>> import minitorch_rnn as mt
    >>> mt.einsum("ij,j->i", mt.tensor([[1.0, 2.0], [3.0, 4.0]]), mt.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    pattern = subscripts.replace(" ", "")
    left, arrow, result = pattern.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ShapeError(
            f"einsum {subscripts!r}: the pattern has {len(terms)} operands, got {len(operands)}."
        )
    # Letters for the axes under '...', the last one shared by all operands.
    unused = [k for k in _LETTERS if k not in pattern]
    hidden = [
        x.ndim - len(t.replace("...", "")) if "..." in t else 0
        for t, x in zip(terms, operands, strict=True)
    ]
    dots = "".join(unused[: max(hidden)])
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, hidden, strict=True)]
    if not arrow:
        letters = "".join(terms)
        result = dots + "".join(
            sorted(k for k in set(letters) - set(dots) if letters.count(k) == 1)
        )
    result = result.replace("...", dots)
    for i, (t, x) in enumerate(zip(terms, operands, strict=True)):
        if len(t) != x.ndim or not t.isalpha() and t:
            raise ShapeError(
                f"einsum {subscripts!r}: operand {i} has shape {x.shape}, "
                f"but its term {t!r} names {len(t)} axes."
            )
    pairs = [_diagonals(t, x) for t, x in zip(terms, operands, strict=True)]
    return _einsum(*[x for _, x in pairs], tuple(t for t, _ in pairs), result)


def _diagonals(term, x):
    """x with each index letter once: 'ii' reads the diagonal."""
    for k in dict.fromkeys(term):
        while term.count(k) > 1:
            first = term.index(k)
            second = term.index(k, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(
                    f"einsum: index {k!r} is repeated for axes of sizes {x.shape[first]} and "
                    f"{x.shape[second]}; a diagonal has one size."
                )
            axes = [a for a in range(x.ndim) if a not in (first, second)]
            x = x.transpose((first, second, *axes))
            n = namespace(raw(x)).arange(x.shape[0])
            x = x[n, n]
            term = k + "".join(term[a] for a in axes)
    return term, x
