"""Data sets: text, time series and tagged sequences out of files, generated tasks, and batches."""

from minitorch_rnn.data import generators
from minitorch_rnn.data.batch import Batch, Batches
from minitorch_rnn.data.scaling import Scaling
from minitorch_rnn.data.sequences import Sequences
from minitorch_rnn.data.series import Series, read_series
from minitorch_rnn.data.shipped import shipped
from minitorch_rnn.data.streams import Streams
from minitorch_rnn.data.tagged import Symbols, Tagged, read_tagged, syntax_tags, tagged_corpus
from minitorch_rnn.data.text import (
    ByteVocabulary,
    Corpus,
    Vocabulary,
    entropy_bits,
    read_corpus,
    read_text,
    standard_library_text,
)

__all__ = [
    "Batch", "Batches", "ByteVocabulary", "Corpus", "Scaling", "Sequences", "Series", "Streams",
    "Symbols", "Tagged", "Vocabulary", "entropy_bits", "generators", "read_corpus", "read_series",
    "read_tagged", "read_text", "shipped", "standard_library_text", "syntax_tags", "tagged_corpus",
]  # fmt: skip
