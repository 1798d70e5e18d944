"""What is asked of every operation alike, for each row of the table in `operations`."""

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose
from operations import ROWS

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn import numeric, ops
from minitorch_rnn.engine import REGISTRY, Piece, Tensor, constant
from minitorch_rnn.ops import creation

every = pytest.mark.parametrize("row", ROWS, ids=str)
with_slope = [row for row in ROWS if row.differentiable]
differentiable = pytest.mark.parametrize("row", with_slope, ids=str)
EXACT = {"rtol": 1e-10, "atol": 1e-12}  # rounding, in results of size 1


def several(result):
    return list(result) if isinstance(result, list | tuple) else [result]


def is_float(array):
    return array.dtype.kind == "f"


def leaves(arrays, make=lambda array, required: constant(array).requires_grad_(required)):
    """Tensors around these very arrays, strides included; floating-point ones want a gradient."""
    return [make(array, is_float(array)) for array in arrays]


def back(row, xs, cotangents):
    """The row's outputs, and the gradients that `backward` from each of them has added up."""
    ys = several(row.call(mt, *xs))
    for y, v in zip(ys, cotangents, strict=True):
        y.backward(v, retain_graph=True)
    return ys, [x.grad for x in xs if x.requires_grad]


def drawn(row, rng, shape=None):
    """Inputs, and a random cotangent for each output: ones would hide wrong entries."""
    arrays = row.draw(rng, shape)
    return arrays, [rng.normal(size=np.shape(y)) for y in several(row.call(mt, *arrays))]


def by_differences(row, arrays, cotangents):
    """Gradients of <v, f(x)> for the floating-point inputs, from values of f alone."""
    floats = {str(i): array for i, array in enumerate(arrays) if is_float(array)}

    def loss(moved):
        ys = several(row.call(mt, *[moved.get(str(i), x) for i, x in enumerate(arrays)]))
        return sum((v * y).sum() for v, y in zip(cotangents, ys, strict=True))

    method = numeric.complex_step if row.analytic else numeric.central_difference
    return list(method(loss, floats).values())


def second_derivatives(grad, ys, xs, vs, us):
    """The gradients, in x and in v, of <u, ∂<v, y>/∂x>: by our `grad` or by PyTorch's."""
    xs = [x for x in xs if x.requires_grad]
    slopes = grad(ys, xs, vs, create_graph=True, allow_unused=True)
    # Started from 0, so that what depends on nothing has a gradient of zeros.
    total = sum((leaf * 0.0).sum() for leaf in xs + vs)
    for u, slope in zip(us, slopes, strict=True):
        total = total if slope is None else total + (u * slope).sum()
    return grad(total, xs + vs)


def shapes_of(row):
    return [None, (), (0,), (2, 0)] if row.any_shape else [None]


def operations_behind(tensors):
    found, waiting = set(), list(tensors)
    while waiting:
        x = waiting.pop()
        if isinstance(x, Tensor) and x._op is not None:
            found.add(x._op.forward)
            waiting.extend(x._inputs)
    return found


def test_every_primitive_of_the_library_has_a_row():
    files = {name: op.forward.__code__.co_filename for name, op in REGISTRY.items()}
    ours = mt.__file__.removesuffix("__init__.py")  # users, and other tests, register their own
    primitives = {name for name, file in files.items() if file.startswith(ours)}
    assert primitives - {row.op for row in ROWS} == set()


def test_every_public_operation_has_a_row():
    # These make tensors of nothing or of another's memory, and move one to another device.
    others = {name for name in ops.__all__ if hasattr(creation, name)} | {
        "to",
        "from_numpy",
        "from_dlpack",
    }
    assert set(ops.__all__) - others - {row.op for row in ROWS} == set()


@differentiable
def test_a_row_records_the_operation_it_is_named_for(row, rng):
    found = operations_behind(several(row.call(mt, *leaves(row.draw(rng)))))
    assert found and (row.op not in REGISTRY or REGISTRY[row.op].forward in found)


@every
def test_the_value_is_the_one_of_numpy(row, rng):
    for shape in shapes_of(row):
        arrays = row.draw(rng, shape)
        ys, wanted = several(row.call(mt, *leaves(arrays))), several(row.expected(*arrays))
        assert len(ys) == len(wanted)
        for y, want in zip(ys, wanted, strict=True):
            assert isinstance(y, Tensor) and y.requires_grad is row.differentiable
            assert y.shape == np.shape(want) and y.dtype == np.asarray(want).dtype
            assert_allclose(y._data, want, rtol=1e-12, atol=1e-14)


