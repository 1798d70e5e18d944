"""The benchmark on a GPU, where there is none: what is measured, who is missing, what is told."""

import math
import re
import subprocess
import sys
from collections import OrderedDict
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import installed

import minitorch_rnn as mt
from bench import __main__ as command
from bench import clocks, crossover, gpu, layers, page, surroundings, warming
from bench.clocks import OnDevice, Turn
from bench.peers import ours
from bench.record import Comparison, Run, Timing, read
from bench.step import GATES, LeftOut, Problem, Step
from bench.targets import TARGETS_ON_A_GPU, Target
from minitorch_rnn.errors import BackendError
from minitorch_rnn.nn.gpu import loops, proof

pytestmark = pytest.mark.usefixtures("small_heap")
on_a_stand_in = pytest.mark.compiler
others_may_warn = pytest.mark.filterwarnings("default")  # what peers warn of is not our matter


def row(**seconds):
    return {name.replace("_", " "): Timing(value, value) for name, value in seconds.items()}


class Queue:
    """A library whose device works behind its host: on a time of its own, without waiting for it.

    A call keeps the host for `host` seconds, and the device for `device` seconds after that.
    """

    def __init__(self, monkeypatch, host, device, marks=True):
        self.time, self.free, self.marks = SimpleNamespace(now=0.0), 0.0, marks
        self.host, self.device, self.calls = host, device, 0
        self.found_idle = 0  # calls before which all was done
        monkeypatch.setattr(clocks.time, "perf_counter", lambda: self.time.now)

    def run(self):
        self.calls += 1
        self.found_idle += self.free <= self.time.now
        self.time.now += self.host
        self.free = max(self.free, self.time.now) + self.device
        return self.calls

    def wait(self, found):
        assert found == self.calls  # of the last step
        self.time.now = max(self.time.now, self.free)

    def now(self):
        return max(self.free, self.time.now) if self.marks else None

    def seconds(self, start, end):
        return end - start if self.marks else math.nan

    def peak(self, run):
        run()
        return 7

    def candidate(self, gradients=dict):
        return OnDevice(Step(self.run, gradients), self)


def test_a_turn_tells_the_time_of_the_device_of_the_wall_and_of_the_host(monkeypatch):
    slow_device = Queue(monkeypatch, host=1.0, device=4.0)
    # The first step begins when the host has made its call: the device is idle for that long.
    assert clocks.turn(slow_device.candidate(), 10) == Turn(4.1, 4.1, 1.0)
    assert slow_device.calls == 1 + 10 + clocks.CALLS
    assert slow_device.found_idle == 1 + 1 + clocks.CALLS  # the queue was short for the host's time
    slow_host = Queue(monkeypatch, host=4.0, device=1.0)
    assert clocks.turn(slow_host.candidate(), 10) == Turn(4.1, 4.1, 4.0)


def test_who_has_no_marks_is_missing_from_the_time_of_the_device_alone(monkeypatch):
    queue = Queue(monkeypatch, 1.0, 4.0, marks=False)
    found = clocks.on_device({"JAX": queue.candidate()}, 3, seconds=50.0, limit=1e9)
    assert found == {"device": {}, "wall": row(JAX=4.1), "host": row(JAX=1.0)}
    assert queue.calls == 3 + 3 * (1 + 10 + clocks.CALLS)  # the first to see what a step costs


def test_what_cannot_run_is_told_and_what_disagrees_stops_the_measurement(monkeypatch):
    right = {"bias_hh": np.array([1.0, 2.0])}
    queue, notes = Queue(monkeypatch, 0.1, 0.1), {}

    def no_memory():
        raise RuntimeError("out of memory\nand a long story")

    def not_this_one(found):
        raise LeftOut("it would be another")

    candidates = {
        "ours": queue.candidate(lambda _: right),
        "PyTorch": OnDevice(Step(no_memory, dict), queue),
        "ours, persistent": queue.candidate(not_this_one),
    }
    assert warming.warmed(candidates, "(1, 2)", notes, right) == {"ours": 7.0}
    assert notes == {
        "PyTorch": "PyTorch is left out from (1, 2) on: RuntimeError: out of memory",
        "ours, persistent": "ours, persistent is left out from (1, 2) on: it would be another",
    }
    near = {"ours": queue.candidate(lambda _: {"bias_hh": np.array([1.0, 2.01])})}
    with pytest.raises(ValueError, match="at row the gradients of ours differ"):
        warming.warmed(near, "row", notes, right)
    assert warming.warmed(near, "row", notes, right, gpu.TOLERANCES["tf32"]) == {"ours": 7.0}


def test_who_is_too_slow_is_left_out_but_never_ours(monkeypatch):
    queue, notes = Queue(monkeypatch, 1.0, 59.0), {}
    candidate = queue.candidate(queue.wait)  # values come when all is done
    found = dict.fromkeys(("ours", "ours, graph"), candidate)
    monkeypatch.setattr(layers, "disagreement", lambda *_: 0.0)
    assert set(warming.warmed(found, "row", notes, {})) == {"ours"}
    assert notes == {"ours, graph": "ours, graph is left out from row on: one step takes 60.0 s"}


