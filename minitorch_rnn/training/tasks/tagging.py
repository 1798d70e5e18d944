"""Tagging: a tag for every symbol of a sequence; the model, its options, and its training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minitorch_rnn import backend, nn
from minitorch_rnn.data.batch import IGNORED, Batch
from minitorch_rnn.data.sequences import Sequences
from minitorch_rnn.data.tagged import Symbols, TaggedCorpus, tagged_corpus
from minitorch_rnn.engine import Tensor
from minitorch_rnn.errors import DataError
from minitorch_rnn.training.config import Config, flag, number, one_of, option, whole
from minitorch_rnn.training.judging import judging
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks.paths import DATA, data_file

_ROWS = 24  # of tags, in a report


class TaggingModel(nn.Module):
    """P(tag of a symbol | the sequence): vectors for symbols, recurrent layers, an output layer.

    Args:
        symbols, tags: how many there are, V and O.
        embedding_size, hidden_size: D, the size of a symbol's vector, and H.
        bidirectional: whether a tag depends on what follows too.
        cell: "rnn", "lstm" or "gru".
        options: `num_layers`, `dropout`, `dtype` and `rng` as in `nn.RNN`.

    >>> import numpy as np
    >>> model = TaggingModel(symbols=9, tags=3, embedding_size=4, hidden_size=5)
    >>> model(np.zeros((7, 2), int), lengths=np.array([7, 4])).shape
    (7, 2, 3)
    """

    def __init__(
        self,
        symbols: int,
        tags: int,
        embedding_size: int,
        hidden_size: int,
        bidirectional: bool = True,
        cell: str = "lstm",
        *,
        dtype: Any = None,
        rng: np.random.Generator | None = None,
        **options: Any,
    ) -> None:
        self.embedding = nn.Embedding(symbols, embedding_size, dtype=dtype, rng=rng)
        self.network = nn.RecurrentNetwork(
            embedding_size,
            hidden_size,
            tags,
            cell=cell,
            bidirectional=bidirectional,
            dtype=dtype,
            rng=rng,
            **options,
        )

    def forward(self, numbers: np.ndarray, lengths: np.ndarray | None = None) -> Tensor:
        """Symbols by number, (T, B), to logits of their tags, (T, B, O)."""
        logits, _ = self.network.logits(self.embedding(numbers), lengths=lengths)
        return logits


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaggingConfig(Config):
    """The options of a tagger.

    >>> TaggingConfig.of({"data": "words.tsv"}).bidirectional
    True
    """

    data: str | None = option(
        None,
        DATA,
        data_file,
    )
    files: int = option(60, "of a folder of code, at most so many files", whole)
    sequence: int = option(200, "code is cut into pieces of at most so many characters", whole)
    embedding: int = option(32, "size of a symbol's vector", whole)
    cell: str = option("lstm", "of the recurrent layers", one_of("rnn", "lstm", "gru"))
    bidirectional: bool = option(True, "a tag depends on what follows too", flag)
    hidden: int = option(64, "hidden units per layer and direction", whole)
    steps: int | None = option(1000, "parameter updates", whole, later=True)
    seconds: float | None = option(50.0, "stop after so long if not done", number, later=True)


class TaggingTask(Task):
    """Say the tag of every symbol; judged by the share of wrong ones on the last tenth of the data.

    That part chooses the best weights, and so flatters them a little; other data does not.
    Made of options by `prepare`, or by `restore` without data. Of symbols it knows those that occur
    twice in the training part; of tags all that the data has. Beside it stands what needs no
    network: for every symbol the tag that it has most often in the training part, for unknown ones
    the most frequent tag of those that occur there once, or of all if none does.

    Args:
        model: predicts.
        batches, held_out: as in `Task`.
        symbols, tags: by number.
        usual: for every symbol the number of its most frequent tag, (V,).
        corpus: where the data comes from.
        config: the options.

    >>> from minitorch_rnn.data.tagged import Tagged, TaggedCorpus
    >>> corpus = TaggedCorpus([[Tagged("ab12", list("LLDD"))]] * 20, ("D", "L"), "few", ())
    >>> task = TaggingTask.of(corpus, TaggingConfig.of({"hidden": 4, "batch": 6}))
    >>> figures = task.evaluate()
    >>> sorted(figures), figures["baseline_error_rate"]
    (['accuracy', 'baseline_error_rate', 'error_rate', 'loss'], 0.0)
    """

    name = "tag"
    Config = TaggingConfig
    unit = "symbols"
    judged_by = "error_rate"

    def __init__(
        self,
        model: TaggingModel,
        batches: Callable[[int], Sequence[Batch]],
        held_out: Sequence[Batch],
        symbols: Symbols,
        tags: tuple[str, ...],
        usual: np.ndarray,
        corpus: TaggedCorpus | None,
        config: TaggingConfig,
    ) -> None:
        super().__init__(model, batches, held_out)
        self.symbols, self.tags, self.usual = symbols, tags, usual
        self.corpus, self.config = corpus, config
        self.which = "that chose but did not train its weights,"
        self.unseen: list[str] = []  # tags of other data that the model does not know

    @classmethod
    def prepare(cls, config: TaggingConfig) -> TaggingTask:
        """Read the data, learn its symbols and tags, draw the weights.

        Raises:
            DataError: naming the file and the reason, if the data cannot be used.
        """
        return cls.of(tagged_corpus(config.data, config.files, config.sequence), config)

    @classmethod
    def of(cls, corpus: TaggedCorpus, config: TaggingConfig) -> TaggingTask:
        """As `prepare`, of data that has been read.

        Raises:
            DataError: if there is too little of it.
        """
        train, held_out = corpus.split()
        symbols = Symbols.of(sequence.symbols for sequence in train.sequences)
        sequences = _numbered(train, symbols, corpus.tags, config)
        judging = _numbered(held_out, symbols, corpus.tags, config, shuffle=False)
        model = _model(len(symbols), len(corpus.tags), config)
        usual = _most_frequent(sequences, len(symbols), len(corpus.tags))
        corpus = corpus._replace(groups=[])  # the sequences have it
        return cls(model, sequences, judging(), symbols, corpus.tags, usual, corpus, config)

    @classmethod
    def restore(cls, config: TaggingConfig, facts: Mapping[str, Any]) -> TaggingTask:
        """The model of these options and facts, and no data.

        Raises:
            DataError: if the facts are not those of a tagger.
        """
        known, tags = (_list(facts, name, str) for name in ("symbols", "tags"))
        usual, symbols = _list(facts, "usual", int), Symbols(known)
        if len(usual) != len(symbols) or not all(0 <= tag < len(tags) for tag in usual):
            raise DataError(
                f"usual: {len(usual)} tags came; one of {len(tags)} for each of {len(symbols)} "
                "symbols is needed."
            )
        model = _model(len(symbols), len(tags), config)
        return cls(model, lambda epoch: [], [], symbols, tuple(tags), np.array(usual), None, config)

    def read(self, source: str) -> None:
        """Judge by all of other data: a file, or a folder of code.

        A tag that the model was not trained on counts as wrong, whatever the model says.

        Raises:
            DataError: naming the file and the reason, if it cannot be used, or has no tag that the
                model knows.
        """
        corpus = tagged_corpus(source, self.config.files, self.config.sequence)
        tags = [tag for one in corpus.sequences for tag in one.tags]
        unseen = [tag for tag in tags if tag not in self.tags]
        if len(unseen) == len(tags):
            raise DataError(
                f"{source}: has the tag {unseen[0]!r}, and none that the model was trained on; it "
                f"knows {', '.join(self.tags):.200}."
            )
        self.held_out = _numbered(corpus, self.symbols, self.tags, self.config, shuffle=False)()
        self.unseen = unseen
        self.corpus, self.which = corpus._replace(groups=[]), f"of {source}"

    def loss(self, batch: Batch, state: Any) -> tuple[Tensor, Any]:
        """Cross-entropy in nats per symbol; there is no state to carry."""
        logits = self.model(batch.inputs, batch.lengths)
        return nn.cross_entropy(logits, batch.targets), None

    def evaluate(self) -> dict[str, float]:
        """The loss, the shares of wrong and right tags, and of those wrong without a network.

        Raises:
            DataError: if there is no data.
        """
        return self._judged()[0]

    def _judged(self) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
        """The figures; and how many symbols of tag i were given tag j, (O, O), without it too."""
        if not self.held_out:
            raise DataError(f"{self.name}: there is no data to judge by; read some first.")
        O = len(self.tags)
        total, given, usual = 0.0, np.zeros((O, O), int), np.zeros((O, O), int)
        with judging(self.model):
            for batch in self.held_out:
                logits = self.model(batch.inputs, batch.lengths)
                asked = batch.targets != IGNORED
                right = batch.targets[asked]
                total += nn.cross_entropy(logits, batch.targets, reduction="sum").item()
                said = backend.to_numpy(logits.data).argmax(axis=-1)[asked]
                np.add.at(given, (right, said), 1)
                np.add.at(usual, (right, self.usual[batch.inputs[asked]]), 1)
        known = int(given.sum())
        n = known + len(self.unseen)
        figures = {
            "error_rate": 1 - float(np.trace(given)) / n,
            "accuracy": float(np.trace(given)) / n,
            "baseline_error_rate": 1 - float(np.trace(usual)) / n,
            "loss": total / known,
        }
        return figures, given, usual

    def facts(self) -> dict[str, Any]:
        """Symbols and tags by number, and the most frequent tag of every symbol."""
        return {
            "symbols": list(self.symbols.known[1:]),
            "tags": list(self.tags),
            "usual": self.usual.tolist(),
        }

    def sources(self) -> list[str]:
        """The files of the data."""
        return list(self.corpus.files) if self.corpus else []

    def report(self, figures: Mapping[str, float]) -> str:
        """The shares of wrong tags, and precision and recall of each tag beside the baseline's."""
        _, given, usual = self._judged()
        told = (
            f"On {given.sum() + len(self.unseen):,} symbols {self.which}\n"
            f"{figures['error_rate']:.1%} of the tags are wrong; the most frequent tag of "
            f"each symbol is wrong for {figures['baseline_error_rate']:.1%}.\n"
            f"{_table(self.tags, given, usual)}"
        )
        if self.unseen:
            told += (
                f"\n{len(self.unseen):,} have a tag that it was not trained on, such as "
                f"{self.unseen[0]!r}: they count as wrong and are not in the table"
            )
        if self.corpus and (skipped := self.corpus.skipped):
            told += f"\n{len(skipped)} of {len(skipped) + len(self.corpus.files)} files do not "
            told += f"tokenize and were skipped, such as {skipped[0]}"
        return told

    def baselines(self) -> dict[str, float]:
        """The share that is wrong by the most frequent tag of each symbol."""
        return {"most frequent tag of each symbol": self._judged()[0]["baseline_error_rate"]}


