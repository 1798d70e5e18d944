"""`minitorch-rnn check`: rows for programs, a table for people, a status for both."""

import itertools
import json
import sys

import pytest

from minitorch_rnn import cli
from minitorch_rnn.agreement import certificate
from minitorch_rnn.cli import check

KEYS = {"network", "divergence", "quantity", "digits", "agrees"}


@pytest.fixture
def short(monkeypatch):
    """The certificate's first network only, its digits changed as a test asks for."""

    def shorten(**changes):
        def first(seed):
            for agreement in itertools.islice(certificate(seed), 1):
                digits = {q: found | changes for q, found in agreement.digits.items()}
                yield agreement._replace(digits=digits)

        monkeypatch.setattr(check, "certificate", first)

    return shorten


def test_check_as_json_is_a_list_of_rows(short, capsys):
    short()
    assert cli.main(["check", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["quantity"] for row in rows} >= {"Y", "x", "h_0", "rnn.weight_hh_l0"}
    assert all(set(row) >= KEYS and row["agrees"] is True for row in rows)
    assert all(row["digits"]["slides"] >= 10 for row in rows)


def test_check_prints_a_table_and_its_summary(short, capsys):
    short()
    assert cli.main(["check"]) == 0
    text = capsys.readouterr().out
    assert "1 networks, " in text and text.endswith("all agree\n") and "\x1b" not in text


@pytest.mark.parametrize("arguments", [["check"], ["check", "--json"]], ids=" ".join)
def test_one_disagreement_fails_the_check(arguments, short, capsys):
    short(slides=3.0)
    assert cli.main(arguments) == 1
    text = capsys.readouterr().out
    assert ("DISAGREE" in text) != ("--json" in arguments)
    assert ('"agrees": false' in text) == ("--json" in arguments)


@pytest.mark.parametrize("digits, colour", [(16.0, "\x1b[32m"), (0.0, "\x1b[31m")])
def test_colour_is_for_terminals_without_no_color(digits, colour, short, monkeypatch, capsys):
    short(slides=digits)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.main(["check"])
    assert colour in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    cli.main(["check"])
    assert "\x1b" not in capsys.readouterr().out
