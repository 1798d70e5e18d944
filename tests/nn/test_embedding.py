"""Embedding, `embedding` and `one_hot`: PyTorch's numbers and gradients, and wrong indices."""

import math

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_allclose, assert_array_equal
from torch_parity import by_both

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.errors import BackendError, DTypeError, ShapeError
from minitorch_rnn.nn.embedding import embedding, one_hot

N, D = 7, 3
SHAPES = [(), (4,), (5, 2), (2, 3, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_padding = pytest.mark.parametrize("padding_idx", [None, 0, 2, -1])


@pytest.fixture
def table(rng):
    return rng.normal(size=(N, D))


def indices_of(shape, rng):
    """Some that occur twice, and the first and the last row among them."""
    found = rng.integers(N, size=shape)
    if found.size > 3:
        found.flat[:4] = [0, N - 1, 2, 2]
    return found


@pytest.mark.torch
@every_padding
@every_shape
def test_rows_and_slopes_of_two_orders_are_pytorchs(shape, padding_idx, table, rng):
    import torch

    indices = indices_of(shape, rng)
    labels, function = torch.from_numpy(indices), torch.nn.functional.embedding
    by_both(  # a cube, so that the second derivative is none of 0
        rng,
        lambda w: embedding(indices, w, padding_idx) ** 3,
        lambda w: function(labels, w, padding_idx) ** 3,
        [table],
    )


@every_shape
def test_rows_are_those_of_the_table(shape, table, backend, rng):
    indices = indices_of(shape, rng)
    layer = nn.Embedding.from_pretrained(table)
    for given in (indices, indices.tolist(), mt.tensor(indices)):
        found = layer(given)
        assert found.backend == backend
        assert_array_equal(found.numpy(), table[indices])


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_agree_with_differences(order, table, backend, rng):
    indices = mt.tensor(indices_of((5, 2), rng))
    weight = mt.tensor(table, requires_grad=True)
    assert mt.autograd.gradcheck(lambda w: embedding(indices, w) ** 2, weight, order=order)


def test_what_is_read_twice_gets_both_gradients_and_what_is_not_read_gets_0(table, backend):
    weight = mt.tensor(table, requires_grad=True)
    v = np.arange(12.0).reshape(4, 3) + 1
    embedding([2, 0, 2, 2], weight).backward(mt.tensor(v))
    expected = np.zeros((N, D))
    expected[2], expected[0] = v[0] + v[2] + v[3], v[1]
    assert_array_equal(weight.grad.numpy(), expected)


@every_padding
def test_the_row_of_the_padding_starts_at_0_and_stays_there(padding_idx, backend, rng):
    layer = nn.Embedding(N, D, padding_idx, rng=rng)
    optimizer = mt.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.detach().numpy().copy()
    (layer(np.arange(N)) ** 2 + layer(np.arange(N))).sum().backward()
    optimizer.step()
    moved = (layer.weight.detach().numpy() != before).any(axis=1)
    expected = np.ones(N, bool)
    if padding_idx is not None:
        expected[padding_idx] = False
        assert not before[padding_idx].any()
    assert_array_equal(moved, expected)


def test_nan_in_the_gradient_of_padding_leaves_no_trace(table, backend):
    weight = mt.tensor(table, requires_grad=True)
    v = np.ones((2, D))
    v[0] = math.nan
    embedding([1, 4], weight, padding_idx=1).backward(mt.tensor(v))
    assert weight.grad.numpy()[4].tolist() == [1.0] * D
    assert not weight.grad.numpy()[1].any()


def test_the_table_is_drawn_from_the_standard_normal_distribution():
    weight = nn.Embedding(500, 100, padding_idx=3, rng=np.random.default_rng(0)).weight.data
    moments = [(np.delete(weight, 3, axis=0) ** k).mean() for k in (1, 2, 3, 4)]
    assert_allclose(moments, [0, 1, 0, 3], atol=0.1)  # 49900 values: 0.004, 0.006, 0.02, 0.04


def test_one_seed_gives_the_same_table_on_every_backend(backend):
    with mt.use("numpy"):
        expected = nn.Embedding(N, D, 1, rng=np.random.default_rng(4)).weight.data
    found = nn.Embedding(N, D, 1, rng=np.random.default_rng(4)).weight
    assert found.backend == backend
    assert_array_equal(found.detach().numpy(), expected)


@pytest.mark.torch
@pytest.mark.parametrize("padding_idx", [None, 0, -1])
def test_names_attributes_and_repr_are_pytorchs_and_its_state_moves_both_ways(padding_idx):
    import torch

    theirs = torch.nn.Embedding(N, D, padding_idx, dtype=torch.float64)
    ours = nn.Embedding(N, D, padding_idx).load_state_dict(theirs.state_dict())
    assert repr(ours) == repr(theirs)
    names = ("num_embeddings", "embedding_dim", "padding_idx")
    assert [getattr(ours, n) for n in names] == [getattr(theirs, n) for n in names]
    assert [(n, p.shape) for n, p in ours.named_parameters()] == [("weight", (N, D))]
    assert_array_equal(ours([[1, 0]]).data, theirs(torch.tensor([[1, 0]])).detach().numpy())
    theirs.load_state_dict({n: torch.from_numpy(a) for n, a in ours.state_dict().items()})


def test_a_pretrained_table_is_copied_and_frozen(table):
    layer = nn.Embedding.from_pretrained(table)
    before = table.copy()
    table[...] = 0
    assert layer.weight.tolist() == before.tolist()
    assert isinstance(layer.weight, nn.Parameter)
    assert not layer.weight.requires_grad and not layer([1]).requires_grad


def test_a_pretrained_table_can_be_trained_and_keeps_its_row_of_padding(table):
    layer = nn.Embedding.from_pretrained(mt.tensor(table, "float32"), freeze=False, padding_idx=-1)
    layer([1, N - 1]).sum().backward()
    assert layer.weight.dtype == np.float32 and layer.padding_idx == N - 1
    assert layer.weight.data[-1].all()
    assert layer.weight.grad.data.any(axis=1).tolist() == [i == 1 for i in range(N)]


def test_a_pretrained_table_draws_no_random_numbers(table):
    mt.manual_seed(5)
    nn.Embedding.from_pretrained(table)
    first = mt.rand(1).item()
    mt.manual_seed(5)
    assert mt.rand(1).item() == first


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "uint64"])
def test_indices_may_be_any_integers(kind, table, backend):
    layer = nn.Embedding.from_pretrained(table)
    given = np.array([[1, 6], [0, 1]], kind)
    assert_array_equal(layer(given).numpy(), table[[[1, 6], [0, 1]]])
    assert_array_equal(layer(mt.tensor(given)).numpy(), table[[[1, 6], [0, 1]]])


