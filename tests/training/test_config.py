"""The options of a training: what values they take, in files and as flags, and what may change."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitorch_rnn.errors import RunError
from minitorch_rnn.training.config import Config, read
from minitorch_rnn.training.tasks import TASKS


@pytest.mark.parametrize("name, value, told", [
    ("hidden", 0, "0 is not a whole number from 1 to 1,000,000,000"),
    ("hidden", "x", "'x' is not a whole number"),
    ("hidden", 2.0, "2.0 is not a whole number"),
    ("hidden", True, "True is not a whole number"),
    ("hidden", 10**10, "10000000000 is not"),
    ("hidden", [3], r"\[3\] is not"),
    ("hidden", None, "None is not"),
    ("warmup", -1, "-1 is not a whole number from 0"),
    ("warmup", False, "False is not"),
    ("lr", 0, "0 is not a number above 0"),
    ("lr", "nan", "'nan' is not a number above 0"),
    ("lr", math.inf, "inf is not a number above 0"),
    ("lr", True, "True is not a number above 0"),
    ("lr", 10**400, "is not a number above 0"),
    ("dropout", 1, "1 is not a number from 0 to below 1"),
    ("weight_decay", -1e-9, "is not a number of at least 0"),
    ("optimizer", "lbfgs", "'lbfgs' is none of adam, adamw, rmsprop, adagrad, sgd"),
    ("optimizer", 3, "3 is none of"),
    ("tensorboard", "yes", "'yes' is neither true nor false"),
    ("tensorboard", 1, "1 is neither true nor false"),
    ("hiden", 3, "there is no such option; did you mean hidden"),
    ("zzz", 3, "there is no such option."),
    ("layers", 1001, "1001 is not a whole number from 1 to 1,000"),
])  # fmt: skip
def test_a_wrong_option_is_told_by_its_name(name, value, told):
    with pytest.raises(RunError, match=f"^{name}: .*{told}"):
        Config.of({name: value})


@pytest.mark.parametrize("given, told", [
    ({"steps": None}, "steps, epochs, seconds: none is given"),
    ({"schedule": "plateau", "warmup": 3}, "warmup: a rate that follows the figures"),
    ({"schedule": "cosine", "steps": None, "epochs": 3}, "cosine is over all steps; give --steps"),
    ({"dropout": 0.5}, "dropout: acts between layers, and there is 1"),
])  # fmt: skip
def test_options_that_do_not_go_together_are_refused(given, told):
    with pytest.raises(RunError, match=told):
        Config.of(given)


def test_flags_are_text_and_files_have_values():
    as_text = Config.of({"hidden": "32", "lr": "1e-2", "steps": "7", "optimizer": "sgd"})
    assert as_text == Config.of({"hidden": 32, "lr": 0.01, "steps": 7, "optimizer": "sgd"})


def test_what_is_written_is_read_again(tmp_path):
    config = Config.of({"hidden": 3, "lr": 1e-7, "epochs": 2, "steps": None, "tensorboard": True})
    (tmp_path / "config.toml").write_text(config.written())
    again = read(tmp_path / "config.toml")
    assert again["seconds"] == "none" and again["lr"] == 1e-7
    assert Config.of(again) == config


@pytest.mark.parametrize("content, told", [
    (b"hidden = ", "is no TOML file"),
    (b"hidden = 3\nhidden = 4", "is no TOML file"),
    (b"\xff", "is no TOML file"),
    (b"a = " + b"[" * 100_000, "is no TOML file"),
])  # fmt: skip
def test_a_file_that_is_none_is_named(content, told, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(RunError, match=f"^{path}: {told}"):
        read(path)
    with pytest.raises(RunError, match=f"^{tmp_path}: cannot be read"):
        read(tmp_path)


def test_a_run_that_goes_on_may_change_what_does_not_make_it_another():
    config = Config.of({"hidden": 5})
    assert config.changed({"steps": 7, "seconds": 3.5, "keep": 9}).steps == 7
    with pytest.raises(RunError, match="lr: the run was started without it, now it is 0.1"):
        config.changed({"lr": 0.1})
    with pytest.raises(RunError, match="hidden: the run was started with 5, now it is 6"):
        config.changed({"hidden": 6, "steps": 9})


def test_epochs_stand_in_for_steps_unless_both_are_given():
    assert Config.of({}).steps == 1000
    assert Config.of({"epochs": 5000}).steps is None
    assert Config.of({"epochs": 5000, "steps": 7}).steps == 7


def test_who_says_how_long_is_not_stopped_by_the_clock_unless_that_is_said_too():
    of = TASKS["text"].Config.of
    assert of({}).seconds == 50 and of({"hidden": 3}).seconds == 50
    assert of({"steps": 9}).seconds is None and of({"epochs": 9}).seconds is None
    assert of({"steps": 9, "seconds": 7}).seconds == 7
    assert of({"seconds": "none"}).seconds is None and of({}).changed({"keep": 3}).seconds == 50


def test_no_value_where_there_is_a_default_is_written_and_read(tmp_path):
    config = TASKS["text"].Config.of({"seconds": None, "validate_every": "none"})
    (tmp_path / "config.toml").write_text(config.written())
    again = read(tmp_path / "config.toml")
    assert again["seconds"] == again["validate_every"] == "none" == again["lr"]
    assert TASKS["text"].Config.of(again) == config
    with pytest.raises(RunError, match="hidden: 'none' is not a whole number"):
        Config.of({"hidden": "none"})


def test_every_option_has_its_line_of_help_and_a_default_that_it_takes_itself():
    for field in dataclasses.fields(Config):
        assert field.metadata["help"]
        if field.default is not None:
            assert field.metadata["kind"].of(field.default) == field.default


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
NESTED = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


@given(st.sampled_from([f.name for f in dataclasses.fields(Config)]), NESTED)
def test_whatever_a_value_is_it_is_taken_or_refused_by_name(name, value):
    try:
        config = Config.of({name: value})
    except RunError as error:
        assert name in str(error)
    else:
        kind = next(f for f in dataclasses.fields(Config) if f.name == name).metadata["kind"]
        assert getattr(config, name) == (value if value is None else kind.of(value))