@every
def test_arrays_give_arrays_of_the_same_values(row, rng, backend):
    own = backends.current_backend().ndarray
    for shape in shapes_of(row):
        arrays = row.draw(rng, shape)
        found = several(row.call(mt, *map(backends.asarray, arrays)))
        for y, want in zip(found, several(row.expected(*arrays)), strict=True):
            # As NumPy itself, an operation may answer with a NumPy scalar in place of a 0-d array.
            assert isinstance(y, own) or (backend == "numpy" and isinstance(y, np.generic))
            assert y.shape == np.shape(want) and y.dtype == np.asarray(want).dtype
            assert_allclose(backends.to_numpy(y), want, rtol=1e-12, atol=1e-14)


@differentiable
def test_the_gradient_is_the_one_of_differences(row, rng):
    for shape in shapes_of(row):
        arrays, cotangents = drawn(row, rng, shape)
        _, gradients = back(row, leaves(arrays), cotangents)
        # Central differences of order 8 round to eps / step, some 1e-13, times the slope.
        tolerance = EXACT if row.analytic else {"rtol": 1e-10, "atol": 1e-11}
        for g, want in zip(gradients, by_differences(row, arrays, cotangents), strict=True):
            assert g.shape == want.shape
            assert_allclose(g._data, want, **tolerance)


@pytest.mark.torch
@pytest.mark.parametrize("row", [r for r in with_slope if not isinstance(r.torch, str)], ids=str)
def test_the_gradient_is_the_one_of_pytorch(row, rng):
    import torch

    arrays, cotangents = drawn(row, rng)
    xs = [torch.tensor(x, requires_grad=is_float(x)) for x in arrays]
    theirs = several(row.torch(torch, *xs) if row.torch else row.call(torch, *xs))
    ys, gradients = back(row, leaves(arrays), cotangents)
    for y, their in zip(ys, theirs, strict=True):
        assert y.shape == tuple(their.shape)
        assert_allclose(y._data, their.detach().numpy(), **EXACT)
    wanted = torch.autograd.grad(
        theirs, [x for x in xs if x.requires_grad], list(map(torch.tensor, cotangents)),
        materialize_grads=True,
    )  # fmt: skip
    for g, want in zip(gradients, wanted, strict=True):
        assert_allclose(g._data, want.numpy(), **EXACT)


@pytest.mark.torch
@pytest.mark.parametrize("row", [r for r in with_slope if not isinstance(r.torch, str)], ids=str)
def test_the_second_derivative_is_the_one_of_pytorch(row, rng):
    import torch

    arrays, cotangents = drawn(row, rng)
    directions = [rng.normal(size=x.shape) for x in arrays if is_float(x)]
    xs, vs = leaves(arrays), leaves(cotangents)
    ys = several(row.call(mt, *xs))
    mine = second_derivatives(mt.autograd.grad, ys, xs, vs, map(mt.tensor, directions))
    xs = [torch.tensor(x, requires_grad=is_float(x)) for x in arrays]
    vs = [torch.tensor(v, requires_grad=True) for v in cotangents]
    ys = several(row.torch(torch, *xs) if row.torch else row.call(torch, *xs))
    theirs = second_derivatives(torch.autograd.grad, ys, xs, vs, map(torch.tensor, directions))
    for g, want in zip(mine, theirs, strict=True):
        assert g.shape == tuple(want.shape)
        assert_allclose(g.detach().numpy(), want.detach().numpy(), **EXACT)


@differentiable
def test_the_second_derivative_is_right(row, rng):
    xs = leaves(row.draw(rng))
    assert mt.autograd.gradcheck(lambda *x: row.call(mt, *x), xs, order=2)


@differentiable
def test_nothing_is_changed_and_gradients_share_no_memory(row, rng):
    arrays, cotangents = drawn(row, rng)
    xs = leaves(arrays)
    before = [array.tobytes() for array in arrays + cotangents]
    ys, gradients = back(row, xs, cotangents)
    outputs = [y._data.tobytes() for y in ys]
    first = [g._data.copy() for g in gradients]
    for y, v in zip(ys, cotangents, strict=True):
        y.backward(v)  # a second time, adding to .grad: a shared buffer would count double
    assert [array.tobytes() for array in arrays + cotangents] == before
    assert [y._data.tobytes() for y in ys] == outputs
    mine = [x.grad._data for x in xs if x.requires_grad]
    for i, (g, once) in enumerate(zip(mine, first, strict=True)):
        assert_allclose(g, 2 * once, rtol=1e-14)
        assert g.flags.writeable
        others = [*arrays, *cotangents, *(y._data for y in ys), *mine[:i], *mine[i + 1 :]]
        assert not any(np.shares_memory(g, other) for other in others)


