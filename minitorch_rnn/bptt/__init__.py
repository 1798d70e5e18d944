"""The explicit algorithms of the slides, on plain arrays and without the engine.

`slides` and `units` are slides 72–94 as they stand; `column` is the same for any architecture, with
`truncated` and `rtrl` beside it. `forward` and `backward` here are those of `slides`.
"""

from minitorch_rnn.bptt import column, divergences, names, rtrl, slides, truncated, units
from minitorch_rnn.bptt.slides import ACTIVATIONS, Trace, backward, forward

__all__ = [
    "ACTIVATIONS", "Trace", "backward", "column", "divergences", "forward", "names", "rtrl",
    "slides", "truncated", "units",
]  # fmt: skip
