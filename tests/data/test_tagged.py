"""Tagged sequences: files of symbols and tags, the syntax of Python code, and symbols by number."""

import argparse
import ast
import difflib
import keyword
import statistics
import tokenize

import numpy as np
import pytest

from minitorch_rnn.data.tagged import (
    SYNTAX,
    UNKNOWN,
    NotPythonError,
    Symbols,
    Tagged,
    TaggedCorpus,
    read_tagged,
    syntax_tags,
    tagged_corpus,
)
from minitorch_rnn.errors import DataError


def written(folder, content, name="few.tsv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


# Symbols ------------------------------------------------------------------------------------------


def test_symbols_are_numbered_by_frequency_and_then_by_name():
    symbols = Symbols.of([["b", "a", "c", "c"], ["c", "b", "a"]])
    assert symbols.known == (UNKNOWN, "c", "a", "b") and len(symbols) == 4
    assert symbols.encode(["a", "b", "c"]).tolist() == [2, 3, 1]
    assert symbols.decode([2, 3, 1]) == ["a", "b", "c"]


def test_a_symbol_that_occurs_once_and_one_that_is_not_known_are_both_number_0():
    symbols = Symbols.of(["aab"])
    assert symbols.encode(["b", "z", "a", UNKNOWN]).tolist() == [0, 0, 1, 0]
    assert symbols.encode([]).shape == (0,) and symbols.encode([]).dtype == np.int64


def test_at_most_so_many_symbols_are_known():
    assert Symbols.of(["aaabbcc"], largest=3).known == (UNKNOWN, "a", "b")


def test_symbols_come_back_from_what_they_know():
    symbols = Symbols.of(["aaabbcc"])
    assert Symbols(symbols.known).known == Symbols(symbols.known[1:]).known == symbols.known


# Files --------------------------------------------------------------------------------------------


def test_the_first_column_is_the_symbol_and_the_last_one_its_tag(tmp_path):
    path = written(tmp_path, "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER\n")
    assert read_tagged(path) == [
        Tagged(["EU", "rejects"], ["B-ORG", "O"]),
        Tagged(["Peter"], ["B-PER"]),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_lines_end_in_any_manner_and_blank_ones_part_sequences(end, tmp_path):
    lines = ["", "", "a\tX", "b\tY", "", "  ", "c\tX"]
    content = b"\xef\xbb\xbf" + end.join(lines).encode()
    assert read_tagged(written(tmp_path, content)) == [
        Tagged(["a", "b"], ["X", "Y"]),
        Tagged(["c"], ["X"]),
    ]


def test_comments_are_skipped_where_tabs_part_the_columns(tmp_path):
    path = written(tmp_path, "# a text\n#\tHASH\na\tX\n# more\n\n# next\n# and\nb\tY\n")
    assert read_tagged(path) == [Tagged(["#", "a"], ["HASH", "X"]), Tagged(["b"], ["Y"])]
    path = written(tmp_path, "a X\n# Y\n")  # a symbol: blanks part columns here
    assert read_tagged(path) == [Tagged(["a", "#"], ["X", "Y"])]
    with pytest.raises(DataError, match="is empty: it has no line with a symbol"):
        read_tagged(written(tmp_path, "a\tX\n".replace("a", "1-2").replace("X", "_\t" * 8 + "_")))


def test_of_conllu_the_form_is_the_symbol_and_upos_its_tag(tmp_path):
    rows = [("1-2", "im", "_"), ("1", "in", "ADP"), ("2", "dem", "DET"), ("2.1", "x", "X")]
    lines = ["# sent_id = 1", "# text = im"]
    lines += ["\t".join([n, form, "_", tag, *"______"]) for n, form, tag in rows]
    assert read_tagged(written(tmp_path, "\n".join(lines) + "\n\n")) == [
        Tagged(["in", "dem"], ["ADP", "DET"])
    ]


def test_between_tabs_a_symbol_may_hold_blanks_and_rare_line_ends(tmp_path):
    path = written(tmp_path, "New York\tN\n \tblank\na\u2028b\x0bc\tZ \n")
    assert read_tagged(path) == [
        Tagged(["New York", " ", "a\u2028b\x0bc"], ["N", "blank", "Z"])
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("a\tX\nb\n", "line 2 has 1 column, 'b'; a symbol, a TAB and its tag"),
        ("a\tX\nb Y\n", "line 2 has 1 column, 'b Y'"),
        ("lonely\n", "line 1 has 1 column, 'lonely'"),
        ("\na\tP\tX\n\nb\tX\n", "line 4 has 2 columns, line 2 has 3; all need the same"),
        ("a X\nb P X\n", "line 2 has 3 columns, line 1 has 2"),
        ("a\tX\nb\t\n", r"line 2, 'b\\t', has an empty tag"),
        ("a\tX\n\tY\n", r"line 2, '\\tY', has an empty symbol"),
        (b"a\tX\nb\xff\tY", "byte 5 is not UTF-8"),
        (b"a\0\tX", "holds a NUL at character 1"),
    ],
    ids=repr,
)
def test_a_file_that_is_not_tagged_is_refused_by_name_and_line(content, reason, tmp_path):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=f"{path}: {reason}"):
        read_tagged(path)


