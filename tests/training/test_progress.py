"""Progress and samples: lines or a bar of any width, and nothing that stops or changes training."""

import io
import math
import os
import re
import struct
import sys
import threading

import numpy as np
import pytest
from small_tasks import RunningSums, same, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import training
from minitorch_rnn.training.callback import Step
from minitorch_rnn.training.reporting import Progress, Samples, progress, saying

fcntl = pytest.importorskip("fcntl", reason="terminals of Unix")
pty = pytest.importorskip("pty", reason="terminals of Unix")
termios = pytest.importorskip("termios", reason="terminals of Unix")


class Sums(RunningSums):
    unit = "figures"


@pytest.fixture
def clock(monkeypatch):
    """Time as the test sets it."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return Clock.now

    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    yield found
    Clock.now = 100.0


class Ticks(training.Callback):
    """Each step takes so many seconds."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def after_step(self, trainer, step):
        type(self.clock).now += self.seconds


class Ends(training.Callback):
    """Ends the training after a step."""

    def __init__(self, number):
        self.number = number

    def after_step(self, trainer, step):
        if step.number == self.number:
            trainer.stop("enough")


def shown(steps=None, task=None, callbacks=(), setup=None, epochs=None, seconds=None, **options):
    file = io.StringIO()
    trainer = trainer_of(task or Sums(chunks=4), **options)
    if setup:
        setup(trainer)
    shows = Progress(stream=file, seconds=seconds)
    trainer.run(steps=steps, epochs=epochs, callbacks=[*callbacks, shows])
    return file.getvalue().splitlines()


def only_steps(lines):
    return [line for line in lines if "held out" not in line]


# Lines --------------------------------------------------------------------------------------------


def test_elsewhere_than_on_a_terminal_there_is_a_line_every_five_seconds_and_the_last(clock):
    lines = only_steps(shown(12, callbacks=[Ticks(clock, 2.0)], validate_every=100))
    assert [int(re.match(r"step (\d+)/12: ", line)[1]) for line in lines] == [1, 4, 7, 10, 12]
    assert re.fullmatch(r"step 4/12: loss \d\.\d{3}, 12 figures/s, 16 s left", lines[1])
    assert re.fullmatch(r"step 12/12: loss \d\.\d{3}, 12 figures/s", lines[-1])


def test_the_rate_is_that_of_the_last_sixty_looks(clock):
    class Slower(Ticks):
        def after_step(self, trainer, step):
            super().after_step(trainer, step)
            self.seconds = 6.0 if step.number < 100 else 12.0

    task = Sums(chunks=500)
    rates = [
        re.search(r"(\d+) figures/s, (\d+) (s|min) left", line)
        for line in shown(200, task, callbacks=[Slower(clock, 6.0)])[:-2]
    ]
    assert [(int(rates[i][1]), rates[i][2]) for i in (98, 198)] == [(4, "10"), (2, "12")]


def test_the_loss_is_the_mean_of_the_last_fifty(clock):
    class Heard(training.Callback):
        losses = []

        def after_step(self, trainer, step):
            Heard.losses.append(float(step.loss))

    *_, last = only_steps(shown(70, callbacks=[Ticks(clock, 0.1), Heard()]))
    assert f"loss {np.mean(Heard.losses[-50:]):.3f}," in last


def test_a_task_whose_figure_is_a_multiple_of_the_loss_shows_it(clock):
    class Bits(Sums):
        judged_by, factor = "bits_per_figure", 1 / math.log(2)

        def evaluate(self):
            return {"bits_per_figure": 1.25}

    lines = shown(1, Bits(chunks=1))
    loss = float(re.search(r"loss ([\d.]+), ([\d.]+) bits per figure, ", lines[1])[1])
    told = float(re.search(r"loss ([\d.]+), ([\d.]+) bits per figure, ", lines[1])[2])
    assert told == pytest.approx(loss / math.log(2), abs=0.01)  # both are rounded
    assert lines[0] == "step 1: held out: bits per figure 1.25, the best so far"


def test_validations_say_which_is_the_best(clock):
    task = Sums(chunks=2)
    figures = iter([3.0, 4.0, 2.0])
    task.evaluate = lambda: {"loss": next(figures), "largest_error": 7.0}
    lines = [line for line in shown(6, task) if "held out" in line]
    assert lines == [
        "step 2: held out: loss 3, the best so far",
        "step 4: held out: loss 4",
        "step 6: held out: loss 2, the best so far",
    ]


