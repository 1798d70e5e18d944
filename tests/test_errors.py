"""One table of everything that can be done wrong: the exception, its builtin base, its words.

A row is (what is done, the exception, the builtin it must also be, what its message holds). Where
two sizes, dtypes or backends do not fit, the message holds both. Rows of one file only, such as
the losses or the optimisers, stand with their tests.
"""

import copy
import pickle

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


SIZES = {  # what does not fit in size
    "RNN features": (
        lambda: rnn()(mt.ones(5, 3, 7)),
        ShapeError, ValueError, "RNN(input_size=10 (5, 3, 7) 7 features input_size=10.",
    ),
    "RNN rank 1": (
        lambda: rnn()(mt.ones(10)), ShapeError, ValueError, "(10,) 1 axes 3, (T, B, I)",
    ),
    "RNN rank 4": (
        lambda: rnn(batch_first=True)(mt.ones(1, 2, 3, 10)),
        ShapeError, ValueError, "(1, 2, 3, 10) 4 axes 3, (B, T, I)",
    ),
    "RNN no time steps": (
        lambda: rnn()(mt.ones(0, 3, 10)),
        ShapeError, ValueError, "(0, 3, 10) 0 time steps at least one time step",
    ),
    "RNN no time steps, batch first": (
        lambda: rnn(batch_first=True)(mt.ones(3, 0, 10)),
        ShapeError, ValueError, "(3, 0, 10) 0 time steps",
    ),
    "RNN no time steps, single": (
        lambda: rnn()(mt.ones(0, 10)), ShapeError, ValueError, "(0, 10) 0 time steps",
    ),
    "RNN batch of the state": (
        lambda: rnn()(mt.ones(5, 3, 10), mt.ones(1, 4, 20)),
        ShapeError, ValueError, "h_0 (1, 4, 20) batch of 3 hidden_size=20 (1, 3, 20)",
    ),
    "RNN layers of the state": (
        lambda: rnn(num_layers=2)(mt.ones(5, 3, 10), mt.ones(1, 3, 20)),
        ShapeError, ValueError, "h_0 (1, 3, 20) 2 layers (2, 3, 20)",
    ),
    "RNN rank of a single state": (
        lambda: rnn()(mt.ones(5, 10), mt.ones(1, 1, 20)),
        ShapeError, ValueError, "h_0 (1, 1, 20) single sequence (1, 20)",
    ),
    "RNN size of a single state": (
        lambda: rnn()(mt.ones(5, 10), mt.ones(1, 7)),
        ShapeError, ValueError, "h_0 (1, 7) single sequence (1, 20)",
    ),
    "RNN of no units": (
        lambda: nn.RNN(10, 0), ShapeError, ValueError, "10, 0, 1 at least 1",
    ),
    "RNN nonlinearity": (
        lambda: rnn(nonlinearity="sin"), ValueError, ValueError, "'sin' 'tanh' 'relu'",
    ),
    "RNN initial state": (
        lambda: rnn(initial_state="ones"), ValueError, ValueError, "'ones' 'zeros' 'learned'",
    ),
    "network output": (
        lambda: nn.RecurrentNetwork(1, 2, 3, "relu"),
        ValueError, ValueError, "'relu' 'softmax' 'identity'",
    ),
    "Linear features": (
        lambda: nn.Linear(3, 2)(mt.ones(5, 4)),
        ShapeError, ValueError, "Linear( (5, 4) 4 features in_features=3.",
    ),
    "Linear of a number": (
        lambda: nn.Linear(3, 2)(mt.tensor(1.0)), ShapeError, ValueError, "() no features",
    ),
    "add": (
        lambda: mt.ones(2) + mt.ones(3), ShapeError, ValueError, "add: (2,) (3,)",
    ),
    "matmul": (
        lambda: mt.ones(2, 3) @ mt.ones(4, 5), ShapeError, ValueError, "matmul: (2, 3) (4, 5)",
    ),
    "update_": (
        lambda: leaf(2).update_([1.0, 2.0, 3.0]), ShapeError, ValueError, "update_: (3,) (2,)",
    ),
    "gradient": (
        lambda: (leaf(3) * 2).backward(mt.ones(2)), ShapeError, ValueError, "backward: (2,) (3,)",
    ),
    "hook": (
        lambda: hooked((2,)), GraphError, RuntimeError, "hook: (2,) (3,)",
    ),
    "item of several": (
        lambda: mt.ones(2, 3).item(), ShapeError, ValueError, "item: (2, 3) one element",
    ),
    "float of several": (
        lambda: float(mt.ones(2)), ShapeError, ValueError, "(2,)",
    ),
    "bool of several": (
        lambda: bool(mt.ones(2) == mt.ones(2)),
        ShapeError, ValueError, "bool: (2,) .all() .any()",
    ),
    "index": (
        lambda: mt.ones(3)[7], IndexError, IndexError, "getitem (3,) 7 size 3",
    ),
    "index of the second axis": (
        lambda: mt.ones(3, 4)[:, -5], IndexError, IndexError, "getitem (3, 4) -5 axis 1 size 4",
    ),
    "index in a list": (
        lambda: mt.ones(3)[[0, 3]], IndexError, IndexError, "3 size 3",
    ),
    "index in a list, on a device": (
        lambda: away(3)[[0, 3]], IndexError, IndexError, "3 size 3",
    ),
    "text shorter than a sequence": (
        only_one_stream, DataError, ValueError, "short.txt 10 characters 2 streams 8 18",
    ),
}  # fmt: skip