@pytest.mark.parametrize(
    "seconds, told",
    [
        ([(3, 1), (2, 3), (3, 9)], "the GPU is faster from 1 on"),
        ([(3, 9), (2, 3), (3, 9)], "the GPU is faster from 0 on"),
        ([(1, 2), (4, 3), (3, 9)], "the GPU is faster from 2 on"),  # not where it was so by chance
        ([(1, 2), (1, 2), (3, 3)], "the GPU is not faster at the largest of these sizes"),
    ],
)
def test_the_crossover_is_where_the_gpu_becomes_faster_and_stays_it(seconds, told):
    rows = {str(i): row(ours=here, NumPy=there) for i, (here, there) in enumerate(seconds)}
    assert crossover.crossing(Comparison("crossover RNN", "", "ms", "ours", rows)) == told


def test_targets_on_a_gpu_speak_of_rows_that_are_measured():
    (found,) = TARGETS_ON_A_GPU.values()
    assert {target.comparison for target in found} == {f"device {kind}" for kind in GATES}
    assert {target.row for target in found} == set(map(str, gpu.SIZES))
    assert len(set(found)) == len(found) == 3 * (4 + 1)


def test_a_goal_is_told_beside_the_target():
    def cell(seconds):
        rows = {"small": {"ours": Timing(seconds, seconds), **row(PyTorch=1.0)}}
        shown = Comparison("device RNN", "", "ms", "ours", rows)
        return page.cell(Target("device RNN", "small", "PyTorch", 1.5, goal=1.0), [shown])

    assert cell(1.0) == "1.000 ≤ 1.50 met; goal 1.00 met"
    assert cell(1.2) == "1.200 ≤ 1.50 met; goal 1.00 missed"
    assert cell(1.6) == "**1.600 > 1.50 missed**; goal 1.00 missed"


def test_the_page_of_no_gpu_says_so_and_has_no_figure():
    told = page.markdown([Run(1, {}, [])]).partition("## On a GPU")[2]
    assert told.strip().count(".") == 1 and "Not measured yet: run `python -m bench" in told
    assert not re.search(r"\d", told)


def measured(seconds):
    rows = {str(gpu.SIZES[0]): {"ours": Timing(seconds, seconds), **row(PyTorch=1.0)}}
    rows[str(gpu.SIZES[0])]["ours, graph"] = Timing(20.0, 20.0)
    notes = ("JAX is left out: it finds no GPU",)
    shown = Comparison("device RNN", "a step", "ms", "ours", rows, notes)
    return Run(8, {"GPU": "a fast one"}, [shown], "cupy")


def test_the_page_of_a_gpu_has_its_name_its_targets_and_who_is_missing():
    told = page.markdown([Run(1, {}, []), measured(1.2)])
    assert "## One thread" in told and told.count("## On a GPU") == 1
    told = told.partition("## On a GPU")[2]
    assert "- GPU: a fast one" in told and "- JAX is left out: it finds no GPU" in told
    assert (
        "| device RNN (64, 32, 64, 128) | 1.200 ≤ 1.50 met; goal 1.00 missed | 0.060 ≤ 0.10 met |"
        in told
    )
    assert "2 of 5 are met" in told  # of the others nothing was measured
    assert "Not measured here: device LSTM, device GRU." in told


