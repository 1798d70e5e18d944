"""Text, character by character: the model, its options, and the task of training it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend, nn
from minitorch_rnn.data.batch import Batch
from minitorch_rnn.data.streams import Streams
from minitorch_rnn.data.text import (
    PATTERNS,
    ByteVocabulary,
    Corpus,
    NotTextError,
    Vocabulary,
    entropy_bits,
    read_corpus,
    standard_library,
    vocabulary_of,
)
from minitorch_rnn.engine import Tensor, constant
from minitorch_rnn.errors import DataError, RunError
from minitorch_rnn.training.config import Config, names, number, one_of, option, whole
from minitorch_rnn.training.judging import judging
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks.paths import data_file


class CharacterModel(nn.Module):
    """P(next character | all before it), by a recurrent network over one-hot characters.

    Args:
        vocabulary: the characters it knows, V of them; or the bytes.
        hidden_size, num_layers, nonlinearity, dtype, rng: as in `nn.RNN`.
        cell: "rnn", "lstm" or "gru"; the nonlinearity is that of "rnn".
        dropout: probability with which values between the layers are dropped while training.

    >>> import minitorch_rnn as mt
    >>> from minitorch_rnn.data import Vocabulary
    >>> model = CharacterModel(Vocabulary("abc"), 5, cell="gru")
    >>> logits, state = model(model.vocabulary.encode("cab")[:, None])
    >>> logits.shape, len("".join(model.sample("a", 7)))
    ((3, 1, 4), 7)
    """

    def __init__(
        self,
        vocabulary: Vocabulary | ByteVocabulary,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        dtype: Any = None,
        rng: np.random.Generator | None = None,
        *,
        cell: str = "rnn",
        dropout: float = 0.0,
    ) -> None:
        V = len(vocabulary)
        self.vocabulary = vocabulary
        options = {"nonlinearity": nonlinearity} if cell == "rnn" else {}
        self.network = nn.RecurrentNetwork(
            V,
            hidden_size,
            V,
            cell=cell,
            num_layers=num_layers,
            dropout=dropout,
            dtype=dtype,
            rng=rng,
            **options,
        )

    def forward(self, numbers: np.ndarray, hx: Any = None) -> tuple[Tensor, Any]:
        """Characters by number, (T, B), to logits of the next ones, (T, B, V), and the state."""
        like = self.network.output.weight
        # One-hot where the network lives: numbers are a V-th of what would go up otherwise.
        rows = backend.namespace(like._data).eye(len(self.vocabulary), dtype=like.dtype)
        x = constant(rows)[numbers]
        return self.network.logits(x, hx)

    def sample(
        self,
        prompt: str,
        length: int,
        temperature: float = 1.0,
        rng: np.random.Generator | None = None,
    ) -> Iterator[str]:
        """The text that follows `prompt`: symbols drawn from softmax(logits / temperature).

        Args:
            prompt: what comes first.
            length: characters to draw; bytes, if the model knows those.
            temperature: below 1 safer, above 1 bolder.
            rng: draws them; None is the default generator.

        Raises:
            DataError: if the prompt is empty, or the temperature is not above 0.
        """
        if not prompt:
            raise DataError("sample: the prompt is empty; give at least one character.")
        if not 0 < temperature < math.inf:
            raise DataError(f"sample: temperature is {temperature}; a number above 0 is needed.")
        rng = backend.generator(rng)
        yield from self.vocabulary.spelled(self._drawn(prompt, length, temperature, rng))

    def _drawn(
        self, prompt: str, length: int, temperature: float, rng: np.random.Generator
    ) -> Iterator[int]:
        numbers, state = self.vocabulary.encode(prompt), None
        for _ in range(length):
            with judging(self):
                logits, state = self(numbers[:, None], state)
            z = backend.to_numpy(logits[-1, 0].data).astype(float)
            with np.errstate(over="ignore"):  # a tiny temperature: -inf, for a probability of 0
                p = np.exp((z - z.max()) / temperature)
            numbers = np.array([rng.choice(len(p), p=p / p.sum())])
            yield int(numbers[0])


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextConfig(Config):
    """The options of a character model.

    >>> config = TextConfig.of({"cell": "lstm", "text": "book.txt"})
    >>> config.hidden, config.rate, config.symbols
    (160, 0.004, 'characters')
    """

    text: str | None = option(
        None,
        "a text, or a folder of texts one after the other, of which the end of the last is held "
        "out; the standard library's sources",
        data_file,
    )
    patterns: tuple[str, ...] = option(PATTERNS, "of a folder, names of its texts", names)
    symbols: str = option(
        "characters", "what is predicted", one_of(Vocabulary.unit, ByteVocabulary.unit)
    )
    cell: str = option("rnn", "of the recurrent layers", one_of("rnn", "lstm", "gru"))
    nonlinearity: str = option("tanh", "of the cell rnn", one_of("tanh", "relu"))
    hidden: int = option(160, "hidden units per layer", whole)
    batch: int = option(32, "parallel streams of text", whole)
    sequence: int = option(48, "characters that gradients reach back", whole)
    steps: int | None = option(2300, "parameter updates", whole, later=True)
    seconds: float | None = option(50.0, "stop after so long if not done", number, later=True)
    validate_every: int | None = option(575, "steps between validations", whole)
    sample_every: int = option(575, "steps between samples", whole, later=True)

    def check(self) -> None:
        """Refuse options that do not go together.

        Raises:
            RunError: naming them.
        """
        super().check()
        if self.nonlinearity != "tanh" and self.cell != "rnn":
            raise RunError(
                f"nonlinearity: {self.nonlinearity} is for the cell rnn; {self.cell} has its own."
            )


class CharacterTask(Task):
    """Predict the next character of a text; judged by bits per character on its last twentieth.

    That part chooses the best weights, and so flatters them a little; another text does not.
    Made of options by `prepare`, or by `restore` without a text, to sample and to read another one.

    Args:
        model: predicts.
        batches, held_out: as in `Task`.
        corpus: what the text is.

    >>> from minitorch_rnn.data.text import Corpus
    >>> config = TextConfig.of({"hidden": 8, "batch": 2, "sequence": 10})
    >>> task = CharacterTask.of(Corpus("a quick brown fox " * 9, "a line", ()), config)
    >>> sorted(task.evaluate())
    ['bits_per_character', 'entropy_of_frequencies', 'loss']
    """

    name = "text"
    Config = TextConfig
    unit = "characters"
    judged_by = "bits_per_character"
    factor = 1 / math.log(2)
    next_command = "sample"
    model: CharacterModel

    def __init__(
        self,
        model: CharacterModel,
        batches: Callable[[int], Sequence[Batch]],
        held_out: Streams | None,
        corpus: Corpus | None,
        config: TextConfig,
    ) -> None:
        super().__init__(model, batches, held_out or [])
        self.vocabulary, self.corpus, self.config = model.vocabulary, corpus, config
        self.which = "that chose but did not train its weights,"

    @classmethod
    def prepare(cls, config: TextConfig) -> CharacterTask:
        """Read the text, learn the characters of its training part, draw the weights.

        Raises:
            DataError: naming the file and the reason, if the text cannot be used.
        """
        if config.text is None:
            return cls.of(standard_library(), config)
        try:
            return cls.of(_read(config.text, config), config)
        except NotTextError as error:
            told = str(error).removesuffix(".")
            raise DataError(f"{told}, or train on its bytes with --symbols bytes.") from error

    @classmethod
    def of(cls, corpus: Corpus, config: TextConfig) -> CharacterTask:
        """As `prepare`, of a text that has been read.

        Raises:
            DataError: if it is too short.
        """
        text, of_bytes = corpus.text, config.symbols == ByteVocabulary.unit
        learned = text[: len(text) - Streams.held_out(len(text), config.sequence)]
        vocabulary = ByteVocabulary() if of_bytes else Vocabulary.of(learned)
        train, held_out = Streams.with_held_out(
            vocabulary.encode(text), config.batch, config.sequence, corpus.source, vocabulary.unit
        )
        corpus = corpus._replace(text="")  # the streams have it
        return cls(_model(vocabulary, config), lambda epoch: train, held_out, corpus, config)

    @classmethod
    def restore(cls, config: TextConfig, facts: Mapping[str, Any]) -> CharacterTask:
        """The model of these options and facts, and no text.

        Raises:
            DataError: if the facts hold no vocabulary.
        """
        model = _model(vocabulary_of(facts.get("vocabulary", {})), config)
        return cls(model, lambda epoch: [], None, None, config)

    def read(self, source: str) -> None:
        """Judge by all of another text: a file or a folder.

        Raises:
            DataError: naming the file and the reason, if the text cannot be used.
        """
        corpus = _read(source, self.config)
        numbers = self.vocabulary.encode(corpus.text)
        self.held_out = Streams.judging(
            numbers, self.config.batch, self.config.sequence, source, self.vocabulary.unit
        )
        self.corpus, self.which = corpus._replace(text=""), f"of {source}"

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Cross-entropy in nats per character, and the state behind the batch."""
        logits, state = self.model(batch.inputs, state)
        return nn.cross_entropy(logits, batch.targets), state

    def evaluate(self) -> dict[str, float]:
        """Nats and bits per character on the held-out text; and bits by frequencies alone.

        Raises:
            DataError: if there is no text.
        """
        entropy = self._entropy()
        figures = super().evaluate()
        return {
            "bits_per_character": figures["loss"] / math.log(2),
            "entropy_of_frequencies": entropy,
            **figures,
        }

    def sample(self, rng: np.random.Generator) -> str:
        """A line or more that begin as a definition in code, or as any line elsewhere."""
        prompt = "\ndef " if self.config.text is None else "\n"
        return prompt[1:] + "".join(self.model.sample(prompt, 200, 0.7, rng))

    def facts(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": self.vocabulary.written()}

    def sources(self) -> list[str]:
        """The files of the text."""
        return list(self.corpus.files) if self.corpus else []

    def report(self, figures: Mapping[str, float]) -> str:
        """Bits per character beside those of frequencies; and which files were left out."""
        bits, entropy = figures["bits_per_character"], figures["entropy_of_frequencies"]
        unit = self.vocabulary.unit
        told = (
            f"On {self._judging().targets.size:,} {unit} {self.which}\nthe model needs {bits:.2f} "
            f"bits per {unit.removesuffix('s')};\ntheir frequencies alone need {entropy:.2f}: "
        )
        better = bits < entropy
        told += f"{entropy - bits:.2f} bits fewer." if better else "the model is no better yet."
        if unknown := np.count_nonzero(self._judging().targets == self.vocabulary.unknown):
            told += f"\n{unknown:,} of them it never knew: they count as one symbol"
        if self.corpus and (skipped := self.corpus.skipped):
            told += f"\n{len(skipped)} of {len(skipped) + len(self.corpus.files)} files are no text"
            told += f" and were skipped, such as {skipped[0]}"
        return told

    def baselines(self) -> dict[str, float]:
        """Bits per character by frequencies alone."""
        return {"character frequencies alone": self._entropy()}

    def _judging(self) -> Streams:
        if not isinstance(self.held_out, Streams):
            raise DataError(f"{self.name}: there is no text to judge by; read one first.")
        return self.held_out

    def _entropy(self) -> float:
        return entropy_bits(self._judging().targets.ravel())


def _read(source: str, config: TextConfig) -> Corpus:
    return read_corpus(source, config.patterns, config.symbols == ByteVocabulary.unit)


def _model(vocabulary: Vocabulary | ByteVocabulary, config: TextConfig) -> CharacterModel:
    return CharacterModel(
        vocabulary,
        config.hidden,
        config.layers,
        config.nonlinearity,
        config.dtype,
        cell=config.cell,
        dropout=config.dropout,
    )
