"""One table of everything that can be done wrong: the exception and the words it comes with.

A row is (name, exception, parts of its message separated by |, what is done). Where two sizes,
dtypes or backends do not fit, the message holds both. Mistakes with one thing only, such as an
optimiser or a run folder, stand with its tests.
"""

import copy
import pickle
import sys
import types

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import backend, data, errors, nn
from minitorch_rnn.autograd import grad
from minitorch_rnn.errors import BackendError, DataError, DTypeError, GraphError, ShapeError


def leaf(*shape):
    return mt.tensor(np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape), None, True)


def away(*shape):
    """A tensor on the stand-in for CuPy."""
    with mt.use("strict"):
        return mt.ones(*shape)


def rnn(**options):
    return nn.RNN(10, 20, **options)


def walked(y):
    y.backward()
    return y


def changed_by(change, w=None):
    """Use a leaf, change it, and walk back over what was computed from its old value."""
    w = leaf(2, 2)
    loss = (w @ w).sum()
    change(w)
    loss.backward()


def optimiser_step(w):
    w.grad = mt.ones(2, 2)
    mt.optim.SGD([w], lr=0.1).step()


def assign(t, value=9.0):
    t[0] = value


def hooked(result):
    x = leaf(3)
    x.register_hook(lambda g: mt.ones(*result))
    x.sum().backward()


def only_one_stream():
    data.Streams.of(np.zeros(10, int), batch=2, steps=8, source="short.txt")


SIZES = [  # what does not fit in size
    ("RNN features", ShapeError, "RNN(input_size=10|(5, 3, 7)|7 features|input_size=10.",
     lambda: rnn()(mt.ones(5, 3, 7))),
    ("RNN rank 1", ShapeError, "(10,)|1 axes|3, (T, B, I)", lambda: rnn()(mt.ones(10))),
    ("RNN rank 4", ShapeError, "(1, 2, 3, 10)|4 axes|3, (B, T, I)",
     lambda: rnn(batch_first=True)(mt.ones(1, 2, 3, 10))),
    ("RNN no time steps", ShapeError, "(0, 3, 10)|0 time steps|at least one time step",
     lambda: rnn()(mt.ones(0, 3, 10))),
    ("RNN no time steps, batch first", ShapeError, "(3, 0, 10)|0 time steps",
     lambda: rnn(batch_first=True)(mt.ones(3, 0, 10))),
    ("RNN no time steps, single", ShapeError, "(0, 10)|0 time steps",
     lambda: rnn()(mt.ones(0, 10))),
    ("RNN batch of the state", ShapeError, "h_0|(1, 4, 20)|batch of 3|hidden_size=20|(1, 3, 20)",
     lambda: rnn()(mt.ones(5, 3, 10), mt.ones(1, 4, 20))),
    ("RNN layers of the state", ShapeError, "h_0|(1, 3, 20)|2 layers|(2, 3, 20)",
     lambda: rnn(num_layers=2)(mt.ones(5, 3, 10), mt.ones(1, 3, 20))),
    ("RNN rank of a single state", ShapeError, "h_0|(1, 1, 20)|single sequence|(1, 20)",
     lambda: rnn()(mt.ones(5, 10), mt.ones(1, 1, 20))),
    ("RNN size of a single state", ShapeError, "h_0|(1, 7)|single sequence|(1, 20)",
     lambda: rnn()(mt.ones(5, 10), mt.ones(1, 7))),
    ("RNN of no units", ShapeError, "10, 0, 1|at least 1", lambda: nn.RNN(10, 0)),
    ("RNN nonlinearity", ValueError, "'sin'|'tanh'|'relu'", lambda: rnn(nonlinearity="sin")),
    ("RNN initial state", ValueError, "'ones'|'zeros'|'learned'",
     lambda: rnn(initial_state="ones")),
    ("network output", ValueError, "'relu'|'softmax'|'identity'",
     lambda: nn.RecurrentNetwork(1, 2, 3, "relu")),
    ("Linear features", ShapeError, "Linear(|(5, 4)|4 features|in_features=3.",
     lambda: nn.Linear(3, 2)(mt.ones(5, 4))),
    ("Linear of another dtype", DTypeError, "Linear(|x is float32|are float64|x.astype('float64')",
     lambda: nn.Linear(3, 2)(mt.ones(5, 3, dtype="float32"))),
    ("Linear of a number", ShapeError, "()|no features", lambda: nn.Linear(3, 2)(mt.tensor(1.0))),
    ("add", ShapeError, "add:|(2,)|(3,)", lambda: mt.ones(2) + mt.ones(3)),
    ("matmul", ShapeError, "matmul:|(2, 3)|(4, 5)", lambda: mt.ones(2, 3) @ mt.ones(4, 5)),
    ("update_", ShapeError, "update_:|(3,)|(2,)", lambda: leaf(2).update_([1.0, 2.0, 3.0])),
    ("gradient", ShapeError, "backward:|(2,)|(3,)", lambda: (leaf(3) * 2).backward(mt.ones(2))),
    ("hook", GraphError, "hook:|(2,)|(3,)", lambda: hooked((2,))),
    ("item of several", ShapeError, "item:|(2, 3)|one element", lambda: mt.ones(2, 3).item()),
    ("float of several", ShapeError, "(2,)", lambda: float(mt.ones(2))),
    ("bool of several", ShapeError, "bool:|(2,)|.all()|.any()",
     lambda: bool(mt.ones(2) == mt.ones(2))),
    ("index", IndexError, "getitem|(3,)|7|size 3", lambda: mt.ones(3)[7]),
    ("index of the second axis", IndexError, "getitem|(3, 4)|-5|axis 1|size 4",
     lambda: mt.ones(3, 4)[:, -5]),
    ("index in a list", IndexError, "3|size 3", lambda: mt.ones(3)[[0, 3]]),
    ("index in a list, on a device", IndexError, "3|size 3", lambda: away(3)[[0, 3]]),
    ("text shorter than a sequence", DataError, "short.txt|10 characters|2 streams|8|18",
     only_one_stream),
]  # fmt: skip

