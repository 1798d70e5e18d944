"""vjp, jvp, jacobian, hessian, hvp, vhp: PyTorch's numbers and nesting."""

from functools import partial

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn.autograd import hessian, hvp, jacobian, jvp, vhp, vjp

SCALARS = {  # name: f(m, *inputs) of one number, and the shapes of the inputs
    "number": (lambda m, x: m.tanh(x) * x, [()]),
    "vector": (lambda m, x: (x**3).sum() + m.sin(x[0] * x[1]), [(3,)]),
    "matrix": (lambda m, x: (m.exp(x @ x.T) * 0.1).sum(), [(3, 2)]),
    "two-inputs": (lambda m, w, x: m.tanh(w @ x).sum() + (w * w).sum(), [(2, 3), (3,)]),
    "three-inputs": (lambda m, a, b, c: (a * m.sigmoid(b) * c).sum(), [(), (2,), (3, 2)]),
    "unused-input": (lambda m, x, y: (x * x * x).sum(), [(2,), (3,)]),
    "separate-inputs": (lambda m, x, y: (x**3).sum() + m.cos(y).sum(), [(2,), (3,)]),
    "linear": (lambda m, x: 3 * x.sum(), [(2,)]),
    "one-element": (lambda m, x: (x * x).sum().reshape((1, 1)), [(2,)]),
}
FUNCTIONS = SCALARS | {
    "number-to-vector": (lambda m, x: m.stack([m.sin(x), m.cos(x), x]), [()]),
    "number-to-matrix": (lambda m, x, y: m.exp(x * y), [(), (2, 3)]),
    "vector-to-vector": (lambda m, x: m.sin(x * x.sum()), [(3,)]),
    "vector-to-matrix": (lambda m, x: x.reshape((3, 1)) * m.exp(x), [(3,)]),
    "matrix-to-vector": (lambda m, x: (x * x).sum(0), [(3, 2)]),
    "matrix-to-matrix": (lambda m, x: x @ x.T, [(2, 3)]),
    "affine": (lambda m, w, x, b: m.tanh(w @ x + b), [(2, 3), (3,), (2,)]),
    "two-outputs": (lambda m, x: (x * x, m.exp(x).sum()), [(3,)]),
    "tuple-of-one": (lambda m, x: (m.sin(x),), [(3,)]),
    "two-by-two": (lambda m, w, x: (m.tanh(w @ x), (w * w).sum(1)), [(2, 3), (3,)]),
    "crossed-and-unused": (lambda m, x, y, z: (x**2, m.exp(y), x.sum() * y), [(2,), (3,), ()]),
    "detached-output": (lambda m, x: (x * x, x.detach()), [(2,)]),
    "same-output-twice": (lambda m, x: (x, x), [(2,)]),
    "same-tensor": (lambda m, x: x, [(2,)]),
}


def rows(table):
    named = [pytest.param(f, shapes, id=name) for name, (f, shapes) in table.items()]
    return pytest.mark.parametrize("f, shapes", named)


functions, scalars = rows(FUNCTIONS), rows(SCALARS)


def drawn(rng, shapes):
    return [rng.normal(size=shape) for shape in shapes]


def given(tensors):
    """As a caller gives them: alone, or several in a tuple."""
    return tuple(tensors) if len(tensors) > 1 else tensors[0]


def ours(arrays, requires_grad=False):
    return given([mt.tensor(x, requires_grad=requires_grad) for x in arrays])


def theirs(arrays, requires_grad=False):
    import torch

    return given([torch.tensor(x, requires_grad=requires_grad) for x in arrays])


def parts(nested):
    """The tensors in nested tuples, in order."""
    return [t for part in nested for t in parts(part)] if isinstance(nested, tuple) else [nested]


def assert_same(mine, reference):
    """Equal values, shapes and nesting."""
    assert isinstance(mine, tuple) is isinstance(reference, tuple)
    if isinstance(mine, tuple):
        assert len(mine) == len(reference)
        for a, b in zip(mine, reference, strict=True):
            assert_same(a, b)
    else:
        assert mine.shape == tuple(reference.shape)
        want = reference.detach().numpy()
        assert_allclose(mine.detach().numpy(), want, rtol=1e-10, atol=1e-14)


def cotangents(f, arrays, rng):
    """A random v for the outputs of f."""
    ys = f(mt, *map(mt.tensor, arrays))
    vs = [rng.normal(size=y.shape) for y in parts(ys)]
    return tuple(vs) if isinstance(ys, tuple) else vs[0]


