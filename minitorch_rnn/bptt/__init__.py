"""The explicit algorithms of the slides, on plain arrays and without the engine."""

from minitorch_rnn.bptt import divergences, names, slides, units
from minitorch_rnn.bptt.slides import ACTIVATIONS, Trace, backward, forward

__all__ = ["ACTIVATIONS", "Trace", "backward", "divergences", "forward", "names", "slides", "units"]
