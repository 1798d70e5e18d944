"""Training: the loop, the character model it trains, and the folder a run leaves behind."""

from minitorch_rnn.training.character import CharacterModel
from minitorch_rnn.training.loop import Progress, Result, evaluate, train
from minitorch_rnn.training.run import load_run, new_folder, newest_run, save_run

__all__ = [
    "CharacterModel", "Progress", "Result", "evaluate", "load_run", "new_folder", "newest_run",
    "save_run", "train",
]  # fmt: skip