def torched(v):
    import torch

    return tuple(map(torch.tensor, v)) if isinstance(v, tuple) else torch.tensor(v)


@pytest.mark.torch
@functions
def test_jacobian_vjp_and_jvp_are_pytorchs(f, shapes, rng):
    import torch

    reference = torch.autograd.functional
    arrays = drawn(rng, shapes)
    x, X = ours(arrays), theirs(arrays)
    mine, their = partial(f, mt), partial(f, torch)
    assert_same(jacobian(mine, x), reference.jacobian(their, X))
    v = cotangents(f, arrays, rng)
    assert_same(vjp(mine, x, v), reference.vjp(their, X, torched(v)))
    v = given(drawn(rng, shapes))
    assert_same(jvp(mine, x, v), reference.jvp(their, X, torched(v)))


@pytest.mark.torch
@scalars
def test_hessian_hvp_and_vhp_are_pytorchs(f, shapes, rng):
    import torch

    reference = torch.autograd.functional
    arrays, v = drawn(rng, shapes), given(drawn(rng, shapes))
    x, X = ours(arrays), theirs(arrays)
    mine, their = partial(f, mt), partial(f, torch)
    assert_same(hessian(mine, x), reference.hessian(their, X))
    assert_same(hvp(mine, x, v), reference.hvp(their, X, torched(v)))
    assert_same(vhp(mine, x, v), reference.vhp(their, X, torched(v)))


FURTHER = [
    pytest.param(name, f, shapes, id=f"{name}-{case}")
    for names, table in [("vjp jvp jacobian", FUNCTIONS), ("hessian hvp vhp", SCALARS)]
    for name in names.split()
    for case, (f, shapes) in table.items()
]


def further(m, results, leaves, weights):
    """The gradients of a random sum of all results, and of 0: some depend on no leaf at all."""
    zero = sum((x * 0.0).sum() for x in leaves)
    total = zero + sum((w * t).sum() for w, t in zip(weights, parts(results), strict=True))
    return tuple(m.autograd.grad(total, leaves))


@pytest.mark.torch
@pytest.mark.parametrize("name, f, shapes", FURTHER)
def test_with_create_graph_a_further_derivative_is_pytorchs(name, f, shapes, rng):
    import torch

    arrays = drawn(rng, shapes)
    arguments = [arrays if len(arrays) > 1 else arrays[0]]
    if name == "vjp":
        arguments.append(cotangents(f, arrays, rng))
    elif name in ("jvp", "hvp", "vhp"):
        arguments.append(given(drawn(rng, shapes)))

    def found(m, tensor):
        leaves = [
            [tensor(x, requires_grad=True) for x in (a if isinstance(a, tuple | list) else [a])]
            for a in arguments
        ]
        several = [isinstance(a, tuple | list) for a in arguments]
        placed = [tuple(x) if many else x[0] for x, many in zip(leaves, several, strict=True)]
        function = getattr(m.autograd.functional, name)
        return function(partial(f, m), *placed, create_graph=True), sum(leaves, [])

    mine, leaves = found(mt, mt.tensor)
    reference, their_leaves = found(torch, torch.tensor)
    assert_same(mine, reference)
    weights = [rng.normal(size=t.shape) for t in parts(mine)]
    assert_same(
        further(mt, mine, leaves, weights),
        further(torch, reference, their_leaves, list(map(torch.tensor, weights))),
    )


@scalars
def test_the_hessian_is_symmetric_and_hvp_and_vhp_are_its_products(f, shapes, rng):
    arrays, vs = drawn(rng, shapes), drawn(rng, shapes)
    f = partial(f, mt)
    H = hessian(f, tuple(arrays))
    sizes = [x.size for x in arrays]
    whole = np.block([[H[i][j].numpy().reshape(n, -1) for j in range(len(sizes))]
                      for i, n in enumerate(sizes)])  # fmt: skip
    assert_allclose(whole, whole.T, rtol=1e-12, atol=1e-14)
    v = np.concatenate([v.ravel() for v in vs])
    for product in (hvp, vhp):
        y, found = product(f, tuple(arrays), tuple(vs))
        assert y.tolist() == f(*map(mt.tensor, arrays)).tolist()
        found = np.concatenate([g.numpy().ravel() for g in found])
        assert_allclose(found, whole @ v, rtol=1e-10, atol=1e-13)
