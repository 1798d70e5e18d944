"""`minitorch-rnn check`: rows for programs, a table for people, a status for both."""

import json
import re
import sys

import pytest

from minitorch_rnn import agreement, cli, column
from minitorch_rnn.cli import check

KEYS = {"network", "divergence", "variant", "quantity", "digits", "agrees", "skipped", "frozen",
        "angle", "zero"}  # fmt: skip
ONE = ["check", "--network", "elman", "--divergence", "last output", "--variant", "synchronous"]


@pytest.fixture
def wrong(monkeypatch):
    """One road of one network disagrees."""

    def disagreeing(*arguments):
        for found in agreement.columns(*arguments):
            digits = {q: roads | {"explicit": 3.0} for q, roads in found.digits.items()}
            yield found._replace(digits=digits)

    monkeypatch.setattr(check, "columns", disagreeing)


@pytest.fixture
def spec(tmp_path):
    """A file with a column of one's own."""
    path = tmp_path / "own.json"
    path.write_text(column.narx_shaded(2, 3, 2, output_activation="softmax").to_json())
    return path


def out(capsys, *arguments):
    status = cli.main([*arguments])
    return status, capsys.readouterr().out


def test_check_as_json_is_a_list_of_rows(capsys):
    status, text = out(capsys, *ONE, "--json")
    rows = json.loads(text)
    assert status == 0
    assert {row["quantity"] for row in rows} >= {"Y(t)", "x", "bias.h", "dz(h)", "weight.x->h"}
    assert all(set(row) == KEYS and row["agrees"] is True for row in rows)
    assert all(row["digits"]["explicit"] >= 10 for row in rows)
    assert {row["frozen"] for row in rows} == {"h(t-1)->h"}
    for row in rows:  # every road has its digits, or the reason why not
        roads = {"explicit", "differences", "complex step", "rtrl", "torch"}
        assert set(row["digits"]) | set(row["skipped"]) == roads


def test_check_runs_on_every_backend(capsys, backend):
    status, text = out(capsys, *ONE, "--json")
    assert status == 0
    rows = json.loads(text)
    assert rows and all(row["agrees"] and row["digits"]["explicit"] >= 10 for row in rows)
    status, text = out(
        capsys, "check", "--network", "narx", "gru", "--variant", "delayed", "--backend", backend
    )
    assert status == 0 and text.endswith("all agree\n")


def test_check_shows_a_row_for_each_divergence_and_a_column_for_each_variant(capsys):
    status, text = out(capsys, "check", "--network", "jordan")
    assert status == 0 and text.endswith("all agree\n") and "\x1b" not in text
    for told in ("jordan: fewest digits", *column.VARIANTS, "soft-DTW", "CTC",
                 "hold memory fixed: Y(t-1)->m,", "angle to the full gradient",
                 "networks: 1, settings: 50"):  # fmt: skip
        assert told in text, told


def test_check_shows_every_quantity_when_asked(capsys):
    _, text = out(capsys, *ONE, "--tables")
    assert "elman, last output, synchronous: digits of agreement with the graph" in text
    assert "weight.h(t-1)->h" in text and "hold memory fixed: h(t-1)->h" in text


def test_check_without_options_takes_the_layers_and_every_network(capsys, monkeypatch):
    monkeypatch.setattr(check, "COLUMNS", {"gru": agreement.COLUMNS["gru"]})
    monkeypatch.setattr(check, "columns", lambda *a: list(agreement.columns(a[0], 0, ["squared error"], ["delayed"])))  # noqa: E501  # fmt: skip
    status, text = out(capsys, "check")
    assert status == 0
    assert "RNN relu, 3 layers, no bias" in text and "gru: fewest digits" in text
    assert "LSTM, 2 layers, bidirectional" in text and "GRU, 3 layers, no bias" in text
    assert len(re.findall(r"^    scan 1\d\.\d, ", text, re.M)) == 60  # of each network of layers
    assert re.search(r"^  scan         +1\d\.\d$", text, re.M)  # the fewest of them all


def test_no_line_of_the_tables_is_wider_than_a_terminal(capsys):
    everything = ["--network", "cross-layer", "--tables", "--variant", "delayed"]
    for arguments in (["--network", "jordan-average-forced"], everything):
        _, text = out(capsys, "check", *arguments)
        assert max(map(len, text.splitlines())) <= 80


