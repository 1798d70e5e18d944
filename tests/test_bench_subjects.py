"""What the benchmark measures beside layers: operations, chains, memory, whole jobs, gradchecks."""

import json
import pathlib

import numpy as np
import pytest
from conftest import installed

import minitorch_rnn as mt
from bench import chain, gradcheck, libraries, memory, operations, peak, training
from bench.record import Timing
from bench.step import Step
from minitorch_rnn import cli
from minitorch_rnn.nn import passes
from minitorch_rnn.training.reporting import read_metrics

pytestmark = pytest.mark.usefixtures("small_heap")
TEXT = "the quick brown fox jumps over the lazy dog. " * 80
NEEDS_PROC = pytest.mark.skipif(
    not pathlib.Path("/proc/self/clear_refs").exists(), reason="the peak is told by Linux alone"
)
others_may_warn = pytest.mark.filterwarnings("default")  # what peers warn of is not our matter


@pytest.fixture
def ours():
    return {"ours": libraries.LIBRARIES["ours"]()}


def cross_entropy(a):
    return np.mean(np.log(np.exp(a).sum(axis=1)) - a[range(4), libraries.TARGETS])


IN_NUMPY = {
    "a + b": np.add, "a * b": np.multiply, "a @ b": np.matmul, "a[1]": lambda a: a[1],
    "tanh(a)": np.tanh, "sigmoid(a)": lambda a: 1 / (1 + np.exp(-a)), "exp(a)": np.exp,
    "sum(a)": np.sum, "stack([a, b])": lambda a, b: np.stack([a, b]),
    "concatenate([a, b])": lambda a, b: np.concatenate([a, b]),
    "linear(a, W, b)": lambda a, W, b: a @ W.T + b, "cross_entropy(a)": cross_entropy,
}  # fmt: skip


@pytest.mark.parametrize("operation", operations.SHAPES)
def test_an_operation_is_timed_with_its_right_gradients(operation, ours):
    (step,) = operations.candidates(operation, ours).values()
    arrays, g = operations.numbers(operation)
    expected = mt.numeric.central_difference(
        lambda moved: np.sum(IN_NUMPY[operation](*moved.values()) * g),
        {str(i): x for i, x in enumerate(arrays)},
    )
    for _ in range(2):  # nothing is left over from the first time
        found = step.gradients(step.run())
        assert found.keys() == expected.keys()
        for name, d in expected.items():
            # differences of order 8 agree to about 12 digits of the largest
            np.testing.assert_allclose(found[name], d, rtol=1e-9, atol=1e-10)


@others_may_warn
@pytest.mark.parametrize("operation", operations.SHAPES)
def test_all_libraries_that_are_here_have_the_operation_and_its_gradients(operation):
    found, notes = libraries.libraries()
    expected = {"ours"} | {
        name
        for name, module in {
            "PyTorch": "torch", "autograd": "autograd", "autograd, bare": "autograd",
            "MyGrad": "mygrad",
        }.items()
        if installed(module)
    }  # fmt: skip
    assert expected <= set(found)
    assert len(found) + len(notes) == len(libraries.LIBRARIES)
    libraries.agree(operation, operations.candidates(operation, found))


def test_a_library_that_is_not_here_is_left_out_and_the_reason_is_told(monkeypatch):
    def nobody():
        raise ImportError("No module named 'nobody'")

    monkeypatch.setattr(libraries, "LIBRARIES", {"nobody": nobody})
    assert libraries.libraries() == (
        {},
        ["nobody is left out: ImportError: No module named 'nobody'"],
    )


@pytest.mark.parametrize(
    "wrong", [np.array([1.0, 2.001]), np.array([[1.0, 2.0]]), np.array([1.0, np.nan])]
)
def test_another_gradient_stops_the_measurement(wrong):
    right = Step(lambda: None, lambda _: {"0": np.array([1.0, 2.0])})
    libraries.agree("a * b", {"ours": right, "somebody": right})
    somebody = Step(lambda: None, lambda _: {"0": wrong})
    with pytest.raises(ValueError, match=r"a \* b: somebody has another gradient than ours at 0"):
        libraries.agree("a * b", {"ours": right, "somebody": somebody})


def test_a_gradient_that_is_added_to_the_one_before_stops_the_measurement():
    right, total = Step(lambda: None, lambda _: {"0": np.ones(2)}), np.zeros(2)

    def add():
        total[...] += 1

    with pytest.raises(ValueError, match="somebody"):
        libraries.agree("a", {"ours": right, "somebody": Step(add, lambda _: {"0": total})})


class Slow:
    """A library whose chains take a set time for each operation, on a clock of their own."""

    def __init__(self, monkeypatch, seconds, longest=10**9, gradient=1.0):
        self.now, self.done = 0.0, []

        def both_ways(function, arrays, g):
            def run():
                counted = Counted()
                function(counted)
                if counted.n > longest:
                    raise RecursionError
                self.done.append(counted.n)
                self.now += seconds * counted.n
                return counted.n

            return Step(run, lambda n: {"0": gradient * g * chain.FACTOR**n})

        self.library = libraries.Library({}, both_ways)
        monkeypatch.setattr(chain.time, "perf_counter", lambda: self.now)


