"""The loop: what it computes, when it validates, what ends it, and that it goes on bit for bit."""

import math

import numpy as np
import pytest
from small_tasks import B, H, RunningSums, T, same, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import nn, training
from minitorch_rnn.data import Batch
from minitorch_rnn.errors import CheckpointError, DataError, NonFiniteError, StateError
from minitorch_rnn.optim import lr_scheduler


class Heard(training.Callback):
    """Remembers what a callback was told."""

    def __init__(self, stop_at=None):
        self.steps, self.validations, self.calls, self.stop_at = [], [], [], stop_at

    def at_start(self, trainer):
        self.calls.append("start")

    def after_step(self, trainer, step):
        self.steps.append(step)
        self.calls.append(step.number)
        if step.number == self.stop_at:
            trainer.stop("enough")

    def after_validation(self, trainer, figures):
        self.validations.append((trainer.step, figures["loss"]))
        self.calls.append("validation")

    def at_end(self, trainer):
        self.calls.append("end")


# The loop -----------------------------------------------------------------------------------------


def test_training_is_the_loop_one_would_write_by_hand():
    task, by_hand = RunningSums(), RunningSums()
    trainer_of(task, max_norm=0.5).run(steps=12)
    optimizer = mt.optim.Adam(by_hand.model.parameters(), 0.02)
    state, batches = None, [*by_hand.epoch(0), *by_hand.epoch(1), *by_hand.epoch(2)]
    for batch in batches[:12]:
        loss, state = by_hand.loss(batch, None if batch.fresh else state)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(by_hand.model.parameters(), 0.5)
        optimizer.step()
        state = tuple(part.detach() for part in state)
    same(task.model.state_dict(), by_hand.model.state_dict())


def test_training_lowers_the_loss():
    task = RunningSums()
    before = task.evaluate()["loss"]
    trainer = trainer_of(task)
    trainer.run(epochs=40)
    assert trainer.best.figure < before / 3 and trainer.ended == "epochs"
    assert (trainer.epoch, trainer.index, trainer.step) == (40, 0, 200)


def test_callbacks_hear_of_everything_in_its_order():
    heard = Heard()
    trainer_of(RunningSums(chunks=2), validate_every=2).run(steps=3, callbacks=[heard])
    assert heard.calls == ["start", 1, "validation", 2, 3, "validation", "end"]
    first = heard.steps[0]
    assert (first.number, first.epoch, first.lr, first.count) == (1, 0, 0.02, T * B)
    assert first.loss.item() > 0 and first.norm.item() > 0 and not first.skipped
    assert [step.epoch for step in heard.steps] == [0, 0, 1]


def test_without_a_number_it_validates_after_each_epoch():
    heard = Heard()
    trainer_of(RunningSums(chunks=3)).run(steps=7, callbacks=[heard])
    assert [step for step, _ in heard.validations] == [3, 6, 7]


def test_a_callback_ends_the_training_after_its_step():
    trainer = trainer_of(RunningSums())
    trainer.run(steps=100, callbacks=[Heard(stop_at=4)])
    assert (trainer.ended, trainer.step) == ("enough", 4)


def test_training_ends_early_when_the_figure_gets_no_better():
    heard, trainer = Heard(), trainer_of(RunningSums(), lr=1e-300, patience=3)
    trainer.run(epochs=50, callbacks=[heard])
    assert trainer.ended == "early"
    assert len(heard.validations) == 4 and trainer.best.step == 5


def test_the_state_is_carried_through_an_epoch_and_dropped_at_its_end():
    task, given = RunningSums(chunks=3), []
    loss = task.loss
    task.loss = lambda batch, state: given.append(state) or loss(batch, state)
    task.evaluate = lambda: {"loss": 0.0}
    trainer = trainer_of(task, validate_every=100)
    trainer.run(steps=4, callbacks=[Heard(stop_at=4)])
    assert [state is None for state in given] == [True, False, False, True]
    assert all(part.is_leaf and not part.requires_grad for part in given[1])


def test_a_schedule_goes_on_after_every_step_and_plateau_after_validations():
    heard = Heard()
    trainer_of(
        RunningSums(), schedule=lambda o: lr_scheduler.ExponentialLR(o, 0.5), lr=0.4
    ).run(steps=3, callbacks=[heard])  # fmt: skip
    assert [step.lr for step in heard.steps] == [0.4, 0.2, 0.1]
    heard = Heard()
    plateau = lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0)  # noqa: E731
    trainer = trainer_of(RunningSums(chunks=1), schedule=plateau, lr=1e-300)
    trainer.run(steps=4, callbacks=[heard])
    assert [step.lr for step in heard.steps] == [1e-300, 1e-300, 1e-300, 1e-300]
    assert trainer.schedule.last_epoch == 4


