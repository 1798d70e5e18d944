"""Dropout and LockedDropout: what is left out, how often, and what becomes of the rest."""

import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose, assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import ShapeError
from minitorch_rnn.nn.dropout import dropout

T, B, H = 5, 3, 4


def seeded(seed=0):
    return np.random.default_rng(seed)


every = pytest.mark.parametrize(
    "make",
    [
        lambda p=0.5, **options: nn.Dropout(p, **options),
        lambda p=0.5, **options: nn.LockedDropout(p, **options),
        lambda p=0.5, **options: nn.LockedDropout(p, batch_first=True, **options),
    ],
    ids=["Dropout", "LockedDropout", "LockedDropout-BT"],
)


def kept_of(module, shape=(T, B, H)):
    """Where the module keeps a value."""
    return module(mt.ones(*shape)).numpy() != 0


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_a_value_is_left_out_with_probability_p_and_otherwise_scaled(p):
    x = seeded(1).normal(size=(300, 200))
    y = dropout(x, p, rng=seeded()).data
    kept = y != 0
    assert_array_equal(kept, seeded().random(x.shape) >= p)  # the mask is the generator's
    assert abs(1 - kept.mean() - p) < 0.01  # 60000 draws: within 0.002
    assert_allclose(y[kept], x[kept] / (1 - p), rtol=1e-12)


@every
def test_masks_are_drawn_anew_at_every_call(make):
    module = make(rng=seeded())
    assert not (kept_of(module) == kept_of(module)).all()


@every
def test_one_seed_gives_one_mask_on_every_backend_and_in_every_dtype(make, backend):
    x = seeded(1).normal(size=(T, B, H))
    with mt.use("numpy"):
        expected = make(rng=seeded())(mt.tensor(x)).data
    found = make(rng=seeded())(mt.tensor(x))
    assert found.backend == backend
    assert_array_equal(found.numpy(), expected)
    narrow = make(rng=seeded())(mt.tensor(x, "float32"))
    assert narrow.dtype == np.float32
    assert_allclose(narrow.numpy(), expected, rtol=1e-6)  # float32


@every
def test_the_default_generator_draws_where_none_is_given(make):
    def kept():
        mt.manual_seed(3)
        return kept_of(make())

    assert (kept() == kept()).all()


def test_a_locked_mask_is_one_for_all_steps_of_a_sequence_and_another_for_each():
    kept = kept_of(nn.LockedDropout(0.5, rng=seeded()), (T, 40, 50))
    assert (kept == kept[0]).all()
    assert abs(kept[0].mean() - 0.5) < 0.05  # 2000 draws: within 0.01
    assert 0.3 < (kept[0, 1:] == kept[0, :1]).mean() < 0.7


def test_a_locked_mask_follows_the_layout():
    kept = kept_of(nn.LockedDropout(0.5, batch_first=True, rng=seeded()), (40, T, 50))
    assert (kept == kept[:, :1]).all()
    time_first = kept_of(nn.LockedDropout(0.5, rng=seeded()), (T, 40, 50))
    assert_array_equal(kept.swapaxes(0, 1), time_first)


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_single_sequence_needs_no_batch_axis(batch_first):
    kept = kept_of(nn.LockedDropout(0.5, batch_first, rng=seeded()), (T, 50))
    assert (kept == kept[0]).all() and 0 < kept.mean() < 1


@every
def test_after_eval_and_with_p_0_it_gives_what_it_gets(make):
    x = mt.tensor(seeded().normal(size=(T, B, H)))
    before = (rng := seeded()).bit_generator.state
    assert make(rng=rng).eval()(x) is x
    assert make(0, rng=rng)(x) is make(0.0, rng=rng)(x) is x
    assert rng.bit_generator.state == before  # and draws nothing
    assert make().eval().train()(x) is not x


def test_the_function_gives_x_itself_outside_training():
    x = mt.ones(3)
    assert dropout(x, 0.5, False) is x and dropout(x, 0.5, training=False) is x