def test_a_column_whose_values_overflow_is_one_line(spec, capsys):
    big = column.Column(
        "big", (column.Input("x", 1), column.Layer("Y", 1, "identity")),
        (column.Edge("x", "Y", weight=1e200),), "Y",
    )  # fmt: skip
    spec.write_text(big.to_json())
    with pytest.warns(RuntimeWarning):
        assert cli.main(["check", "--spec", str(spec)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("minitorch-rnn: verify: the squared error of these outputs is inf")


def test_an_input_of_ones_own_may_be_called_phase(spec, capsys):
    nodes = (column.Input("phase", 3), column.Layer("Y", 1, "identity"))
    spec.write_text(column.Column("p", nodes, (column.Edge("phase", "Y"),), "Y").to_json())
    assert cli.main(["check", "--spec", str(spec), "--variant", "delayed"]) == 0


def test_a_column_of_ones_own_is_checked_under_what_its_output_can_take(spec, capsys):
    status, text = out(capsys, "check", "--spec", str(spec))
    assert status == 0 and "narx-shaded: fewest digits" in text and "CTC" in text
    spec.write_text(column.elman(2, 3, 1).to_json())
    status, text = out(capsys, "check", "--spec", str(spec))
    assert status == 0 and "elman: fewest digits" in text and "CTC" not in text


def test_a_divergence_that_the_output_cannot_take_is_told(spec, capsys):
    spec.write_text(column.elman(2, 3, 1).to_json())
    with pytest.raises(SystemExit):
        cli.main(["check", "--spec", str(spec), "--divergence", "CTC"])
    assert "CTC needs a network with a softmax output" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, told",
    [
        (None, "cannot be read"),
        ("", "is empty"),
        ("{", "not JSON"),
        ("[]", "an object is needed"),
        ('{"name": "n"}', "needed are name, nodes, edges, output"),
        (column.elman(2, 3, 1).to_json().replace('"delay": 1', '"delay": 0'), "cycle, h -> h"),
    ],
)
def test_a_file_that_holds_no_column_is_one_line(text, told, tmp_path, capsys):
    path = tmp_path / "own.json"
    if text is not None:
        path.write_text(text)
    assert cli.main(["check", "--spec", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("minitorch-rnn: ") and error.count("\n") == 1 and told in error


def test_random_columns_are_counted_by_the_hundred(capsys):
    status, text = out(capsys, "check", "--random", "101", "--seed", "7")
    assert status == 0
    assert "100 drawn, 100 of the last 100 agree\n101 drawn, 1 of the last 1 agree" in text
    assert "networks: 101, settings: 101" in text


def test_a_random_column_that_fails_is_printed_to_be_kept(capsys, monkeypatch):
    def one_wrong(count, seed):
        for drawn, found in agreement.random_agreements(2, seed):
            yield drawn, found._replace(required=dict.fromkeys(found.required, 99.0))

    monkeypatch.setattr(check, "random_agreements", one_wrong)
    status, text = out(capsys, "check", "--random", "2")
    assert status == 1 and "DISAGREEMENT in 2 of 2" in text
    kept = text[text.index("{") : text.index("\n}") + 2]
    assert column.Column.from_json(kept).name == "random 0"


@pytest.mark.parametrize("arguments", [ONE, [*ONE, "--json"], [*ONE, "--tables"]], ids=len)
def test_one_disagreement_fails_the_check(arguments, wrong, capsys):
    status, text = out(capsys, *arguments)
    assert status == 1
    assert ("DISAGREES" in text) != ("--json" in arguments)
    assert ('"agrees": false' in text) == ("--json" in arguments)


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["--network", "hopfield"], "'hopfield'"),
        (["--network", "elman", "--random", "3"], "not allowed with argument"),
        (["--random", "3", "--variant", "delayed"], "--random draws divergences and variants"),
        (["--random", "0"], "'0' is not a whole number"),
        (["--divergence", "hinge"], "'hinge'"),
    ],
    ids=lambda arguments: " ".join(arguments) if isinstance(arguments, list) else "",
)
def test_options_that_do_not_go_together_are_told(arguments, told, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *arguments])
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_colour_is_for_terminals_without_no_color(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[32m" in out(capsys, *ONE)[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in out(capsys, *ONE)[1]


def test_a_disagreement_is_red_on_a_terminal(wrong, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31m" in out(capsys, *ONE)[1]