@differentiable
def test_float32_stays_float32_and_so_do_its_gradients(row, rng):
    arrays, cotangents = drawn(row, rng)
    exact = back(row, leaves(arrays), cotangents)
    single = [x.astype(np.float32) if is_float(x) else x for x in arrays]
    rough = back(row, leaves(single), [v.astype(np.float32) for v in cotangents])
    for made, wanted in zip(rough, exact, strict=True):
        for t, want in zip(made, wanted, strict=True):
            assert (t.dtype, want.dtype) == (np.float32, np.float64) and t.shape == want.shape
            assert_allclose(t._data, want._data, rtol=1e-4, atol=1e-4)


@differentiable
def test_rules_do_not_promote_float32(row, rng):
    # The walk would convert the result back; the work would still have been done in float64.
    xs = leaves([x.astype(np.float32) if is_float(x) else x for x in row.draw(rng)])
    for y in several(row.call(mt, *xs)):
        g = rng.normal(size=y.shape).astype(np.float32)
        inputs = [x._data if isinstance(x, Tensor) else x for x in y._inputs]
        for x, rule in zip(y._inputs, y._op.rules, strict=True):
            if isinstance(x, Tensor) and x.requires_grad:
                given = rule(g, y._data, *inputs, *y._attrs)
                given = given.gradient if isinstance(given, Piece) else given
                assert given.dtype == np.float32


def every_second(x):
    return np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x


def backwards(x):
    return np.flip(x).copy()[(slice(None, None, -1),) * x.ndim]


def columns_first(x):
    return x.T.copy().T


def one_value(x):
    return np.broadcast_to(x.ravel()[:1].reshape(()) if x.size else np.zeros((), x.dtype), x.shape)


@differentiable
@pytest.mark.parametrize("laid", [every_second, backwards, columns_first, one_value])
def test_strides_make_no_difference(row, laid, rng):
    arrays, cotangents = drawn(row, rng)
    arrays, cotangents = [list(map(laid, several)) for several in (arrays, cotangents)]
    ys, gradients = back(row, leaves(arrays), cotangents)
    plain = [[np.array(x, order="C") for x in several] for several in (arrays, cotangents)]
    same_ys, same_gradients = back(row, leaves(plain[0]), plain[1])
    for made, want in zip(ys + gradients, same_ys + same_gradients, strict=True):
        # Only the order of summation may depend on the strides.
        assert_allclose(made._data, want._data, rtol=1e-13, atol=1e-14)


@differentiable
def test_other_backends_agree_and_never_wait_for_the_device(row, rng, backend):
    arrays, cotangents = drawn(row, rng)
    ys, gradients = back(row, leaves(arrays), cotangents)
    xs = leaves(arrays, make=lambda array, required: mt.tensor(array, requires_grad=required))
    vs = list(map(mt.tensor, cotangents))
    strict_cupy.synchronisations.reset()
    there = back(row, xs, vs)
    assert bool(strict_cupy.synchronisations.causes) == bool(row.waits and backend == "strict")
    for made, want in zip(there[0] + there[1], ys + gradients, strict=True):
        assert made.backend == backend
        assert_allclose(backends.to_numpy(made._data), want._data, rtol=1e-12, atol=1e-14)


@differentiable
def test_second_derivatives_are_the_same_on_every_backend(row, rng, backend):
    arrays, cotangents = drawn(row, rng)
    directions = [rng.normal(size=x.shape) for x in arrays if is_float(x)]
    found = []
    for place in ("numpy", backend):
        with mt.use(place):
            xs, vs = (
                [mt.tensor(a, requires_grad=is_float(a)) for a in given]
                for given in (arrays, cotangents)
            )
            ys, us = several(row.call(mt, *xs)), map(mt.tensor, directions)
            found.append(second_derivatives(mt.autograd.grad, ys, xs, vs, us))
    for g, want in zip(found[1], found[0], strict=True):
        assert g.backend == backend
        assert_allclose(g.detach().numpy(), want.detach().numpy(), rtol=1e-11, atol=1e-12)