def _model(symbols: int, tags: int, config: TaggingConfig) -> TaggingModel:
    return TaggingModel(
        symbols,
        tags,
        config.embedding,
        config.hidden,
        config.bidirectional,
        config.cell,
        num_layers=config.layers,
        dropout=config.dropout,
        dtype=config.dtype,
    )


def _numbered(
    corpus: TaggedCorpus,
    symbols: Symbols,
    tags: tuple[str, ...],
    config: TaggingConfig,
    shuffle: bool = True,
) -> Sequences:
    numbers = {tag: i for i, tag in enumerate(tags)}
    return Sequences(
        (symbols.encode(one.symbols) for one in corpus.sequences),
        ([numbers.get(tag, IGNORED) for tag in one.tags] for one in corpus.sequences),
        config.batch,
        seed=config.seed,
        shuffle=shuffle,
        source=corpus.source,
    )


def _most_frequent(sequences: Sequences, symbols: int, tags: int) -> np.ndarray:
    """The tag of every symbol; of one that does not occur, that of all symbols."""
    counts = np.zeros((symbols, tags), int)
    for x, d in zip(sequences.inputs, sequences.targets, strict=True):
        np.add.at(counts, (x, d), 1)
    counts[counts.sum(axis=1) == 0] = counts.sum(axis=0)
    usual: np.ndarray = counts.argmax(axis=1)
    return usual


