"""Training a character model: the loop, what ends it, and samples of what it learned."""

import math

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import data, optim, training
from minitorch_rnn.errors import DataError, NonFiniteError

TEXT = "the cat sat on the mat. " * 40


def model_of(text=TEXT, seed=0, **options):
    rng = np.random.default_rng(seed)
    return training.CharacterModel(data.Vocabulary.of(text), 12, rng=rng, **options)


def streams_of(model, text=TEXT, batch=4, steps=8):
    return data.Streams.of(model.vocabulary.encode(text), batch, steps)


def run(steps=20, lr=0.02, model=None, **options):
    model = model or model_of()
    optimizer = optim.Adam(model.parameters(), lr)
    return model, training.train(model, streams_of(model), optimizer, steps, **options)


def same(state, other):
    assert list(state) == list(other)
    for name, array in state.items():
        assert array.dtype == other[name].dtype
        np.testing.assert_array_equal(array, other[name], err_msg=name)


# The loop -----------------------------------------------------------------------------------------


def test_training_lowers_the_loss_and_beats_the_frequencies_of_the_characters():
    model, result = run(steps=120)
    assert result.ended == "steps" and len(result.losses) == 120
    assert result.losses[-1] < result.losses[0] / 3
    bits = training.evaluate(model, streams_of(model))
    assert bits < data.entropy_bits(model.vocabulary.encode(TEXT)) / 2


def test_the_first_loss_is_that_of_guessing():
    model, result = run(steps=1)
    assert result.losses[0] == pytest.approx(math.log(len(model.vocabulary)), rel=0.1)


def test_the_same_seed_gives_the_same_losses_and_weights_bit_for_bit():
    (one, first), (other, second) = run(), run()
    assert first.losses == second.losses
    same(one.state_dict(), other.state_dict())
    assert run(model=model_of(seed=1))[1].losses != first.losses


def test_sgd_trains_too():
    model = model_of()
    optimizer = optim.SGD(model.parameters(), 0.5, momentum=0.9)
    losses = training.train(model, streams_of(model), optimizer, 60).losses
    assert losses[-1] < losses[0] / 2


def test_training_on_another_backend_gives_the_same_losses(backend):
    with mt.use("numpy"):
        _, expected = run(steps=5)
    model, result = run(steps=5)
    np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-12)
    assert {p.backend for p in model.parameters()} == {backend}


def test_the_callback_hears_of_every_step():
    heard = []
    _, result = run(steps=3, after_step=heard.append)
    assert [progress.step for progress in heard] == [1, 2, 3]
    assert [progress.loss for progress in heard] == result.losses
    assert heard[0].bits == result.losses[0] / math.log(2) and heard[0].characters == 32


class Spy:
    """A model that remembers the states which went in and came out."""

    def __init__(self, model):
        self.model, self.given, self.returned = model, [], []

    def __call__(self, numbers, state):
        self.given.append(state)
        logits, state = self.model(numbers, state)
        self.returned.append(state)
        return logits, state

    def __getattr__(self, name):
        return getattr(self.model, name)


def test_the_state_is_carried_without_its_history_and_dropped_when_the_text_ends():
    spy = Spy(model_of())
    streams = streams_of(spy, TEXT[:80], batch=2, steps=12)
    assert len(streams) == 3
    training.train(spy, streams, optim.Adam(spy.parameters()), 5)
    assert [state is None for state in spy.given] == [True, False, False, True, False]
    for given, returned in zip(spy.given[1:3], spy.returned[:2], strict=True):
        assert given.tolist() == returned.tolist()
        assert given.is_leaf and not given.requires_grad and returned.requires_grad


def test_no_gradient_reaches_an_earlier_chunk(rng):
    model = model_of()
    network, size = model.network, len(model.vocabulary)
    x, later = (mt.tensor(rng.normal(size=(4, 2, size)), requires_grad=True) for _ in range(2))
    _, state = network.logits(x)
    network.logits(later, state.detach())[0].sum().backward()
    assert x.grad is None and later.grad is not None


def test_gradients_are_clipped_before_the_step():
    model = model_of()
    before = model.state_dict()
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    training.train(model, streams_of(model), optimizer, 1, max_norm=1e-3)
    after = model.state_dict()
    moved = math.sqrt(sum(((after[name] - before[name]) ** 2).sum() for name in before))
    assert moved == pytest.approx(1e-3, rel=1e-2)


def test_a_loss_that_is_not_finite_names_the_step_and_leaves_the_parameters_finite():
    model = model_of(nonlinearity="relu", dtype="float32")
    optimizer = optim.SGD(model.parameters(), lr=1e25)  # eight steps of 1e25 are too many
    with pytest.raises(NonFiniteError, match="the loss of step 2 is (nan|inf)"):
        training.train(model, streams_of(model), optimizer, 10)
    assert all(np.isfinite(array).all() for array in model.state_dict().values())


def test_a_gradient_that_is_not_finite_names_step_and_parameter_and_changes_nothing():
    model = model_of()
    before = model.state_dict()
    weight = model.network.rnn.weight_hh_l0
    weight.register_hook(lambda g: mt.full(g.shape, math.inf))
    with pytest.raises(NonFiniteError, match="at step 1 .*gradients of network.rnn.weight_hh_l0 "):
        run(model=model)
    same(model.state_dict(), before)


def test_training_stops_when_its_time_is_over():
    _, result = run(steps=10**6, max_seconds=0.05)
    assert result.ended == "time"
    assert 0 < len(result.losses) < 10**6 and 0.05 < result.seconds < 5


def test_ctrl_c_ends_training_and_is_reported():
    def third(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    model, result = run(after_step=third)
    assert (result.ended, len(result.losses)) == ("interrupt", 3)
    same(model.state_dict(), run(steps=3)[0].state_dict())


def test_evaluation_changes_nothing_and_records_nothing():
    model = model_of()
    before = model.state_dict()
    first, second = (training.evaluate(model, streams_of(model)) for _ in range(2))
    assert first == second
    same(model.state_dict(), before)
    assert all(p.grad is None for p in model.parameters())


# Sampling -----------------------------------------------------------------------------------------


def sampled(model, prompt="the ", length=30, temperature=1.0, seed=5):
    return "".join(model.sample(prompt, length, temperature, np.random.default_rng(seed)))


def test_a_sample_depends_on_the_seed_alone():
    model = model_of()
    assert sampled(model) == sampled(model) != sampled(model, seed=6)
    assert len(sampled(model)) == 30


def test_a_trained_model_at_low_temperature_writes_its_text():
    model, _ = run(steps=200)
    assert sampled(model, "the cat", 18, temperature=1e-320) == " sat on the mat. t"


def test_a_prompt_of_unknown_characters_is_understood():
    assert len(sampled(model_of(), "\N{GRINNING FACE}")) == 30


def test_sampling_on_a_device_draws_the_same(backend):
    with mt.use("numpy"):
        expected = sampled(model_of())
    assert sampled(model_of()) == expected


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
    ],
    ids=str,
)
def test_a_sample_that_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        sampled(model_of(), **options)
