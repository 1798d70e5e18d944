"""Text of files and folders, vocabularies of characters and bytes, and entropies."""

import json
import math

import numpy as np
import pytest

from minitorch_rnn.data import text as text_module
from minitorch_rnn.data.text import (
    UNKNOWN,
    ByteVocabulary,
    Vocabulary,
    entropy_bits,
    files_below,
    read_corpus,
    read_text,
    standard_library,
    standard_library_text,
    vocabulary_of,
)
from minitorch_rnn.errors import DataError


def test_characters_are_numbered_in_code_point_order_whatever_order_they_came_in():
    assert Vocabulary("cabba").characters == Vocabulary("abc").characters == "abc" + UNKNOWN


def test_encode_and_decode_are_inverse_on_known_characters():
    text = "to be, or not to be\n"
    vocabulary = Vocabulary(text)
    numbers = vocabulary.encode(text)
    assert numbers.shape == (len(text),) and numbers.dtype == np.uint8
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


def test_numbers_take_the_smallest_dtype_that_holds_them_all():
    letters = "".join(map(chr, range(300)))
    assert Vocabulary(letters[:255]).encode(letters[:255]).dtype == np.uint8
    numbers = Vocabulary(letters).encode(letters)
    assert numbers.dtype == np.uint16 and numbers.tolist() == list(range(300))


def test_a_text_longer_than_a_block_is_numbered_as_its_parts(monkeypatch):
    text = "abcde\N{GRINNING FACE}" * 3
    whole = Vocabulary("abc").encode(text)
    monkeypatch.setattr(text_module, "_BLOCK", 4)
    np.testing.assert_array_equal(Vocabulary("abc").encode(text), whole)


# Bytes --------------------------------------------------------------------------------------------


def test_bytes_are_those_of_utf_8_and_come_back():
    text = "h\u00e9 \N{GRINNING FACE}\n"
    vocabulary = ByteVocabulary()
    assert vocabulary.encode(text).tolist() == list(text.encode())
    assert vocabulary.encode(text.encode()).tolist() == list(text.encode())
    assert vocabulary.decode(vocabulary.encode(text)) == text and len(vocabulary) == 256


def test_a_character_is_spelled_with_its_last_byte_and_what_is_none_is_replaced():
    spelled = list(ByteVocabulary().spelled([*"aé".encode(), 255, *"é".encode()[:1]]))
    assert spelled == ["a", "é", UNKNOWN, UNKNOWN]


def test_a_text_that_utf_8_cannot_hold_is_replaced_and_not_refused():
    assert ByteVocabulary().encode("a\udcff").tolist() == list(b"a?")


@pytest.mark.parametrize(
    "vocabulary", [Vocabulary('"\udcff\u2028\N{GRINNING FACE}b'), ByteVocabulary()]
)
def test_a_vocabulary_comes_back_from_json(vocabulary):
    found = vocabulary_of(json.loads(json.dumps(vocabulary.written())))
    assert type(found) is type(vocabulary) and len(found) == len(vocabulary)
    assert found.written() == vocabulary.written()
    text = 'b"x\N{GRINNING FACE}'
    np.testing.assert_array_equal(found.encode(text), vocabulary.encode(text))


@pytest.mark.parametrize(
    "written", [None, [], {}, {"symbols": "words"}, {"symbols": "characters"},
                {"symbols": "characters", "characters": ["a"]}],
    ids=str,
)  # fmt: skip
def test_what_describes_no_vocabulary_is_refused(written):
    with pytest.raises(DataError, match="vocabulary: .* came; needed is symbols"):
        vocabulary_of(written)


# Entropy ------------------------------------------------------------------------------------------


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


# Files and folders --------------------------------------------------------------------------------


