"""What a training says of itself: progress, samples, metrics, curves."""

from minitorch_rnn.training.reporting.curves import draw_curves, save_curves
from minitorch_rnn.training.reporting.metrics import METRICS, Metrics
from minitorch_rnn.training.reporting.progress import Progress
from minitorch_rnn.training.reporting.recorded import Curves, read_metrics
from minitorch_rnn.training.reporting.samples import Samples
from minitorch_rnn.training.reporting.tensorboard import TensorBoard

__all__ = [
    "Curves", "METRICS", "Metrics", "Progress", "Samples", "TensorBoard", "draw_curves",
    "read_metrics", "save_curves",
]  # fmt: skip
