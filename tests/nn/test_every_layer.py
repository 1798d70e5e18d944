"""What is asked of every layer, cell, network, activation and loss alike, on every backend."""

import inspect

import numpy as np
import pytest
from layer_cases import ROWS, stepped
from numpy.testing import assert_allclose, assert_array_equal
from operations import ROWS as OPERATIONS

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn import nn
from minitorch_rnn.serialization import from_bytes, to_bytes

every = pytest.mark.parametrize("row", ROWS, ids=str)
NAMES = {row.name for row in ROWS}


def learns(row):
    made = row.make(np.random.default_rng(0))
    return isinstance(made, nn.Module) and bool(list(made.parameters()))


with_parameters = pytest.mark.parametrize("row", [row for row in ROWS if learns(row)], ids=str)


def arrays(found):
    """Values and gradients as arrays of the host."""
    values, slopes = found
    return {f"y{i}": backends.to_numpy(y.data) for i, y in enumerate(values)} | {
        name: backends.to_numpy(g.data) for name, g in slopes.items()
    }


def test_every_public_name_has_a_row():
    # A base class, a leaf, a switch, and rooms: their functions are below; of `init`, test_init.
    others = {"Module", "Parameter", "functional", "init", "scan_options", "utils"}
    assert set(nn.__all__) - others - NAMES == set()


@pytest.mark.parametrize(
    "room, inside",
    [(nn.functional, "functional."), (nn.utils.rnn, "utils.rnn."), (nn.utils, "utils.")],
)
def test_every_function_of_a_room_has_a_row_somewhere(room, inside):
    operations = {row.op for row in OPERATIONS}
    clipping = {"clip_grad_norm_", "clip_grad_value_"}  # which change gradients: test_clipping
    known = NAMES | operations | clipping
    functions = [name for name in room.__all__ if inspect.isfunction(getattr(room, name))]
    assert [n for n in functions if inside + n not in NAMES and n not in known] == []


def test_tables_are_of_names_that_exist():
    for name in NAMES:
        found = nn
        for part in name.split("."):
            found = getattr(found, part)


@every
def test_values_and_gradients_are_those_of_numpy(row, backend):
    with mt.use("numpy"):
        expected = arrays(stepped(*row.ready()))
    outputs, slopes = stepped(*row.ready())
    assert {t.backend for t in (*outputs, *slopes.values())} == {backend}
    found = arrays((outputs, slopes))
    assert list(found) == list(expected)
    for name, want in expected.items():
        assert found[name].dtype == want.dtype
        # Sums of some tens of products, which a backend may add up in another order.
        assert_allclose(found[name], want, rtol=1e-11, atol=1e-12, err_msg=name)


@with_parameters
def test_one_seed_gives_the_same_parameters_bit_by_bit(row, backend):
    def drawn():
        mt.manual_seed(4)
        return row.make(None)

    with mt.use("numpy"):
        expected = drawn().state_dict()
    module = drawn()
    assert {p.backend for p in module.parameters()} == {backend}
    for name, array in expected.items():
        assert_array_equal(module.state_dict()[name], array, strict=True, err_msg=name)


@with_parameters
@pytest.mark.parametrize("saved_here", [True, False])
def test_what_is_saved_on_one_backend_is_loaded_on_another(row, saved_here, backend):
    first, second = (backend, "numpy") if saved_here else ("numpy", backend)
    with mt.use(first):
        saved = to_bytes(row.make(np.random.default_rng(1)).state_dict())
    with mt.use(second):
        module = row.make(np.random.default_rng(2)).load_state_dict(from_bytes(saved, "a file"))
    assert {p.backend for p in module.parameters()} == {second}
    assert to_bytes(module.state_dict()) == saved


@with_parameters
def test_a_module_that_moved_gives_the_same_values(row, backend):
    with mt.use("numpy"):
        module, other = (row.make(np.random.default_rng(0)) for _ in range(2))
        expected = arrays(stepped(*row.ready(module)))
    found = arrays(stepped(*row.ready(other.to(backend))))
    for name, want in expected.items():
        assert_allclose(found[name], want, rtol=1e-11, atol=1e-12, err_msg=name)