@pytest.mark.parametrize("p", [1, 1.0])
@every
def test_with_p_1_everything_is_0_whatever_it_was(make, p, backend):
    values = np.ones((T, B, H))
    values[0] = [math.nan, math.inf, -math.inf, 1e308]
    x = mt.tensor(values, requires_grad=True)
    y = make(p)(x)
    y.sum().backward()
    assert not y.detach().numpy().any() and not x.grad.numpy().any()


@every
def test_what_is_left_out_leaves_no_trace_in_values_or_gradients(make, backend):
    kept = kept_of(make(rng=seeded()))
    for awkward in (math.nan, math.inf, 1e308):
        x = mt.tensor(np.where(kept, 1.0, awkward), requires_grad=True)
        y = make(rng=seeded())(x)
        (y * y).sum().backward()
        assert_array_equal(y.detach().numpy(), np.where(kept, 2.0, 0.0))
        assert_array_equal(x.grad.numpy(), np.where(kept, 8.0, 0.0))


@pytest.mark.parametrize("order", [1, 2])
@every
def test_derivatives_agree_with_differences(make, order, backend, rng):
    x = mt.tensor(rng.normal(size=(T, B, H)), requires_grad=True)

    def f(x):  # the same mask at every call
        return make(0.3, rng=seeded())(x) ** 2

    assert mt.autograd.gradcheck(f, x, order=order)


@every
def test_the_device_is_not_waited_for(make, backend):
    x = mt.ones(T, B, H, dtype="float32", requires_grad=True)
    strict_cupy.synchronisations.reset()
    y = make()(x)
    y.sum().backward()
    assert strict_cupy.synchronisations.causes == []
    assert y.dtype == x.grad.dtype == np.float32


@every
def test_empty_batches_have_empty_values_and_slopes(make, backend):
    x = mt.zeros(0, 0, H, requires_grad=True)
    y = make()(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 0, H)


@every
def test_arrays_are_welcome_and_integers_become_floats(make):
    for values in (np.ones((T, B), int), np.ones((T, B)), np.ones((T, B)).tolist()):
        for training in (True, False):
            y = make(rng=seeded()).train(training)(values)
            assert isinstance(y, mt.Tensor) and y.dtype == np.float64


def test_half_precision_does_not_overflow_where_a_value_is_left_out():
    kept = kept_of(nn.Dropout(rng=seeded()))
    x = mt.tensor(np.where(kept, 1.0, 60000.0), "float16")
    assert nn.Dropout(rng=seeded())(x).dtype == np.float16  # warnings are errors


@every
def test_it_has_no_parameters_and_shows_p(make):
    assert make().state_dict() == {}
    batch_first = ", batch_first=True" if getattr(make(), "batch_first", False) else ""
    assert repr(make(0.25)) == f"{type(make()).__name__}(p=0.25{batch_first})"


@pytest.mark.torch
def test_the_arguments_are_pytorchs():
    import torch

    assert nn.Dropout().p == torch.nn.Dropout().p
    assert nn.Dropout(0.2).p == torch.nn.Dropout(0.2).p
    x = np.ones((300, 200))
    theirs = torch.nn.functional.dropout(torch.tensor(x), 0.8).numpy()
    ours = dropout(x, 0.8).data
    assert_allclose(np.unique(ours), np.unique(theirs), rtol=1e-12)
    assert (ours != 0).mean() == pytest.approx((theirs != 0).mean(), abs=0.01)  # within 0.002


WRONG = [  # what is called, the exception, what its message says
    (lambda: nn.Dropout(1.5), ValueError, "^Dropout: p is 1.5; a probability, 0 to 1"),
    (lambda: nn.Dropout(-0.1), ValueError, "^Dropout: p is -0.1"),
    (lambda: nn.LockedDropout(math.nan), ValueError, "^LockedDropout: p is nan"),
    (lambda: dropout(mt.ones(2), 2), ValueError, "^dropout: p is 2"),
    (lambda: dropout(mt.ones(2), 2, training=False), ValueError, "^dropout: p is 2"),
    (lambda: nn.Dropout(rng=3), TypeError, r"rng is 3; give a generator: .*default_rng\(3\)"),
    (lambda: nn.LockedDropout()(mt.ones(3)), ShapeError, r"LockedDropout.*\(3,\), .* 1 axes.*2"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG, ids=[row[2][:24] for row in WRONG])
def test_what_does_not_fit_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