def test_of_epochs_the_number_of_steps_is_known_and_the_nearer_bound_counts(clock):
    assert "step 1/12:" in shown(epochs=3)[0]
    assert "step 1/5:" in shown(5, epochs=3)[0]


def test_without_a_bound_no_total_and_no_time_left_are_shown(clock):
    lines = only_steps(shown(callbacks=[Ticks(clock, 9.0), Ends(3)]))
    assert lines[0].startswith("step 1: loss") and not any("left" in line for line in lines)


def test_a_bound_of_time_bounds_the_time_left(clock):
    assert "60 s left" in shown(10**6, callbacks=[Ticks(clock, 9.0), Ends(3)], seconds=60)[0]


@pytest.mark.parametrize(
    "seconds, told",
    [(0, "0 s"), (99, "99 s"), (180, "3 min"), (7200, "2 h"), (3e5, "3 days")],
)
def test_a_time_is_told_in_the_unit_that_fits(seconds, told):
    assert progress._span(seconds) == told


def test_a_resumed_training_says_where_it_goes_on_and_its_rate_is_of_now(clock):
    def went_before(trainer):
        trainer.run(steps=8)
        trainer.seconds = 10**5

    lines = only_steps(shown(11, callbacks=[Ticks(clock, 2.0)], setup=went_before))
    assert lines[0] == "step 8, resumed"
    assert re.fullmatch(r"step 9/11: loss .*, 12 figures/s, 4 s left", lines[1])


def test_skipped_steps_are_told_once_and_counted(clock):
    class Spoilt(Sums):
        def loss(self, batch, state):
            loss, state = super().loss(batch, state)
            return (loss * math.nan, None) if batch.fresh else (loss, state)

    lines = only_steps(shown(5, Spoilt(chunks=2), on_nan="skip", validate_every=100))
    assert lines[0] == "step 1, skipped: its loss or gradients are not finite"
    assert "loss" not in lines[1] and lines[1].endswith(", 1 skipped")
    assert re.fullmatch(r"step 5/5: loss \d\.\d+, [\d,]+ figures/s, 3 skipped", lines[-1])


def test_a_restored_checkpoint_is_told(clock):
    class Goes(training.Callback):
        gone = False

        def after_step(self, trainer, step):
            if step.number == 2:
                self.state = trainer.state_dict()
            if step.number == 5 and not self.gone:
                self.gone = True
                trainer.load_state_dict(self.state)
                for callback in trainer.callbacks:
                    callback.after_restore(trainer)

    lines = shown(6, Sums(chunks=9), callbacks=[Goes()])
    assert lines[1].startswith("step 2, restored: the loss or gradients of step 5 are not finite")


def test_losses_of_a_device_are_read_only_when_they_are_shown(strict, clock):
    import strict_cupy

    shows = Progress(stream=io.StringIO())
    trainer = trainer_of(Sums())
    trainer.steps = 100
    shows.at_start(trainer)
    waits = []
    for number in range(1, 13):
        strict_cupy.synchronisations.reset()
        clock.__class__.now += 1
        shows.after_step(trainer, Step(number, 0, mt.tensor(1.0), mt.tensor(1.0), 0.1, 8))
        waits.append(strict_cupy.synchronisations.count)
    assert waits == [1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]


# What fails ---------------------------------------------------------------------------------------


class Broken(io.StringIO):
    """A stream that takes nothing, and may be a terminal."""

    error, terminal = BrokenPipeError(32, "Broken pipe"), False

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize(
    "error",
    [BrokenPipeError(32, "gone"), OSError(28, "full"), OSError(5, "hung up"), ValueError("closed")],
    ids=["pipe", "full disk", "terminal", "closed"],
)
def test_a_stream_that_fails_changes_nothing(error, terminal, monkeypatch, clock):
    monkeypatch.setattr(Broken, "error", error)
    monkeypatch.setattr(Broken, "terminal", terminal)
    monkeypatch.setattr(sys, "stdout", Broken())
    with_it, without = trainer_of(Sums()), trainer_of(Sums())
    file = Broken()
    samples = Samples(lambda rng: "text", every=2)
    with_it.run(steps=6, callbacks=[Ticks(clock, 9.0), Progress(stream=file), samples])
    without.run(steps=6)
    same(with_it.task.model.state_dict(), without.task.model.state_dict())