def test_figures_of_a_gpu_and_of_the_cpu_are_kept_apart(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    on_cpu, on_gpu, again = Run(1, {"a": "b"}, []), measured(1.0), measured(2.0)
    for new, kept in (
        ([on_cpu], [on_cpu]), ([on_gpu], [on_cpu, on_gpu]), ([again], [on_cpu, again]),
        ([on_cpu], [on_cpu, again]),
    ):  # fmt: skip
        page.write(page.written(new))
        assert page.kept() == kept
        assert (tmp_path / "RESULTS.md").read_text("utf-8") == page.markdown(kept)


def test_without_a_gpu_the_command_ends_with_the_one_line_of_the_error(monkeypatch, capsys):
    def use(name):
        raise BackendError(f"use({name!r}): there is no GPU.")

    monkeypatch.setattr(mt, "use", use)
    monkeypatch.setattr(surroundings, "pin", lambda threads: None)
    with pytest.raises(SystemExit) as end:
        command.main(["gpu", "--backend", "cupy"])
    assert end.value.code == 2
    assert capsys.readouterr() == ("", "python -m bench: use('cupy'): there is no GPU.\n")


@pytest.mark.skipif(installed("cupy-cuda12x") or installed("cupy-cuda13x"), reason="CuPy is here")
def test_without_cupy_there_is_no_traceback():
    order = [sys.executable, "-m", "bench", "--backend", "cupy"]
    done = subprocess.run(order, cwd=page.FOLDER.parent, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"python -m bench: use\('cupy'\): .*pip install.*\n", done.stderr)


# Ours, on the stand-in.
@on_a_stand_in
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("products", gpu.TOLERANCES)
def test_our_loops_agree_with_the_hand_written_bptt(kind, products, strict):
    problem, notes = Problem.random(kind, 5, 2, 4, 8), {}
    found = ours.on_gpu(problem, products)
    expected = {"ours"} | ({"ours, persistent", "ours, graph"} if products == "float32" else set())
    assert set(found) == expected
    reference = warming.by_hand(problem)
    peaks = warming.warmed(found, "row", notes, reference, gpu.TOLERANCES[products])
    assert set(peaks) == expected and not notes
    assert min(peaks.values()) >= 5 * 2 * 8 * 4  # the states, at least


@on_a_stand_in
def test_our_loops_are_those_they_are_called_by(strict):
    found = ours.on_gpu(Problem.random("RNN", 5, 2, 4, 8), "float32")
    counts = {}
    for name in ("ours", "ours, graph"):
        found[name].step.run()
        strict.device.launches.clear()
        found[name].step.run()
        counts[name] = dict(strict.device.launches)
    assert counts["ours"]["replay"] > 0 and counts["ours, graph"] == {}


@on_a_stand_in
def test_a_persistent_loop_that_does_not_fit_takes_no_part(strict, monkeypatch):
    problem, notes = Problem.random("RNN", 5, 2, 4, 8), {}
    found = {"ours, persistent": ours.on_gpu(problem, "float32")["ours, persistent"]}
    monkeypatch.setattr(loops, "_loops", OrderedDict())  # none that fitted before, or after
    monkeypatch.setattr(proof, "_asked", set())
    monkeypatch.setattr(strict.device, "shared_memory", 1024)
    assert warming.warmed(found, "row", notes, warming.by_hand(problem)) == {}
    told = notes["ours, persistent"]
    assert told.endswith("left out from row on: the weights do not fit on the chip")


def test_our_peak_is_what_the_device_saw_beyond_what_it_held():
    held = SimpleNamespace(now=0)

    @contextmanager
    def watched():
        found = SimpleNamespace(peak=0)
        held.watching = found
        yield found

    def run():
        held.watching.peak = max(held.watching.peak, 130)

    device = SimpleNamespace(allocated=lambda: 100, watched=watched, now=None, seconds=None)
    assert ours._Device(device).peak(run) == 30


@on_a_stand_in
def test_on_the_host_ours_stays_there(strict):
    problem = Problem.random("LSTM", 5, 2, 4, 8)
    (run, gradients), _ = ours.on_host(problem)
    strict.device.launches.clear()
    assert layers.disagreement(gradients(run()), warming.by_hand(problem)) < 1e-5  # float32
    assert not strict.device.launches


@on_a_stand_in
@others_may_warn
def test_the_whole_benchmark_runs_to_its_page(tmp_path, monkeypatch, capsys):
    """Who is not here is told, who is here is measured, and all of it can be read again."""
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    monkeypatch.setattr(surroundings, "pin", lambda threads: None)
    monkeypatch.setattr(gpu, "SIZES", [(4, 2, 3, 8), (5, 2, 3, 8), (6, 2, 3, 8)])
    monkeypatch.setattr(gpu, "SHORT", 1)
    monkeypatch.setattr(gpu, "PEERS", {"ours": "ours", "PyTorch": "nobody_layers"})
    monkeypatch.setattr(crossover, "LADDER", [(2, 1, 2, 4), (3, 1, 2, 4), (9, 9, 9, 9)])
    for module in (gpu, crossover):
        monkeypatch.setattr(module, "SECONDS", 1e-4)
    command.main(
        ["gpu", "--backend", "strict", "--rounds", "1", "--write", "--json", str(tmp_path / "f")]
    )
    (run,) = read((tmp_path / "gpu.json").read_text("utf-8"))
    assert [run] == read((tmp_path / "f").read_text("utf-8")) and run.backend == "strict"
    quantities = [f"{q.name} {kind}" for kind in GATES for q in gpu.QUANTITIES.values()]
    assert [c.name for c in run.comparisons] == quantities + [f"crossover {kind}" for kind in GATES]
    for shown in run.comparisons[: len(quantities)]:
        assert list(shown.rows) == ["(4, 2, 3, 8)", "(4, 2, 3, 8), tf32", "(4, 2, 3, 8), float16"]
        assert set(shown.rows["(4, 2, 3, 8)"]) >= {"ours", "ours, graph"}
        assert all(timing.minimum > 0 for found in shown.rows.values() for timing in found.values())
        left_out = [note for note in shown.notes if "No module named 'bench.peers.nobody" in note]
        assert len(left_out) == 1 and "(6, 2, 3, 8) is left out" in " ".join(shown.notes)
    for shown in run.comparisons[len(quantities) :]:
        assert [set(found) for found in shown.rows.values()] == 2 * [{"ours", "NumPy"}]
        assert shown.notes[0].startswith("the GPU is")
    told = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "- GPU: host" in told and "### crossover GRU" in told and "not measured (≤ 1.50)" in told
    assert "by how much the first two steps" in capsys.readouterr().out
    command.main(["--from", str(tmp_path / "f"), "--write"])
    assert (tmp_path / "RESULTS.md").read_text("utf-8") == told
