"""Text as numbers: vocabularies, entropies, and streams that continue from batch to batch."""

import math

import numpy as np
import pytest

from minitorch_rnn.data import Streams, Vocabulary, entropy_bits, read_text, standard_library_text
from minitorch_rnn.data.text import UNKNOWN
from minitorch_rnn.errors import DataError


def test_characters_are_numbered_in_code_point_order_whatever_order_they_came_in():
    assert Vocabulary("cabba").characters == Vocabulary("abc").characters == "abc" + UNKNOWN


def test_encode_and_decode_are_inverse_on_known_characters():
    text = "to be, or not to be\n"
    vocabulary = Vocabulary(text)
    numbers = vocabulary.encode(text)
    assert numbers.shape == (len(text),) and numbers.dtype == np.int64
    assert vocabulary.decode(numbers) == text


def test_an_unknown_character_becomes_the_replacement_character():
    vocabulary = Vocabulary("abc")
    assert vocabulary.decode(vocabulary.encode("aXc~\0")) == f"a{UNKNOWN}c{UNKNOWN}{UNKNOWN}"


def test_characters_beyond_the_basic_plane_are_one_number_each():
    text = "a\N{GRINNING FACE}\N{MUSICAL SYMBOL G CLEF}z"
    vocabulary = Vocabulary(text)
    assert len(vocabulary.encode(text)) == 4
    assert vocabulary.decode(vocabulary.encode(text)) == text
    assert vocabulary.decode(vocabulary.encode("\N{WINKING FACE}")) == UNKNOWN


def test_lone_surrogates_are_characters_like_others():
    vocabulary = Vocabulary("a\udcff")
    assert vocabulary.decode(vocabulary.encode("\udcffa\udc00")) == "\udcffa" + UNKNOWN


def test_nothing_encodes_to_nothing():
    assert Vocabulary("abc").encode("").shape == (0,)
    assert Vocabulary("abc").decode(np.array([], int)) == ""


def test_an_empty_vocabulary_knows_only_the_replacement():
    vocabulary = Vocabulary("")
    assert len(vocabulary) == 1
    assert vocabulary.encode("ab").tolist() == [0, 0]


def test_a_vocabulary_of_a_text_keeps_the_most_frequent_characters():
    vocabulary = Vocabulary.of("aaaabbbccd", largest=3)
    assert vocabulary.characters == "ab" + UNKNOWN


def test_a_vocabulary_of_a_text_is_no_larger_than_the_text_needs():
    assert Vocabulary.of("abab").characters == "ab" + UNKNOWN


@pytest.mark.parametrize(
    "numbers, bits",
    [
        pytest.param([3, 3, 3], 0.0, id="one character"),
        pytest.param([0, 1], 1.0, id="a coin"),
        pytest.param([5, 0, 9, 2], 2.0, id="four alike"),
        pytest.param([0, 0, 0, 1], -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)), id="3:1"),
    ],
)
def test_entropy_is_the_formula(numbers, bits):
    assert entropy_bits(np.array(numbers)) == pytest.approx(bits, abs=1e-15)


def test_a_batch_holds_time_first_and_targets_are_the_next_characters():
    streams = Streams.of(np.arange(20), batch=2, steps=3)
    inputs, targets = next(streams.batches())
    assert inputs.tolist() == [[0, 10], [1, 11], [2, 12]]
    assert targets.tolist() == [[1, 11], [2, 12], [3, 13]]


@pytest.mark.parametrize("length, batch, steps", [(100, 3, 7), (23, 2, 5), (12, 1, 11), (64, 4, 3)])
def test_every_batch_continues_where_the_one_before_ended(length, batch, steps):
    streams = Streams.of(np.arange(length), batch, steps)
    batches = list(streams.batches())
    assert len(batches) == len(streams) == (length // batch - 1) // steps
    for inputs, targets in batches:
        assert inputs.shape == targets.shape == (steps, batch)
        np.testing.assert_array_equal(targets, inputs + 1)
    for (_, targets), (inputs, _) in zip(batches[:-1], batches[1:], strict=True):
        np.testing.assert_array_equal(inputs[0], targets[-1])


def test_streams_cover_the_text_once_but_for_a_remainder():
    streams = Streams.of(np.arange(103), batch=4, steps=8)
    seen = np.concatenate([targets.ravel() for _, targets in streams.batches()])
    assert len(set(seen)) == len(seen) == 4 * 8 * len(streams)
    assert 103 - len(seen) <= 4 * (8 + 1)  # the last, shorter chunk of each stream


def test_batches_start_again_from_the_beginning():
    streams = Streams.of(np.arange(30), batch=2, steps=4)
    first, again = next(streams.batches()), next(streams.batches())
    np.testing.assert_array_equal(first, again)


def test_the_shortest_text_that_fits_is_one_batch():
    assert len(Streams.of(np.arange(12), batch=2, steps=5)) == 1
    with pytest.raises(DataError, match="a.txt: has 11 characters here, .* need 12"):
        Streams.of(np.arange(11), batch=2, steps=5, source="a.txt")


def test_reading_keeps_every_character(tmp_path):
    text = "one\r\ntwo\t\N{GRINNING FACE}\n\n"
    (tmp_path / "text").write_bytes(text.encode())
    assert read_text(tmp_path / "text") == read_text(str(tmp_path / "text")) == text


def test_the_standard_library_is_a_text_of_the_length_asked_for():
    text = standard_library_text(5000)
    assert len(text) == 5000 and "import" in text
    assert standard_library_text(5000) == text


def test_a_python_without_sources_is_an_error_that_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(DataError, match=f"{tmp_path}: holds no .py files; .*--text"):
        standard_library_text()
