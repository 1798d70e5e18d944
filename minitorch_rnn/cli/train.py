"""`minitorch-rnn train`: a character model of a text."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib
import math
import sys
import time
from typing import Any

import numpy as np

from minitorch_rnn import backend, data, optim, training
from minitorch_rnn.cli.options import Commands, count, positive, seed
from minitorch_rnn.errors import RunError


def add_to(commands: Commands) -> None:
    """Declare the command and its options; defaults stand in parentheses."""
    command = commands.add_parser(
        "train",
        help="train a character model of a text",
        description="Train a recurrent network to predict the next character. Without options: on "
        "the source code of Python's standard library, for less than a minute. Weights, "
        "configuration and a picture of the loss go into a run folder.",
    )
    option = command.add_argument
    option("--text", metavar="FILE", help="a UTF-8 text (the standard library's sources)")
    option("--out", metavar="RUN", help="the run folder (runs/ and the time)")
    option("--hidden", type=count, default=160, help="hidden units per layer (160)")
    option("--layers", type=count, default=1, help="recurrent layers (1)")
    option("--nonlinearity", choices=("tanh", "relu"), default="tanh", help="(tanh)")
    option("--batch", type=count, default=32, help="parallel streams of text (32)")
    option("--sequence", type=count, default=48, help="characters that gradients reach back (48)")
    option("--steps", type=count, default=2300, help="parameter updates (2300)")
    option("--seconds", type=positive, default=50.0, help="stop after so long if not done (50)")
    option("--optimizer", choices=("adam", "sgd"), default="adam", help="(adam)")
    option("--lr", type=positive, help="learning rate (adam 0.004, sgd 1)")
    option("--clip", type=positive, default=1.0, help="largest norm of the gradients (1)")
    option("--seed", type=seed, default=0, help="draws weights and samples (0)")
    option("--backend", choices=backend.names(), help="(MINITORCH_RNN_BACKEND, or numpy)")
    option("--dtype", choices=("float32", "float64"), default="float32", help="(float32)")
    option("--threads", type=count, default=1, help="for matrix products (1; more rarely helps)")
    option("--sample-every", type=count, default=575, help="steps between samples (575)")
    option("--quiet", action="store_true", help="no samples and no progress")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Train, report, save."""
    _require("tqdm", "matplotlib", "safetensors", "threadpoolctl")
    if options.text is None:
        source, text = "the standard library", data.standard_library_text()
    else:
        source, text = options.text, data.read_text(options.text)
    vocabulary = data.Vocabulary.of(text)
    train, held_out = data.Streams.with_held_out(
        vocabulary.encode(text), options.batch, options.sequence, source
    )
    now = f"{datetime.datetime.now():%Y%m%d-%H%M%S-%f}"[:-4]
    folder = training.new_folder(f"runs/{now}" if options.out is None else options.out)
    try:
        return _train(options, folder, source, vocabulary, train, held_out)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.rmdir()  # if nothing was saved
        raise


