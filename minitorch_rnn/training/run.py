"""The folder a run leaves behind: weights.safetensors, config.json and loss.png."""

import json
import os
import pathlib
from typing import Any

import numpy as np

from minitorch_rnn.data import Vocabulary
from minitorch_rnn.errors import RunError, StateError
from minitorch_rnn.serialization import load, needs_app, save, write_whole
from minitorch_rnn.training.character import CharacterModel

WEIGHTS, CONFIG, CURVE = "weights.safetensors", "config.json", "loss.png"


def new_folder(name: str | os.PathLike[str]) -> pathlib.Path:
    """Make the folder of a new run, or take an empty one, before there is anything to lose.

    Raises:
        RunError: if it holds anything, or cannot be made.
    """
    home = pathlib.Path(name)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(exist_ok=home.is_dir() and not any(home.iterdir()))
    except FileExistsError as cause:
        raise RunError(f"{home}: exists already; choose another --out.") from cause
    except OSError as cause:
        raise RunError(f"{cause.filename or home}: cannot be made: {cause.strerror}.") from cause
    return home


def newest_run(folder: str | os.PathLike[str] = "runs") -> pathlib.Path:
    """The run below `folder` that was saved last.

    Raises:
        RunError: if there is none.
    """
    runs = sorted(pathlib.Path(folder).glob(f"*/{CONFIG}"), key=lambda path: path.stat().st_mtime)
    if not runs:
        raise RunError(f"{folder}/: holds no run; `minitorch-rnn train` makes one, or name yours.")
    return runs[-1].parent


def save_run(
    folder: str | os.PathLike[str],
    model: CharacterModel,
    config: dict[str, Any],
    losses: list[float],
    entropy: float,
) -> None:
    """Write weights, configuration and the curve of the loss into `folder`.

    Each file is written beside its place and moved there whole.

    Args:
        folder: made if it does not exist.
        model: what to save; its sizes and vocabulary go into the configuration.
        config: what else to record, such as options and figures.
        losses: nats per character at every step.
        entropy: bits per character of the character frequencies, drawn as a line.

    Raises:
        RunError: if the folder cannot be written, or safetensors or matplotlib is missing.
    """
    rnn = model.network.rnn
    config = config | {
        "format": 1,
        "vocabulary": model.vocabulary.characters,
        "hidden_size": rnn.hidden_size,
        "num_layers": rnn.num_layers,
        "nonlinearity": rnn.nonlinearity,
        "dtype": str(model.network.output.weight.dtype),
    }
    home = pathlib.Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
        save(model.state_dict(), home / WEIGHTS)
        write_whole(home / CONFIG, json.dumps(config, indent=2).encode())
        write_whole(home / CURVE, draw_losses(losses, entropy))
    except OSError as cause:
        raise RunError(f"{cause.filename or home}: cannot be written: {cause.strerror}.") from cause
    except ImportError as cause:
        raise RunError(str(cause)) from cause


def load_run(folder: str | os.PathLike[str]) -> tuple[CharacterModel, dict[str, Any]]:
    """The model of a run and its configuration.

    Raises:
        RunError: naming the file that is missing or damaged.
    """
    home = pathlib.Path(folder)
    path = home / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        model = CharacterModel(
            Vocabulary(config["vocabulary"]),
            config["hidden_size"],
            config["num_layers"],
            config["nonlinearity"],
            dtype=config["dtype"],
        )
        path = home / WEIGHTS
        model.load_state_dict(load(path))
    except OSError as cause:
        raise RunError(f"{path}: cannot be read: {cause.strerror}.") from cause
    except ImportError as cause:
        raise RunError(str(cause)) from cause
    except (ValueError, KeyError, TypeError, MemoryError, RecursionError, StateError) as cause:
        raise RunError(f"{path}: is damaged or not of this program: {cause}") from cause
    return model, config


def draw_losses(losses: list[float], entropy: float) -> bytes:
    """The curve of the loss in bits per character, as PNG."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as cause:
        raise RunError(str(needs_app("matplotlib"))) from cause
    import io

    bits = np.array(losses) / np.log(2)
    width = max(1, len(bits) // 50)
    smooth = np.convolve(bits, np.ones(width) / width, mode="valid") if len(bits) else bits
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(np.arange(1, len(bits) + 1), bits, color="0.8", linewidth=0.8, label="each step")
    axes.plot(
        np.arange(len(smooth)) + width, smooth, color="tab:blue", label=f"mean of {width} steps"
    )
    axes.axhline(entropy, color="0.3", linestyle="--", label="character frequencies alone")
    axes.set(xlabel="training step", ylabel="bits per character", ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()