KINDS = {  # what does not fit in dtype
    "RNN input": (
        lambda: rnn()(mt.ones(5, 3, 10, dtype="float32")),
        DTypeError, TypeError, "x is float32 parameters are float64 x.astype('float64')",
    ),
    "RNN integers": (
        lambda: rnn()(np.ones((5, 3, 10), int)), DTypeError, TypeError, "int64 float64",
    ),
    "RNN state": (
        lambda: rnn(dtype="float32")(mt.ones(5, 3, 10, dtype="float32"), mt.ones(1, 3, 20)),
        DTypeError, TypeError, "h_0 is float64 parameters are float32 rnn.to('float64')",
    ),
    "RNN float16": (
        lambda: rnn()(mt.ones(5, 3, 10, dtype="float16")), DTypeError, TypeError, "float16 float64",
    ),
    "parameters of integers": (
        lambda: rnn(dtype="int32"), DTypeError, TypeError, "floating-point int32",
    ),
    "constructor": (
        lambda: mt.tensor([1, 2], requires_grad=True),
        DTypeError, TypeError, "only floating-point int64 astype('float64')",
    ),
    "attribute": (
        lambda: setattr(mt.tensor([True]), "requires_grad", True),
        DTypeError, TypeError, "only floating-point bool",
    ),
    "requires_grad_": (
        lambda: mt.arange(3).requires_grad_(), DTypeError, TypeError, "only floating-point int64",
    ),
    "text": (
        lambda: mt.tensor(["a", "b"]), DTypeError, TypeError, "<U1 numbers",
    ),
    "default": (
        lambda: mt.set_default_dtype("int64"), DTypeError, TypeError, "int64 'float32'",
    ),
    "float index": (
        lambda: mt.ones(3)[mt.tensor([1.0])], IndexError, IndexError, "integer boolean float64",
    ),
    "float as an index": (
        lambda: [1, 2][mt.tensor(1.0)], DTypeError, TypeError, "index: float64 integer",
    ),
    "len of a number": (
        lambda: len(mt.tensor(1.0)), DTypeError, TypeError, "len: 0-d",
    ),
    "iteration over a number": (
        lambda: list(mt.tensor(1.0)), DTypeError, TypeError, "0-d",
    ),
    "NumPy's function": (
        lambda: np.exp(leaf(2)), TypeError, TypeError, "ufunc",
    ),
    "gradcheck in float32": (
        lambda: mt.autograd.gradcheck(mt.exp, mt.ones(2, dtype="float32", requires_grad=True)),
        DTypeError, TypeError, "input 0 float32 float64",
    ),
}  # fmt: skip