def test_changing_the_indices_later_changes_no_gradient(table):
    weight, indices = mt.tensor(table, requires_grad=True), np.array([1, 2])
    y = embedding(indices, weight).sum()
    indices[...] = 5
    y.backward()
    assert weight.grad.data.any(axis=1).tolist() == [i in (1, 2) for i in range(N)]


@pytest.mark.parametrize("given", [[], np.zeros((0, 4), int), np.zeros((3, 0), int)], ids=str)
def test_no_indices_give_no_rows_and_a_gradient_of_0(given, backend):
    layer = nn.Embedding(N, D, padding_idx=1)
    y = layer(given)
    y.sum().backward()
    assert y.shape == (*np.shape(given), D)
    assert not layer.weight.grad.numpy().any()


@every_padding
def test_float32_stays_float32_and_the_device_is_not_waited_for(padding_idx, backend, rng):
    layer = nn.Embedding(N, D, padding_idx, dtype="float32")
    on_host, there = np.array([1, 2]), mt.tensor([1, 2])
    strict_cupy.synchronisations.reset()
    for given in (on_host, there, [1, 2]):
        y = layer(given)
        (y * y).sum().backward()
    hot = one_hot(there, 3)
    assert strict_cupy.synchronisations.causes == []
    assert y.dtype == layer.weight.grad.dtype == np.float32
    assert hot.backend == backend


