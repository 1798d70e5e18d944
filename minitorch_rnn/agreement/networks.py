"""The networks on which agreement is certified: those that `minitorch-rnn check` runs."""

import itertools
from collections.abc import Iterator

import numpy as np

from minitorch_rnn import bptt
from minitorch_rnn.agreement.verification import Agreement, verify
from minitorch_rnn.nn import RecurrentNetwork


def certificate(seed: int = 0) -> Iterator[Agreement]:
    """Agreements for 1–3 layers, tanh and relu, with and without bias.

    Each of these networks is verified under a divergence that is a sum over time and under one that
    is not. All sizes differ (T=4, B=2, I=5, H=3, O=6), so that no axis can pass for another.
    """
    T, B, I, H, O = 4, 2, 5, 3, 6
    pairs = {True: (("cross-entropy", "softmax"), ("squared total", "identity")),
             False: (("squared error", "identity"), ("soft worst step", "softmax"))}  # fmt: skip
    rng = np.random.default_rng(seed)
    for L, f, bias in itertools.product((1, 2, 3), ("tanh", "relu"), (True, False)):
        for divergence, output in pairs[bias]:
            network = RecurrentNetwork(
                I, H, O, output, num_layers=L, nonlinearity=f, bias=bias, dtype="float64", rng=rng
            )
            while True:
                x, h_0 = rng.normal(size=(T, B, I)), rng.normal(size=(L, B, H))
                if f == "tanh" or _distance_to_kink(network, x, h_0) > 0.05:
                    break
            D = rng.dirichlet(np.ones(O), size=(T, B))
            yield verify(network, x, D, divergence, h_0)


def _distance_to_kink(network: RecurrentNetwork, x: np.ndarray, h_0: np.ndarray) -> float:
    """The smallest |z(t,l)|: differences are drawn again rather than asked for less nearby."""
    params = bptt.names.from_torch(network.state_dict())
    f = network.rnn.nonlinearity
    return min(
        float(np.abs(z).min())
        for b in range(x.shape[1])
        for z in bptt.forward(
            params, x[:, b], {l + 1: h[b] for l, h in enumerate(h_0)}, f
        ).z.values()
    )
