"""A training step never waits for the device: every layer, loss, optimiser, schedule and loop.

Counted on the stand-in, which notes each call that would make the host wait, and here also each
array that goes up to the device: it waits for nothing, but takes its time.
"""

import io

import numpy as np
import pytest
import strict_array
import strict_cupy
from layer_cases import ROWS, B, I, O, T, loss_of
from optimizer_cases import CASES
from schedules import SCHEDULES, groups

import minitorch_rnn as mt
from minitorch_rnn import data, nn, optim, training
from minitorch_rnn.autograd import checkpoint, checkpoint_sequence, gradcheck
from minitorch_rnn.errors import NonFiniteError
from minitorch_rnn.optim import lr_scheduler
from minitorch_rnn.training.tasks.text import CharacterModel, CharacterTask, TextConfig


@pytest.fixture(autouse=True)
def on_the_stand_in():
    with mt.use("strict"):
        yield


@pytest.fixture
def waits():
    """The causes of all waits since the test, or `reset`, began."""
    strict_cupy.synchronisations.reset()
    return strict_cupy.synchronisations


@pytest.fixture
def uploads(monkeypatch):
    """The shapes of arrays of the host that were brought to the device, as values or as indices."""
    found = []

    def noted(upload):
        def call(obj, *args, **named):
            if not strict_array.on_device(obj):
                found.append(np.shape(obj))
            return upload(obj, *args, **named)

        return call

    def key_of(x, key):
        parts = key if isinstance(key, tuple) else (key,)
        found.extend(np.shape(part) for part in parts if isinstance(part, np.ndarray | list))
        return host_key(x, key)

    def on_device(function):  # the stand-in counts along the other axes on the host, CuPy does not
        def call(*args):
            before = len(found)
            result = function(*args)
            del found[before:]
            return result

        return call

    for name in "array asarray asanyarray".split():
        monkeypatch.setattr(strict_cupy.xp, name, noted(getattr(strict_cupy.xp, name)))
    for name in "put_along_axis take_along_axis".split():
        monkeypatch.setattr(strict_cupy.xp, name, on_device(getattr(strict_cupy.xp, name)))
    host_key = strict_array.host_key
    monkeypatch.setattr(strict_array, "host_key", key_of)
    return found


def training_step(run, optimizer, schedule):
    """Whatever one does in a step but look at what came out."""
    optimizer.zero_grad()
    loss = loss_of(run())
    if loss.requires_grad:
        loss.backward()
    nn.utils.clip_grad_norm_(optimizer.params, 0.5)
    nn.utils.clip_grad_value_(optimizer.params, 0.1)
    optimizer.step()
    schedule.step()
    return loss


def prepared(row):
    """What a row runs, an optimiser of all its leaves, and a schedule."""
    run, leaves = row.ready()
    optimizer = optim.AdamW(list(leaves.values()) or [nn.Parameter([1.0])], 1e-3, amsgrad=True)
    return run, optimizer, lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)


# A step -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_training_step_waits_for_nothing(row, waits):
    given = prepared(row)
    training_step(*given)  # kernels are compiled and proved in the first
    waits.reset()
    for _ in range(2):
        training_step(*given)
    assert waits.causes == 2 * list(row.waits)


@pytest.mark.parametrize("row", [r for r in ROWS if r.uploads is not None], ids=str)
def test_a_training_step_brings_to_the_device_what_it_is_known_to(row, uploads):
    given = prepared(row)
    training_step(*given)  # what is kept for all steps may go up in the first
    uploads.clear()
    training_step(*given)
    assert len(uploads) == row.uploads, uploads


@pytest.mark.parametrize("kind, options", CASES)
def test_no_optimizer_waits_or_uploads(kind, options, waits, uploads):
    p = nn.Parameter([[1.0, 2.0]])
    optimizer = getattr(optim, kind)([p], **options)
    uploads.clear()
    for _ in range(3):
        optimizer.zero_grad()
        (p * p).sum().backward()
        optimizer.step()
    assert waits.causes == [] and uploads == []


