"""What generality costs: the BPTT of any column against slide 94's code, on the plain RNN."""

from functools import partial
from typing import Any

import numpy as np

from bench.measure import interleaved
from bench.record import Comparison, Timing
from minitorch_rnn import bptt, column


def run(rounds: int) -> Comparison:
    """Time forward and backward of one sequence, with one layer and with three."""
    results: dict[str, dict[str, Timing]] = {}
    for T, H, L in ((20, 8, 1), (100, 64, 1), (100, 64, 3)):
        for phase, candidates in _candidates(T, H, L).items():
            results[f"{phase}, T={T} H={H} L={L}"] = interleaved(candidates, rounds)
    title = "BPTT of one sequence on plain arrays, of any column or as slides 72 and 94 write it"
    return Comparison("explicit", title, "ms", "any column", results)


def _candidates(T: int, H: int, L: int) -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    layers = range(1, L + 1)
    params: dict[str, Any] = {
        "W_c": {l: rng.normal(size=(H, H)) / H for l in layers},
        "W_r": {l: rng.normal(size=(H, H)) / H for l in layers},
        "b": {l: rng.normal(size=H) for l in layers},
        "W_o": rng.normal(size=(H, H)), "b_o": rng.normal(size=H),
    }  # fmt: skip
    x, h_init = rng.normal(size=(T, H)), {l: rng.normal(size=H) for l in layers}
    net = column.state_space(H, H, H, L, output_activation="softmax")
    named = {"weight.x->h1": params["W_c"][1], f"weight.h{L}->Y": params["W_o"]}
    named |= {f"weight.h{l - 1}->h{l}": params["W_c"][l] for l in layers if l > 1}
    named |= {f"weight.h{l}(t-1)->h{l}": params["W_r"][l] for l in layers}
    named |= {f"bias.h{l}": params["b"][l] for l in layers} | {"bias.Y": params["b_o"]}
    named |= {f"history.h{l}": h_init[l][None] for l in layers}
    trace, dY = bptt.forward(params, x, h_init), rng.normal(size=(T, H))
    general = bptt.column.forward(net, named, x[:, None])
    return {
        "forward": {
            "any column": partial(bptt.column.forward, net, named, x[:, None]),
            "slide 72": partial(bptt.forward, params, x, h_init),
        },
        "backward": {
            "any column": partial(bptt.column.backward, net, named, general, dY[:, None]),
            "slide 94": partial(bptt.backward, params, trace, dY),
        },
    }