class Counted:
    """What counts its multiplications."""

    n = 0

    def __mul__(self, factor):
        self.n += 1
        return self


def test_a_chain_is_timed_by_the_operation_and_a_short_one_repeated(monkeypatch):
    monkeypatch.setattr(chain, "IN_A_TURN", 100)
    slow = Slow(monkeypatch, 0.25)
    rows, notes = chain.timed({"slow": slow.library}, [25, 200], 6, patience=1e9)
    assert notes == []
    assert rows == {
        "25 operations": {"slow": Timing(0.25, 0.25)},
        "200 operations": {"slow": Timing(0.25, 0.25)},
    }
    assert slow.done.count(25) == 4 * (1 + 6)  # and once to warm up
    assert slow.done.count(200) == 2  # in the first turn, and in the sixth


def test_a_chain_that_would_take_too_long_is_left_out(monkeypatch):
    slow = Slow(monkeypatch, 0.25)
    rows, notes = chain.timed({"slow": slow.library}, [10, 1_000], 1, patience=200.0)
    assert rows == {"10 operations": {"slow": Timing(0.25, 0.25)}, "1,000 operations": {}}
    assert notes == ["slow is left out at 1,000: it would take 250 s"]


def test_where_a_chain_fails_is_told(monkeypatch):
    slow = Slow(monkeypatch, 0.25, longest=500)
    rows, notes = chain.timed({"slow": slow.library}, [10, 1_000], 2, patience=1e9)
    assert rows["1,000 operations"] == {}
    assert notes == ["slow fails at 1,000: RecursionError"]


def test_a_chain_with_another_gradient_stops_the_measurement(monkeypatch):
    slow = Slow(monkeypatch, 0.25, gradient=1.001)
    with pytest.raises(ValueError, match="slow, 10 operations: the gradient is"):
        chain.timed({"slow": slow.library}, [10], 1)


@others_may_warn
def test_chains_of_all_libraries_have_the_right_gradient(monkeypatch):
    monkeypatch.setattr(chain, "IN_A_TURN", 100)
    found, _ = libraries.libraries()
    found.pop("tinygrad", None)
    rows, notes = chain.timed(found, [50, 2_000], 1)
    assert notes == []
    assert [set(row) for row in rows.values()] == 2 * [set(found)]


def test_growth_is_the_long_chain_over_the_short_one():
    rows = {
        "10 operations": {"ours": Timing(2.0, 4.0), "slow": Timing(1.0, 1.0)},
        "1,000 operations": {"ours": Timing(3.0, 5.0)},
    }
    found = chain.growth(rows, short=10, long=1_000)
    assert found.ratio("ours", "10 operations") == 1.25
    assert list(found.rows) == ["ours"]


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_the_exponent_of_memory_is_the_slope_over_the_length(slope):
    lengths = (1_000, 10_000, 100_000)
    rows = {memory.label(T): {"ours": Timing(7 * T**slope, 7 * T**slope)} for T in lengths}
    assert memory.exponents(rows, lengths)["ours"] == pytest.approx(slope, abs=1e-12)
    found = memory.growth(rows, 1_000, 100_000)
    assert found.ratio("ours", "T = 1,000") == pytest.approx(100**slope, rel=1e-12)


@NEEDS_PROC
def test_the_peak_is_what_was_held_at_most_at_one_time():
    def step():
        for mebibytes in (36, 48, 40):  # more than an allocator keeps for the next one
            np.ones(mebibytes << 17)  # of float64, freed at once

    step()
    # The kernel counts pages in batches, and the interpreter takes a few for itself.
    assert peak.peak(step, times=2) == pytest.approx(48 << 20, abs=2 << 20)


def test_traced_is_what_numpy_held_at_most_at_one_time():
    def step():
        for mebibytes in (1, 4, 2):
            np.ones(mebibytes << 17)

    assert peak.traced(step, times=2) == pytest.approx(4 << 20, abs=1 << 16)


def test_whole_segments_and_chunks_have_the_gradients_of_one_loss(monkeypatch):
    monkeypatch.setattr(peak, "CHUNK", 7)
    problem = peak.of_sequence("RNN", 7, 2, 3, 4)
    here = {n: s for n, s in peak.SEQUENCES.items() if n != "PyTorch" or installed("torch")}
    whole, *others = [steps(problem)() for steps in here.values()]
    for found in others:
        for name, d in whole.items():
            # float32, and of the peer another order of its sums
            np.testing.assert_allclose(found[name], d, rtol=1e-4, atol=1e-6)


