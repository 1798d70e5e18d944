"""Forecasting a series by a network, beside what needs no network.

In here: `task` is what is trained and `options` are its options; `data` is a series in its three
parts and `networks` are what forecasts it; `baselines` need no network; `scores` says how good all
of them are, and `picture` draws it.
"""

from minitorch_rnn.training.tasks.forecast.options import ForecastConfig
from minitorch_rnn.training.tasks.forecast.task import ForecastTask

__all__ = ["ForecastConfig", "ForecastTask"]