def _train(
    options: argparse.Namespace,
    folder: Any,
    source: str,
    vocabulary: Any,
    train: Any,
    held_out: Any,
) -> int:
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(options.seed)
    options.backend = options.backend or backend.current_backend().name
    with backend.use(options.backend), threadpool_limits(limits=options.threads, user_api="blas"):
        model = training.CharacterModel(
            vocabulary, options.hidden, options.layers, options.nonlinearity, options.dtype, rng
        )
        result = training.train(
            model, train, _optimizer(model, options), options.steps, options.clip,
            options.seconds, _Report(options, model, rng),
        )  # fmt: skip
        bits = training.evaluate(model, held_out)
    entropy = data.entropy_bits(held_out.numbers.ravel())
    figures = {
        "steps_taken": len(result.losses),
        "seconds": round(result.seconds, 2),
        "ended_by": result.ended,
        "held_out_bits_per_character": bits,
        "held_out_entropy_of_frequencies": entropy,
    }
    config = {"text": source, "options": _recorded(options), "figures": figures}
    training.save_run(folder, model, config, result.losses, entropy)
    if result.ended != "steps":
        reason = "Ctrl-C" if result.ended == "interrupt" else f"--seconds {options.seconds:g}"
        print(f"stopped by {reason} after {len(result.losses)} of {options.steps:,} steps")
    print(
        f"{len(result.losses)} steps in {result.seconds:.0f} s. On {held_out.numbers.size:,} "
        f"characters it never saw the model needs {bits:.2f} bits per character;\n"
        f"their frequencies alone need {entropy:.2f}: "
        + (f"{entropy - bits:.2f} bits fewer." if bits < entropy else "the model is no better yet.")
    )
    print(f"wrote {folder}: {training.run.WEIGHTS}, {training.run.CONFIG}, {training.run.CURVE}")
    print(
        f"next: minitorch-rnn sample {folder}"
        + (" --prompt 'def '" if options.text is None else "")
    )
    return 130 if result.ended == "interrupt" else 0


def _require(*packages: str) -> None:
    """Fail before the training, not after it, if a package for its end is missing."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as cause:
            raise RunError(
                f"train: {package} is not installed; pip install -e '.[app]'."
            ) from cause


def _optimizer(model: training.CharacterModel, options: argparse.Namespace) -> optim.Optimizer:
    if options.optimizer == "adam":
        return optim.Adam(model.parameters(), options.lr or 0.004)
    return optim.SGD(model.parameters(), options.lr or 1.0, momentum=0.9)


def _recorded(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if name != "run"}


class _Report:
    """Called after every step: a bar on a terminal, a line now and then elsewhere, samples."""

    def __init__(self, options: argparse.Namespace, model: Any, rng: np.random.Generator) -> None:
        from tqdm import tqdm

        self.options, self.model, self.rng = options, model, rng
        self.started = self.told = time.monotonic()
        self.loss: Any = math.nan
        self.unread = False
        self.terminal = sys.stderr.isatty() and not options.quiet
        self.bar = tqdm(
            total=options.steps * options.batch * options.sequence, unit=" chars", unit_scale=True,
            disable=not self.terminal, dynamic_ncols=True, smoothing=0.1, leave=False,
            bar_format="{percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}",
        )  # fmt: skip

    def __call__(self, progress: training.Progress) -> None:
        first = progress.step == 1
        # A number of the device, which is waited for where it is shown.
        self.loss = progress.loss if first else 0.95 * self.loss + 0.05 * progress.loss
        self.bar.update(progress.characters)
        now = time.monotonic()
        if self.options.quiet:
            return
        if self.terminal and now - self.told > 0.2:
            self.told, loss = now, float(self.loss)
            self.bar.set_postfix_str(
                f"loss {loss:.2f}, {loss / math.log(2):.2f} bits/char", refresh=False
            )
        elif not self.terminal and (first or now - self.told > 5):
            self.told, steps, loss = now, self.options.steps, float(self.loss)
            bits = loss / math.log(2)
            rate = progress.step / max(now - self.started, 1e-9)
            print(
                f"step {progress.step}/{steps}: loss {loss:.3f}, {bits:.2f} bits/char, "
                f"{rate * progress.characters:,.0f} chars/s, {(steps - progress.step) / rate:.0f} "
                "s left", file=sys.stderr, flush=True,
            )  # fmt: skip
        if progress.step == self.options.steps:
            self.bar.close()
        if progress.step % self.options.sample_every == 0 and not self.unread:
            self._show_sample(progress.step, float(self.loss) / math.log(2))

    def _show_sample(self, step: int, bits: float) -> None:
        letters = "".join(self.model.sample("\ndef ", 200, 0.7, self.rng))
        rule = "-" * 20
        try:
            self.bar.write(
                f"{rule} step {step}, {bits:.2f} bits/char {rule}\ndef {letters}", file=sys.stdout
            )
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read the samples has gone; the training has not
            self.unread = True
