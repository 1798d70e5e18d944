"""`minitorch-rnn derive`: prints what is asked for, or writes it all, and never over anything."""

import pytest

from minitorch_rnn import cli, column
from minitorch_rnn.teaching.derive import derive


def ran(capsys, *arguments):
    status = cli.main(["derive", *arguments])
    return status, *capsys.readouterr()


def test_the_source_is_printed_and_runs(capsys):
    status, out, _ = ran(capsys, "lstm")
    assert status == 0 and out == derive(column.lstm(2, 3, 2)).source
    names = {}
    exec(compile(out, "printed", "exec"), names)
    assert callable(names["forward"]) and callable(names["backward"])


def test_equations_and_test_are_printed_instead_when_asked_for(capsys):
    derived = derive(column.state_space(4, 5, 6, layers=2, output_activation="softmax"))
    chosen = ["state-space", "--inputs", "4", "--hidden", "5", "--outputs", "6"]
    chosen += ["--set", "layers=2", "output_activation=softmax"]
    assert ran(capsys, *chosen, "--latex") == (0, derived.latex, "")
    assert ran(capsys, *chosen, "--test") == (0, derived.test, "")


def test_all_three_are_written_and_not_replaced_unless_told(capsys, tmp_path):
    spec = tmp_path / "own.json"
    spec.write_text(column.narx(1, 2, 1).to_json())
    folder = tmp_path / "derived"
    command = ["--spec", str(spec), "--out", str(folder)]
    status, out, _ = ran(capsys, *command)
    names = ["narx_bptt.py", "narx_bptt.tex", "test_narx_bptt.py"]
    assert status == 0 and out.split("\n")[:-1] == [str(folder / name) for name in names]
    (folder / names[0]).write_text("mine")
    status, out, err = ran(capsys, *command)
    assert (status, out) == (1, "") and "narx_bptt.py: exists already" in err
    assert (folder / names[0]).read_text() == "mine"
    assert ran(capsys, *command, "--overwrite")[0] == 0
    assert (folder / names[0]).read_text("utf-8") == derive(column.narx(1, 2, 1)).source


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["elman", "--overwrite"], "--overwrite goes with --out FOLDER"),
        (["elman", "--latex", "--test"], "not allowed with"),
        ([], "a NETWORK is needed or --spec FILE; neither came"),
    ],
)
def test_wrong_usage_is_told_in_a_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["derive", *arguments])
    assert stopped.value.code == 2 and message in capsys.readouterr().err
