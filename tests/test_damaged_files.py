"""Damaged and forged files, and writes that fail: an error or the old state, nothing else."""

import ast
import errno
import json
import os
import pathlib
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from states import same

import minitorch_rnn as mt
from minitorch_rnn import serialization
from minitorch_rnn.errors import CheckpointError
from minitorch_rnn.serialization import _checksum, from_bytes, to_bytes

A = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


# Damage ------------------------------------------------------------------------------------------

SMALL = {
    "flat": {"w": np.array([1.5, -2.0]), "n": np.array([3], np.int8)},
    "nested": {"w": [np.array([1.5])], "epoch": 7, "on": True, "name": "ab"},
}


@pytest.mark.parametrize("state", SMALL.values(), ids=SMALL)
def test_a_file_cut_off_at_any_byte_is_refused_with_both_sizes(state, path):
    content = to_bytes(state)
    for length in range(len(content)):
        with pytest.raises(CheckpointError) as caught:
            from_bytes(content[:length], "cut.safetensors")
        assert "cut.safetensors: " in str(caught.value) and f"({length} bytes" in str(caught.value)
    header = int.from_bytes(content[:8], "little")
    path.write_bytes(content[: 8 + header + 1])
    with pytest.raises(CheckpointError, match=f"{path}.*{9 + header} bytes, {len(content)} exp"):
        mt.load(path)
    with pytest.raises(CheckpointError):
        from_bytes(content + b"\0", "long")