def test_a_tagged_file_is_a_corpus_of_its_sequences_and_all_its_tags(tmp_path):
    path = written(tmp_path, "b\tY\n\na\tX\nc\tY\n")
    corpus = tagged_corpus(path)
    assert corpus.tags == ("X", "Y") and corpus.files == (path,) and corpus.source == path
    assert corpus.sequences == [Tagged(["b"], ["Y"]), Tagged(["a", "c"], ["X", "Y"])]


def test_a_file_that_is_not_there_is_named(tmp_path):
    for name in ("none.tsv", "none.py"):
        with pytest.raises(DataError, match=f"{name}: cannot be read: No such file"):
            tagged_corpus(str(tmp_path / name))


# Syntax -------------------------------------------------------------------------------------------


def runs(code):
    """Tags and what has them, neighbours together."""
    found = []
    for letter, tag in zip(code, syntax_tags(code), strict=True):
        if found and found[-1][0] == tag:
            found[-1][1] += letter
        else:
            found.append([tag, letter])
    return [(tag, text) for tag, text in found if tag != "other"]


@pytest.mark.parametrize(
    "code, expected",
    [
        ("", []),
        ("# é", [("comment", "# é")]),
        ("x = 1.5e3j", [("name", "x"), ("operator", "="), ("number", "1.5e3j")]),
        ("a\\\n+b", [("name", "a"), ("operator", "+"), ("name", "b")]),
        ("rb'x' 'y'", [("string", "rb'x'"), ("string", "'y'")]),
        ("'''a\n# b\n'''", [("string", "'''a\n# b\n'''")]),
        ("é if ü else 𝒳", [("name", "é"), ("keyword", "if"), ("name", "ü"), ("keyword", "else"),
                           ("name", "𝒳")]),
        ("match None", [("name", "match"), ("keyword", "None")]),
        ("x->y", [("name", "x"), ("operator", "->"), ("name", "y")]),
        ("f'{a!r:{b}} {{c}} {f\"{d}\"}'+1", [("string", "f'{a!r:{b}} {{c}} {f\"{d}\"}'"),
                                            ("operator", "+"), ("number", "1")]),
        ("f'''\n{x}\n'''\nif", [("string", "f'''\n{x}\n'''"), ("keyword", "if")]),
    ],
    ids=repr,
)  # fmt: skip
def test_characters_have_the_tag_of_their_token(code, expected):
    assert runs(code) == expected


@pytest.mark.parametrize(
    "code, line",
    [
        ("x = $", "1 is no Python: '.'"), ("x ? y", "1 is no Python: '.'"), ("a\n'open", 2),
        ("'''open\n", 1), ("f(\n", "."), ("if a:\n  b\n c", 3),
    ],
    ids=repr,
)  # fmt: skip
def test_what_does_not_tokenize_is_refused_with_the_line(code, line):
    with pytest.raises(NotPythonError, match=f"line {line}"):
        syntax_tags(code)


def positions(code):
    """Where lines begin, in UTF-8, as `ast` counts columns."""
    starts = [0]
    for line in code.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


@pytest.mark.parametrize("module", [argparse, difflib, statistics], ids=lambda m: m.__name__)
def test_tags_agree_with_the_syntax_tree_of_a_real_file(module):
    with tokenize.open(module.__file__) as file:
        code = file.read()
    tags = syntax_tags(code)
    starts, raw = positions(code), code.encode()
    checked = {"name": 0, "string": 0, "number": 0, "keyword": 0}
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Name | ast.Constant):
            continue
        a = len(raw[: starts[node.lineno - 1] + node.col_offset].decode())
        b = len(raw[: starts[node.end_lineno - 1] + node.end_col_offset].decode())
        if isinstance(node, ast.Name):
            kind = "name"
        elif isinstance(node.value, str | bytes):
            kind = "string"
        else:
            kind = "keyword" if keyword.iskeyword(code[a:b]) else "number"
        if kind == "number" and not code[a].isdigit() and code[a] != ".":
            continue  # an ellipsis
        if tags[a] == "string" != kind or (kind == "string" and code[a] not in "'\"bBrRuUfF"):
            continue  # within a formatted string, where older Pythons count otherwise
        assert {tags[a], tags[b - 1]} == {kind}, code[a:b]
        checked[kind] += 1
    assert min(checked.values()) > 10


