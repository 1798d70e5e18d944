"""One seed, one stream of random numbers on every backend, bit by bit, whatever draws them.

Layers, one by one: tests/nn/test_every_layer.py; initial values: tests/nn/test_init.py.
"""

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn import nn
from minitorch_rnn.autograd import checkpoint

X = np.random.default_rng(3).normal(size=(5, 4, 6))


def masked(layer):
    def drawn(rng):
        return layer(rng=rng)(mt.tensor(X))

    return drawn


def between_layers(rng):
    """Of a recurrent layer that lets everything through, which units dropout left."""
    layers = nn.RNN(6, 6, 2, nonlinearity="relu", dropout=0.5, bias=False, rng=rng)
    return layers(mt.tensor(X))[0] != 0


def twice(rng):
    """The second time with the same numbers of the default generator, whatever came between."""
    if rng is not None:
        mt.manual_seed(rng.integers(100))
    x = mt.tensor(X, requires_grad=True)
    y = checkpoint(nn.Dropout(), x)
    mt.rand(3)
    y.sum().backward()
    return x.grad


DRAWN = {
    "rand": lambda rng: mt.rand(3, 4, rng=rng),
    "randn": lambda rng: mt.randn(3, 4, rng=rng),
    "rand in float32": lambda rng: mt.rand(3, 4, dtype="float32", rng=rng),
    "randn in float16": lambda rng: mt.randn(3, 4, dtype="float16", rng=rng),
    "Dropout": masked(nn.Dropout),
    "LockedDropout": masked(nn.LockedDropout),
    "dropout": lambda rng: nn.functional.dropout(mt.tensor(X), 0.3, rng=rng),
    "dropout between layers": between_layers,
    "dropout that is computed twice": twice,
    "parameters": lambda rng: nn.Linear(3, 4, rng=rng).weight,
}
every = pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)


def values(tensor):
    return backends.to_numpy(tensor.detach().data)


@every
def test_a_generator_draws_the_same_on_every_backend(draw, backend):
    with mt.use("numpy"):
        rng = np.random.default_rng(8)
        expected, after = values(draw(rng)), rng.bit_generator.state
    rng = np.random.default_rng(8)
    found = draw(rng)
    assert found.backend == backend
    assert_array_equal(values(found), expected, strict=True)
    assert rng.bit_generator.state == after  # nothing drawn that the other did not draw


def test_the_default_generator_goes_through_a_program_in_step(backend):
    def program():
        mt.manual_seed(11)
        return [values(draw(None)) for draw in DRAWN.values()]

    with mt.use("numpy"):
        expected, after = program(), backends.generator().bit_generator.state
    for found, want in zip(program(), expected, strict=True):
        assert_array_equal(found, want, strict=True)
    assert backends.generator().bit_generator.state == after


def test_an_order_that_was_drawn_on_the_host_shuffles_any_backend(backend, rng):
    order = rng.permutation(5)
    assert_array_equal(values(mt.tensor(X)[order]), X[order])
    assert_array_equal(values(mt.tensor(X)[mt.tensor(order)]), X[order])


def test_nothing_is_drawn_by_the_device(monkeypatch):
    monkeypatch.setattr(strict_cupy.xp, "random", None)
    with mt.use("strict"):
        for draw in DRAWN.values():
            assert draw(np.random.default_rng(0)).backend == "strict"
