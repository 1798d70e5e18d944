"""`minitorch-rnn ledger`: the table, the picture, and what is told where it cannot be."""

import pytest

from minitorch_rnn import cli
from minitorch_rnn.agreement import COLUMNS
from minitorch_rnn.errors import ColumnError, DataError


def run(*arguments):
    """The exit status of the command."""
    options = cli.parser("ledger").parse_args(["ledger", *arguments])
    return options.run(options)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_network_of_the_lecture_has_a_ledger(name, capsys):
    assert run(name, "--steps", "6") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{COLUMNS[name](2, 3, 2).name}, T = 6: ")
    assert "a step" in out or "own t" in out


def test_a_truncation_shows_in_the_table_and_in_the_picture(tmp_path, capsys):
    file = tmp_path / "heat.svg"
    assert run("state-space", "--truncate", "4", "--out", str(file)) == 0
    out = capsys.readouterr().out
    assert "truncated after 3 steps" in out and "cut" in out
    assert out.rstrip().endswith("‖∂Div(t)/∂h1(t')‖, chunked(k=4)")
    assert 'data-hatched="cut"' in file.read_text(encoding="utf-8")


def test_a_gain_makes_errors_explode(capsys):
    line = ("state-space", "--set", "activation=identity", "--hidden", "8")
    run(*line)
    assert "explodes" not in capsys.readouterr().out
    run(*line, "--gain", "6")
    assert "explodes: grows by" in capsys.readouterr().out


def test_the_same_seed_gives_the_same_table(capsys):
    tables = []
    for seed in ("1", "1", "2"):
        run("lstm", "--seed", seed)
        tables.append(capsys.readouterr().out)
    assert tables[0] == tables[1] != tables[2]


def test_a_picture_is_of_the_node_that_is_asked_for(tmp_path, capsys):
    for node, of, title in [
        ("h", "reach", "‖∂Div(t)/∂h(t&#39;)‖"),
        ("c", "jacobian", "‖∂c(t)/∂c(t&#39;)‖"),
    ]:
        file = tmp_path / f"{node}.svg"
        run("lstm", "--node", node, "--of", of, "--out", str(file))
        assert title.replace("&#39;", "'") in capsys.readouterr().out
        assert file.exists()


def test_png_is_written_too(tmp_path):
    pytest.importorskip("matplotlib")
    file = tmp_path / "heat.png"
    run("elman", "--steps", "5", "--out", str(file))
    assert file.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_is_told(tmp_path, capsys):
    for arguments, parts in [
        (("elman", "--out", "heat.gif"), "--out heat.gif|.svg or .png"),
        (("elman", "--node", "q"), "--node q|elman has x, h, Y"),
        (("elman", "--of", "jacobian", "--node", "Y", "--out", "y.svg"), "'Y'|only of h"),
        ((), "a NETWORK is needed"),
    ]:
        with pytest.raises(SystemExit) as left:
            run(*arguments)
        error = capsys.readouterr().err
        assert left.value.code == 2 and all(part in error for part in parts.split("|")), error
    with pytest.raises(ColumnError, match="runs forward in time"):
        run("bidirectional", "--truncate", "3")
    with pytest.raises(DataError, match="cannot be written: No such file"):
        run("elman", "--out", str(tmp_path / "nowhere" / "heat.svg"))