def test_evaluation_changes_nothing_and_does_not_drop_out():
    task = RunningSums(dropout=0.5)
    before = task.model.state_dict()
    first, second = task.evaluate(), task.evaluate()
    assert first == second and task.model.training
    same(task.model.state_dict(), before)
    assert all(p.grad is None for p in task.model.parameters())


def test_the_mean_of_an_evaluation_weighs_batches_by_their_targets():
    task = RunningSums(chunks=2, last=1)
    losses = [task.loss(batch, None)[0].item() for batch in task.held_out]
    assert task.held_out[1].fresh
    expected = (losses[0] * T * B + losses[1] * T) / (T * (B + 1))
    assert task.evaluate()["loss"] == pytest.approx(expected, rel=1e-12)


def test_a_batch_that_asks_for_nothing_is_an_error_that_names_it():
    task = RunningSums()
    nothing = Batch(np.zeros((T, B, 2)), np.full((T, B, 1), np.nan))
    task.batches = lambda epoch: [*task.epoch(epoch)[:2], nothing]
    with pytest.raises(DataError, match="batch 2 of epoch 0 asks for nothing"):
        trainer_of(task).run(steps=5)


def test_an_unknown_way_to_take_nan_is_refused():
    with pytest.raises(ValueError, match="on_nan is 'ignore'; 'stop', 'skip' or 'restore'"):
        trainer_of(RunningSums(), on_nan="ignore")


# Going on -----------------------------------------------------------------------------------------

SCHEDULES = {
    "none": None,
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=17),
    "plateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, patience=0),
}


@pytest.mark.parametrize("at", range(1, 17))
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_training_goes_on_bit_for_bit_wherever_it_was_stopped(schedule, at, tmp_path):
    options = dict(schedule=SCHEDULES[schedule], validate_every=4)

    def made(seed=7):
        mt.manual_seed(seed)
        task = RunningSums(dropout=0.3)  # draws from a generator of its own
        task.model.layer.rng = None if at % 2 else task.model.layer.rng
        return trainer_of(task, **options)

    whole = made()
    whole.run(steps=17)
    begun = made()
    begun.run(steps=17, callbacks=[Heard(stop_at=at)])
    mt.save(begun.state_dict(), tmp_path / "checkpoint.safetensors")
    resumed = made(seed=8)
    resumed.load_state_dict(mt.load(tmp_path / "checkpoint.safetensors"))
    assert resumed.step == at
    resumed.run(steps=17)
    same(resumed.task.model.state_dict(), whole.task.model.state_dict())
    for name in ("step", "epoch", "index", "best", "figures", "waited"):
        assert getattr(resumed, name) == getattr(whole, name), name


def test_another_layers_state_goes_on_too(tmp_path):
    for layer in (nn.RNN, nn.GRU):
        whole, begun, resumed = (trainer_of(RunningSums(layer)) for _ in range(3))
        whole.run(steps=8)
        begun.run(steps=8, callbacks=[Heard(stop_at=3)])
        mt.save(begun.state_dict(), tmp_path / "checkpoint.safetensors")
        resumed.load_state_dict(mt.load(tmp_path / "checkpoint.safetensors"))
        resumed.run(steps=8)
        same(resumed.task.model.state_dict(), whole.task.model.state_dict())


@pytest.mark.parametrize("damage, told", [
    (lambda s: s | {"format": 2}, "format is 2, this version of the program reads 1"),
    (lambda s: [], "its format is 'list'"),
    (lambda s: {k: v for k, v in s.items() if k != "watch"}, "is not of this training.*watch"),
    (lambda s: s | {"numbers": 3}, "is not of this training"),
    (lambda s: s | {"best": [1]}, "is not of this training"),
    (lambda s: s | {"generators": [3]}, "is not of this training"),
])  # fmt: skip
def test_a_checkpoint_of_something_else_is_refused(damage, told):
    trainer = trainer_of(RunningSums())
    trainer.run(steps=1)
    with pytest.raises(CheckpointError, match=told):
        trainer_of(RunningSums()).load_state_dict(damage(trainer.state_dict()))


def test_a_checkpoint_of_another_size_names_the_parameter():
    trainer = trainer_of(RunningSums())
    state = trainer.state_dict()
    state["model"]["output.weight"] = np.zeros((1, H + 1))
    with pytest.raises(StateError, match="output.weight"):
        trainer.load_state_dict(state)


# What is not finite -------------------------------------------------------------------------------


