"""What a trainer is given and cannot work with: each is told by its name, with what is needed."""

import math

import numpy as np
import pytest
from small_tasks import RunningSums, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import nn, training
from minitorch_rnn.data.generators import Adding, Drawn
from minitorch_rnn.errors import DataError, NonFiniteError


class Silent(training.Callback):
    """Does nothing."""


class Asking(training.Task):
    """The adding problem, of whose targets all but the last are nan."""

    def __init__(self, held_out=(), masked=False):
        drawn = Drawn(Adding(5).draw, batch=10, batches=3)
        model = nn.RecurrentNetwork(2, 3, 1, "identity", rng=np.random.default_rng(0))
        super().__init__(model, drawn, held_out)
        self.masked = masked

    def loss(self, batch, state):
        outputs, _ = self.model(batch.inputs)
        asked = ~np.isnan(batch.targets) if self.masked else slice(None)
        return nn.mse_loss(outputs[asked], batch.targets[asked]), None


def test_targets_that_are_nan_and_enter_the_loss_are_told_and_nothing_else_is_advised():
    with pytest.raises(NonFiniteError) as told:
        trainer_of(Asking()).run(steps=1)
    assert "40 of 50 targets of this batch are nan, where nothing is asked" in str(told.value)
    assert "docstring of Task.loss" in str(told.value) and "learning rate" not in str(told.value)
    trainer_of(Asking(masked=True)).run(steps=2)


def _wild_gradient(parameter):
    parameter.register_hook(lambda gradient: gradient * math.inf)


def _wild_value(parameter):
    parameter.update_(np.full(parameter.shape, math.nan))


@pytest.mark.parametrize("spoil", [_wild_gradient, _wild_value])
def test_targets_that_are_left_out_as_they_must_be_are_not_blamed(spoil):
    task = Asking(masked=True)
    spoil(next(task.model.parameters()))
    with pytest.raises(NonFiniteError, match="Use a smaller learning rate") as told:
        trainer_of(task).run(steps=1)
    assert "are nan, where nothing is asked" not in str(told.value)


class Unlike(RunningSums):
    """Its loss returns what is asked for."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def loss(self, batch, state):
        return self.answer(*super().loss(batch, state))


@pytest.mark.parametrize("answer, told", [
    (lambda loss, state: loss, "Unlike.loss returned a Tensor; a pair is needed, .loss, state."),
    (lambda loss, state: mt.stack([loss, loss]), "returned a Tensor; a pair"),
    (lambda loss, state: (loss.item(), state), "returned a tuple of float, tuple; a pair"),
    (lambda loss, state: (loss,), "returned a tuple of Tensor; a pair"),
    (lambda loss, state: None, "returned a NoneType; a pair"),
])  # fmt: skip
def test_a_loss_that_returns_something_else_is_told(answer, told):
    with pytest.raises(TypeError, match=told):
        trainer_of(Unlike(answer)).run(steps=1)
    with pytest.raises(TypeError, match=told):
        Unlike(answer).evaluate()


def test_data_that_is_none_is_told_with_what_is_needed():
    drawn = Drawn(Adding(5).draw, batch=10, batches=3)
    with pytest.raises(TypeError, match=r"Asking: held_out is a Drawn; .* give: held_out\(\)"):
        Asking(held_out=drawn)
    with pytest.raises(TypeError, match="held_out is a generator; a sequence of batches is needed"):
        Asking(held_out=(batch for batch in drawn()))
    with pytest.raises(TypeError, match="Task: batches is a list; a function from an epoch"):
        training.Task(nn.Linear(1, 1), [], [])


def test_an_epoch_without_batches_or_a_place_in_it_is_told():
    task = RunningSums(chunks=1)
    task.batches = lambda epoch: task.epoch(0) if not epoch else []
    with pytest.raises(DataError, match="epoch 1 has no batches"):
        trainer_of(task).run(steps=2)
    task.batches = lambda epoch: iter(task.epoch(0))
    with pytest.raises(TypeError, match=r"RunningSums: batches\(0\) is a list_iterator; a seque"):
        trainer_of(task).run(steps=2)


@pytest.mark.parametrize("callbacks, told", [
    ([print], "callback 0 is a builtin_function_or_method; a Callback is needed"),
    ([training.Callback(), Silent], "callback 1 is the class Silent itself; a Callback"),
    (training.Callback(), "callbacks is a Callback; a list of them"),
])  # fmt: skip
def test_what_is_no_callback_is_told_before_the_first_step(callbacks, told):
    trainer = trainer_of(RunningSums())
    with pytest.raises(TypeError, match=told):
        trainer.run(steps=1, callbacks=callbacks)
    assert trainer.step == 0


@pytest.mark.parametrize("name, value", [
    ("validate_every", 0), ("validate_every", -1), ("patience", 0), ("max_norm", 0),
    ("max_norm", -1.0), ("max_norm", math.nan),
])  # fmt: skip
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"Trainer: {name} is {value}; "):
        trainer_of(RunningSums(), **{name: value})
