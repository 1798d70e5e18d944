"""Initial values of parameters, drawn on the host so that one seed gives one model anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_rnn import backend
from minitorch_rnn.engine import Parameter


def uniform(
    *shape: int, bound: float, dtype: Any = None, rng: np.random.Generator | None = None
) -> Parameter:
    """A parameter drawn from U(-bound, bound), in the default dtype unless one is given."""
    dtype = backend.get_default_dtype() if dtype is None else dtype
    return Parameter(backend.generator(rng).uniform(-bound, bound, shape), dtype=dtype)