@pytest.mark.parametrize("wrong", [-1, N, 100])
def test_a_row_that_does_not_exist_is_never_taken_for_another(wrong, backend):
    layer = nn.Embedding(N, D, padding_idx=0)
    message = rf"Embedding\(7, 3, padding_idx=0\): index {wrong} is out of range for 7 rows, 0 … 6"
    with pytest.raises(IndexError, match=message):
        layer([[1, wrong]])
    given = mt.tensor([1, wrong])
    if backend == "numpy":
        with pytest.raises(IndexError, match=message):
            layer(given)
    else:  # nobody waits for the device to look
        y = layer(given)
        assert np.isnan(y.detach().numpy()).tolist() == [[False] * D, [True] * D]
        y.sum().backward()
        read = layer.weight.grad.numpy().any(axis=1)
        assert read.tolist() == [i == 1 for i in range(N)]


# one_hot ------------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("num_classes", [-1, N, N + 2])
@every_shape
def test_one_hot_is_pytorchs(shape, num_classes, backend, rng):
    import torch

    indices = indices_of(shape, rng)
    expected = torch.nn.functional.one_hot(torch.from_numpy(np.asarray(indices)), num_classes)
    for given in (indices, indices.tolist(), mt.tensor(indices)):
        found = one_hot(given, num_classes)
        assert found.dtype == np.int64 and found.backend == backend
        assert_array_equal(found.numpy(), expected.numpy())


def test_one_hot_rows_times_a_table_are_its_rows(table, rng):
    indices = indices_of((5, 2), rng)
    assert_allclose((one_hot(indices, N) @ table).data, table[indices], rtol=1e-15)


def test_one_hot_of_nothing_has_the_classes_it_is_told(backend):
    assert one_hot([], 4).shape == (0, 4)
    assert one_hot(np.zeros((2, 0), int), 4).shape == (2, 0, 4)


def test_one_hot_of_a_class_on_the_device_that_does_not_exist_is_a_row_of_0(backend):
    given = mt.tensor([1, 5, -1])
    if backend == "numpy":
        with pytest.raises(IndexError, match="index 5 is out of range for 3 classes"):
            one_hot(given, 3)
    else:
        assert one_hot(given, 3).numpy().tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


def away(values):
    """A tensor on the stand-in for CuPy."""
    with mt.use("strict"):
        return mt.tensor(values)


WRONG = [  # what is called, the exception, what its message says
    (lambda: nn.Embedding(4, 3)([0.5]), DTypeError, r"Embedding\(4, 3\): indices are float64.*int"),
    (lambda: nn.Embedding(4, 3)([True]), DTypeError, "indices are bool.*integers"),
    (lambda: nn.Embedding(4, 3)(away([1])), BackendError, "Embedding.*'numpy'.*'strict'.*.to"),
    (lambda: nn.Embedding(4, 3, 4), IndexError, "Embedding: padding_idx is 4; .* has 4 rows"),
    (lambda: nn.Embedding(4, 3, -5), IndexError, "padding_idx is -5; the table has 4 rows"),
    (lambda: nn.Embedding(0, 3), ShapeError, r"Embedding: the table .* \(0, 3\).*at least 1"),
    (lambda: nn.Embedding.from_pretrained([1.0]), ShapeError, r"\(1,\); needed are 2 sizes"),
    (lambda: nn.Embedding.from_pretrained([[1, 2]]), DTypeError, "from_pretrained: .* is int64"),
    (lambda: embedding([0], mt.ones(2, 2, 2)), ShapeError, r"embedding: .*\(2, 2, 2\)"),
    (lambda: embedding([2], mt.ones(2, 2)), IndexError, "embedding: index 2 .* 2 rows, 0 … 1"),
    (lambda: embedding([0], mt.ones(2, 2), 2), IndexError, "embedding: padding_idx is 2.*2 rows"),
    (lambda: one_hot([3], 3), IndexError, "one_hot: index 3 is out of range for 3 classes, 0 … 2"),
    (lambda: one_hot([2, -1]), IndexError, "one_hot: index -1 is out of range for 3 classes"),
    (lambda: one_hot([-2]), IndexError, "one_hot: index -2"),
    (lambda: one_hot([1.0]), DTypeError, "one_hot: indices are float64.*integers"),
    (lambda: one_hot([0], 0), ValueError, "num_classes is 0; needed is at least 1, or -1"),
    (lambda: one_hot([]), ValueError, r"indices of shape \(0,\) do not tell num_classes; pass it"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", WRONG, ids=[row[2][:24] for row in WRONG])
def test_what_does_not_fit_is_refused_in_words(call, error, message):
    with pytest.raises(error, match=message):
        call()