@pytest.mark.parametrize("state", SMALL.values(), ids=SMALL)
def test_no_flipped_bit_gives_another_value(state):
    content = to_bytes(state)
    wrong = []
    for place in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        try:
            found = from_bytes(bytes(flipped), "file")
        except CheckpointError:
            continue
        if not (same(found, state) or (found.keys() == state.keys() and same(
            {key: found[key] for key in state}, state))):  # fmt: skip
            wrong.append((place, bytes(flipped[max(0, place // 8 - 9) : place // 8 + 9]), found))
    assert not wrong, f"{len(wrong)} of {8 * len(content)}, such as {wrong[0]}"


def test_a_checksum_that_does_not_fit_says_so():
    content = bytearray(to_bytes(SMALL["flat"]))
    content[-1] ^= 1
    with pytest.raises(CheckpointError, match="file: does not hold .*checksum differs"):
        from_bytes(bytes(content), "file")


def forged(header, payload=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + payload


def entry(**changed):
    return {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} | changed


def told(structure):
    """A file whose checksum is right and whose structure is this."""
    checksum = _checksum({"a": np.zeros(1, np.float32)}, structure)
    note = {"format": "minitorch_rnn 1", "sha256": checksum, "structure": structure}
    metadata = {"minitorch_rnn": json.dumps(note)}
    return forged({"a": entry(), "__metadata__": metadata}, bytes(4))


HOSTILE = {
    "nothing": b"",
    "a length of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "a length of 2^64 - 1": struct.pack("<Q", 2**64 - 1) + b"{}",
    "a length of 0": bytes(8),
    "overlapping offsets": forged({"a": entry(), "b": entry()}, bytes(4)),
    "a gap": forged({"a": entry(data_offsets=[4, 8])}, bytes(8)),
    "negative offsets": forged({"a": entry(data_offsets=[-4, 0])}, bytes(4)),
    "offsets past the end": forged({"a": entry(data_offsets=[0, 2**62])}, bytes(4)),
    "a shape of 2^124": forged({"a": entry(shape=[2**62, 2**62])}, bytes(4)),
    "a shape that wraps to 4": forged({"a": entry(shape=[2**63, 2, 1])}, bytes(4)),
    "a negative shape": forged({"a": entry(shape=[-1])}, bytes(4)),
    "an empty shape of 2^63": forged({"a": entry(shape=[0, 2**63], data_offsets=[0, 0])}),
    "deep JSON": forged(b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}"),
    "deep structure": told('{"list":[' * 10**5 + "]}" * 10**5),
    "a list for a header": forged(b"[]"),
    "no UTF-8": forged(b'{"\xff":1}'),
    "an unknown dtype": forged({"a": entry(dtype="X9")}, bytes(4)),
    "bfloat16": forged({"a": entry(dtype="BF16", shape=[2])}, bytes(4)),
    "100 MB of header": forged(b" " * 10**8),
    "a structure of another array": told('{"array": "b"}'),
    "a structure that is a list": told("[]"),
    "a structure that is a number": told("5"),
    "a structure that is null": told("null"),
    "a structure of two things": told('{"value": 1, "list": []}'),
    "a structure in a value": told('{"value": {}}'),
    "a list of numbers": told('{"list": [1]}'),
    "a list that is none": told('{"list": 7}'),
    "a dictionary of singles": told('{"dict": [["a"]]}'),
    "a key that is a list": told('{"dict": [[[], {"value": 1}]]}'),
    "an array that is a list": told('{"array": []}'),
    "a huge number": told('{"value": ' + "9" * 10**6 + "}"),
    "an unknown kind": told('{"import": "os"}'),
    "a zip archive": b"PK\x03\x04" + bytes(64),
    "npy": b"\x93NUMPY\x01\x00v\x00" + bytes(64),
    "a text": b"once upon a time, there was a file of text",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_forged_file_is_refused_at_once(content, path):
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(CheckpointError, match=str(path)):
        mt.load(path)
    assert time.monotonic() - began < 5


class Hostile:
    """A pickle that makes a file when it is opened."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return pathlib.Path.touch, (self.mark,)


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "pkl", "npz", "npy", "bin", ""])
def test_a_pickle_is_never_opened_whatever_its_name(suffix, tmp_path):
    mark, path = tmp_path / "mark", tmp_path / f"weights.{suffix}"
    pickle.loads(pickle.dumps(Hostile(mark)))
    assert mark.exists()  # it would
    mark.unlink()
    contents = [pickle.dumps(Hostile(mark), protocol) for protocol in range(6)]
    np.save(tmp_path / "n.npy", np.array([Hostile(mark)], object), allow_pickle=True)
    np.savez(tmp_path / "n.npz", a=np.array([Hostile(mark)], object))
    contents += [(tmp_path / name).read_bytes() for name in ("n.npy", "n.npz")]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(CheckpointError):
            mt.load(path)
    assert not mark.exists()


def test_no_file_of_the_library_can_open_a_pickle():
    for file in pathlib.Path(mt.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {
            name.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [getattr(node, "module", None) or "", *(a.name for a in node.names)]
        }
        assert not named & {"pickle", "dill", "marshal", "shelve", "joblib", "cloudpickle"}, file
        words = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
        assert "allow_pickle" not in words, file


# Writing -----------------------------------------------------------------------------------------


def untouched(path, state):
    assert same(mt.load(path), state)
    assert [file.name for file in path.parent.iterdir()] == [path.name], "litter"


def fails(error):
    def fail(*args, **named):
        raise error

    return fail


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EIO, "Input/output error"),
     PermissionError(errno.EACCES, "Permission denied"), KeyboardInterrupt(), MemoryError()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(call, error, path, monkeypatch):
    old = {"w": A}
    mt.save(old, path)
    with monkeypatch.context() as patched, pytest.raises(type(error)) as caught:
        patched.setattr(os, call, fails(error))
        mt.save({"w": A * 2}, path)
    if isinstance(error, OSError):
        assert caught.value.errno == error.errno and str(path) in str(caught.value)
    untouched(path, old)
    mt.save({"w": A * 3}, path)
    untouched(path, {"w": A * 3})


def test_a_full_disk_leaves_the_old_file_and_names_the_path(path):
    resource = pytest.importorskip("resource")
    mt.save({"w": A}, path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match=str(path)):
            mt.save({"w": np.zeros(10_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    untouched(path, {"w": A})


def test_a_disk_that_is_full_in_the_middle_of_a_write_is_survived(path, monkeypatch):
    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    mt.save({"w": A}, path)
    with monkeypatch.context() as patched, pytest.raises(OSError, match=f"No space.*{path}"):
        patched.setattr(serialization, "open", lambda *a: Full(open(*a)), raising=False)
        mt.save({"w": A * 2}, path)
    untouched(path, {"w": A})


def test_a_place_that_does_not_exist_or_is_a_folder_is_named(tmp_path):
    for place, error in [(tmp_path / "no" / "file", FileNotFoundError), (tmp_path, OSError)]:
        with pytest.raises(error, match=str(place)):
            mt.save({"w": A}, place)
        with pytest.raises(OSError, match=str(place)):
            mt.load(place)
    assert list(tmp_path.iterdir()) == []


def test_a_path_may_be_text(tmp_path):
    mt.save([A], str(tmp_path / "file"))
    assert same(mt.load(str(tmp_path / "file")), [A])


def test_threads_that_save_to_one_path_leave_a_whole_file(path):
    states = [{"w": np.full(1000 * (k + 1), float(k))} for k in range(4)]
    problems = []

    def work(state):
        try:
            for _ in range(30):
                mt.save(state, path)
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(state,)) for state in states]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    found = mt.load(path)
    assert any(same(found, state) for state in states)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


PROGRAM = """
import sys
import numpy as np
import minitorch_rnn as mt
k = 0
mt.save({"w": np.full(200_000, 0.0), "k": 0}, sys.argv[1])
print("started", flush=True)
while True:
    k += 1
    mt.save({"w": np.full(200_000, float(k)), "k": k}, sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no kill -9")
def test_a_process_killed_while_it_saves_leaves_the_old_state_or_the_new(path, rng):
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "started\n"
        time.sleep(rng.uniform(0.01, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        state = mt.load(path)
        assert (state["w"] == state["k"]).all() and len(state["w"]) == 200_000


DYING = """
import os, signal, sys
import numpy as np
import minitorch_rnn as mt
os.replace = lambda *names: os.kill(os.getpid(), signal.SIGKILL)
mt.save({"k": 2}, sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no kill -9")
def test_what_a_killed_process_left_beside_the_file_is_removed_by_the_next_save(path):
    mt.save({"k": 1}, path)
    subprocess.run([sys.executable, "-c", DYING, str(path)])
    assert len(list(path.parent.iterdir())) == 2 and mt.load(path) == {"k": 1}
    mt.save({"k": 3}, path)
    untouched(path, {"k": 3})
