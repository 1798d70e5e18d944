"""The benchmark: fair turns, right ratios, candidates that agree, a page that tells the truth."""

import subprocess
import sys

import numpy as np
import pytest

from bench import layers, measure, operations, page, picture, surroundings
from bench.__main__ import ON_A_GPU, SUBJECTS, main
from bench.peers import numpy_bptt, products
from bench.record import Comparison, Run, Timing, figure, read, written
from bench.step import GATES, Problem, Step
from bench.targets import TARGETS, Target

pytestmark = pytest.mark.usefixtures("small_heap")
TWO = Comparison(
    "RNN", "a step", "ms", "ours",
    {
        "small": {"PyTorch": Timing(0.003, 0.004), "ours": Timing(0.0005, 0.001)},
        "large": {"ours": Timing(1.0, 1.5), "JAX": Timing(0.5, 1.0)},
    },
    ("MyGrad is left out: it is not installed",),
)  # fmt: skip
RUN = Run(1, {"processor": "a slow one"}, [TWO])


class Clock:
    """Time that passes only while a candidate works."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def candidate(self, name, seconds):
        def call():
            self.calls.append(name)
            self.now += seconds

        return call


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr(measure.time, "perf_counter", lambda: found.now)
    return found


def test_candidates_take_turns(clock):
    calls = {"a": clock.candidate("a", 1.0), "b": clock.candidate("b", 2.0)}
    found = measure.interleaved(calls, rounds=3)
    assert clock.calls == ["a", "b"] + 3 * ["a", "b"]  # once to see what they cost
    assert found == {"a": Timing(1.0, 1.0), "b": Timing(2.0, 2.0)}


def test_a_turn_lasts_as_long_for_a_fast_candidate_as_for_a_slow_one(clock):
    calls = {"fast": clock.candidate("fast", 0.125), "slow": clock.candidate("slow", 0.5)}
    measure.interleaved(calls, rounds=2, seconds=1.0)
    assert clock.calls[-20:] == 2 * (8 * ["fast"] + 2 * ["slow"])


def test_a_candidate_over_the_limit_has_fewer_turns_spread_over_the_rounds(clock):
    calls = {"fast": clock.candidate("fast", 1.0), "slow": clock.candidate("slow", 10.0)}
    measure.interleaved(calls, rounds=12, limit=60.0)
    assert clock.calls[2:] == 6 * (["fast", "slow"] + ["fast"])
    del clock.calls[:]
    measure.interleaved(calls, rounds=12, limit=5.0)
    assert clock.calls.count("slow") == 1 + measure.FEWEST


def test_a_ratio_is_ours_over_theirs_of_the_medians():
    assert TWO.ratio("small", "PyTorch") == 0.25
    assert TWO.ratio("large", "JAX") == 1.5
    assert TWO.ratio("large", "PyTorch") is TWO.ratio("none", "JAX") is None
    assert TWO.candidates == ["ours", "PyTorch", "JAX"]


def test_the_text_has_medians_minima_ratios_and_who_is_left_out():
    lines = [line.split() for line in str(TWO).splitlines()]
    assert ["PyTorch", "4.00", "3.00", "0.250"] in lines
    assert ["ours", "1.00", "0.500"] in lines
    assert ["JAX", "1,000", "500", "1.50"] in lines
    assert "not installed" in str(TWO)


def test_the_markdown_has_the_same_figures():
    told = page.tables(TWO)
    assert "| ours / theirs | PyTorch | JAX |" in told
    assert "| small | 0.250 |  |" in told and "| large |  | 1.50 |" in told
    assert "| small | 1.00 (0.500) | 4.00 (3.00) |  |" in told
    assert "- MyGrad is left out" in told


def test_json_keeps_everything():
    assert read(written([RUN, RUN])) == [RUN, RUN]


def test_figures_have_three_digits():
    told = [figure(value) for value in (0.04567, 1.2345, 12.345, 1234.5)]
    assert told == ["0.046", "1.23", "12.3", "1,234"]


def test_a_target_is_met_up_to_its_boundary_and_missed_above():
    exact, below = Target("RNN", "small", "PyTorch", 0.25), Target("RNN", "large", "JAX", 1.49)
    assert exact.verdict([TWO]) == (0.25, True)
    assert page.cell(exact, [TWO]) == "0.250 ≤ 0.25 met"
    assert below.verdict([TWO]) == (1.5, False)
    near = {"row": {"ours": Timing(1.0, 0.90049), "theirs": Timing(1.0, 1.0)}}
    shown = Comparison("near", "", "s", "ours", near)
    assert page.cell(Target("near", "row", "theirs", 0.9), [shown]) == "0.900 ≤ 0.90 met"
    assert page.cell(below, [TWO]) == "**1.500 > 1.49 missed**"


def test_a_target_that_was_not_measured_is_not_met():
    nobody = Target("RNN", "small", "JAX", 2.0)
    assert nobody.verdict([TWO]) == (None, False)
    assert page.cell(nobody, [TWO]) == "not measured (≤ 2.00)"


def test_targets_speak_of_rows_that_are_measured():
    rows = dict.fromkeys(GATES, set(map(str, layers.SIZES))) | {"operations": operations.SHAPES}
    found = [target for group in TARGETS.values() for target in group]
    assert len(found) == len(set(found)) > 60
    assert {target.comparison for target in found} > set(rows)
    assert all(target.row in rows.get(target.comparison, [target.row]) for target in found)


def test_the_page_is_what_its_figures_say():
    runs = page.kept()
    assert [run.threads for run in runs if run.backend == "numpy"] == [1, 2]
    told = (page.FOLDER / "RESULTS.md").read_text("utf-8")
    assert told == page.markdown(runs), (
        "written by hand? `python -m bench --write --from …` mends it"
    )
    targets = [target for group in TARGETS.values() for target in group]
    assert [t for t in targets if t.verdict(runs[0].comparisons)[0] is None] == []


WRONG = """nothing; --rounds 0; --threads 0; --threads 100000; gpu; --backend cupy layers
--backend cupy --threads 1 1"""


@pytest.mark.parametrize("wrong", WRONG.replace("\n", "; ").split("; "))
def test_what_is_unknown_or_impossible_is_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        main(wrong.split())
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("python -m bench: error") and wrong.split()[-1] in told


def test_every_number_of_threads_has_a_process_of_its_own_and_is_kept(tmp_path):
    found, root = tmp_path / "found.json", page.FOLDER.parent
    options = ["safety", "--rounds", "1", "--threads", "1", "1", "--json", str(found)]
    subprocess.run([sys.executable, "-m", "bench", *options], check=True, cwd=root, timeout=300)
    runs = read(found.read_text("utf-8"))
    assert [run.threads for run in runs] == [1, 1]
    assert [c.name for run in runs for c in run.comparisons] == ["safety", "safety"]
    assert "numpy" in runs[0].machine and "processor" in runs[0].machine


def test_every_process_is_told_its_number_of_threads(monkeypatch, tmp_path):
    def process(command, check):
        threads = int(command[command.index("--threads") + 1])
        with open(command[command.index("--json") + 1], "w", encoding="utf-8") as file:
            file.write(written([Run(threads, {}, [TWO])]))

    monkeypatch.setattr(subprocess, "run", process)
    monkeypatch.setattr(surroundings, "cores", lambda: 2)
    main(["layers", "--threads", "2", "1", "--json", str(tmp_path / "found.json")])
    runs = read((tmp_path / "found.json").read_text("utf-8"))
    assert runs == [Run(2, {}, [TWO]), Run(1, {}, [TWO])]


def test_all_subjects_have_a_run():
    for module in (SUBJECTS | ON_A_GPU).values():
        __import__(module)
        assert callable(sys.modules[module].run)


@pytest.mark.filterwarnings("default")  # what peers warn of is not our matter
@pytest.mark.parametrize("kind", GATES)
def test_candidates_agree_with_the_hand_written_bptt(kind):
    notes = {}
    problem = Problem.random(kind, 3, 2, 4, 5)
    steps = layers.candidates(problem, notes)
    assert {"ours", "ours, graph", "NumPy BPTT", "products alone"} <= set(steps)
    reference = steps["NumPy BPTT"].run()
    assert {name: d.shape for name, d in reference.items()} == {
        name: w.shape for name, w in problem.weights.items()
    }
    for name, (run, gradients) in steps.items():
        if gradients is not None:
            for _ in range(3):  # compiled, or with buffers used again, too
                found = gradients(run())
            # Sums over few rows: float32's rounding alone.
            assert layers.disagreement(found, reference) < 1e-5, name


@pytest.mark.parametrize("factor", [1.01, np.nan])
def test_a_candidate_that_disagrees_is_not_timed(factor):
    by_hand = numpy_bptt.steps(Problem.random("RNN", 3, 2, 4, 5))
    wrong = by_hand["NumPy BPTT"].run()
    wrong["bias_hh"] = wrong["bias_hh"] * factor
    with pytest.raises(ValueError, match="the gradients of somebody differ"):
        layers.checked({**by_hand, "somebody": Step(lambda: wrong, dict)}, "row", {})


def test_a_peer_that_is_not_here_is_left_out_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(layers, "PEERS", {"nobody": "nobody_layers"})
    notes = {}
    assert layers.candidates(Problem.random("RNN", 3, 2, 4, 5), notes) == {}
    assert "No module named" in notes["nobody"]


def test_who_was_too_slow_once_is_not_asked_at_larger_sizes(monkeypatch):
    problem, notes = Problem.random("RNN", 3, 2, 4, 5), {}
    steps = layers.candidates(problem, notes)
    monkeypatch.setattr(layers, "seconds_of", lambda call: 60.0)
    timed = layers.checked(steps, str(problem.sizes), notes)
    assert "NumPy BPTT" not in timed and {"ours", "products alone"} <= set(timed)
    assert "60.0 s" in notes["NumPy BPTT"]
    monkeypatch.setattr(layers, "PEERS", {"ours": "ours", "NumPy BPTT": "numpy_bptt"})
    assert set(layers.candidates(problem, notes)) == {"ours"}


@pytest.mark.parametrize("kind, gates", GATES.items())
def test_the_floor_is_the_products_that_cannot_be_avoided(kind, gates, monkeypatch):
    T, B, I, H = 6, 2, 3, 5
    G, done, product = gates * H, [], np.matmul

    def counted(a, b, out):
        done.append((*a.shape, b.shape[1]))
        return product(a, b, out=out)

    step = products.steps(Problem.random(kind, T, B, I, H))["products alone"]
    monkeypatch.setattr(np, "matmul", counted)
    step.run()
    over_time = [(T * B, I, G)], [(G, T * B, I), (G, T * B, H)]
    assert done == over_time[0] + T * [(B, H, G)] + T * [(B, G, H)] + over_time[1]


def test_the_same_figures_make_the_same_picture(tmp_path):
    pytest.importorskip("matplotlib")
    memory = {f"T = {T:,}": {"ours": Timing(T, T)} for T in (10, 1_000)}
    run = Run(1, {}, [TWO, Comparison("memory of T", "", "MiB", "ours", memory)])
    names = ["layers-1.svg", "memory-1.svg"]
    assert picture.draw(run, tmp_path) == names
    drawn = [(tmp_path / name).read_bytes() for name in names]
    picture.draw(run, tmp_path)
    assert drawn == [(tmp_path / name).read_bytes() for name in names]