class Broken(RunningSums):
    """Its loss is not finite at one step, or from one on."""

    def __init__(self, at, until=None, factor=math.inf, **options):
        super().__init__(**options)
        self.at, self.until, self.calls, self.factor = at, until or at, 0, factor

    def loss(self, batch, state):
        loss, state = super().loss(batch, state)
        self.calls += self.model.training
        broken = self.model.training and self.at <= self.calls <= self.until
        return (loss * self.factor if broken else loss), state


@pytest.mark.parametrize("factor, told", [
    (math.inf, r"the loss of step 3 is inf; the gradients of layer.weight_ih_l0, .* have no"),
    (math.nan, r"the loss of step 3 is nan"),
])  # fmt: skip
def test_a_loss_that_is_not_finite_names_step_and_parameters_and_changes_nothing(factor, told):
    whole, task = RunningSums(), Broken(3, factor=factor)
    trainer_of(whole).run(steps=2, callbacks=[Heard(stop_at=2)])
    with pytest.raises(NonFiniteError, match=told):
        trainer_of(task).run(steps=9)
    same(task.model.state_dict(), whole.model.state_dict())


def test_the_operation_where_it_begins_is_named():
    class Log(RunningSums):
        def loss(self, batch, state):
            loss, state = super().loss(batch, state)
            return loss + (loss - loss.detach()).log(), state

    with pytest.raises(NonFiniteError, match="It begins here: anomaly: 'log' gives -inf"):
        trainer_of(Log()).run(steps=1)


def test_the_advice_leaves_out_what_is_done_already():
    def told(**options):
        with pytest.raises(NonFiniteError) as error:
            trainer_of(Broken(1, until=10**6, dtype=mt.float64), **options).run(steps=99)
        return str(error.value)

    assert "(--clip) or on_nan='skip' or 'restore' (--on-nan)." in told()
    assert "rate or a smaller max_norm (--clip). The 10 steps" in told(on_nan="skip")


def test_of_many_parameters_a_few_are_named():
    with pytest.raises(
        NonFiniteError, match=r"gradients of layer\.\w+, layer\.\w+, .* 7 more have"
    ):
        trainer_of(Broken(1)).run(steps=1)


def test_a_loss_that_explodes_is_stopped_before_it_is_nan():
    with pytest.raises(NonFiniteError, match=r"step 14 is .*first 10 steps was .*it explodes"):
        trainer_of(Broken(14, factor=1e6)).run(steps=20)
    trainer_of(Broken(4, factor=1e6)).run(steps=8)  # nothing is usual yet


def test_a_gradient_that_is_not_finite_names_its_parameter_only():
    task = RunningSums()
    task.model.output.weight.register_hook(lambda g: mt.full(g.shape, math.inf))
    with pytest.raises(
        NonFiniteError,
        match="norm of the gradients of step 1 is inf; the gradients of output.weight h",
    ):
        trainer_of(task).run(steps=2)


def test_a_step_may_be_skipped():
    heard, task = Heard(), Broken(3)
    trainer = trainer_of(task, on_nan="skip", validate_every=100)
    trainer.run(steps=5, callbacks=[heard])
    assert [step.skipped for step in heard.steps] == [False, False, True, False, False]
    assert (trainer.step, trainer.skipped) == (5, 1)
    assert all(np.isfinite(array).all() for array in task.model.state_dict().values())


def test_it_is_given_up_where_every_step_is_skipped():
    task = Broken(3, until=10**6)
    trainer = trainer_of(task, on_nan="skip", validate_every=100)
    with pytest.raises(NonFiniteError, match="step 13 is .* The 10 steps before were skipped"):
        trainer.run(steps=50)
    assert all(np.isfinite(array).all() for array in task.model.state_dict().values())


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_checkpoint_may_be_restored_with_half_the_rate(schedule, tmp_path):
    heard, task = Heard(), Broken(8)
    trainer = trainer_of(task, on_nan="restore", validate_every=3, schedule=SCHEDULES[schedule])
    trainer.run(steps=12, callbacks=[training.Checkpoints(tmp_path), heard])
    taken = [step.number for step in heard.steps]
    assert taken == [1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 11, 12]
    assert (trainer.restored, trainer.step) == (1, 12)
    again = heard.steps[7]
    assert again.lr == pytest.approx(heard.steps[6].lr / 2, rel=1e-12)


def test_it_is_restored_to_its_beginning_and_given_up_in_the_end(tmp_path):
    task = Broken(2, until=10**6)
    trainer = trainer_of(task, on_nan="restore")
    with pytest.raises(NonFiniteError, match="10 times a checkpoint was restored already"):
        trainer.run(steps=50, callbacks=[training.Checkpoints(tmp_path)])
    assert trainer.step < 2
    assert training.Checkpoints(tmp_path).newest()["numbers"]["step"] == 0
