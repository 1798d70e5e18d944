"""Seeing gradients flow: drawings, explanations, ledgers, derivations, exercises and diagnoses."""

from minitorch_rnn.teaching import exercises
from minitorch_rnn.teaching.derive import Derivation, derive
from minitorch_rnn.teaching.diagnose import Diagnosis, Finding, Problem, diagnose
from minitorch_rnn.teaching.draw import draw, draw_graph
from minitorch_rnn.teaching.explain import Page, explain
from minitorch_rnn.teaching.ledger import Ledger, ledger
from minitorch_rnn.teaching.pictures import Picture
from minitorch_rnn.teaching.pictures.graphs import graph_table
from minitorch_rnn.teaching.recording import Recording, record
from minitorch_rnn.teaching.scalar import Scalar
from minitorch_rnn.teaching.scalar_rnn import compare_scalars
from minitorch_rnn.teaching.walks import by_paths, compare_walks, first_come, newest_first

__all__ = [
    "Derivation", "Diagnosis", "Finding", "Ledger", "Page", "Picture", "Problem", "Recording",
    "Scalar", "by_paths", "compare_scalars", "compare_walks", "derive", "diagnose", "draw",
    "draw_graph", "exercises", "explain", "first_come", "graph_table", "ledger", "newest_first",
    "record",
]  # fmt: skip