KINDS = [  # what does not fit in dtype
    ("RNN input", DTypeError, "x is float32|parameters are float64|x.astype('float64')",
     lambda: rnn()(mt.ones(5, 3, 10, dtype="float32"))),
    ("RNN integers", DTypeError, "int64|float64", lambda: rnn()(np.ones((5, 3, 10), int))),
    ("RNN state", DTypeError, "h_0 is float64|parameters are float32|.to('float64')",
     lambda: rnn(dtype="float32")(mt.ones(5, 3, 10, dtype="float32"), mt.ones(1, 3, 20))),
    ("RNN float16", DTypeError, "float16|float64",
     lambda: rnn()(mt.ones(5, 3, 10, dtype="float16"))),
    ("parameters of integers", DTypeError, "floating-point|int32", lambda: rnn(dtype="int32")),
    ("constructor", DTypeError, "only floating-point|int64|astype('float64')",
     lambda: mt.tensor([1, 2], requires_grad=True)),
    ("attribute", DTypeError, "only floating-point|bool",
     lambda: setattr(mt.tensor([True]), "requires_grad", True)),
    ("requires_grad_", DTypeError, "only floating-point|int64",
     lambda: mt.arange(3).requires_grad_()),
    ("text", DTypeError, "<U1|numbers", lambda: mt.tensor(["a", "b"])),
    ("default", DTypeError, "int64|'float32'", lambda: mt.set_default_dtype("int64")),
    ("float index", IndexError, "integer|boolean|float64", lambda: mt.ones(3)[mt.tensor([1.0])]),
    ("float as an index", DTypeError, "index:|float64|integer", lambda: [1, 2][mt.tensor(1.0)]),
    ("len of a number", DTypeError, "len:|0-d", lambda: len(mt.tensor(1.0))),
    ("iteration over a number", DTypeError, "0-d", lambda: list(mt.tensor(1.0))),
    ("NumPy's function", TypeError, "np.exp|Use mt.exp", lambda: np.exp(leaf(2))),
    ("gradcheck in float32", DTypeError, "input 0|float32|float64",
     lambda: mt.autograd.gradcheck(mt.exp, mt.ones(2, dtype="float32", requires_grad=True))),
]  # fmt: skip

