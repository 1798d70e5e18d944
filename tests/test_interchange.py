"""Tensors and other libraries: what is shared, what is copied, dtypes, devices."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import BackendError, DTypeError, GraphError

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()


def leaf(values):
    return mt.tensor(np.array(values, float), requires_grad=True)


# In ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("take", [mt.from_numpy, mt.from_dlpack])
@pytest.mark.parametrize("dtype", [*DTYPES, "complex128"])
def test_an_array_is_shared_and_its_changes_are_seen(take, dtype):
    a = np.ones((2, 3), dtype)
    x = take(a)
    assert np.shares_memory(x.data, a)
    assert (x.shape, x.dtype, x.backend, x.requires_grad) == (a.shape, a.dtype, "numpy", False)
    a[0, 1] = 0
    assert_array_equal(x.numpy(), a)


LAYOUTS = {
    "transposed": lambda a: a.T,
    "every second": lambda a: a[:, ::2],
    "backwards": lambda a: a[::-1, ::-1],
    "one value": lambda a: np.broadcast_to(a[:1, :1], (5, 5)),
    "nothing": lambda a: a[:0],
    "0-d": lambda a: a[0, 0, ...],
    "columns first": np.asfortranarray,
}


@pytest.mark.parametrize("lay", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("take", [mt.from_numpy, mt.from_dlpack])
def test_every_layout_is_shared_as_it_is(take, lay):
    a = lay(np.arange(12.0).reshape(3, 4))
    x = take(a)
    assert (x.shape, x.data.strides) == (a.shape, a.strides)
    assert_array_equal(x.numpy(), a, strict=True)
    assert np.shares_memory(x.data, a) or not a.size


def test_a_read_only_array_is_taken_too():
    a = np.ones(2)
    a.flags.writeable = False
    assert mt.from_numpy(a).tolist() == mt.from_dlpack(a).tolist() == [1.0, 1.0]


def test_the_array_that_was_shared_stays_writable():
    a = np.ones(2)
    mt.from_numpy(a), mt.from_dlpack(a)
    assert a.flags.writeable


@pytest.mark.parametrize("values", [[1.0], (1.0,), 1.0, np.float64(1.0), None])
def test_from_numpy_takes_arrays_and_names_what_takes_the_rest(values):
    with pytest.raises(DTypeError, match=rf"{type(values).__name__}.*mt\.tensor"):
        mt.from_numpy(values)


def test_from_dlpack_takes_what_speaks_dlpack():
    for values in ([1.0], "a", None, 3):
        with pytest.raises(DTypeError, match=f"a {type(values).__name__} does not export itself"):
            mt.from_dlpack(values)
    with pytest.raises(DTypeError, match="requires a gradient"):
        mt.from_dlpack(leaf([1.0]))


@pytest.mark.torch
def test_a_tensor_of_pytorch_is_shared_and_its_changes_are_seen():
    import torch

    theirs = torch.arange(6.0, dtype=torch.float64).reshape(2, 3)
    x, y = mt.from_dlpack(theirs), mt.from_dlpack(theirs.T[::2])
    theirs[0, 0] = 9.0
    assert x.tolist() == theirs.tolist() and y.tolist() == theirs.T[::2].tolist()
    w = leaf([[1.0] * 3] * 2)
    z = (w * x).sum()
    theirs[:] = -1.0
    z.backward()
    assert w.grad.tolist() == [[9.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.torch
def test_what_pytorch_has_and_numpy_has_not_is_refused():
    import torch

    for theirs, reason in [
        (torch.ones(2, dtype=torch.bfloat16), "dtype"),
        (torch.ones(2, requires_grad=True), "gradient"),
        (torch.ones(2).to_sparse(), "layout"),
    ]:
        with pytest.raises(DTypeError, match=f"from_dlpack: .*{reason}"):
            mt.from_dlpack(theirs)


@pytest.mark.torch
def test_a_tensor_of_pytorch_beside_ours_is_computed_with_or_refused_by_name():
    import torch

    theirs = torch.tensor([3.0, 4.0], dtype=torch.float64)
    for multiply in (lambda w: w * theirs, lambda w: theirs * w):
        w = leaf([1.0, 2.0])
        try:
            y = multiply(w)
        except TypeError as error:
            assert "torch" in str(error) or "Tensor" in str(error)
        else:
            y.sum().backward()
            assert w.grad.tolist() == [3.0, 4.0]


# Out ---------------------------------------------------------------------------------------------


def test_numpy_of_a_tensor_is_the_same_memory_and_read_only():
    x = mt.tensor(np.arange(6.0).reshape(2, 3))
    for shown in (x.numpy(), x.data, np.asarray(x), np.array(x, copy=False), x.T.numpy()):
        assert np.shares_memory(shown, x._data) and not shown.flags.writeable
    for own in (np.array(x), np.asarray(x, dtype="float32"), np.array(x, copy=True)):
        assert own.flags.writeable and not np.shares_memory(own, x._data)


def test_what_has_a_gradient_is_not_given_away_in_silence():
    x = leaf([1.0, 2.0])
    for give in (lambda: x.numpy(), lambda: np.asarray(x), lambda: np.concatenate([x, x])):
        with pytest.raises(GraphError, match=r"y\.detach\(\)\.numpy\(\)"):
            give()
    with pytest.raises(BufferError, match=r"y\.detach\(\)"):
        np.from_dlpack(x)
    assert np.shares_memory(x.detach().numpy(), x.data)


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.data.__setitem__(..., 1.0),
        lambda t: t.detach().numpy().fill(1.0),
        lambda t: np.asarray(t.detach()).sort(),
        lambda t: np.copyto(t.data, 1.0),
        lambda t: np.add(1.0, 1.0, out=t.data),
        lambda t: np.put(t.data, [0], 1.0),
        lambda t: np.random.default_rng(0).shuffle(t.data),
        lambda t: t.data.T.__iadd__(1.0),
        lambda t: memoryview(t.data).__setitem__(0, 1.0),
    ],
)
def test_what_a_tensor_shows_cannot_be_written(write):
    t = leaf([2.0, 3.0])
    with pytest.raises((ValueError, TypeError), match="read-?only"):
        write(t)
    assert t.tolist() == [2.0, 3.0]


def test_on_a_device_what_a_tensor_shows_is_a_copy():
    with mt.use("strict"):
        t = mt.tensor([2.0, 3.0], requires_grad=True)
        y = (t * t).sum()
        t.data[...] = 50.0
        t.detach().numpy()[...] = 50.0
        y.backward()
    assert t.tolist() == [2.0, 3.0] and t.grad.tolist() == [4.0, 6.0]


def test_writing_in_place_is_refused_with_the_pattern_to_use():
    for t in (leaf([1.0, 2.0]), mt.tensor([1.0, 2.0]), mt.from_numpy(np.ones(2)), leaf([1.0]) * 2):
        with pytest.raises(GraphError, match=r"t = mt\.index_update\(t, key, v\)"):
            t[...] = 3.0
        with pytest.raises(GraphError, match=r"t = mt\.index_update\(t, key, v\)"):
            t[0] += 3.0


def test_a_leaf_made_of_foreign_memory_has_its_own():
    for make in (
        lambda a: mt.from_numpy(a).requires_grad_(),
        lambda a: mt.from_dlpack(a).requires_grad_(),
        lambda a: mt.from_numpy(a[::-1])[::-1].requires_grad_(),
        lambda a: nn.Parameter(mt.from_numpy(a)),
        lambda a: mt.from_numpy(a).clone().requires_grad_(),
    ):
        a = np.array([1.0, 2.0])
        x = make(a)
        y = (x * x).sum()
        a[:] = 50.0
        y.backward()
        assert x.tolist() == [1.0, 2.0] and x.grad.tolist() == [2.0, 4.0]


def test_a_layer_whose_weight_was_loaded_from_an_array_keeps_its_own():
    layer, weight = nn.Linear(2, 1, bias=False), np.array([[1.0, 2.0]])
    layer.load_state_dict({"weight": mt.from_numpy(weight)})
    layer.state_dict()["weight"][:] = 7.0
    weight[:] = 9.0
    assert layer.weight.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dlpack_gives_numpy_a_copy(dtype, shape):
    x = mt.tensor(np.ones(shape, dtype))
    a = np.from_dlpack(x)
    assert_array_equal(a, x.numpy(), strict=True)
    assert not np.shares_memory(a, x._data)


@pytest.mark.torch
@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)])
def test_pytorch_takes_a_copy_that_it_may_write_to(shape, rng):
    import torch

    x = mt.tensor(rng.normal(size=shape))
    before = x.tolist()
    theirs = torch.from_dlpack(x)
    assert theirs.tolist() == before and theirs.dtype == torch.float64
    theirs += 1.0
    assert x.tolist() == before


@pytest.mark.torch
def test_a_gradient_of_ours_can_be_given_to_pytorch_and_back():
    import torch

    x = leaf([1.0, 2.0])
    (x**3).sum().backward()
    assert mt.from_dlpack(torch.from_dlpack(x.grad) * 2).tolist() == [6.0, 24.0]


@pytest.mark.torch
def test_pytorch_does_not_write_through_what_it_makes_of_a_tensor():
    import torch

    x = mt.tensor([1.0, 2.0])
    for make in (torch.tensor, torch.as_tensor, torch.asarray):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns that the array is read-only
            theirs = make(x)
        theirs += 1.0
        assert x.tolist() == [1.0, 2.0], make.__name__


# Dtypes and devices ------------------------------------------------------------------------------

NAMES = [
    ("float32", np.float32), ("float", np.float64), ("double", np.float64), ("half", np.float16),
    ("int64", np.int64), (float, np.float64), (int, np.int64), (bool, np.bool_), ("f4", np.float32),
    (np.float32, np.float32), (np.dtype("uint8"), np.uint8), ("complex128", np.complex128),
]  # fmt: skip


@pytest.mark.parametrize("name, dtype", NAMES, ids=str)
def test_a_dtype_goes_by_every_name_that_numpy_knows(name, dtype):
    x = mt.ones(2)
    for y in (x.to(name), x.astype(name), mt.tensor([1.0, 1.0], name), mt.zeros(2, dtype=name)):
        assert y.dtype == dtype


TO = {
    "to": lambda name: mt.ones(2).to(name),
    "astype": lambda name: mt.ones(2).astype(name),
    "tensor": lambda name: mt.tensor([1.0], dtype=name),
    "zeros": lambda name: mt.zeros(2, dtype=name),
    "Linear": lambda name: nn.Linear(2, 2, dtype=name),
    "Linear.to": lambda name: nn.Linear(2, 2).to(name),
}


@pytest.mark.parametrize("convert", TO.values(), ids=TO)
def test_bfloat16_is_refused_with_what_there_is(convert):
    with pytest.raises(DTypeError, match=r"'bfloat16'.*'float16', 'float32' and 'float64'"):
        convert("bfloat16")


@pytest.mark.parametrize("convert", TO.values(), ids=TO)
@pytest.mark.parametrize("name", ["object", "S4", "U1", "M8[D]", "m8[s]", "i4,f8", "V8"])
def test_a_tensor_is_not_converted_to_anything_but_numbers(convert, name):
    with pytest.raises((TypeError, ValueError)):
        convert(name)


def test_none_is_no_dtype_to_convert_to():
    for convert in (lambda x: x.to(None), lambda x: x.astype(None)):
        with pytest.raises((TypeError, ValueError)):
            convert(mt.ones(2, dtype="float32"))


def test_devices_go_by_pytorchs_names():
    x = leaf([1.0])
    assert x.device == "cpu" and x.to("cpu") is x and x.to("numpy") is x
    assert nn.Linear(1, 1).to("cpu").weight.device == "cpu"
    with mt.use("cpu"):
        assert mt.zeros(1).backend == "numpy"
    assert mt.tensor(1.0, backend="cpu").device == "cpu"
    there = x.to("strict")
    assert there.device == "cuda:0" and there.backend == "strict"
    assert (there * 2).detach().to("cpu").device == "cpu"


@pytest.mark.parametrize("name", ["cuda:1", "cuda:x", "gpu", "gpu:0"])
def test_another_device_than_the_first_is_refused_with_the_way_to_choose_one(name):
    for move in (mt.ones(1).to, nn.Linear(1, 1).to, mt.use):
        with pytest.raises(BackendError, match=rf"'{name}'.*'cpu'.*'cuda:0'.*CUDA_VISIBLE_DEVICES"):
            move(name)


@pytest.mark.parametrize("name", ["mps", "tpu", "cpu:7"])
def test_an_unknown_place_is_an_error_that_names_it(name):
    for move in (mt.ones(1).to, nn.Linear(1, 1).to, mt.use):
        with pytest.raises((BackendError, DTypeError), match=f"'{name}'"):
            move(name)


@pytest.mark.parametrize("there", ["float32", "float16"])
def test_a_change_of_dtype_brings_the_gradient_back(there, backend):
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    y = x.to(there)
    (y * y).sum().backward()
    assert (y.dtype, x.grad.dtype, x.grad.tolist()) == (np.dtype(there), np.float64, [2.0, 4.0])