@pytest.mark.parametrize("name", SCHEDULES)
def test_no_schedule_waits_or_uploads(name, waits, uploads):
    optimizer = groups(lr_scheduler)
    schedule = SCHEDULES[name](lr_scheduler, optimizer)
    uploads.clear()
    for _ in range(12):
        for p in optimizer.params:
            p.grad = p.detach()
        optimizer.step()
        schedule.step()
    assert waits.causes == [] and uploads == []


def segments(lstm, x, state):
    return checkpoint_sequence(lstm, x, state, checkpoint_every=2)


@pytest.mark.parametrize("run", [checkpoint, segments])
def test_what_is_computed_twice_waits_for_nothing(run, waits, uploads, rng):
    lstm, x = nn.LSTM(I, O, rng=rng), mt.randn(T, B, I, rng=rng)
    state = mt.zeros(1, B, O), mt.zeros(1, B, O)
    for _ in range(2):
        waits.reset()
        uploads.clear()
        output, _ = run(lstm, x, state)
        (output * output).sum().backward()
    assert waits.causes == [] and uploads == []


def test_streams_in_chunks_wait_for_nothing(waits, rng):
    network = nn.RecurrentNetwork(I, 4, O, rng=rng)
    optimizer = optim.SGD(network.parameters(), 0.1, momentum=0.9)
    labels = mt.tensor(rng.integers(O, size=(T, B)))
    chunks = [mt.randn(T, B, I, rng=rng) for _ in range(3)]

    def step(x, state):
        logits, state = network.logits(x, state)
        loss = nn.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        hits = (logits.argmax(axis=-1) == labels).mean()  # an accuracy that nobody has read yet
        return state.detach(), loss.detach(), hits

    state, total, _ = step(chunks[0], None)
    waits.reset()
    for x in chunks:
        state, loss, hits = step(x, state)
        total += loss
    assert waits.causes == []
    assert 0 <= hits.item() <= 1 and total.item() > 0 and waits.count == 2


# The loop -----------------------------------------------------------------------------------------

WILD = {"nonlinearity": "relu", "dtype": "float32"}
TEXT = "the cat sat on the mat. " * 40


class Kept(training.Callback):
    """The steps, and every fifth loss as it is shown."""

    def __init__(self, shows=False):
        self.steps, self.told, self.shows = [], [], shows

    def after_step(self, trainer, step):
        self.steps.append(step)
        if self.shows and step.number % 5 == 0:
            self.told.append(f"{step.loss:.3f}")


def task_of(model=None):
    vocabulary = data.Vocabulary.of(TEXT)
    model = CharacterModel(vocabulary, 6, rng=np.random.default_rng(0), **model or {})
    streams = data.Streams.of(vocabulary.encode(TEXT), 4, 8)
    return CharacterTask(model, lambda epoch: streams, streams, None, TextConfig())


def trained(steps, lr=1e-3, model=None, kept=None):
    """As `Trainer.run`, but for the validation at its end."""
    task, kept = task_of(model), kept or Kept()
    trainer = training.Trainer(
        task, optim.SGD(task.model.parameters(), lr), validate_every=10**6, max_norm=1e30
    )
    task.evaluate = lambda: {"bits_per_character": 0.0}
    trainer.run(steps, callbacks=[kept])
    return kept


@pytest.fixture
def warm(waits):
    """Kernels are compiled and proved in the first steps of a process."""
    for model in (None, WILD):
        trained(2, model=model)
    waits.reset()


@pytest.mark.parametrize("steps, looks", [(10, 1), (50, 1), (51, 2), (120, 3)])
def test_the_loop_looks_every_fifty_steps(steps, looks, warm, waits):
    assert len(trained(steps).steps) == steps and waits.count == looks


def test_the_loop_brings_the_numbers_of_characters_to_the_device_and_no_more(warm, uploads):
    assert trained(2) and uploads[-2 * 2 :] == 4 * [(8, 4)]  # inputs and targets of each step
    n = len(uploads)
    assert trained(7) and len(uploads) - n == n + 2 * 5


def test_the_loop_reads_a_loss_where_it_is_shown(warm, waits):
    kept = trained(20, kept=Kept(shows=True))
    assert waits.count == 4 + 1
    assert kept.told == [f"{step.loss:.3f}" for step in kept.steps[4::5]]