GRAPHS = [  # what a graph cannot do
    ("backward of several", GraphError, "(2, 3)|one element|gradient=|y.sum().backward()",
     lambda: (leaf(2, 3) * 2).backward()),
    ("backward without a graph", GraphError, "does not require a gradient|no_grad()",
     lambda: mt.ones(3).sum().backward()),
    ("second backward", GraphError, "second time|'sum'|retain_graph=True",
     lambda: walked((leaf(3) ** 2).sum()).backward()),
    ("second backward by grad", GraphError, "second time|retain_graph=True",
     lambda: grad(walked((leaf(3) ** 2).sum()), leaf(3))),
    ("update_ before backward", GraphError, "input 0|'matmul'|(2, 2)|in place|Call backward()",
     lambda: changed_by(lambda w: w.update_(np.ones((2, 2))))),
    ("data before backward", GraphError, "'matmul'|changed in place",
     lambda: changed_by(lambda w: setattr(w, "data", np.ones((2, 2))))),
    ("optimiser step before backward", GraphError, "'matmul'|changed in place",
     lambda: changed_by(optimiser_step)),
    ("update_ of a computed tensor", GraphError, "update_:|'multiply'|only a leaf",
     lambda: (leaf(2) * 2).update_([1.0, 2.0])),
    ("assignment to a tracked tensor", GraphError, "t[...] = v|mt.index_update(t, key, v)",
     lambda: assign(leaf(3))),
    ("assignment to a computed tensor", GraphError, "mt.index_update", lambda: assign(leaf(3) * 2)),
    ("assignment of a tracked tensor", GraphError, "mt.index_update",
     lambda: assign(mt.ones(3), leaf(1)[0])),
    ("writing to .data", ValueError, "read-only", lambda: assign(leaf(3).data)),
    ("requires_grad=False on a computed tensor", GraphError, "'multiply'|only a leaf|y.detach()",
     lambda: (leaf(2) * 2).requires_grad_(False)),
    ("unused input", GraphError, "[0]|not have been used|allow_unused=True",
     lambda: grad(leaf(2).sum(), [leaf(3)])),
    ("input without a gradient", GraphError, "input 0|(4,)|does not require a gradient",
     lambda: grad(leaf(2).sum(), mt.ones(4))),
    ("number of cotangents", GraphError, "2 grad_outputs|1 outputs",
     lambda: grad([leaf(2).sum()], [leaf(2)], [1.0, 1.0])),
    ("hook without a gradient", GraphError, "register_hook:|does not require",
     lambda: mt.ones(2).register_hook(print)),
    ("numpy() of a tracked tensor", GraphError, "numpy:|y.detach().numpy()",
     lambda: leaf(2).numpy()),
    ("np.asarray of a tracked tensor", GraphError, "y.detach().numpy()",
     lambda: np.asarray(leaf(2))),
    ("dlpack of a tracked tensor", BufferError, "dlpack:|y.detach()",
     lambda: np.from_dlpack(leaf(2))),
    ("deepcopy of a computed tensor", GraphError, "only graph leaves|deep-copied|y.detach()",
     lambda: copy.deepcopy(leaf(2) * 2)),
    ("pickle of a computed tensor", GraphError, "only graph leaves|pickled|y.detach()",
     lambda: pickle.dumps(leaf(2) * 2)),
    ("gradcheck of nothing", GraphError, "no input requires a gradient",
     lambda: mt.autograd.gradcheck(mt.exp, mt.ones(2))),
]  # fmt: skip

