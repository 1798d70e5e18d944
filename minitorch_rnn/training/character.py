"""A model of text, character by character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minitorch_rnn import backend, nn
from minitorch_rnn.data import Vocabulary
from minitorch_rnn.engine import Tensor, constant, no_grad
from minitorch_rnn.errors import DataError


class CharacterModel(nn.Module):
    """P(next character | all before it), by a recurrent network over one-hot characters.

    Args:
        vocabulary: the characters it knows, V of them.
        hidden_size, num_layers, nonlinearity, dtype, rng: as in `nn.RNN`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        V = len(vocabulary)
        self.vocabulary = vocabulary
        self.network = nn.RecurrentNetwork(
            V,
            hidden_size,
            V,
            num_layers=num_layers,
            nonlinearity=nonlinearity,
            dtype=dtype,
            rng=rng,
        )

    def forward(self, numbers: np.ndarray, h_0: Any = None) -> tuple[Tensor, Tensor]:
        """Characters by number, (T, B), to logits of the next ones, (T, B, V), and the state."""
        like = self.network.output.weight
        # One-hot where the network lives: numbers are a V-th of what would go up otherwise.
        rows = backend.namespace(like._data).eye(len(self.vocabulary), dtype=like.dtype)
        x = constant(rows)[numbers]
        return self.network.logits(x, h_0)

    def sample(
        self,
        prompt: str,
        length: int,
        temperature: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> Iterator[str]:
        """Characters that follow `prompt`, each drawn from softmax(logits / temperature).

        Raises:
            DataError: if the prompt is empty, or the temperature is not above 0.
        """
        if not prompt:
            raise DataError("sample: the prompt is empty; give at least one character.")
        if not 0 < temperature < float("inf"):
            raise DataError(f"sample: temperature is {temperature}; a number above 0 is needed.")
        rng = backend.generator(rng)
        numbers, state = self.vocabulary.encode(prompt), None
        for _ in range(length):
            with no_grad():
                logits, state = self(numbers[:, None], state)
            z = backend.to_numpy(logits[-1, 0].data).astype(float)
            with np.errstate(over="ignore"):  # a tiny temperature: -inf, for a probability of 0
                p = np.exp((z - z.max()) / temperature)
            numbers = np.array([rng.choice(len(p), p=p / p.sum())])
            yield self.vocabulary.decode(numbers)