GRAPHS = {  # what a graph cannot do
    "backward of several": (
        lambda: (leaf(2, 3) * 2).backward(),
        GraphError, RuntimeError, "(2, 3) one element gradient= y.sum().backward()",
    ),
    "backward without a graph": (
        lambda: mt.ones(3).sum().backward(),
        GraphError, RuntimeError, "does not require a gradient requires_grad=True no_grad()",
    ),
    "second backward": (
        lambda: walked((leaf(3) ** 2).sum()).backward(),
        GraphError, RuntimeError, "second time 'sum' retain_graph=True",
    ),
    "second backward by grad": (
        lambda: grad(walked((leaf(3) ** 2).sum()), leaf(3)),
        GraphError, RuntimeError, "second time retain_graph=True",
    ),
    "update_ before backward": (
        lambda: changed_by(lambda w: w.update_(np.ones((2, 2)))),
        GraphError, RuntimeError, "input 0 'matmul' (2, 2) changed in place before the optimizer",
    ),
    "data before backward": (
        lambda: changed_by(lambda w: setattr(w, "data", np.ones((2, 2)))),
        GraphError, RuntimeError, "'matmul' changed in place",
    ),
    "optimiser step before backward": (
        lambda: changed_by(optimiser_step), GraphError, RuntimeError, "'matmul' changed in place",
    ),
    "update_ of a computed tensor": (
        lambda: (leaf(2) * 2).update_([1.0, 2.0]),
        GraphError, RuntimeError, "update_: 'multiply' only a leaf",
    ),
    "assignment to a tracked tensor": (
        lambda: assign(leaf(3)), GraphError, RuntimeError, "t[...] = v mt.index_update(t, key, v)",
    ),
    "assignment to a computed tensor": (
        lambda: assign(leaf(3) * 2), GraphError, RuntimeError, "mt.index_update",
    ),
    "assignment of a tracked tensor": (
        lambda: assign(mt.ones(3), leaf(1)[0]), GraphError, RuntimeError, "mt.index_update",
    ),
    "writing to .data": (
        lambda: assign(leaf(3).data), ValueError, ValueError, "read-only",
    ),
    "requires_grad=False on a computed tensor": (
        lambda: (leaf(2) * 2).requires_grad_(False),
        GraphError, RuntimeError, "'multiply' only a leaf y.detach()",
    ),
    "unused input": (
        lambda: grad(leaf(2).sum(), [leaf(3)]),
        GraphError, RuntimeError, "[0] not have been used allow_unused=True",
    ),
    "input without a gradient": (
        lambda: grad(leaf(2).sum(), mt.ones(4)),
        GraphError, RuntimeError, "input 0 (4,) does not require a gradient",
    ),
    "number of cotangents": (
        lambda: grad([leaf(2).sum()], [leaf(2)], [1.0, 1.0]),
        GraphError, RuntimeError, "2 grad_outputs 1 outputs",
    ),
    "hook without a gradient": (
        lambda: mt.ones(2).register_hook(print),
        GraphError, RuntimeError, "register_hook: does not require",
    ),
    "numpy() of a tracked tensor": (
        lambda: leaf(2).numpy(), GraphError, RuntimeError, "numpy: y.detach().numpy()",
    ),
    "np.asarray of a tracked tensor": (
        lambda: np.asarray(leaf(2)), GraphError, RuntimeError, "y.detach().numpy()",
    ),
    "dlpack of a tracked tensor": (
        lambda: np.from_dlpack(leaf(2)), BufferError, BufferError, "dlpack: y.detach()",
    ),
    "deepcopy of a computed tensor": (
        lambda: copy.deepcopy(leaf(2) * 2),
        GraphError, RuntimeError, "only graph leaves deep-copied y.detach()",
    ),
    "pickle of a computed tensor": (
        lambda: pickle.dumps(leaf(2) * 2),
        GraphError, RuntimeError, "only graph leaves pickled y.detach()",
    ),
    "gradcheck of nothing": (
        lambda: mt.autograd.gradcheck(mt.exp, mt.ones(2)),
        GraphError, RuntimeError, "no input requires a gradient",
    ),
}  # fmt: skip