def test_reading_keeps_every_character_and_ends_all_lines_alike(tmp_path):
    text = "one\ntwo\r3\t\N{GRINNING FACE}\n\n"
    (tmp_path / "text").write_bytes(text.replace("\n", "\r\n").encode())
    assert read_text(tmp_path / "text") == read_text(str(tmp_path / "text")) == text


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty: it has 0 characters"),
        (b" \n", "is empty: it has 2 characters, all of them blank"),
        (b"a\0b", "holds a NUL at character 1"),
        (b"ab\xff", "byte 2 is not UTF-8"),
    ],
    ids=str,
)
def test_a_file_that_is_no_text_is_refused_by_name_and_reason(content, reason, tmp_path):
    path = tmp_path / "it.txt"
    if content is not None:
        path.write_bytes(content)
    for read in (read_text, read_corpus):
        with pytest.raises(DataError, match=f"{path}: {reason}"):
            read(path)


def test_a_name_that_no_file_can_have_is_refused():
    with pytest.raises(DataError, match="cannot be read: embedded null"):
        read_text("a\0b")


@pytest.fixture
def folder(tmp_path):
    files = {
        "b.txt": b"second ",
        "a.md": b"first ",
        "below/c.py": b"third",
        "below/d.txt": b"GIF\xff",
        "below/e.txt": b"z\0",
        "f.bin": b"never read",
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_folder_is_the_text_of_its_files_by_sorted_path(folder):
    corpus = read_corpus(folder)
    assert corpus.text == "first second third" and corpus.source == str(folder)
    assert corpus.files == tuple(str(folder / name) for name in ("a.md", "b.txt", "below/c.py"))


def test_what_is_no_text_in_a_folder_is_skipped_and_named(folder):
    assert [told.removeprefix(f"{folder}/below/") for told in read_corpus(folder).skipped] == [
        "d.txt: byte 3 is not UTF-8; convert the file to UTF-8 first.",
        "e.txt: holds a NUL at character 1: not a text file.",
    ]


def test_patterns_choose_the_files_of_a_folder(folder):
    assert read_corpus(folder, ["*.py", "a*"]).text == "first third"
    assert files_below(folder, ["*.bin"]) == [str(folder / "f.bin")]


def test_as_bytes_a_folder_is_taken_whatever_it_holds(folder):
    corpus = read_corpus(folder, ["*.txt"], as_bytes=True)
    assert corpus.text == b"second GIF\xffz\0" and corpus.skipped == ()


def test_as_bytes_a_file_need_be_no_text_but_not_empty(tmp_path):
    (tmp_path / "a").write_bytes(b"\0\xff")
    (tmp_path / "b").write_bytes(b"")
    assert read_corpus(tmp_path / "a", as_bytes=True).text == b"\0\xff"
    with pytest.raises(DataError, match="b: is empty: it has 0 bytes"):
        read_corpus(tmp_path / "b", as_bytes=True)


def test_a_folder_without_text_is_refused_with_what_it_holds(folder):
    with pytest.raises(DataError, match=r"holds no text: there are 0 files named \*.c"):
        read_corpus(folder, ["*.c"])
    reason = "there are 2 files named d.* or e.*, 0 of them blank and 2 no text, such as .*byte 3"
    with pytest.raises(DataError, match=reason):
        read_corpus(folder, ["d.*", "e.*"])


def test_a_file_that_vanishes_while_a_folder_is_read_is_named(folder, monkeypatch):
    monkeypatch.setattr(text_module, "files_below", lambda *_: [str(folder / "gone.txt")])
    with pytest.raises(DataError, match="gone.txt: cannot be read: No such file"):
        read_corpus(folder)


def test_a_link_to_nothing_or_to_the_folder_itself_is_passed_over(folder):
    (folder / "dangling.txt").symlink_to(folder / "nowhere.txt")
    (folder / "loop").symlink_to(folder)
    assert read_corpus(folder).text == "first second third"


def test_the_library_names_the_files_it_is_of():
    corpus = standard_library(30_000)
    assert len(corpus.text) == 30_000 and all(name.endswith(".py") for name in corpus.files)
    assert corpus.text.startswith(read_text(corpus.files[0])[:1000])


def test_the_standard_library_is_a_text_of_the_length_asked_for():
    text = standard_library_text(5000)
    assert len(text) == 5000 and "import" in text
    assert standard_library_text(5000) == text


def test_a_python_without_sources_is_an_error_that_says_what_to_give(tmp_path, monkeypatch):
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path)})
    with pytest.raises(DataError, match=f"{tmp_path}: holds no .py files; .*--text"):
        standard_library_text()
