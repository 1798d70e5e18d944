"""Drawings of the graphs that autograd records: what is in them, what is folded, the layout."""

from minitorch_rnn.teaching.pictures.graphs.drawing import draw_graph
from minitorch_rnn.teaching.pictures.graphs.nodes import graph_table

__all__ = ["draw_graph", "graph_table"]
