"""Training: the loop, what is trained, the folder a run leaves behind, and several processes."""

from minitorch_rnn.training import distributed, reporting, tasks
from minitorch_rnn.training.callback import Callback, Step
from minitorch_rnn.training.checkpoints import Checkpoints
from minitorch_rnn.training.config import Config
from minitorch_rnn.training.run import Run, newest_run
from minitorch_rnn.training.session import Outcome, resume, start
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.trainer import Best, Trainer

__all__ = [
    "Best", "Callback", "Checkpoints", "Config", "Outcome", "Run", "Step", "Task", "Trainer",
    "distributed", "newest_run", "reporting", "resume", "start", "tasks",
]  # fmt: skip
