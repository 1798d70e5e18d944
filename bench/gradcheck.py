"""What it costs to check a gradient by differences, beside `torch.autograd.gradcheck`.

Both are given the same functions of the same float64 numbers, with their defaults, which differ.
PyTorch's compares all of the Jacobian: a backward pass for every output, twice and more, and two
forward passes for every input number, to agree in 3 digits. "PyTorch, fast" compares one number in
place of it, a random combination of all entries. Ours combines the outputs at random and compares
one number for every input number: one backward pass, and eight forward passes for each, whose
differences are of order 8, to agree in 8 digits.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import minitorch_rnn as mt
from bench.measure import interleaved
from bench.record import Comparison
from bench.surroundings import version

T, B, I, H = 6, 2, 3, 4  # of the RNN
_WEIGHTS = {"weight_ih": (H, I), "weight_hh": (H, H), "bias_ih": (H,), "bias_hh": (H,)}

SHAPES: dict[str, Sequence[tuple[int, ...]]] = {  # of the inputs, by the function
    "tanh(a) * b": [(4, 5), (4, 5)],
    "linear(x, W, b)": [(4, 5), (3, 5), (3,)],
    "RNN(x, h, W, …)": [(T, B, I), (1, B, H), *_WEIGHTS.values()],
}

Functions = dict[str, Callable[..., Any]]


def run(rounds: int) -> Comparison:
    """Time the check of an elementwise function, a linear map and an RNN over a short sequence."""
    rows = {name: interleaved(candidates(name), rounds, seconds=0.05) for name in SHAPES}
    notes = () if version("torch") else ("PyTorch is left out: it is not installed",)
    title = f"a gradcheck of all inputs, float64; the RNN's (T, B, I, H) = {(T, B, I, H)}"
    return Comparison("gradcheck", title, "ms", "ours", rows, notes)


def candidates(name: str) -> dict[str, Callable[[], bool]]:
    """The check of one function by each; it says whether the gradient is right.

    Raises:
        ValueError: if the functions have other values.
    """
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape) for shape in SHAPES[name]]
    f, xs = ours()[name], [mt.tensor(x, requires_grad=True) for x in arrays]
    found: dict[str, Callable[[], bool]] = {"ours": lambda: bool(mt.autograd.gradcheck(f, xs))}
    if version("torch"):
        import torch

        g, ys = pytorch()[name], [torch.tensor(x, requires_grad=True) for x in arrays]
        if not np.allclose(f(*xs).detach(), g(*ys).detach(), rtol=1e-10):
            raise ValueError(f"{name}: PyTorch has other values.")
        found["PyTorch"] = partial(torch.autograd.gradcheck, g, ys)
        found["PyTorch, fast"] = partial(torch.autograd.gradcheck, g, ys, fast_mode=True)
    return found


def ours() -> Functions:
    """The functions by their names in `SHAPES`."""
    rnn = mt.nn.RNN(I, H)
    return {
        "tanh(a) * b": lambda a, b: mt.tanh(a) * b,
        "linear(x, W, b)": mt.linear,
        "RNN(x, h, W, …)": lambda x, h, *weights: mt.nn.functional_call(
            rnn, _named(weights), (x, h)
        )[0],
    }


def pytorch() -> Functions:
    """The same of PyTorch."""
    import torch

    rnn = torch.nn.RNN(I, H, dtype=torch.float64)
    call = torch.func.functional_call
    return {
        "tanh(a) * b": lambda a, b: torch.tanh(a) * b,
        "linear(x, W, b)": torch.nn.functional.linear,
        "RNN(x, h, W, …)": lambda x, h, *weights: call(rnn, _named(weights), (x, h))[0],
    }


def _named(weights: Sequence[Any]) -> dict[str, Any]:
    return {f"{name}_l0": w for name, w in zip(_WEIGHTS, weights, strict=True)}
