"""Derivatives of every kind through the recurrent layers, in the input and in a weight."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import minitorch_rnn as mt
from minitorch_rnn import numeric
from minitorch_rnn.autograd import gradcheck, hessian, hvp, jacobian, jvp, vhp, vjp

T, B, I, H, L = 3, 2, 2, 3, 2

every = pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
in_weights = pytest.mark.parametrize("weight", ["weight_ih_l0", "weight_hh_l1", "bias_hh_l0"])


def drawn(name, weight, rng):
    """A layer as a function of x and of one of its parameters, where to differentiate it, and
    directions for both."""
    layer = getattr(mt.nn, name)(I, H, num_layers=L, rng=rng)
    arrays = rng.normal(size=(T, B, I)), np.array(getattr(layer, weight).data)

    def output(x, w):
        vars(layer)[weight] = w  # a plain tensor, which assignment would refuse
        return layer(x)[0]

    return layer, output, arrays, tuple(rng.normal(size=x.shape) for x in arrays)


def assert_same(mine, reference):
    assert isinstance(mine, tuple) is isinstance(reference, tuple)
    if isinstance(mine, tuple):
        for a, b in zip(mine, reference, strict=True):
            assert_same(a, b)
    else:
        assert mine.shape == tuple(reference.shape)
        assert_allclose(mine.numpy(), reference.numpy(), rtol=1e-10, atol=1e-13)


@pytest.mark.torch
@every
@in_weights
def test_every_derivative_is_the_one_of_pytorch(name, weight, rng):
    import torch

    layer, output, arrays, directions = drawn(name, weight, rng)
    twin = getattr(torch.nn, name)(I, H, num_layers=L, dtype=torch.float64)
    twin.load_state_dict({n: torch.from_numpy(a) for n, a in layer.state_dict().items()})
    v = rng.normal(size=(T, B, H))
    there, V = torch.autograd.functional, torch.tensor(v)
    X, D = (tuple(map(torch.tensor, several)) for several in (arrays, directions))

    def reference(x, w):
        return torch.func.functional_call(twin, {weight: w}, (x,))[0]

    assert_same(jacobian(output, arrays), there.jacobian(reference, X))
    assert_same(vjp(output, arrays, v), there.vjp(reference, X, V))
    assert_same(jvp(output, arrays, directions), there.jvp(reference, X, D))

    def loss(x, w):
        return (output(x, w) * v).sum()

    def reference_loss(x, w):
        return (reference(x, w) * V).sum()

    assert_same(hessian(loss, arrays), there.hessian(reference_loss, X))
    assert_same(hvp(loss, arrays, directions), there.hvp(reference_loss, X, D))
    assert_same(vhp(loss, arrays, directions), there.vhp(reference_loss, X, D))


@every
@in_weights
def test_three_derivatives_in_one_direction_are_those_of_differences(name, weight, rng):
    _, output, arrays, directions = drawn(name, weight, rng)
    v = rng.normal(size=(T, B, H))

    def along(f):
        """d/dt f(x + t d), from values of f."""

        def moved(at):
            xs = [mt.tensor(x + at["t"] * d) for x, d in zip(arrays, directions, strict=True)]
            return float(f(*xs))

        return numeric.central_difference(moved, {"t": np.zeros(())})["t"]

    def derived(f):
        return lambda *xs: jvp(f, xs, directions, create_graph=True)[1]

    def loss(x, w):
        return (output(x, w) * v).sum()

    f = loss
    for _ in range(3):
        assert_allclose(derived(f)(*arrays).item(), along(f), rtol=1e-10)
        f = derived(f)
    products = hvp(loss, arrays, directions)[1]
    curvature = sum((g.numpy() * d).sum() for g, d in zip(products, directions, strict=True))
    assert_allclose(curvature, derived(derived(loss))(*arrays).item(), rtol=1e-12)


@every
def test_the_hessian_in_the_input_and_all_weights_is_symmetric(name, rng):
    layer = getattr(mt.nn, name)(I, H, num_layers=L, rng=rng)
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    found = dict(layer.named_parameters())

    def loss(x, *tensors):
        vars(layer).update(zip(found, tensors, strict=True))
        return (layer(x)[0] * v).sum()

    blocks = hessian(loss, (x, *[np.array(p.data) for p in found.values()]))
    sizes = [x.size, *[p.size for p in found.values()]]
    whole = np.block(
        [[block.numpy().reshape(n, -1) for block in row]
         for n, row in zip(sizes, blocks, strict=True)]
    )  # fmt: skip
    assert whole.shape == (sum(sizes),) * 2
    assert_allclose(whole, whole.T, rtol=1e-12, atol=1e-12)


@every
@pytest.mark.parametrize("order", [1, 2])
def test_gradcheck_takes_whole_layers_with_all_they_return(name, order, rng):
    layer = getattr(mt.nn, name)(I, H, rng=rng)
    x = mt.tensor(rng.normal(size=(2, 1, I)), requires_grad=True)
    assert gradcheck(layer, [x], order=order)
