"""Several processes, started by mpiexec: the same training as by one, and every fault ends all."""

import atexit
import functools
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import mpi_programs
import numpy as np
import pytest

from minitorch_rnn.training import distributed

pytestmark = pytest.mark.mpi
PROGRAMS = pathlib.Path(mpi_programs.__file__)
BY_MPI = ("-m", "mpi4py")
OPTIMIZERS = mpi_programs.OPTIMIZERS
PATIENCE = 60  # seconds for what takes one; a machine may be busy


def command(n, *arguments, through=BY_MPI):
    beside = pathlib.Path(sys.executable).parent / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        pytest.skip("there is no mpiexec (pip install -e '.[mpi]')")
    return [mpiexec, "-n", str(n), sys.executable, *through, str(PROGRAMS), *map(str, arguments)]


def surroundings(**options):
    roots = [str(PROGRAMS.parents[1]), str(PROGRAMS.parent), os.environ.get("PYTHONPATH", "")]
    return os.environ | {
        "MPI_PROGRAM": json.dumps(options), "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(roots),
    }  # fmt: skip


def run(n, program, *arguments, through=BY_MPI, **options):
    """Run a program by n processes; what it printed, and its status."""
    return subprocess.run(
        command(n, program, *arguments, through=through),
        env=surroundings(**options), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


CASES = {  # name, cell, optimizer, B
    2: [*(("flat", cell, how, 5) for cell, how in itertools.product(("rnn", "lstm"), OPTIMIZERS)),
        ("flat", "rnn", "sgd", 1), ("naive", "rnn", "sgd", 1), ("naive", "lstm", "adam", 5)],
    3: [("flat", "lstm", "adam", 5), ("flat", "rnn", "sgd", 4), ("flat", "lstm", "sgd", 1),
        ("flat", "rnn", "adam", 3)],
}  # fmt: skip
PAIRS = [(n, *case) for n, cases in CASES.items() for case in cases]


@functools.cache
def results(n):
    """Where the trainings of n processes are, and what every rank found; one start for all."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = pathlib.Path(folder) / "found"
    answer = run(n, "results", path, json.dumps(CASES[n]))
    assert answer.returncode == 0, answer.stderr
    return path, json.loads(path.read_text("utf-8"))


def trained(n, *case):
    return np.load(".".join(map(str, (results(n)[0], *case, "npz"))))


# The same as one process --------------------------------------------------------------------------


@pytest.mark.parametrize("n, name, cell, optimizer, B", [case for case in PAIRS if case[-1] != 3])
def test_processes_train_as_one_does_with_the_whole_batch(tmp_path, n, name, cell, optimizer, B):
    found = trained(n, name, cell, optimizer, B)
    mpi_programs.train(distributed.Alone(), tmp_path / "one.npz", cell, optimizer, B)
    expected = np.load(tmp_path / "one.npz")
    assert sorted(found) == sorted(expected) and len(found["losses"]) == mpi_programs.STEPS
    for name in expected:
        # sums in another order, over 50 steps
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-12)


def test_a_sequence_that_asks_for_nothing_carries_its_state_on(tmp_path):
    test_processes_train_as_one_does_with_the_whole_batch(tmp_path, 3, "flat", "rnn", "adam", 3)


@pytest.mark.parametrize("n", CASES)
def test_uneven_batches_of_a_forecast_and_of_tags_are_one_batch(n, tmp_path):
    expected = mpi_programs.uneven(distributed.Alone(), tmp_path / "alone")
    for rank in results(n)[1]:
        for name, weights in expected.items():
            assert weights["sizes"][0] < n <= weights["sizes"][1]  # some ranks have none
            for key, values in weights.items():
                # sums in another order, over 25 steps
                np.testing.assert_allclose(
                    rank["uneven"][name][key], values, rtol=1e-11, atol=1e-12
                )


def test_a_message_for_each_parameter_gives_the_same_bits_as_one_for_all():
    naive, flat = (trained(2, name, "lstm", "adam", 5) for name in ("naive", "flat"))
    for name in flat:
        np.testing.assert_array_equal(naive[name], flat[name])


@pytest.mark.parametrize("n", CASES)
def test_gradients_are_averaged_by_their_counts(n):
    counts = [10.0 * (r + 1) for r in range(n - 1)]  # the last rank has none, and nan gradients
    total = sum(counts)
    p_0 = sum(count * (1.0 + r) for r, count in enumerate(counts)) / total
    for mine in (rank["values"] for rank in results(n)[1]):
        assert mine["total"] == total and mine["sums"] == [1.5 * n, n * (n - 1.0)]
        np.testing.assert_allclose(mine["p"], [p_0, 2.0], rtol=1e-15)
        np.testing.assert_allclose(mine["q"], 8.0 * 10 / total, rtol=1e-15)  # rank 0's alone
        assert mine["unused"] is True
        assert (mine["half"], mine["dtype"]) == ([3.0, 5.0], "float16")
        assert mine["steps"] == 2


@pytest.mark.parametrize("n", CASES)
def test_values_and_states_are_shared(n):
    B = 2 * (n - 1)  # rank 0 has no sequences, the others two each
    owners = np.repeat(np.arange(1, n), 2)
    h = np.broadcast_to((owners + 1.0)[None, :, None], (1, B, 3))
    c = np.broadcast_to(owners[None, :, None], (2, B, 1))
    found = [rank["values"] for rank in results(n)[1]]
    assert found[0]["whole"] == [h.tolist(), c.tolist()]
    assert all(mine["whole"] is None for mine in found[1:])
    for r, mine in enumerate(found):
        part = slice(r * B // n, (r + 1) * B // n)
        assert mine["mine"] == [h[:, part].tolist(), c[:, part].tolist()]
        assert mine["nest"] == {"a": [0, "é"], "b": None}
    assert [x for mine in found for x in mine["part"]] == list(range(7))
    assert {len(mine["part"]) for mine in found} == {7 // n, 7 // n + 1}


@pytest.mark.parametrize("n", CASES)
def test_all_ranks_hold_the_same_bits(n):
    first, *others = (rank["bits"] for rank in results(n)[1])
    assert all(mine == first for mine in others) and len(set(first)) == len(first)


def test_every_run_gives_the_same_bits(tmp_path):
    cases = [("flat", "lstm", "adam", 5)]
    answer = run(3, "results", tmp_path / "again", json.dumps(cases))
    assert answer.returncode == 0, answer.stderr
    again = np.load(tmp_path / "again.flat.lstm.adam.5.npz")
    for name, first in trained(3, *cases[0]).items():
        np.testing.assert_array_equal(again[name], first)
    assert json.loads((tmp_path / "again").read_text("utf-8")) == results(3)[1]


@pytest.mark.parametrize("n", CASES)
def test_a_loop_of_ones_own_averages_in_its_optimizer(n):
    found = [rank["own_loop"] for rank in results(n)[1]]
    for p, lr, weight in found:
        assert p == pytest.approx(3.0, rel=1e-12) and lr == 0.5  # the mean of 0 … 6
        assert weight == found[0][2]


@pytest.mark.parametrize("n", CASES)
def test_what_differs_on_a_rank_is_told_on_all(n):
    for rank in results(n)[1]:
        parameters, facts = rank["differ"]
        assert parameters.startswith(
            f"RuntimeError: after step 12 the parameters of rank {n - 1} differ from those of rank"
        )
        assert facts.startswith(
            f"RunError: the text: rank {n - 1} and rank 0 differ in vocabulary; every process"
        )


# Faults -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "n, how, through, status, message",
    [
        (3, "raise", BY_MPI, 1, "has failed at step 5: ZeroDivisionError: of rank 1"),
        (2, "raise", (), 1, "has failed at step 5: ZeroDivisionError: of rank 1"),
        (2, "data", (), 1, "has failed at step 5: DataError: corpus.txt: is not there."),
        (2, "exit", (), 3, "has ended with status 3 at step 5"),
        (2, "interrupt", (), 130, "was interrupted at step 5"),
    ],
)
def test_a_rank_that_fails_ends_all_and_is_named(n, how, through, status, message):
    answer = run(n, "fault", "-", how, through=through)
    assert answer.returncode == status
    assert f"rank 1 of {n} {message}" in answer.stderr
    assert ("Traceback" in answer.stderr) == (how == "raise")


def test_what_fails_everywhere_is_told_once():
    answer = run(3, "fault", "-", "all")
    assert answer.returncode == 1
    assert answer.stderr.count("corpus.txt: is empty.") == 1
    assert "rank 0 of 3 has failed at step 5: DataError" in answer.stderr


@pytest.mark.parametrize(
    "how, message",
    [
        ("loop", "rank 1 computes since"),
        ("SIGSTOP", "rank 1 does not answer: it is stopped or its machine cannot be reached"),
        ("leave", "rank 1 waits in the end of step 5"),
    ],
)
def test_a_rank_that_does_not_come_ends_all_and_is_named(how, message):
    answer = run(2, "fault", "-", how, timeout=1.0)
    assert answer.returncode == 1
    assert "waits in the average of the gradients of step 6" in answer.stderr
    assert "which is more than 1 s" in answer.stderr and message in answer.stderr
    processes = re.findall(r"rank \d is process (\d+) on", answer.stderr)
    assert len(processes) == 2
    until = time.monotonic() + PATIENCE
    while any(map(_runs, processes)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(_runs, processes))  # the stopped one included


@pytest.mark.parametrize("how, status", [("SIGKILL", 9), ("die", 7)])
def test_a_rank_that_is_killed_ends_all(how, status):
    answer = run(2, "fault", "-", how)
    assert answer.returncode == status


def _runs(number):
    """Whether the process is there and not only waits to be counted."""
    try:
        stat = pathlib.Path(f"/proc/{number}/stat").read_text("utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_the_others_are_patient_where_one_has_much_to_do(tmp_path):
    answer = run(2, "slow", tmp_path / "told", timeout=0.4)
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "told").read_text("utf-8") == '"done"'


@pytest.mark.parametrize(
    "whose, number, status",
    [
        ("mpiexec", signal.SIGINT, 130),
        ("mpiexec", signal.SIGTERM, 143),
        ("rank 1", signal.SIGINT, 130),
    ],
)
def test_a_signal_ends_all_at_one_step(tmp_path, whose, number, status):
    path = tmp_path / "told.json"
    started = subprocess.Popen(
        command(2, "signals", path), env=surroundings(timeout=20), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    with started:
        until = time.monotonic() + PATIENCE
        while len(ready := sorted(tmp_path.glob("*.ready.*"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        number_of = {"mpiexec": started.pid, "rank 1": int(ready[1].read_text("utf-8"))}
        os.kill(number_of[whose], number)
        output = started.communicate(timeout=PATIENCE)[0]
    assert started.returncode == status, output
    first, *others = json.loads(path.read_text("utf-8"))
    assert first > 0 and others == [first]


# Without mpiexec ----------------------------------------------------------------------------------


def test_without_mpiexec_there_is_one_process(tmp_path):
    answer = subprocess.run(
        [sys.executable, str(PROGRAMS), "results", str(tmp_path / "found"), "[]"],
        env=surroundings(), capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    (found,) = json.loads((tmp_path / "found").read_text("utf-8"))
    assert found["own_loop"][0] == pytest.approx(3.0, rel=1e-12) and found["differ"] == []
