"""How every library that works operation by operation is called, in the way that costs it least.

- PyTorch: eager, `y.backward(g)`, as ours.
- HIPS autograd: "autograd" is its public `make_vjp`, made before; its call traces the operation.
  Several arguments it packs into a tuple, and taking them out of it again costs more than most
  operations, though once per function and not once per operation: so "autograd, bare" is the tracer
  and `backward_pass` inside it alone, with one root for each input. It has no linear() and no
  cross_entropy(); these are written in its operations.
- MyGrad: `y.backward(g)`, with its guard of the memory on, as by default: ours guards too.
- tinygrad: `y.gradient(*inputs, gradient=g)`, and both realised. It is made to fuse and to replay
  many operations; one at a time it schedules them and looks up their kernels anew. Where there is
  no clang its own assembler for x86 is asked for.
"""

import operator
import os
import platform
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import minitorch_rnn as mt
from bench.step import Step

TARGETS = np.array([0, 3, 1, 2])  # of cross_entropy


class Library(NamedTuple):
    """How one library is called.

    Attributes:
        functions: by the names of `operations.SHAPES`.
        both_ways: of a function of tensors, the input arrays and the gradient of the result: the
            candidate that goes forward and back, whose gradients are named by position.
    """

    functions: dict[str, Callable[..., Any]]
    both_ways: Callable[[Callable[..., Any], Sequence[Any], Any], Step]


def libraries() -> tuple[dict[str, Library], list[str]]:
    """Those that run here, by name, and why the others do not."""
    found, notes = {}, []
    for name, library in LIBRARIES.items():
        try:
            found[name] = library()
        except (ImportError, OSError, RuntimeError) as cause:
            notes.append(f"{name} is left out: {type(cause).__name__}: {cause}")
    return found, notes


def agree(what: str, steps: dict[str, Step], rtol: float = 1e-10) -> None:
    """Whether all candidates have the gradients of the first one; at the second call, too.

    Raises:
        ValueError: naming the candidate that has others.
    """
    found = {}
    for name, step in steps.items():
        step.run()
        assert step.gradients is not None
        found[name] = {k: np.array(g) for k, g in step.gradients(step.run()).items()}
    first, *rest = found
    for name in rest:
        for k, g in found[first].items():
            same = found[name][k].shape == g.shape
            if not same or not np.allclose(found[name][k], g, rtol, rtol * np.abs(g).max()):
                raise ValueError(f"{what}: {name} has another gradient than {first} at {k}.")


def _named(xp: Any) -> dict[str, Callable[..., Any]]:
    """What has the same name everywhere."""
    return {
        "a + b": operator.add,
        "a * b": operator.mul,
        "a @ b": operator.matmul,
        "a[1]": operator.itemgetter(1),
        "tanh(a)": xp.tanh,
        "exp(a)": xp.exp,
        "sum(a)": xp.sum,
        "stack([a, b])": lambda a, b: xp.stack([a, b]),
    }


def _numbered(gradients: Sequence[Any]) -> dict[str, Any]:
    return {str(i): g for i, g in enumerate(gradients)}


def _with_backward(tensor: Callable[[Any], Any], constant: Callable[[Any], Any]) -> Any:
    """`both_ways` of a library whose results have a method backward() and its leaves a `.grad`."""

    def both_ways(function: Callable[..., Any], arrays: Sequence[Any], g: Any) -> Step:
        leaves, g = [tensor(x) for x in arrays], constant(g)

        def run() -> None:
            for x in leaves:
                x.grad = None
            function(*leaves).backward(g)

        return Step(run, lambda _: _numbered([np.asarray(x.grad) for x in leaves]))

    return both_ways


def _ours() -> Library:
    functions = _named(mt) | {
        "sigmoid(a)": mt.sigmoid,
        "concatenate([a, b])": lambda a, b: mt.concatenate([a, b]),
        "linear(a, W, b)": mt.linear,
        "cross_entropy(a)": lambda a: mt.nn.cross_entropy(a, TARGETS),
    }
    return Library(functions, _with_backward(partial(mt.tensor, requires_grad=True), mt.tensor))


def _torch() -> Library:
    import torch
    from torch.nn import functional

    targets = torch.tensor(TARGETS)
    functions = _named(torch) | {
        "sigmoid(a)": torch.sigmoid,
        "concatenate([a, b])": lambda a, b: torch.cat([a, b]),
        "linear(a, W, b)": functional.linear,
        "cross_entropy(a)": lambda a: functional.cross_entropy(a, targets),
    }
    leaf = partial(torch.tensor, requires_grad=True)
    return Library(functions, _with_backward(leaf, torch.tensor))


