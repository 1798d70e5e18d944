"""Backends: where new arrays are made, what never moves, and one seed for all."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import strict_cupy
from numpy.testing import assert_array_equal

import minitorch_rnn as mt
from minitorch_rnn import backend as backends
from minitorch_rnn.errors import BackendError


def test_use_decides_where_new_arrays_are_made_and_gives_back(backend):
    assert mt.zeros(2).backend == mt.tensor([1.0]).backend == backend
    with mt.use("numpy"):
        assert mt.zeros(2).backend == "numpy"
    assert mt.zeros(2).backend == backend


def test_use_works_as_a_function_too():
    before = backends.current_backend().name
    mt.use("strict")
    try:
        assert mt.ones(1).backend == "strict"
    finally:
        mt.use(before)


def test_use_gives_back_after_an_exception():
    with pytest.raises(KeyError), mt.use("strict"):
        raise KeyError
    assert mt.ones(1).backend == "numpy"


def test_an_existing_array_stays_where_it_is():
    with mt.use("strict"):
        x = mt.tensor([1.0, 2.0])
    assert (x * 2).exp().backend == "strict"
    assert mt.tensor(x).backend == "strict"


def test_to_moves_values_and_not_graphs():
    x = mt.tensor([1.0, 2.0], requires_grad=True)
    there = x.to("strict")
    assert there.backend == "strict" and there.requires_grad
    assert_array_equal(there.to("numpy").detach().numpy(), [1.0, 2.0])
    assert x.to("numpy") is x
    with pytest.raises(BackendError, match="does not cross"):
        (x * 2).to("strict")
    assert (x * 2).to("float32").requires_grad  # a change of dtype is an operation


def test_one_seed_gives_one_model_on_every_backend(backend):
    mt.manual_seed(7)
    here = mt.nn.RecurrentNetwork(2, 3, 2).state_dict()
    with mt.use("numpy"):
        mt.manual_seed(7)
        reference = mt.nn.RecurrentNetwork(2, 3, 2).state_dict()
    for name in reference:
        assert_array_equal(here[name], reference[name])


def test_an_unknown_backend_lists_the_known_ones():
    with pytest.raises(BackendError, match="'tpu'.*'numpy', 'cupy'"):
        mt.use("tpu")


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed here")
def test_without_cupy_the_message_holds_the_line_that_installs_it():
    with pytest.raises(BackendError, match=r"pip install -e '\.\[cuda12\]'"):
        mt.use("cupy")


def test_the_environment_chooses_the_backend():
    program = "import minitorch_rnn as mt; print(mt.zeros(1).backend)"
    environment = {"MINITORCH_RNN_BACKEND": "numpy", "PATH": ""}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert answer.stdout.strip() == "numpy"
    environment["MINITORCH_RNN_BACKEND"] = "abacus"
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 1 and "'abacus'" in answer.stderr


def test_namespace_follows_the_array_and_not_the_setting():
    with mt.use("strict"):
        x = mt.zeros(2)
    assert mt.namespace(np.zeros(2)) is np
    assert mt.namespace(2.0, x._data) is strict_cupy.xp


def test_indices_from_the_host_are_checked_before_a_device_wraps_them(backend):
    x = mt.arange(3.0)
    with pytest.raises(IndexError, match="3"):
        x[np.array([0, 3])]
    assert x[np.array([0, -1])].tolist() == [0.0, 2.0]
