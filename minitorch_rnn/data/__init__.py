"""Data sets: reading text, and cutting it into batches of streams."""

from minitorch_rnn.data.text import (
    Streams,
    Vocabulary,
    entropy_bits,
    read_text,
    standard_library_text,
)

__all__ = ["Streams", "Vocabulary", "entropy_bits", "read_text", "standard_library_text"]
