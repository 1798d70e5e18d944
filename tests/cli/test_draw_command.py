"""`minitorch-rnn draw`: files where they were asked for, and one line where that cannot be."""

import sys
import xml.etree.ElementTree as ET

import pytest

from minitorch_rnn import cli, column
from minitorch_rnn.teaching.draw import draw


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def out(capsys, *arguments):
    status = cli.main(["draw", *arguments])
    return status, capsys.readouterr().out.split()


def test_both_pictures_are_written_and_named(capsys, here):
    assert out(capsys, "elman") == (0, ["elman-rolled.svg", "elman-unrolled.svg"])
    network = column.elman(2, 3, 2)
    assert (here / "elman-rolled.svg").read_text("utf-8") == draw(network).svg()
    assert (here / "elman-unrolled.svg").read_text("utf-8") == draw(network, T=5).svg()


@pytest.mark.parametrize("kind", ["rolled", "unrolled", "graph"])
def test_one_picture_goes_where_it_is_wanted(capsys, here, kind):
    assert out(capsys, "jordan", f"--{kind}", "--steps", "3", "--out", "a.svg") == (0, ["a.svg"])
    title = ET.parse(here / "a.svg").getroot()[0].text
    expected = {"rolled": "jordan, rolled", "unrolled": "jordan, unrolled over 3 time steps"}
    assert title.startswith(expected.get(kind, "graph of "))


def test_two_pictures_share_the_name_that_is_given(capsys, here):
    assert out(capsys, "narx", "--out", "my.png") == (0, ["my-rolled.png", "my-unrolled.png"])
    assert (here / "my-rolled.png").read_bytes().startswith(b"\x89PNG")


def test_options_of_the_network_reach_the_drawing(capsys, here):
    arguments = ("state-space", "--set", "layers=3", "--unrolled", "--steps", "40")
    assert out(capsys, *arguments, "--out", "short.svg")[0] == 0
    assert out(capsys, *arguments, "--whole", "--out", "long.svg")[0] == 0
    short, long = ((here / f"{name}.svg").read_text("utf-8") for name in ("short", "long"))
    assert 'data-node="h3"' in short and 'data-t="20"' not in short
    assert 'data-t="20"' in long


def test_a_column_of_ones_own_is_drawn_and_its_name_makes_a_file_name(capsys, here):
    own = column.Column("a/b: ü?", *_parts(column.elman(2, 3, 1)))
    (here / "own.json").write_text(own.to_json(), encoding="utf-8")
    assert out(capsys, "--spec", "own.json", "--rolled") == (0, ["a-b--ü--rolled.svg"])


def _parts(network):
    return network.nodes, network.edges, network.output


def test_networks_with_given_histories_and_several_inputs_have_a_graph(capsys, here):
    own = column.elman(2, 3, 1, history="given").to_json()
    (here / "own.json").write_text(own, encoding="utf-8")
    assert out(capsys, "--spec", "own.json", "--graph")[0] == 0
    assert out(capsys, "encoder-decoder", "--graph", "--steps", "2")[0] == 0


@pytest.mark.parametrize("name", ["a.pdf", "a", "svg"])
def test_other_kinds_of_files_are_wrong_usage(capsys, here, name):
    with pytest.raises(SystemExit) as stop:
        cli.main(["draw", "elman", "--out", name])
    assert stop.value.code == 2
    assert f"--out {name}: a name that ends in .svg or .png" in capsys.readouterr().err
    assert not any(here.iterdir())


def test_a_file_that_cannot_be_written_is_one_line(capsys):
    assert cli.main(["draw", "elman", "--rolled", "--out", "no/such/folder/a.svg"]) == 1
    line = capsys.readouterr().err
    assert line == (
        "minitorch-rnn: no/such/folder/a.svg: the picture cannot be written: "
        "No such file or directory.\n"
    )


def test_a_png_without_matplotlib_says_what_brings_it(capsys, monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert cli.main(["draw", "elman", "--rolled", "--out", "a.png"]) == 1
    assert "pip install minitorch-rnn[app]" in capsys.readouterr().err
    assert cli.main(["draw", "elman", "--rolled", "--out", "a.svg"]) == 0


def test_a_png_that_would_be_too_long_is_one_line(capsys):
    arguments = ["draw", "elman", "--unrolled", "--steps", "300", "--whole", "--out", "a.png"]
    assert cli.main(arguments) == 1
    assert "take a smaller scale, or an SVG" in capsys.readouterr().err