def test_only_blanks_and_line_ends_are_other_in_a_real_file():
    with tokenize.open(argparse.__file__) as file:
        code = file.read()
    others = {letter for letter, tag in zip(code, syntax_tags(code), strict=True) if tag == "other"}
    assert others <= set(" \n\t\f\\")


# Code as a corpus ---------------------------------------------------------------------------------


def test_code_is_cut_at_the_ends_of_lines_and_nothing_is_lost(tmp_path):
    code = "x = 1\n" * 5 + "y = '" + "z" * 30 + "'\n\nend"
    corpus = tagged_corpus(written(tmp_path, code, "a.py"), length=14)
    pieces = [sequence.symbols for sequence in corpus.sequences]
    assert "".join(pieces) == code and max(map(len, pieces)) <= 14
    assert pieces[:3] == ["x = 1\nx = 1\n", "x = 1\nx = 1\n", "x = 1\n"]
    assert [tag for one in corpus.sequences for tag in one.tags] == syntax_tags(code)
    assert corpus.tags == SYNTAX and len(corpus.groups) == len(pieces)


def test_a_folder_of_code_has_a_group_for_each_file_and_names_what_it_skips(tmp_path):
    for name, code in {"a.py": "x\n", "b.py": "'open", "c.py": "", "sub/d.py": "y\nz\n"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        written(tmp_path, code, name)
    written(tmp_path, b"# coding: nonsense\n", "e.py")
    written(tmp_path, b"\xff", "f.py")
    written(tmp_path, "# coding: latin-1\né".encode("latin-1"), "g.py")
    corpus = tagged_corpus(str(tmp_path), length=3)
    assert [[one.symbols for one in group] for group in corpus.groups][0] == ["x\n"]
    assert "".join(one.symbols for one in corpus.groups[1])[-1] == "é"
    assert [one.symbols for one in corpus.groups[2]] == ["y\n", "z\n"]
    told = [reason.removeprefix(f"{tmp_path}/") for reason in corpus.skipped]
    assert [reason.split(":")[0] for reason in told] == ["b.py", "e.py", "f.py"]
    assert "line 1 is no Python" in told[0] and "nonsense" in told[1]


def test_of_many_files_so_many_are_taken_evenly(tmp_path):
    for i in range(10):
        written(tmp_path, f"x{i}", f"{i}.py")
    corpus = tagged_corpus(str(tmp_path), files=4)
    assert [one.symbols for one in corpus.sequences] == ["x0", "x2", "x5", "x7"]
    assert len(tagged_corpus(str(tmp_path), files=99).groups) == 10


def test_a_folder_without_code_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no Python code: of 0 .py files 0 do not tokenize."):
        tagged_corpus(str(tmp_path))
    written(tmp_path, "'open", "a.py")
    with pytest.raises(
        DataError, match=r"of 1 .py files 1 do not tokenize, such as .*a.py: line 1"
    ):
        tagged_corpus(str(tmp_path))


def test_a_single_file_that_is_no_python_or_empty_is_refused(tmp_path):
    with pytest.raises(DataError, match="a.py: line 1 is no Python"):
        tagged_corpus(written(tmp_path, "'open", "a.py"))
    with pytest.raises(DataError, match="b.py: is empty: it holds no code"):
        tagged_corpus(written(tmp_path, "", "b.py"))


def test_a_file_that_vanishes_while_a_folder_is_read_is_no_skipped_one(tmp_path, monkeypatch):
    there = [written(tmp_path, "x", "a.py"), str(tmp_path / "gone.py")]
    monkeypatch.setattr("minitorch_rnn.data.tagged.files_below", lambda *_: there)
    with pytest.raises(DataError, match="gone.py: cannot be read: No such file"):
        tagged_corpus(str(tmp_path))


def test_the_library_is_its_own_modules_and_not_what_is_installed_beside_them():
    corpus = tagged_corpus(files=3)
    assert len(corpus.groups) == 3 and corpus.source == "the standard library"
    assert not any("site-packages" in name or "/test/" in name for name in corpus.files)


# Held out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups, held", [(2, 1), (19, 1), (20, 2), (60, 6)])
def test_the_last_tenth_of_the_groups_is_held_out(groups, held):
    corpus = TaggedCorpus([[Tagged("a", ["X"])]] * groups, ("X",), "it", ())
    train, held_out = corpus.split()
    assert (len(train.groups), len(held_out.groups)) == (groups - held, held)
    assert train.tags == held_out.tags == ("X",)


def test_one_sequence_cannot_be_split():
    with pytest.raises(DataError, match="it: holds 1 sequence"):
        TaggedCorpus([[Tagged("a", ["X"])]], ("X",), "it", ()).split()