BACKENDS = {  # where two backends meet, or one is missing
    "add": (
        lambda: mt.ones(2, 3) + away(2, 3),
        BackendError, RuntimeError, "add: (2, 3) on 'numpy' (2, 3) on 'strict' x.to('strict')",
    ),
    "add the other way": (
        lambda: away(3) + mt.ones(3),
        BackendError, RuntimeError, "add: (3,) on 'strict' (3,) on 'numpy' x.to('numpy')",
    ),
    "a NumPy array on the left": (
        lambda: np.ones(3) * away(3),
        BackendError, RuntimeError, "multiply: 'numpy' 'strict' x.to('strict')",
    ),
    "matmul": (
        lambda: mt.ones(2, 3) @ away(3, 4),
        BackendError, RuntimeError, "matmul: (2, 3) on 'numpy' (3, 4) on 'strict' x.to('strict')",
    ),
    "where": (
        lambda: mt.where(mt.ones(3) > 0, mt.ones(3), away(3)),
        BackendError, RuntimeError, "where: 'numpy' input 2 'strict' x.to('strict')",
    ),
    "concatenate": (
        lambda: mt.concatenate([away(3), mt.ones(3)]),
        BackendError, RuntimeError, "concatenate: 'strict' 'numpy' x.to('numpy')",
    ),
    "index": (
        lambda: mt.ones(3)[away(2).astype(int)],
        BackendError, RuntimeError, "getitem 'numpy' 'strict' .to(",
    ),
    "index_update": (
        lambda: mt.index_update(mt.ones(3), 0, away(1)[0]),
        BackendError, RuntimeError, "index_update 'numpy' 'strict' .to(",
    ),
    "RNN input": (
        lambda: rnn()(away(5, 3, 10)),
        BackendError, RuntimeError, "RNN(input_size=10 x is on 'strict' 'numpy' rnn.to('strict')",
    ),
    "RNN state": (
        lambda: rnn()(mt.ones(5, 3, 10), away(1, 3, 20)),
        BackendError, RuntimeError, "h_0 is on 'strict' 'numpy' .to('strict')",
    ),
    "Linear": (
        lambda: nn.Linear(3, 2)(away(5, 3)),
        BackendError, RuntimeError, "linear: (5, 3) on 'strict' (2, 3) on 'numpy' x.to(",
    ),
    "losses": (
        lambda: nn.mse_loss(mt.ones(3), away(3)), BackendError, RuntimeError, "'numpy' 'strict'",
    ),
    "update_": (
        lambda: leaf(3).update_(away(3)),
        BackendError, RuntimeError, "update_: 'numpy' values.to('numpy')",
    ),
    "gradient": (
        lambda: (leaf(3) * 2).backward(away(3)), BackendError, RuntimeError, "'numpy' 'strict'",
    ),
    "to, inside a graph": (
        lambda: (leaf(3) * 2).to("strict"),
        BackendError, RuntimeError, "to('strict') 'numpy' y.detach()",
    ),
    "np.asarray of a device tensor": (
        lambda: np.asarray(away(3)), BackendError, RuntimeError, "'strict' y.numpy()",
    ),
    "unknown": (
        lambda: mt.use("cuda"), BackendError, RuntimeError, "use('cuda') 'numpy' 'cupy'",
    ),
}  # fmt: skip

TABLE = [
    pytest.param(*row, id=f"{group}: {name}")
    for group, rows in {"size": SIZES, "dtype": KINDS, "graph": GRAPHS, "backend": BACKENDS}.items()
    for name, row in rows.items()
]


def holds_in_order(message, words):
    """Whether every word (split at blanks outside brackets and phrases) is in the message."""
    return [word for word in words.split() if word not in message]


@pytest.mark.parametrize("wrong, error, builtin, words", TABLE)
def test_a_mistake_is_told_with_its_numbers(wrong, error, builtin, words):
    with pytest.raises(error) as caught:
        wrong()
    message = str(caught.value)
    assert issubclass(error, builtin) and type(caught.value) is not AssertionError
    assert holds_in_order(message, words) == [], message


TEXTS = {
    "missing": (None, "cannot be read No such file"),
    "empty": (b"", "is empty 0 characters"),
    "blank": (b" \n\t", "is empty 3 characters"),
    "NUL": (b"ab\0c", "NUL 2"),
    "invalid UTF-8": (b"abc\xff", "byte 3 UTF-8"),
    "UTF-16": ("abc".encode("utf-16"), "byte 0 UTF-8"),
}


@pytest.mark.parametrize("content, words", TEXTS.values(), ids=TEXTS)
def test_a_text_that_cannot_be_used_is_named_with_the_reason(content, words, tmp_path):
    path = tmp_path / "the book.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        data.read_text(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert holds_in_order(str(caught.value), words) == []


def test_a_folder_is_not_a_text(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path}: cannot be read: Is a directory"):
        data.read_text(tmp_path)


def test_cupy_without_a_device_says_what_to_install():
    try:
        mt.use("cupy").__exit__(None, None, None)
    except BackendError as error:
        assert "use('cupy')" in str(error)
        try:
            import cupy  # noqa: F401
        except ImportError:
            assert "pip install 'minitorch_rnn[cuda12]'" in str(error)
        else:
            assert "use('numpy')" in str(error)
        assert backend.current_backend().name != "cupy"
    else:
        pytest.skip("a CUDA device is there, so nothing is wrong")


BASES = {
    "ShapeError": ValueError, "DTypeError": TypeError, "GraphError": RuntimeError,
    "BackendError": RuntimeError, "DataError": ValueError, "StateError": RuntimeError,
    "RunError": ValueError, "NonFiniteError": ArithmeticError,
}  # fmt: skip


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