def _autograd() -> Library:
    from autograd import make_vjp

    def both_ways(function: Callable[..., Any], arrays: Sequence[Any], g: Any) -> Step:
        several = len(arrays) > 1
        traced = make_vjp(function, tuple(range(len(arrays))) if several else 0)

        def run() -> Any:
            vjp, _ = traced(*arrays)
            return vjp(g)

        return Step(run, lambda found: _numbered(found if several else [found]))

    return Library(_functions_of_autograd(), both_ways)


def _bare_autograd() -> Library:
    from autograd.core import VJPNode, backward_pass
    from autograd.tracer import new_box, trace_stack

    def received(found: list[Any], i: int, g: Any) -> tuple[()]:
        found[i] = g
        return ()

    def both_ways(function: Callable[..., Any], arrays: Sequence[Any], g: Any) -> Step:
        def run() -> list[Any]:
            roots: list[Any] = [VJPNode.new_root() for _ in arrays]
            with trace_stack.new_trace() as trace:
                boxes = [new_box(x, trace, root) for x, root in zip(arrays, roots, strict=True)]
                y = function(*boxes)
            found: list[Any] = [None] * len(arrays)
            for i, root in enumerate(roots):
                root.vjp = partial(received, found, i)
            backward_pass(g, y._node)
            return found

        return Step(run, _numbered)

    return Library(_functions_of_autograd(), both_ways)


def _functions_of_autograd() -> dict[str, Callable[..., Any]]:
    import autograd.numpy as anp
    from autograd.scipy import special

    rows = np.arange(len(TARGETS))
    return _named(anp) | {
        "sigmoid(a)": special.expit,
        "concatenate([a, b])": lambda a, b: anp.concatenate([a, b]),
        "linear(a, W, b)": lambda a, W, b: anp.dot(a, W.T) + b,
        "cross_entropy(a)": lambda a: anp.mean(special.logsumexp(a, axis=1) - a[rows, TARGETS]),
    }


def _mygrad() -> Library:
    import mygrad as mg
    from mygrad.nnet.activations import sigmoid
    from mygrad.nnet.losses import softmax_crossentropy

    functions = _named(mg) | {
        "sigmoid(a)": sigmoid,
        "concatenate([a, b])": lambda a, b: mg.concatenate([a, b]),
        "linear(a, W, b)": lambda a, W, b: mg.matmul(a, W.T) + b,
        "cross_entropy(a)": lambda a: softmax_crossentropy(a, TARGETS),
    }

    def both_ways(function: Callable[..., Any], arrays: Sequence[Any], g: Any) -> Step:
        leaves = [mg.tensor(x) for x in arrays]

        def run() -> None:
            for x in leaves:
                x.null_grad()
            function(*leaves).backward(g)

        return Step(run, lambda _: _numbered([x.grad for x in leaves]))

    return Library(functions, both_ways)


def _tinygrad() -> Library:
    if not shutil.which("clang") and platform.machine() in ("x86_64", "AMD64"):
        os.environ.setdefault("DEV", "CPU:X86")
    from tinygrad import Tensor

    targets = Tensor(TARGETS)
    functions: dict[str, Callable[..., Any]] = _named(Tensor) | {
        "stack([a, b])": lambda a, b: Tensor.stack(a, b),
        "sigmoid(a)": Tensor.sigmoid,
        "concatenate([a, b])": lambda a, b: Tensor.cat(a, b),
        "linear(a, W, b)": lambda a, W, b: a.linear(W.T, b),
        "cross_entropy(a)": lambda a: a.cross_entropy(targets),
    }

    def both_ways(function: Callable[..., Any], arrays: Sequence[Any], g: Any) -> Step:
        leaves, g = [Tensor(x).realize() for x in arrays], Tensor(g).realize()

        def run() -> list[Any]:
            y = function(*leaves)
            found: list[Any] = y.gradient(*leaves, gradient=g)
            y.realize(*found)
            found[-1].numpy()  # waits for all that was launched
            return found

        return Step(run, lambda found: _numbered([x.numpy() for x in found]))

    library = Library(functions, both_ways)
    both_ways(functions["exp(a)"], [np.zeros(2)], np.ones(2)).run()  # does it run here?
    return library


LIBRARIES = {
    "ours": _ours, "PyTorch": _torch, "autograd": _autograd,
    "autograd, bare": _bare_autograd, "MyGrad": _mygrad,
    "tinygrad": _tinygrad,
}  # fmt: skip
