"""save and load: what goes in comes out, here and in other libraries, or an error says why not."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from states import same

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.serialization import from_bytes, to_bytes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.safetensors"


# Round trips -------------------------------------------------------------------------------------

A = np.arange(6.0).reshape(2, 3)
NESTED = {  # saved, and what comes back where it is not the same
    "nested": {"model": {"w": A, "b": A[0]}, "epoch": 7, "rate": 0.1, "name": "net", "done": None},
    "lists and tuples": [A, (A[0], [1, (2.5,)], ()), [], {}],
    "one array": A,
    "a number": 3,
    "a large number": 2**200,
    "a generator": np.random.default_rng(3).bit_generator.state,
    "floats": [0.1, -0.0, 1e-320, 1.7976931348623157e308, float("inf"), float("nan")],
    "keys of other kinds": {1: A, "1": A[0], None: 0, 1.5: "x", False: True},
    "nothing": {},
    "text": {"é\n\t\"\\": "日本 \x00 {}"},
    "names that collide": {"a": {"b": A}, "a.b": A[0], "a.b_": A[1]},
    "the same, first the other": {"a.b": A, "a": {"b": A[0]}},
    "list and dictionary": {"a": [A, A[0]], "a.0": A[1]},
    "reserved": {"__metadata__": A, "x": {"__metadata__": A[0]}},
    "reserved, deep": {"": {"__metadata__": A, "": A[0]}},
    "words of the format": {"array": A, "value": {"dict": A[0], "list": [1], "structure": "x"}},
    "shared twice": {"a": A, "b": A},
}  # fmt: skip


@pytest.mark.parametrize("state", NESTED.values(), ids=NESTED)
def test_what_was_saved_comes_back(state, path):
    mt.save(state, path)
    assert same(mt.load(path), state)


DTYPES = "bool uint8 int8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1,), (3, 4)])
def test_every_dtype_and_shape_comes_back_bit_for_bit(dtype, shape, rng, path):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = rng.integers(2 if dtype == "bool" else 256, size=size, dtype=np.uint8)  # nan too
    a = raw.view(dtype).reshape(shape)
    mt.save({"a": a, "nested": [a]}, path)
    found = mt.load(path)
    assert same(found, {"a": a, "nested": [a]})
    assert found["a"].flags.writeable


LAID = {
    "transposed": A.T,
    "backwards": A[::-1, ::-1],
    "every second": np.arange(10.0)[::2],
    "one value": np.broadcast_to(np.array(2.5), (3, 2)),
    "columns first": np.asfortranarray(A),
    "big-endian": A.astype(">f8"),
    "big-endian float16": A.astype(">f2").T,
    "read-only": np.frombuffer(bytes(8)),
    "a number of NumPy": np.float32(2.5),
    "a boolean of NumPy": np.True_,
    "int of NumPy": np.int16(-3),
}


@pytest.mark.parametrize("a", LAID.values(), ids=LAID)
def test_every_layout_is_saved_by_its_values(a, path):
    mt.save({"a": a}, path)
    found = mt.load(path)["a"]
    assert_array_equal(found, np.asarray(a, dtype=a.dtype.newbyteorder("=")), strict=True)


def test_tensors_are_saved_from_wherever_they_live(backend, path):
    x = mt.tensor([[1.0, 2.0]], requires_grad=True)
    state = {"x": x, "y": x * 2, "t": (x * 2).T, "p": nn.Parameter([3.0]), "n": [x]}
    state["i"] = mt.arange(3)
    mt.save(state, path)
    found = mt.load(path)
    assert found["t"].tolist() == [[2.0], [4.0]] and found["n"][0].tolist() == [[1.0, 2.0]]
    assert found["i"].dtype == np.int64
    for name in ("x", "y", "p"):
        assert type(found[name]) is np.ndarray and found[name].tolist() == state[name].tolist()


def test_a_model_moves_by_file(backend, path, rng):
    one, other = nn.LSTM(3, 4, 2, rng=rng), nn.LSTM(3, 4, 2)
    mt.save(one.state_dict(), path)
    other.load_state_dict(mt.load(path))
    assert same(other.state_dict(), one.state_dict())


def test_names_come_in_the_same_order_at_every_load():
    content = to_bytes({name: np.zeros(1) for name in "qwertzuiopasdfghjkl"})
    assert len({tuple(from_bytes(content, "file")) for _ in range(10)}) == 1


# Other readers and writers -----------------------------------------------------------------------


def test_a_state_dict_is_a_plain_safetensors_file(path, rng):
    from safetensors.numpy import load_file

    state = nn.GRU(2, 3, rng=rng).state_dict() | {"strided": A.T}
    mt.save(state, path)
    theirs = load_file(path)
    assert theirs.keys() == state.keys()
    for name, a in state.items():
        assert_array_equal(theirs[name], a, strict=True)


def test_a_safetensors_file_of_others_is_read(path):
    from safetensors.numpy import save_file

    save_file({"a": A, "b": np.float16([1, 2])}, path, metadata={"format": "np", "author": "I"})
    found = mt.load(path)
    assert_array_equal(found["a"], A, strict=True)
    assert_array_equal(found["b"], np.float16([1, 2]), strict=True)


KINDS = {
    "RNN": ((3, 4), {"num_layers": 2, "nonlinearity": "relu"}),
    "LSTM": ((3, 4), {"bidirectional": True}),
    "GRU": ((3, 4), {"num_layers": 2, "bias": False}),
    "Linear": ((3, 4), {}),
    "Embedding": ((5, 3), {}),
    "LayerNorm": ((3,), {}),
}


@pytest.mark.torch
@pytest.mark.parametrize("by", ["file", "memory"])
@pytest.mark.parametrize("name", KINDS)
def test_states_move_to_pytorch_and_back(name, by, rng, path):
    import torch
    from safetensors.torch import load_file, save_file

    args, options = KINDS[name]
    ours = getattr(nn, name)(*args, **options)
    theirs = getattr(torch.nn, name)(*args, **options, dtype=torch.float64)
    for p in ours.parameters():
        p.update_(rng.normal(size=p.shape))
    state = ours.state_dict()
    if by == "file":
        mt.save(state, path)
        theirs.load_state_dict(load_file(path))
        save_file({n: 2 * t for n, t in theirs.state_dict().items()}, path)
        ours.load_state_dict(mt.load(path))
    else:
        theirs.load_state_dict({n: torch.from_numpy(a) for n, a in state.items()})
        ours.load_state_dict({n: 2 * t for n, t in theirs.state_dict().items()})
    assert list(state) == list(theirs.state_dict())
    for n, t in theirs.state_dict().items():
        assert_array_equal(t.numpy(), state[n], strict=True)
        assert_array_equal(getattr(ours, n).data, 2 * state[n], strict=True)
    ours.load_state_dict(state)
    x = rng.integers(5, size=(4, 2)) if name == "Embedding" else rng.normal(size=(4, 2, 3))
    y, want = ours(mt.tensor(x)), theirs(torch.from_numpy(x))
    y, want = (y[0], want[0]) if isinstance(want, tuple) else (y, want)
    np.testing.assert_allclose(y.data, want.detach().numpy(), rtol=1e-12, atol=1e-14)


# What cannot be saved ----------------------------------------------------------------------------

UNSAVABLE = {  # what, and the words of the error
    "module": ({"model": [nn.Linear(1, 1)]}, r"model\.0 is a Linear.*Save its state_dict\(\)"),
    "optimizer": (mt.optim.SGD([nn.Parameter([1.0])], lr=1.0), "the object is a SGD"),
    "bytes": ({"a": b"x"}, "a is a bytes"),
    "set": ({"a": {"b": {1, 2}}}, r"a\.b is a set"),
    "function": ([len], "0 is a builtin_function"),
    "complex number": ({"z": 1j}, "z is a complex"),
    "complex array": ({"z": {"w": np.ones(2) * 1j}}, r"z\.w is complex128"),
    "objects": ({"o": np.array([None])}, "o is object"),
    "text": ({"t": np.array(["a"])}, "t is <U1"),
    "dates": ({"d": np.array(["2026"], "M8[Y]")}, r"d is datetime64\[Y\]"),
    "records": ({"r": np.zeros(1, [("a", float)])}, "r is "),
    "masked": ({"m": np.ma.array([1.0], mask=[True])}, "m: a masked array"),
    "key": ({"a": {b"k": 1}}, r"a has a key b'k'"),
    "tuple as key": ({(1, 2): 1}, r"the dictionary has a key \(1, 2\)"),
}
if np.dtype(np.longdouble).itemsize > 8:  # on some systems it is float64
    UNSAVABLE["long double"] = ({"a": {"l": np.ones(1, np.longdouble)}}, r"a\.l is float\d+")


@pytest.mark.parametrize("state, words", UNSAVABLE.values(), ids=UNSAVABLE)
def test_what_cannot_be_saved_is_named_by_its_place(state, words, path):
    with pytest.raises(TypeError, match=f"save: {words}"):
        mt.save(state, path)
    assert not path.parent.joinpath(path.name).exists()


def test_what_holds_itself_is_an_error(path):
    state = {}
    state["state"] = state
    with pytest.raises((RecursionError, ValueError, TypeError)):
        mt.save(state, path)
    assert not path.exists()


def test_no_length_of_the_header_is_taken_for_a_pickle(path):
    lengths = set()
    for n in range(400):  # headers of every length modulo 2^16 begin a file somewhere
        mt.save({"a" * n: np.zeros(1)}, path)
        lengths.add(int.from_bytes(path.read_bytes()[:2], "little"))
        assert mt.load(path).keys() == {"a" * n}
    assert lengths & {640, 896, 1152}  # these begin as pickles do


def test_one_state_is_one_file(path):
    contents = set()
    for _ in range(8):
        mt.save({"w": np.ones(2), "b": np.zeros(1), "n": 1}, path)
        contents.add(path.read_bytes())
    assert len(contents) == 1