def test_what_is_not_finite_is_found_later_and_named_by_its_step(warm, waits):
    kept = Kept()
    with pytest.raises(NonFiniteError, match="the loss of step 2 is (nan|inf)"):
        trained(120, 1e25, WILD, kept)
    assert len(kept.steps) == 49


def test_a_norm_that_is_not_finite_is_found_later_too(monkeypatch):
    def broken(logits, targets):  # finite itself, with gradients that are not
        return (logits - logits.detach()).abs().sqrt().sum() + 1.0

    monkeypatch.setattr(nn, "cross_entropy", broken)
    with pytest.raises(NonFiniteError, match="norm of the gradients of step 1 is (nan|inf)"):
        trained(3)


def test_an_evaluation_reads_one_number(warm, waits):
    task = task_of()
    task._entropy = lambda: 0.0
    task.evaluate()
    assert waits.count == 1


# What is asked for --------------------------------------------------------------------------------


def positive(x):
    if x > 0:
        pass


ASKED = {
    "float(loss)": float,
    "int(loss)": int,
    "bool(loss)": bool,
    "if x > 0": positive,
    "while not x": lambda x: not x,
    "loss.item()": lambda x: x.item(),
    "loss.tolist()": lambda x: x.tolist(),
    "loss.numpy()": lambda x: x.numpy(),
    "print(loss)": lambda x: print(x, file=io.StringIO()),
    "repr(loss)": repr,
    "f'{loss}'": lambda x: f"{x}",
    "f'{loss:.3f}'": lambda x: f"{x:.3f}",
    "loss.to('numpy')": lambda x: x.to("numpy"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_reading_a_value_is_one_wait(ask, waits):
    loss = mt.tensor(2.0) * 3
    assert waits.count == 0
    ask(loss)
    assert waits.count == 1, waits.causes


def test_a_mean_kept_on_the_device_is_read_once(waits):
    mean = mt.zeros(())
    for i in range(100):
        mean = 0.95 * mean + 0.05 * mt.full((), i)
    assert waits.count == 0
    assert float(mean) > 0 and waits.count == 1


def with_gradients(n=3):
    owners = [nn.Parameter(np.ones(2)) for _ in range(n)]
    for p in owners:
        p.grad = mt.ones(2)
    return owners


def test_clipping_that_is_to_fail_for_nan_reads_the_norm(waits):
    nn.utils.clip_grad_norm_(with_gradients(), 0.5, error_if_nonfinite=True)
    assert waits.count == 1


def test_a_plateau_reads_its_metric(waits):
    schedule = lr_scheduler.ReduceLROnPlateau(optim.SGD(with_gradients()))
    schedule.step(mt.tensor(1.0))
    assert waits.count == 1
    schedule.step(1.0)
    assert waits.count == 1


def test_looking_for_anomalies_reads_every_operation(waits):
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    with mt.autograd.detect_anomaly():
        y = (x * x).sum()
        assert waits.count >= 2
        y.backward()
    assert waits.count >= 4


def test_a_state_is_read_parameter_by_parameter(waits):
    network = nn.LSTM(I, O)
    network.state_dict()
    assert waits.causes == 4 * ["get()"]


def test_lengths_on_the_device_are_read_once(waits):
    network, x = nn.LSTM(I, O), mt.ones(T, B, I)
    lengths = mt.tensor([2, T, 1])
    network(x, lengths=[1, T, 1])
    waits.reset()
    network(x, lengths=lengths)
    assert waits.count == 1


def test_checks_of_derivatives_read_what_they_compare(waits):
    assert gradcheck(mt.tanh, mt.tensor([0.5], requires_grad=True))
    assert waits.count > 0


def test_indices_of_the_device_are_not_looked_at_and_masks_are(waits):
    x, at = mt.arange(4.0), mt.tensor([3, 1])
    x[at]
    x[1:3]
    x[None, ..., 2]
    assert waits.count == 0
    x[np.array([True, False, True, False])], x[[True, False, True, False]]  # counted on the host
    assert waits.count == 0
    x[x > 1]  # whose size only the device knows
    assert waits.causes == ["index with a boolean mask"]