def test_chunks_have_the_gradients_of_a_loss_at_the_end_of_each(monkeypatch):
    monkeypatch.setattr(peak, "CHUNK", 3)
    problem = peak.of_sequence("RNN", 7, 2, 3, 4)
    found = peak.SEQUENCES["ours, chunks"](problem)()
    rnn = mt.nn.RNN(3, 4, dtype="float32", road="graph")
    rnn.load_state_dict({f"{name}_l0": w for name, w in problem.weights.items()})
    h = mt.zeros(1, 2, 4, dtype="float32")
    for part in (problem.x[:3], problem.x[3:6], problem.x[6:]):
        _, h = rnn(part, h.detach())
        (h * problem.g).sum().backward()
    for name, p in rnn.named_parameters():
        # float32: the two roads add up in another order
        np.testing.assert_allclose(found[name], p.grad.numpy(), rtol=1e-4, atol=1e-6)


@NEEDS_PROC
def test_every_candidate_is_measured_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(memory.surroundings, "version", lambda name: None)
    found = memory.peaks("sequences", "RNN", (2_000, 64, 1, 8))
    assert list(found) == ["ours", "ours, sqrt", "ours, chunks"]
    held = 2_000 * 64 * 8 * 4  # all states, in float32
    assert found["ours"].median > held > 2 * found["ours, sqrt"].median > 0


@pytest.mark.parametrize("name", ["ours", "ours, traced"])
def test_of_a_layer_a_process_prints_the_bytes(name, capsys, monkeypatch):
    # Memory that earlier tests left to be used again would not be seen.
    monkeypatch.setattr(passes, "_buffers", passes.Buffers())
    told = {"group": "layers", "name": name, "kind": "LSTM", "sizes": [64, 16, 4, 64]}
    peak.main(json.dumps(told))
    assert int(capsys.readouterr().out) > 64 * 16 * 64 * 4


ARGUMENTS = tuple("--hidden 7 --batch 3 --sequence 5 --steps 12 --clip 0.01".split())


def test_the_job_is_that_of_the_command(tmp_path):
    text = tmp_path / "text"
    text.write_text(TEXT, encoding="utf-8")
    run = tmp_path / "run"
    cli.main(["train", "--text", str(text), "--out", str(run), "--quiet", *ARGUMENTS])
    losses = read_metrics(run / "metrics.jsonl").numbers["loss"]
    assert len(losses) == 12
    assert training.ours(training.Job.of(TEXT, ARGUMENTS, 12))() == losses.tolist()


@pytest.mark.torch
@pytest.mark.parametrize("more", [(), ("--layers", "2", "--nonlinearity", "relu")])
def test_pytorch_does_the_same_job(more):
    job = training.Job.of(TEXT, (*ARGUMENTS, "--dtype", "float64", *more), 12)
    ours, theirs = training.ours(job)(), training.pytorch(job)()
    np.testing.assert_allclose(theirs, ours, rtol=1e-9)  # 12 steps enlarge what rounding begins


def test_another_loss_stops_the_measurement():
    training.agree({"ours": [2.0, 1.0], "PyTorch": [2.0, 1.0005]})
    with pytest.raises(ValueError, match="step 2: the loss of PyTorch is 1.1, of ours 1.0"):
        training.agree({"ours": [2.0, 1.0], "PyTorch": [2.0, 1.1]})
    with pytest.raises(ValueError, match="step 1"):
        training.agree({"ours": [2.0], "PyTorch": [float("nan")]})


def test_the_job_is_told_in_characters_per_second(monkeypatch):
    job = training.Job.of(TEXT, ARGUMENTS, 2)
    monkeypatch.setattr(training.Job, "of", lambda *args: job)
    monkeypatch.setattr(training, "version", lambda name: None)
    monkeypatch.setattr(
        training,
        "interleaved",
        lambda calls, *a, **k: {"ours": Timing(0.2 * job.steps, 0.3 * job.steps)},
    )
    found = training.run(1)
    assert found.rows == {"train": {"ours": pytest.approx((0.2, 0.3))}}
    assert "ours: 50 characters per second" in found.notes  # 3 * 5 in 0.3 s
    assert "H = 7" in found.title


@pytest.mark.parametrize("name", gradcheck.SHAPES)
def test_the_checked_gradients_are_right(name):
    found = gradcheck.candidates(name)
    assert set(found) == {"ours"} | ({"PyTorch", "PyTorch, fast"} if installed("torch") else set())
    assert all(check() is True for check in found.values())


@pytest.mark.torch
def test_checks_of_two_functions_are_not_compared(monkeypatch):
    other = {name: lambda *xs: sum(x.sum() for x in xs) for name in gradcheck.SHAPES}
    monkeypatch.setattr(gradcheck, "pytorch", lambda: other)
    with pytest.raises(ValueError, match="PyTorch has other values"):
        gradcheck.candidates("tanh(a) * b")


@others_may_warn
def test_runs_give_rows_of_ours(monkeypatch):
    monkeypatch.setattr(operations, "SHAPES", {"a * b": operations.SHAPES["a * b"]})
    monkeypatch.setattr(chain, "LENGTHS", (5, 10, 20, 40))
    monkeypatch.setattr(chain, "IN_A_TURN", 10)
    found = [operations.run(1), *chain.run(1)]
    assert [comparison.name for comparison in found] == ["operations", "chain", "chain growth"]
    assert all("ours" in row for comparison in found[:2] for row in comparison.rows.values())
    assert found[2].ratio("ours", "10 operations") > 0
