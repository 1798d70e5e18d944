"""The Mackey-Glass series: a delayed feedback that becomes chaotic as the delay grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.generators.drawn import needs


def mackey_glass(steps: int, tau: float = 17.0, start: Any = 1.2, substeps: int = 10) -> np.ndarray:
    """The Mackey-Glass series x(0), x(1), …: one figure for each unit of time.

        dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t),    x(0) = start,  x(t < 0) = 0

    With a delay of 17 it is chaotic in a mild way, with 30 in a strong one. Integrated by the
    Runge-Kutta method of order 4. The delayed x is interpolated by Hermite's cubic where the method
    asks for it between two steps, so that the whole is of order 4: at 10 substeps and tau 17, the
    first 500 figures are right to 2e-8. Programs that hold the delayed x during a substep
    are of order 1, and come to other figures after some hundred units of time.

    Args:
        steps: T.
        tau: the delay, above 0.
        start: x(0), a number; or several, for as many series side by side.
        substeps: of the integration, in a unit of time. tau times substeps has to be whole.

    Returns:
        (T,), or (T, …) as `start` is.

    Raises:
        ValueError: if a number is too small, or tau is not a whole number of substeps.

    >>> mackey_glass(5).round(4).tolist()
    [1.2, 1.0858, 0.9825, 0.889, 0.8044]

    Sources: Mackey and Glass, "Oscillation and chaos in physiological control systems", Science
    197, 1977; with x(0) = 1.2 and no past, Jang, "ANFIS: adaptive-network-based fuzzy inference
    system", IEEE Transactions on Systems, Man, and Cybernetics 23, 1993.
    """
    needs("mackey_glass", steps=(steps, 1), substeps=(substeps, 1))
    n = round(tau * substeps) if np.isfinite(tau) else 0
    if n < 1 or abs(n - tau * substeps) > 1e-9 * n:
        raise ValueError(
            f"mackey_glass: tau is {tau} and substeps {substeps}; tau x substeps is to be a whole "
            "number above 0, that the past is known where it is needed."
        )
    h = 1 / substeps
    x = start if isinstance(start, float) else np.asarray(start, dtype=float)
    fed = _fed_back(x)
    # What the past feeds back, by substeps: at the beginning, in the middle and at the end of each.
    # x jumps at t = 0, so the end of one is not the beginning of the next there.
    past = [(0 * x, 0 * x, 0 * x)] * n
    y = [x]
    for k in range((steps - 1) * substeps):
        early, middle, late = past[k]
        k1 = early - 0.1 * x
        k2 = middle - 0.1 * (x + h / 2 * k1)
        k3 = middle - 0.1 * (x + h / 2 * k2)
        k4 = late - 0.1 * (x + h * k3)
        after = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        halfway = (x + after) / 2 + h / 8 * (k1 - (late - 0.1 * after))
        fed_after = _fed_back(after)
        past.append((fed, _fed_back(halfway), fed_after))
        x, fed = after, fed_after
        if (k + 1) % substeps == 0:
            y.append(x)
    return np.array(y)


def _fed_back(x: Any) -> Any:
    return 0.2 * x / (1 + x**10)


@dataclass(frozen=True)
class MackeyGlass:
    """Forecasting the Mackey-Glass series: x(t) comes, x(t + ahead) is asked for.

    Each sequence begins at an x(0) of its own, uniform in [0.5, 1.5), and its first `skipped`
    units of time are left out, so that all are on the attractor.

    - Shapes: inputs and targets (T, B, 1), not scaled: from 0.4 to 1.3 at a delay of 17, from
      0.2 to 1.4 at 30.
    - Chance: whoever always says the mean has the variance as mean squared error, about 0.05 at
      a delay of 17 and 0.08 at 30; whoever says x(t) again is far better at `ahead` 1.
    - Solved: papers give the root of the mean squared error, divided by the standard deviation of
      the series (NRMSE), often 84 units ahead by a forecast that is fed back.

    Args:
        steps: T.
        ahead: how far is looked ahead, in units of time.
        tau: the delay: 17 or 30 in most papers.
        skipped: units of time before the first figure.
        substeps: of the integration: see `mackey_glass`.

    >>> batch = MackeyGlass(steps=20, ahead=6, skipped=50).draw(np.random.default_rng(0), 2)
    >>> batch.inputs.shape, bool((batch.inputs[6:] == batch.targets[:-6]).all())
    ((20, 2, 1), True)

    Sources: see `mackey_glass`; Jaeger and Haas, "Harnessing nonlinearity", Science 304, 2004, for
    the figure 84 units ahead.
    """

    steps: int = 500
    ahead: int = 1
    tau: float = 17.0
    skipped: int = 250
    substeps: int = 10

    def __post_init__(self) -> None:
        needs(
            "MackeyGlass", steps=(self.steps, 1), ahead=(self.ahead, 1), skipped=(self.skipped, 0)
        )

    def draw(self, rng: np.random.Generator, batch: int) -> Batch:
        """B series, each from a start of its own."""
        start = rng.uniform(0.5, 1.5, (batch, 1))
        count = self.skipped + self.steps + self.ahead
        x = mackey_glass(count, self.tau, start, self.substeps)[self.skipped :]
        return Batch(x[: self.steps], x[self.ahead :])
