"""The whole job of `minitorch-rnn train`, beside the same job in PyTorch.

Text and options are the command's defaults. Ours is the `Trainer` that the command runs;
PyTorch's is the loop that one writes there: one-hot characters looked up in the identity matrix,
`nn.RNN`, `nn.Linear`, `cross_entropy`, `clip_grad_norm_` and `optim.Adam`. Both begin with the same
weights and the same characters, and the losses of all steps are compared. Making the model and the
optimiser is part of the job; reading the text is not.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from bench.measure import interleaved
from bench.record import Comparison, Timing
from bench.surroundings import version
from minitorch_rnn import cli, data, optim
from minitorch_rnn.cli.flags import config_of
from minitorch_rnn.data import Streams, Vocabulary
from minitorch_rnn.training.session import trainer_of
from minitorch_rnn.training.tasks.text import CharacterModel, CharacterTask, TextConfig

STEPS = 20
TOLERANCE = 1e-3  # of a loss: float32, and every step goes on from where the last one ended


class Job(NamedTuple):
    """What is trained, and on what.

    Attributes:
        config: the options of `minitorch-rnn train`.
        vocabulary, streams: of the text, as the command makes them.
        steps: how many are taken.
    """

    config: TextConfig
    vocabulary: Vocabulary
    streams: Streams
    steps: int = STEPS

    @classmethod
    def of(cls, text: str, arguments: tuple[str, ...] = (), steps: int = STEPS) -> "Job":
        """The job of the command with these arguments, on another text."""
        options = cli.parser("train").parse_args(["train", *arguments])
        config = config_of("text", options, {}, "")
        assert isinstance(config, TextConfig)
        vocabulary = Vocabulary.of(text)
        streams, _ = Streams.with_held_out(vocabulary.encode(text), config.batch, config.sequence)
        return cls(config, vocabulary, streams, steps)

    def model(self) -> CharacterModel:
        """The model with the weights that both begin with."""
        o, rng = self.config, np.random.default_rng(self.config.seed)
        return CharacterModel(self.vocabulary, o.hidden, o.layers, o.nonlinearity, o.dtype, rng)

    @property
    def characters(self) -> int:
        """In one step."""
        return int(self.config.batch * self.config.sequence)


def run(rounds: int) -> Comparison:
    """Time some steps of the job, from the weights to the last update."""
    job = Job.of(data.standard_library_text())
    found = {"ours": ours(job)}
    notes = []
    if version("torch"):
        found["PyTorch"] = pytorch(job)
        agree({name: call() for name, call in found.items()})
    else:
        notes.append("PyTorch is left out: it is not installed")
    times = interleaved(found, rounds, seconds=0.0)
    steps = {name: Timing(t.minimum / job.steps, t.median / job.steps) for name, t in times.items()}
    notes += [
        f"{name}: {job.characters / t.median:,.0f} characters per second"
        for name, t in steps.items()
    ]
    o = job.config
    title = (
        f"one step of `minitorch-rnn train`: {o.layers} layer of H = {o.hidden}, B = {o.batch}, "
        f"T = {o.sequence}, {len(job.vocabulary)} characters, {o.optimizer}, {o.dtype}"
    )
    return Comparison("train", title, "ms", "ours", {"train": steps}, tuple(notes))


def agree(losses: dict[str, list[float]], tolerance: float = TOLERANCE) -> None:
    """Whether the losses of all steps are those of the first candidate.

    Raises:
        ValueError: naming the candidate, the step and both losses.
    """
    (first, expected), *others = losses.items()
    for name, found in others:
        for step, (a, b) in enumerate(zip(found, expected, strict=True), 1):
            if not abs(a - b) <= tolerance * abs(b):
                raise ValueError(f"step {step}: the loss of {name} is {a}, of {first} {b}.")


def ours(job: Job) -> Callable[[], list[float]]:
    """What does the job by the steps of `Trainer`, and returns its losses."""

    def train() -> list[float]:
        task = CharacterTask(job.model(), lambda epoch: job.streams, None, None, job.config)
        trainer = trainer_of(job.config, task)
        taken = (trainer.take_step() for _ in range(job.steps))
        return [step.loss.item() for step in taken if step is not None]

    return train


def pytorch(job: Job) -> Callable[[], list[float]]:
    """What does the job in PyTorch, and returns its losses."""
    import torch
    from torch.nn import functional

    o, V, model = job.config, len(job.vocabulary), job.model()
    dtype = getattr(torch, o.dtype)
    group = optim.Adam(model.parameters(), o.rate).param_groups[0]
    weights = [
        {name: torch.tensor(w) for name, w in part.state_dict().items()}
        for part in (model.network.rnn, model.network.output)
    ]

    def train() -> list[float]:
        rnn = torch.nn.RNN(V, o.hidden, o.layers, o.nonlinearity, dtype=dtype)
        output = torch.nn.Linear(o.hidden, V, dtype=dtype)
        for part, own in zip((rnn, output), weights, strict=True):
            part.load_state_dict(own)
        parameters = [*rnn.parameters(), *output.parameters()]
        optimizer = torch.optim.Adam(parameters, group["lr"], group["betas"], group["eps"])
        one_hot, state = torch.eye(V, dtype=dtype), None
        losses: list[float] = []
        for inputs, targets, _, fresh in itertools.islice(itertools.cycle(job.streams), job.steps):
            state = None if fresh else state
            states, state = rnn(one_hot[torch.from_numpy(inputs)], state)
            state = state.detach()
            logits = output(states).flatten(0, 1)
            loss = functional.cross_entropy(logits, torch.from_numpy(targets).flatten())
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, o.clip, error_if_nonfinite=True)
            optimizer.step()
        return losses

    return train
