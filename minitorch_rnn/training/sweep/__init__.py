"""Sweeps: many trainings with different options, side by side, and one table of what came of them.

What is tried is in `plan`, where it runs in `pools`, what a worker does in `trials`, the folder and
how a sweep goes on after whatever ended it in `sweep`, the table in `results`.
"""

from minitorch_rnn.training.sweep.plan import Plan, Trial, read_plan
from minitorch_rnn.training.sweep.pools import Pool, cores, processes
from minitorch_rnn.training.sweep.results import Result, best_first, csv_of, over_seeds
from minitorch_rnn.training.sweep.sweep import Sweep

__all__ = [
    "Plan", "Pool", "Result", "Sweep", "Trial", "best_first", "cores", "csv_of", "over_seeds",
    "processes", "read_plan",
]  # fmt: skip