def _table(tags: Sequence[str], given: np.ndarray, usual: np.ndarray) -> str:
    """Precision and recall in percent, of the most frequent tags."""

    def percent(part: int, whole: int) -> str:
        return f"{100 * part / whole:.1f}" if whole else "-"

    counts = given.sum(axis=1)
    shown = [i for i in np.argsort(-counts, kind="stable") if counts[i]][:_ROWS]
    width = max(len("tag"), *(len(tags[i]) for i in shown))
    lines = [
        f"{'':{width}}  {'':>9}  {'network':>17}   {'most frequent':>17}",
        f"{'tag':{width}}  {'symbols':>9}  {'precision':>9} {'recall':>7}   {'precision':>9} "
        f"{'recall':>7}",
    ]
    for i in shown:
        line = f"{tags[i]:{width}}  {counts[i]:>9,}  "
        line += "   ".join(
            f"{percent(said[i, i], said[:, i].sum()):>9} {percent(said[i, i], counts[i]):>7}"
            for said in (given, usual)
        )
        lines.append(line)
    if (more := np.count_nonzero(counts) - len(shown)) > 0:
        lines.append(f"… and {more} rarer tags")
    return "\n".join(lines)


def _list(facts: Mapping[str, Any], name: str, kind: type) -> list[Any]:
    value = facts.get(name)
    if not isinstance(value, list) or not all(type(entry) is kind for entry in value):
        raise DataError(f"{name}: {str(value):.60} came; a list of {kind.__name__} is needed.")
    return value
