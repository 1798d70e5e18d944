"""`minitorch-rnn forecast`: a table, its errors, files, and one line where there is no forecast."""

import csv
import json
import re

import numpy as np
import pytest

from minitorch_rnn import cli, training
from minitorch_rnn.training.tasks.forecast import ForecastConfig, picture
from minitorch_rnn.training.tasks.forecast.scores import Forecast
from minitorch_rnn.training.tasks.text import TextConfig

SMALL = {"hidden": 2, "steps": 3, "validate_every": 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run on the sunspots."""
    folder = tmp_path_factory.mktemp("runs") / "sunspots"
    return training.start(ForecastConfig.of(SMALL | {"horizon": 5}), folder).folder


def told(capsys, *arguments):
    assert cli.main(["forecast", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    """The one line of the error."""
    assert cli.main(["forecast", *map(str, arguments)]) == 1
    out, error = capsys.readouterr()
    assert out == "" and error.startswith("minitorch-rnn: ") and error.count("\n") == 1, error
    return error


def test_a_run_keeps_the_picture_of_its_test(trained):
    assert (trained / "forecast.png").read_bytes().startswith(b"\x89PNG")


def test_the_forecast_goes_on_after_the_last_row(trained, capsys):
    lines = told(capsys, trained).splitlines()
    assert lines[0] == "sunspots: sunspots as it goes on after 2008, in closed loop"
    assert lines[1].split() == ["row", "narx", "AR(9)", "last", "value"]
    assert [line.split()[0] for line in lines[2:7]] == ["2009", "2010", "2011", "2012", "2013"]
    assert all(line.endswith("  2.9") for line in lines[2:7])
    assert re.match(r"root mean squared error in the test, 1 to 5 steps ahead: narx ", lines[7])


def test_a_forecast_from_the_past_is_told_with_its_errors(trained, capsys):
    task = training.Run.open(trained).task()
    task.read(None)
    shown = task.forecast(263, 3)
    for origin in ("1963", "264"):
        lines = told(capsys, trained, "--from", origin, "--steps", 3).splitlines()
        assert lines[1].split()[-1] == "truth" and len(lines) == 6
        cells = lines[2].split()
        assert cells[0] == "1963" and cells[-1] == "27.9"
        assert cells[1] == f"{shown.network[0]:.4g}"
        error = np.sqrt(np.mean((shown.network - [27.9, 10.2, 15.1]) ** 2))
        assert lines[-1].startswith(
            f"root mean squared error over all rows whose truth is known: narx {error:.4g}, AR(9) "
        )


def test_what_the_network_knew_already_is_said(trained, capsys):
    assert "learned from rows up to 1916" in told(capsys, trained, "--from", 1900)
    assert "weights were chosen by rows up to 1962" in told(capsys, trained, "--from", 1930)
    first = told(capsys, trained, "--from", 1963).splitlines()[0]
    assert first.endswith("in closed loop")


def test_half_known_rows_have_errors_of_the_known_half(trained, capsys):
    out = told(capsys, trained, "--from", 2007, "--steps", 4)
    assert "over the 2 rows whose truth is known" in out
    assert re.search(r"^2008 .* +15\.2 +2\.9$", out, re.M)
    assert re.search(r"^2009 .* +15\.2$", out, re.M)


def test_json_holds_the_table(trained, capsys):
    found = json.loads(told(capsys, trained, "--from", 2008, "--steps", 2, "--json"))
    assert found["first_row"] == 309 and found["target"] == "sunspots"
    assert [row["row"] for row in found["forecast"]] == ["2008", "2009"]
    assert [row["truth"] for row in found["forecast"]] == [2.9, None]
    assert set(found["rmse"]) == {"narx", "AR(9)", "last value"}
    alone = json.loads(told(capsys, trained, "--steps", 2, "--json"))
    assert "truth" not in alone["forecast"][0] and alone["rmse"]["narx"] is None


def test_the_forecast_is_written_and_drawn(trained, tmp_path, capsys):
    for name, begin in {"a.csv": b"row,narx", "a.png": b"\x89PNG", "A.SVG": b"<?xml"}.items():
        out = told(capsys, trained, "--steps", 3, "--out", tmp_path / name)
        assert out.endswith(f"wrote {tmp_path / name}\n")
        assert (tmp_path / name).read_bytes().startswith(begin)
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text("utf-8").splitlines()))
    found = json.loads(told(capsys, trained, "--steps", 3, "--json"))["forecast"]
    assert [float(row["narx"]) for row in rows] == [row["narx"] for row in found]


def test_a_newer_file_is_forecast_from_its_end(trained, tmp_path, capsys):
    path = tmp_path / "new.csv"
    path.write_text("year,sunspots\n" + "\n".join(f"{1990 + t},{50 + t % 7}" for t in range(30)))
    lines = told(capsys, trained, "--data", path, "--steps", 2).splitlines()
    assert lines[0].startswith(f"{path}: sunspots as it goes on after 2019")
    assert lines[2].split()[0] == "2020" and lines[2].split()[-1] == "51"
    assert lines[-1].startswith("root mean squared error in the test")


def test_a_file_that_changed_is_refused_unless_it_is_named(tmp_path, monkeypatch, capsys):
    rows = [f"{1900 + t},{50 + t % 7}" for t in range(90)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["year,y", *rows]))
    monkeypatch.chdir(tmp_path)
    training.start(ForecastConfig.of(SMALL | {"data": "a.csv"}), "run")
    (tmp_path / "other").mkdir()
    monkeypatch.chdir("other")
    assert "after 1989" in told(capsys, "../run")  # found from another folder
    path.write_text("\n".join(["year,y", *rows, "1990,51"]))
    for arguments in (["../run"], ["../run", "--from", 1980]):
        error = refused(capsys, *arguments)
        assert f"{path}: has changed" in error and f"with --data {path}." in error
    assert cli.main(["evaluate", "../run"]) == 1
    assert "with --data FILE." in capsys.readouterr().err
    out = told(capsys, "../run", "--data", path, "--from", 1950)
    assert "the network has learned from rows up to 1961" in out
    assert "after 1990, in closed loop\n" in told(capsys, "../run", "--data", path)
    path.unlink()
    assert f"{path}: cannot be read" in refused(capsys, "../run")


def test_a_label_comes_before_a_number(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("time,y\n" + "".join(f"{t},{t % 7}\n" for t in range(90)))
    folder = tmp_path / "run"
    training.start(ForecastConfig.of(SMALL | {"data": str(tmp_path / "a.csv")}), folder)
    assert "as it goes on after 39" in told(capsys, folder, "--from", 40)
    assert "to begin with row 1 (0); the" in refused(capsys, folder, "--from", 0)


def test_a_picture_holds_all_lines_within_reason_and_ticks_are_rows(trained, tmp_path, capsys):
    told(capsys, trained, "--from", 1990, "--steps", 30, "--out", tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text("utf-8")
    years = [int(year) for year in re.findall(r">((?:19|20)[0-9]{2})<", drawn)]
    assert years == [1960, 1970, 1980, 1990, 2000, 2010]
    assert "numbers: RMSE of this one forecast" in drawn


def test_an_axis_leaves_out_what_runs_away():
    truth, one = np.array([0.0, 10.0, np.nan]), np.full(3, 5.0)
    calm = picture._limits(truth, Forecast(("1",), one, one + 6, one, truth))
    assert calm[0] == pytest.approx(-0.88) and calm[1] == pytest.approx(11.88)
    wild = picture._limits(truth, Forecast(("1",), one, one * 1e9, one * np.nan, truth))
    assert wild == pytest.approx((-1.2, 16.2))


def test_the_newest_run_is_taken_unless_one_is_named(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "holds no run" in refused(capsys)
    training.start(ForecastConfig.of(SMALL), "runs/mine")
    assert "after 2008" in told(capsys)


def test_what_cannot_be_forecast_is_one_line(trained, tmp_path, capsys):
    (tmp_path / "short.csv").write_text("sunspots\n1\n2\n")
    (tmp_path / "other.csv").write_text("moons\n1\n2\n")
    assert "has no row 2050" in refused(capsys, trained, "--from", 2050)
    assert "can begin with row 10 (1709) to 309 (2008), or after the last" in refused(
        capsys, trained, "--from", 1702
    )
    assert "no column 'sunspots'" in refused(capsys, trained, "--data", tmp_path / "other.csv")
    assert "has 2 rows; the network" in refused(capsys, trained, "--data", tmp_path / "short.csv")
    assert "cannot be read" in refused(capsys, trained, "--data", tmp_path / "none.csv")
    assert "holds no run" in refused(capsys, tmp_path)


def test_a_file_that_cannot_be_written_is_one_line(trained, tmp_path, capsys):
    assert cli.main(["forecast", str(trained), "--out", str(tmp_path / "no" / "a.csv")]) == 1
    error = capsys.readouterr().err
    assert "a.csv: cannot be written: No such file" in error and error.count("\n") == 1


def test_a_run_of_another_task_is_one_line(tmp_path, capsys):
    (tmp_path / "book.txt").write_text("the cat sat on the mat. " * 60)
    config = {
        "text": str(tmp_path / "book.txt"),
        "hidden": 4,
        "batch": 2,
        "sequence": 10,
        "steps": 1,
    }
    folder = training.start(TextConfig.of(config), tmp_path / "run").folder
    assert "is a run of --task text, which forecasts no series" in refused(capsys, folder)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["--out", "a.pdf"], "--out a.pdf: a name that ends in .csv, .png or .svg is needed"),
        (["--out", ""], "--out : a name"),
        (["--steps", "0"], "--steps: '0' is not a whole number"),
        (["--steps", "100001"], "--steps 100001: at most 100,000"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_before_anything_is_read(arguments, reason, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["forecast", "nowhere", *arguments])
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err