BACKENDS = [  # where two backends meet, or one is missing
    ("add", BackendError, "add:|(2, 3) on 'numpy'|(2, 3) on 'strict'|x.to('strict')",
     lambda: mt.ones(2, 3) + away(2, 3)),
    ("add the other way", BackendError, "add:|(3,) on 'strict'|(3,) on 'numpy'|x.to('numpy')",
     lambda: away(3) + mt.ones(3)),
    ("a NumPy array on the left", BackendError, "multiply:|'numpy'|'strict'|x.to('strict')",
     lambda: np.ones(3) * away(3)),
    ("matmul", BackendError, "matmul:|(2, 3) on 'numpy'|(3, 4) on 'strict'|x.to('strict')",
     lambda: mt.ones(2, 3) @ away(3, 4)),
    ("where", BackendError, "where:|'numpy'|input 2|'strict'|x.to('strict')",
     lambda: mt.where(mt.ones(3) > 0, mt.ones(3), away(3))),
    ("concatenate", BackendError, "concatenate:|'strict'|'numpy'|x.to('numpy')",
     lambda: mt.concatenate([away(3), mt.ones(3)])),
    ("index", BackendError, "getitem|'numpy'|'strict'|.to(",
     lambda: mt.ones(3)[away(2).astype(int)]),
    ("index_update", BackendError, "index_update|'numpy'|'strict'|.to(",
     lambda: mt.index_update(mt.ones(3), 0, away(1)[0])),
    ("RNN input", BackendError, "RNN(input_size=10|x is on 'strict'|'numpy'|.to('strict')",
     lambda: rnn()(away(5, 3, 10))),
    ("RNN state", BackendError, "h_0 is on 'strict'|'numpy'|.to('strict')",
     lambda: rnn()(mt.ones(5, 3, 10), away(1, 3, 20))),
    ("Linear", BackendError, "Linear(in_features=3|x is on 'strict'|on 'numpy'|x.to('numpy')",
     lambda: nn.Linear(3, 2)(away(5, 3))),
    ("losses", BackendError, "'numpy'|'strict'", lambda: nn.mse_loss(mt.ones(3), away(3))),
    ("update_", BackendError, "update_:|'numpy'|values.to('numpy')",
     lambda: leaf(3).update_(away(3))),
    ("gradient", BackendError, "'numpy'|'strict'", lambda: (leaf(3) * 2).backward(away(3))),
    ("to, inside a graph", BackendError, "to('strict')|'numpy'|y.detach()",
     lambda: (leaf(3) * 2).to("strict")),
    ("np.asarray of a device tensor", BackendError, "'strict'|y.numpy()",
     lambda: np.asarray(away(3))),
    ("unknown", BackendError, "use('torch')|'numpy'|'cupy'", lambda: mt.use("torch")),
]  # fmt: skip

TABLE = [
    pytest.param(error, parts, wrong, id=f"{group}: {name}")
    for group, rows in {"size": SIZES, "dtype": KINDS, "graph": GRAPHS, "backend": BACKENDS}.items()
    for name, error, parts, wrong in rows
]

BASES = {  # what a caller who does not know this library would expect
    "ShapeError": ValueError, "DTypeError": TypeError, "GraphError": RuntimeError,
    "BackendError": RuntimeError, "ColumnError": ValueError, "DataError": ValueError,
    "CheckpointError": ValueError, "StateError": RuntimeError, "RunError": ValueError,
    "NonFiniteError": ArithmeticError,
}  # fmt: skip


def missing_from(message, parts):
    """Those of the parts, separated by |, that the message does not hold."""
    return [part for part in parts.split("|") if part not in message]


@pytest.mark.parametrize("error, parts, wrong", TABLE)
def test_a_mistake_is_told_with_its_numbers(error, parts, wrong):
    with pytest.raises(error) as caught:
        wrong()
    assert isinstance(caught.value, BASES.get(error.__name__, error))
    assert missing_from(str(caught.value), parts) == [], str(caught.value)


TEXTS = {
    "missing": (None, "cannot be read|No such file"),
    "empty": (b"", "is empty|0 characters"),
    "blank": (b" \n\t", "is empty|3 characters"),
    "NUL": (b"ab\0c", "NUL at character 2"),
    "invalid UTF-8": (b"abc\xff", "byte 3|not UTF-8"),
    "UTF-16": ("abc".encode("utf-16"), "byte 0|not UTF-8"),
}


@pytest.mark.parametrize("content, parts", TEXTS.values(), ids=TEXTS)
def test_a_text_that_cannot_be_used_is_named_with_the_reason(content, parts, tmp_path):
    path = tmp_path / "the book.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        data.read_text(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert missing_from(str(caught.value), parts) == []


def test_a_folder_is_not_a_text(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}: cannot be read: Is a directory"):
        data.read_text(tmp_path)


def raising(error):
    def raise_it(*args):
        raise error

    return raise_it