def test_a_closed_stderr_is_no_reason_to_stop(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    trainer = trainer_of(Sums())
    trainer.run(steps=2, callbacks=[Progress()])
    assert trainer.ended == "steps"


def test_without_tqdm_a_terminal_has_lines(monkeypatch, clock):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setitem(sys.modules, "tqdm", None)
    file = Terminal()
    trainer_of(Sums()).run(steps=2, callbacks=[Progress(stream=file)])
    assert file.getvalue().startswith("step 1/2: loss")


def test_what_an_encoding_lacks_is_replaced():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    saying.say("a\u2014b", stream)
    assert raw.getvalue() == b"a?b\n"


# A terminal ---------------------------------------------------------------------------------------


class Bits(RunningSums):
    unit, judged_by, factor = "characters", "bits_per_character", 1.44

    def evaluate(self):
        return {"bits_per_character": 1.5}


@pytest.fixture
def on_terminal(clock):
    """What a training of 60 steps writes to a terminal, as texts that each take a line of it."""

    def write(columns, steps, rows=24):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        content = []
        reader = threading.Thread(target=read, args=(ours, content))
        reader.start()
        with open(theirs, "w", encoding="utf-8") as stream:
            samples = Samples(lambda rng: "def a\x1b[2J", every=40, stream=stream)
            shows = Progress(stream=stream)
            trainer = trainer_of(Bits(chunks=30))
            trainer.run(steps=steps, callbacks=[Ticks(clock, 0.1), samples, shows, Ends(60)])
            stream.write("done")
        reader.join()
        os.close(ours)
        return re.split(r"[\r\n]+", b"".join(content).decode())

    def read(terminal, content):
        try:
            while part := os.read(terminal, 65536):
                content.append(part)
        except OSError:  # the other side is closed
            pass

    return write


@pytest.mark.parametrize(
    "columns, parts",
    [
        (110, ["%|", "█", "loss ", "bits per character", "characters/s", "s left"]),
        (70, ["%|", "█", "loss ", "bits per character", "s left"]),
        (40, ["%", "bits per character", "s left"]),
        (20, ["%", "bits"]),
    ],
)
def test_a_terminal_has_a_bar_that_fits_its_width(columns, parts, on_terminal):
    lines = on_terminal(columns, 60)
    bars = [line for line in lines if "%" in line]
    assert bars and all(len(line) < columns for line in bars)
    for part in parts:
        assert part in bars[-1]
    assert "\x1b" not in "".join(lines)  # no colour, whatever NO_COLOR says
    assert "def a\ufffd[2J" in lines and "step 60: held out: bits per character 1.5" in lines
    assert lines[-1].endswith("done")


@pytest.mark.parametrize("rows, columns", [(0, 0), (24, 0), (0, 80)])
def test_a_terminal_without_rows_or_columns_has_lines(rows, columns, on_terminal):
    lines = on_terminal(columns, 60, rows)
    assert lines[0].startswith("step 1/60: loss ") and "%" not in "".join(lines)
    assert [line for line in lines if line.startswith("step 60/60: loss ")]


def test_a_terminal_shows_the_step_where_the_end_is_not_known(on_terminal):
    lines = on_terminal(70, None)
    assert re.match(r"step \d+ loss \d\.\d+, ", [line for line in lines if "/s" in line][-1])


# Samples ------------------------------------------------------------------------------------------


def test_samples_change_nothing_and_are_the_same_whenever_the_step_is_taken():
    def written(start):
        file = io.StringIO()
        trainer = trainer_of(RunningSums(dropout=0.5))
        mt.manual_seed(0)
        trainer.run(steps=start)
        drawn = Samples(lambda rng: "".join(rng.choice(list("abc"), 9)), 2, seed=7, stream=file)
        trainer.run(steps=6, callbacks=[drawn])
        return file.getvalue(), trainer.task.model.state_dict()

    all_of_it, state = written(0)
    assert re.findall(r"(?m)^-+ step (\d), loss \d\.\d\d -+\n[abc]{9}$", all_of_it) == list("246")
    assert len(set(re.findall(r"(?m)^[abc]{9}$", all_of_it))) == 3
    rest, other = written(2)
    same(state, other)
    assert all_of_it.endswith(rest) and rest.count("step") == 2


def test_nothing_is_drawn_of_weights_that_are_not_finite():
    drawn = Samples(lambda rng: 1 / 0, every=1)
    for loss, norm, skipped in [(math.nan, 1.0, False), (1.0, math.inf, False), (1.0, 1.0, True)]:
        drawn.after_step(None, Step(1, 0, mt.tensor(loss), mt.tensor(norm), 0.1, 8, skipped))
