"""The process of a student's file: its answers are data, and it ends, whatever it does."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from minitorch_rnn.teaching import exercises
from minitorch_rnn.teaching.exercises import child
from minitorch_rnn.teaching.exercises.exercise import Call
from minitorch_rnn.teaching.exercises.process import run

HEADER = "# minitorch-rnn exercise: tanh-derivative\n"
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


def test_what_travels_is_never_unpickled(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import numpy\ndef f():\n    return numpy.array([{}, print], dtype=object)\n")
    (result,) = run(path, [Call("f", {})], 20.0).results
    assert repr(result["answer"]) == "an array of object of shape (2,)"


def test_an_answer_is_data_whatever_it_says():
    assert child.unpack(child.pack("lambda: 1", {}), {}) == "lambda: 1"
    with pytest.raises(AssertionError, match="nothing of this kind"):
        child.unpack({"function": "lambda: 1"}, {})


def test_keys_may_be_numbers_of_numpy():
    arrays = {}
    answer = {(np.int64(1), 2): np.ones(2), np.int64(3): 4.0}
    again = child.unpack(child.pack(answer, arrays), arrays)
    assert list(again) == [(1, 2), 3] and again[3] == 4.0
    np.testing.assert_array_equal(again[1, 2], np.ones(2))


@posix
def test_what_the_file_has_started_ends_with_the_check(tmp_path):
    note = tmp_path / "pid"
    lines = [
        "import os, subprocess, threading, time",
        "threading.Thread(target=time.sleep, args=(60,)).start()",
        f"with open({str(note)!r}, 'a') as f: print(subprocess.Popen(['sleep', '60']).pid, file=f)",
        "if os.fork() == 0: time.sleep(60)",
        "return dy * (1 - y * y)",
    ]
    path = tmp_path / "mine.py"
    path.write_text(f"{HEADER}def tanh_backward(dy, y):\n" + "".join(f"    {l}\n" for l in lines))
    assert exercises.check(path, 20.0)
    for pid in map(int, note.read_text().split()):
        for _ in range(50):  # init may take a moment to bury it
            if not alive(pid):
                break
            time.sleep(0.1)
        assert not alive(pid)


@posix
def test_a_file_ends_in_time_though_its_check_was_killed(tmp_path):
    note = tmp_path / "pids"
    (tmp_path / "mine.py").write_text(
        f"{HEADER}import os\nos.fork()\n"
        f"with open({str(note)!r}, 'a') as f: print(os.getpid(), file=f)\nwhile True: pass\n"
    )
    program = (
        "from minitorch_rnn.teaching import exercises; exercises.check('mine.py', seconds=1.0)"
    )
    check = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path)
    while not (note.exists() and note.read_text().count("\n") == 2):
        assert check.poll() is None
        time.sleep(0.01)
    check.kill()
    check.wait()
    pids = [int(pid) for pid in note.read_text().split()]
    for _ in range(200):
        if not any(map(alive, pids)):
            break
        time.sleep(0.1)
    assert not any(map(alive, pids))


def alive(pid):
    try:
        os.kill(pid, 0)  # only asks
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
