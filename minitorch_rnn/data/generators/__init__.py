"""The field's tasks, drawn at random: as many batches as one likes, each from a seed and a number.

A task knows how to draw B sequences; `Drawn` makes batches of them. Every task says what papers
it is from, what shapes it has, what a guess comes to, and what counts as solved.
"""

from minitorch_rnn.data.generators.adding import Adding, Adding1997
from minitorch_rnn.data.generators.copying import Copying
from minitorch_rnn.data.generators.drawn import Drawn
from minitorch_rnn.data.generators.dyck import Dyck
from minitorch_rnn.data.generators.elman import Letters, XorStream
from minitorch_rnn.data.generators.grammar import knows_the_legal
from minitorch_rnn.data.generators.latching import Latching, TwoSequences
from minitorch_rnn.data.generators.mackey_glass import MackeyGlass, mackey_glass
from minitorch_rnn.data.generators.narma import Narma10
from minitorch_rnn.data.generators.parity import Parity
from minitorch_rnn.data.generators.reber import Reber
from minitorch_rnn.data.generators.sentences import Sentences
from minitorch_rnn.data.generators.temporal_order import TemporalOrder
from minitorch_rnn.data.generators.weighted_window import WeightedWindow

__all__ = [
    "Adding", "Adding1997", "Copying", "Drawn", "Dyck", "Latching", "Letters",
    "MackeyGlass", "Narma10", "Parity", "Reber", "Sentences", "TemporalOrder", "TwoSequences",
    "WeightedWindow", "XorStream", "knows_the_legal", "mackey_glass",
]  # fmt: skip