def cupy_with(count, driver, runtime):
    """Modules that look like CuPy where the driver counts GPUs so; versions are 12040 for 12.4."""
    found = {name: types.ModuleType(name) for name in ("cupy", "cupyx", "cupyx.scipy")}
    found["cupyx.scipy.special"] = types.SimpleNamespace(erf=None)
    found["cupy"].__version__ = "14.2.0"
    found["cupy"].cuda = types.SimpleNamespace(
        runtime=types.SimpleNamespace(
            getDeviceCount=count if callable(count) else lambda: count,
            driverGetVersion=lambda: driver,
            runtimeGetVersion=lambda: runtime,
        )
    )
    return found


class Importing:
    """Lets `import cupy` raise an error, as a finder of modules."""

    def __init__(self, error):
        self.error = error

    def find_spec(self, name, path=None, target=None):
        if name == "cupy":
            raise self.error


OLD_DRIVER = RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")
NO_DEVICE = RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")
BOX = """
====
Failed to import CuPy.

Original error:
  ImportError: libcudart.so.11.0: cannot open shared object file
===="""
TWO = "CuPy may not function: multiple CuPy packages:\n\n  cupy-cuda12x, cupy-cuda13x\n"

STATES = {  # of a machine without a usable CuPy: what import raises or finds, and the words
    "CuPy is missing": (
        ModuleNotFoundError("No module named 'cupy'", name="cupy"),
        "is not installed|CUDA 12: pip install -e '.[cuda12]'|CUDA 13: pip install -e '.[cuda13]'",
    ),
    "its import fails": (
        ImportError(BOX), "its import fails|libcudart.so.11.0|pip install -e '.[cuda12]'",
    ),
    "two packages, and warnings are errors": (
        UserWarning(TWO), "several packages|pip uninstall cupy-cuda12x cupy-cuda13x|'.[cuda12]'",
    ),
    "no driver": (
        cupy_with(raising(OLD_DRIVER), 0, 12090),
        "CuPy 14.2.0|there is no NVIDIA driver|nvidia-smi|use('numpy')",
    ),
    "the driver is older than CUDA": (
        cupy_with(raising(OLD_DRIVER), 12040, 13000),
        "for CUDA 13.0|CUDA 12.4|Update the driver|uninstall cupy-cuda13x|'.[cuda12]'|use('numpy')",
    ),
    "no GPU": (
        cupy_with(raising(NO_DEVICE), 12040, 12090), "finds no GPU|nvidia-smi|use('numpy')",
    ),
    "0 GPUs": (cupy_with(0, 12040, 12090), "finds no GPU|nvidia-smi|use('numpy')"),
    "a driver that fails": (
        cupy_with(raising(RuntimeError("cudaErrorSystemNotReady: x")), 12090, 12090),
        "cudaErrorSystemNotReady|use('numpy')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("found, parts", STATES.values(), ids=STATES)
def test_cupy_that_cannot_compute_says_in_one_line_what_to_do(found, parts, monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    refused(found, parts, monkeypatch)


def test_hidden_gpus_are_told_apart_from_missing_ones(monkeypatch):
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        parts = f"CUDA_VISIBLE_DEVICES={hidden!r} hides every GPU|Unset it|use('numpy')"
        refused(STATES["no GPU"][0], parts, monkeypatch)


def refused(found, parts, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] in ("cupy", "cupyx")]:
        monkeypatch.delitem(sys.modules, name)
    if isinstance(found, Exception):
        monkeypatch.setattr(sys, "meta_path", [Importing(found), *sys.meta_path])
    else:
        for name, module in found.items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(backend.switch, "_loaded", {"numpy": backend.backend_of(np.ones(1))})
    for name in ("cupy", "cuda"):
        with pytest.raises(BackendError) as caught:
            mt.use(name)
        told = str(caught.value)
        assert told.startswith("use('cupy'): ") and told.endswith(".") and "\n" not in told
        assert missing_from(told, parts) == [], told
        cause = caught.value.__cause__
        assert cause is found or not isinstance(found, Exception)
        assert mt.zeros(1).backend == "numpy"


def test_every_exception_is_also_the_builtin_a_caller_expects():
    ours = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and kind.__module__ == errors.__name__
    }
    assert {name: kind.__bases__ for name, kind in ours.items()} == {
        name: (base,) for name, base in BASES.items()
    }
    assert all(kind.__doc__ for kind in ours.values())
