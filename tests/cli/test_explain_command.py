"""`minitorch-rnn explain`: a page of a network by name or file, and one line for every mistake."""

import json
import re

import pytest

from minitorch_rnn import cli, column

HEADER = "x1,x2,d1,d2\n"
ROWS = "0.1,0.2,1,0\n-0.3,0.4,0,1\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def out(capsys, *arguments):
    status = cli.main(["explain", *arguments])
    return status, *capsys.readouterr()


def recording(file):
    (text,) = re.findall(r'id="recording">(.*?)</script>', file.read_text("utf-8"), re.S)
    return json.loads(text)


def test_a_network_by_name_is_written_into_a_page(capsys, folder):
    status, told, _ = out(capsys, "elman")
    assert status == 0
    assert re.fullmatch(
        r"explain\.html: 68 steps, 0\.\d MB; graph and BPTT agree to 1\d\.\d digits\. "
        r"Open it in a browser\.\n",
        told,
    )
    assert recording(folder / "explain.html")["T"] == 4


def test_sizes_options_steps_and_seed_are_taken(capsys, folder):
    arguments = [
        "state-space", "--inputs", "1", "--hidden", "4", "--outputs", "3", "--steps", "2",
        "--set", "layers=2", "output_activation=softmax", "--divergence", "cross-entropy",
    ]  # fmt: skip
    assert out(capsys, *arguments, "--out", "a.html")[0] == 0
    found = recording(folder / "a.html")
    sizes = {node["name"]: node["size"] for node in found["nodes"]}
    assert sizes == {"x": 1, "h1": 4, "h2": 4, "Y": 3} and found["T"] == 2
    assert found["divergence"]["name"] == "cross-entropy"
    out(capsys, *arguments, "--out", "b.html", "--seed", "1")
    out(capsys, *arguments, "--out", "c.html")
    assert recording(folder / "b.html")["steps"] != found["steps"]
    assert (folder / "c.html").read_bytes() == (folder / "a.html").read_bytes()


def test_a_column_and_data_of_ones_own_are_read(capsys, folder):
    (folder / "own.json").write_text(column.elman(2, 3, 2).to_json())
    (folder / "data.csv").write_text("\ufeffd1, x2,x1 ,d2\r\n5,0.2,0.1,6\r\n\r\n7,0.4,0.3,8\r\n")
    assert out(capsys, "--spec", "own.json", "--data", "data.csv")[0] == 0
    found = recording(folder / "explain.html")
    results = {step["result"]["name"]: step["result"]["numbers"] for step in found["steps"][:30]}
    assert found["T"] == 2
    assert (results["x(0)"], results["x(1)"]) == ([[0.1, 0.2]], [[0.3, 0.4]])
    targets = [v["numbers"] for s in found["steps"] for v in s["values"] if v["name"] == "D"]
    assert targets == [[[[5, 6]], [[7, 8]]]]


def test_several_inputs_are_columns_by_their_names(capsys, folder):
    rows = "x1,phase1,phase2,d1\n1,1,0,0\n2,1,0,0\n0,0,1,3\n0,0,1,4\n"
    (folder / "data.csv").write_text(rows)
    sizes = ["--inputs", "1", "--outputs", "1"]
    assert out(capsys, "encoder-decoder", *sizes, "--data", "data.csv")[0] == 0
    steps = recording(folder / "explain.html")["steps"]
    results = {
        step["result"]["name"]: step["result"]["numbers"] for step in steps if step["result"]
    }
    assert [results[f"phase({t})"] for t in range(4)] == [[[1, 0]], [[1, 0]], [[0, 1]], [[0, 1]]]


def test_targets_of_an_input_called_d_go_by_another_name(capsys, folder):
    (folder / "own.json").write_text(column.elman(1, 2, 1).to_json().replace('"x"', '"d"'))
    (folder / "data.csv").write_text("d1,target1\n1,2\n")
    assert out(capsys, "--spec", "own.json", "--data", "data.csv")[0] == 0


def test_labels_end_where_a_column_is_empty(capsys, folder):
    (folder / "data.csv").write_text("x1,x2,d1\n1,2,1\n3,4,2\n5,6,\n7,8,\n")
    options = ["--outputs", "3", "--set", "output_activation=softmax", "--divergence", "CTC"]
    assert out(capsys, "elman", *options, "--data", "data.csv")[0] == 0
    assert recording(folder / "explain.html")["T"] == 4
    (folder / "data.csv").write_text("x1,x2,d1\n1,2,1\n3,4,3\n")
    status, _, told = out(capsys, "elman", *options, "--data", "data.csv")
    assert status == 1 and "line 3, column d1: '3' is no label; needed is a whole number" in told
    (folder / "data.csv").write_text("x1,x2,d1\n1,2,\n3,4,1\n")
    assert (
        "at least one label, and none after a gap"
        in out(capsys, "elman", *options, "--data", "data.csv")[2]
    )


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "data.csv: is empty"),
        ("x1,d1,d2\n", "line 1 names the columns x1, d1, d2; needed are x1, x2, d1, d2, in any"),
        ("x1;x2;d1;d2\n1;2;3;4\n", "line 1 names the columns x1;x2;d1;d2; needed are"),
        ("x1,x1,d1,d2\n1,2,3,4\n", "line 1 names the columns x1, x1, d1, d2"),
        (HEADER, "has no line below its header; one for each time step is needed"),
        (HEADER + ROWS + "1,2,3\n", "line 4 has 3 values; the header names 4 columns"),
        (HEADER + ROWS + "1,2,3,x\n", "line 4, column d2: 'x' is not a finite number"),
        (HEADER + "\n1,,3,4\n", "line 3, column x2: '' is not a finite number"),
        (HEADER + "1,inf,3,4\n", "line 2, column x2: 'inf' is not a finite number"),
        (HEADER + f'"{"1" * 200_000}",2,3,4\n', "is no CSV file: field larger than field limit"),
        (HEADER + "0,0,0,0\n" * 5_000, "5,000 time steps of 1 sequences"),
    ],
)
def test_every_mistake_in_a_file_is_one_line_that_says_what_is_needed(capsys, folder, text, told):
    (folder / "data.csv").write_text(text)
    status, _, error = out(capsys, "elman", "--data", "data.csv")
    assert status == 1 and error.count("\n") == 1
    assert error.startswith("minitorch-rnn: ") and told in error
    assert not (folder / "explain.html").exists()


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["elman", "--data", "none.csv"], "none.csv: cannot be read"),
        (["--spec", "none.json"], "none.json: cannot be read"),
        (["elman", "--divergence", "CTC"], "CTC needs outputs that are distributions"),
        (["elman", "--steps", "100000"], "Take fewer time steps"),
        (["elman", "--out", "no/page.html"], "page.html: cannot be written: No such file"),
    ],
)
def test_what_fails_is_told_in_one_line(capsys, arguments, told):
    status, _, error = out(capsys, *arguments)
    assert status == 1 and error.count("\n") == 1
    assert error.startswith("minitorch-rnn: ") and told in error


@pytest.mark.parametrize(
    "arguments",
    [[], ["elman", "--spec", "x.json"], ["nobody"], ["elman", "--steps", "0"],
     ["elman", "--steps", "2", "--data", "x.csv"], ["elman", "--divergence", "none"]],
)  # fmt: skip
def test_wrong_usage_has_the_status_2(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main(["explain", *arguments])
    assert ended.value.code == 2


def test_a_page_is_not_written_under_the_name_of_a_picture(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["explain", "elman", "--out", str(tmp_path / "elman.svg")])
    assert left.value.code == 2 and "ends in .html" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
