"""The command line as its user meets it: real processes, what they print and how they end.

What needs no process of its own calls `main` in this one, which is faster by a second each.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

import minitorch_rnn as mt
from minitorch_rnn import cli, training

TEXT = "the cat sat on the mat. " * 60
TINY = ("--hidden", "8", "--batch", "4", "--sequence", "10")
FILES = [
    ".lock", "checkpoints", "config.toml", "loss.png", "metrics.jsonl", "run.json",
    "weights.safetensors",
]  # fmt: skip
COMMAND = [sys.executable, "-m", "minitorch_rnn"]
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *map(str, arguments)], **PIPES, timeout=100, **options)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def trained(book):
    """What a training printed, and the folder it wrote."""
    folder = book.parent / "runs" / "first"
    options = ("--steps", "40", "--sample-every", "20")
    return run("train", "--text", book, "--out", folder, *TINY, *options), folder


def one_line(error):
    """The only line of an error message, without the name of the program."""
    assert error.startswith("minitorch-rnn: ") and error.count("\n") == 1, error
    return error.removeprefix("minitorch-rnn: ").rstrip("\n")


# Usage --------------------------------------------------------------------------------------------


def test_help_shows_the_commands_with_examples():
    result = run("--help")
    assert result.returncode == 0 and result.stderr == ""
    for part in ("train", "sample", "check", "examples:", "--prompt 'def '", "exit status"):
        assert part in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_every_command_has_a_file_with_its_options():
    folder = pathlib.Path(cli.__file__).parent
    not_commands = {"__init__", "flags", "options", "table"}
    assert {path.stem for path in folder.glob("*.py")} - not_commands == set(cli.COMMANDS)
    for name in cli.COMMANDS:
        assert cli.parser(name).parse_args  # its add_to ran


def test_names_in_a_flag_are_taken_one_by_one():
    options = cli.parser("train").parse_args(["train", "--columns", "a,b", "c"])
    assert options.columns == ["a,b", "c"]


def test_ctrl_c_while_a_command_is_read_is_one_line(monkeypatch, capsys):
    def interrupted(name):
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert cli.main(["train"]) == 130
    assert one_line(capsys.readouterr().err) == "interrupted"


def test_help_reads_no_command():
    program = (
        "import sys; from minitorch_rnn import cli; cli.parser().format_help(); "
        "print([m for m in sys.modules if m.startswith(('minitorch_rnn.t', 'minitorch_rnn.nn'))])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout == "[]\n"


def test_the_version_is_the_packages():
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"minitorch-rnn {mt.__version__}\n")


def test_no_command_is_wrong_usage():
    result = run()
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("usage: minitorch-rnn") and "COMMAND" in result.stderr


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["fly"], "'fly'"),
        (["train", "--wings", "2"], "--wings 2"),
        (["train", "--steps", "0"], "--steps: '0' is not a whole number from 1 to"),
        (["train", "--hidden", "many"], "--hidden: 'many' is not a whole number"),
        (["train", "--lr", "nan"], "--lr: 'nan' is not a number above 0"),
        (["train", "--seconds", "-1"], "--seconds"),
        (["train", "--seed", "-1"], "--seed"),
        (["train", "--dtype", "int8"], "'int8'"),
        (["train", "--backend", "abacus"], "'abacus'"),
        (["sample", "--length", "0"], "--length: '0'"),
        (["sample", "run", "--temperature", "0"], "--temperature: '0' is not a number above 0"),
        (["check", "--seed", "1.5"], "--seed: '1.5' is not a whole number of at least 0"),
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_told_with_the_usage(arguments, told, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("usage: minitorch-rnn") and told in error.splitlines()[-1]


# Training -----------------------------------------------------------------------------------------


def test_training_writes_its_files_and_tells_both_entropies(trained):
    result, folder = trained
    assert result.returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == FILES
    model, frequencies = re.search(
        r"needs (\d+\.\d\d) bits per character;\ntheir frequencies alone need (\d+\.\d\d)",
        result.stdout,
    ).groups()
    record = json.loads((folder / "run.json").read_text())
    assert f"{record['figures']['bits_per_character']:.2f}" == model
    assert f"{record['figures']['entropy_of_frequencies']:.2f}" == frequencies
    assert (record["steps"], record["ended"], record["status"]) == (40, "steps", "finished")
    assert f"minitorch-rnn sample {folder}" in result.stdout


def test_progress_goes_to_stderr_and_samples_to_stdout(trained):
    result, _ = trained
    assert re.match(
        r"step 1/40: loss \d\.\d+, \d\.\d\d bits per character, [\d,]+ characters/s, ",
        result.stderr,
    )
    assert all(line.startswith("step ") for line in result.stderr.splitlines())
    assert result.stdout.count("-------------------- step ") == 2


def test_away_from_a_terminal_there_are_no_control_characters(trained):
    result, _ = trained
    assert not re.findall(r"[\r\x1b\x08]", result.stdout + result.stderr)


def test_a_quiet_training_prints_its_result_only(book, tmp_path, capsys):
    arguments = ["train", "--text", str(book), "--out", str(tmp_path / "run"), *TINY]
    assert cli.main([*arguments, "--steps", "2", "--sample-every", "1", "--quiet"]) == 0
    out, error = capsys.readouterr()
    assert error == "" and out.startswith("2 steps in ") and out.count("\n") == 5


def test_one_seed_trains_one_model(book, trained, tmp_path):
    arguments = ["train", "--text", str(book), *TINY, "--steps", "40", "--sample-every", "20"]
    assert cli.main([*arguments, "--out", str(tmp_path)]) == 0
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (tmp_path, trained[1])]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "content, reason",
    [
        (None, "cannot be read: No such file"),
        (b"", "is empty"),
        (b"a\0b", "NUL at character 1"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
        (b"too short", r"9 characters.*need 44"),
    ],
    ids=["missing", "empty", "NUL", "not UTF-8", "short"],
)
def test_an_unusable_text_is_one_line_that_names_it(content, reason, tmp_path, capsys):
    path = tmp_path / "book.txt"
    if content is not None:
        path.write_bytes(content)
    assert cli.main(["train", "--text", str(path), "--out", str(tmp_path / "run"), *TINY]) == 1
    told = one_line(capsys.readouterr().err)
    assert told.startswith(str(path)) and re.search(reason, told)
    assert not (tmp_path / "run").exists()


def test_a_real_process_fails_with_one_line_too(tmp_path):
    result = run("train", "--text", tmp_path / "none.txt")
    assert result.returncode == 1 and result.stdout == ""
    assert (
        one_line(result.stderr)
        == f"{tmp_path}/none.txt: cannot be read: No such file or directory."
    )


def test_a_file_in_the_way_of_the_run_is_found_before_the_training(book, capsys):
    assert cli.main(["train", "--text", str(book), "--out", str(book), *TINY]) == 1
    told = one_line(capsys.readouterr().err)
    assert f"{book}: exists already" in told and "step" not in told
    assert book.read_text() == TEXT


def test_a_run_is_never_written_over_another(book, tmp_path, capsys):
    arguments = ["train", "--text", str(book), "--out", str(tmp_path / "run"), *TINY, "--quiet"]
    assert cli.main(arguments) == 0
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    capsys.readouterr()
    assert cli.main(arguments) == 1
    assert "exists already" in one_line(capsys.readouterr().err)
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_sample_takes_the_newest_run_unless_one_is_named(book, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sample"]) == 1
    assert "holds no run" in one_line(capsys.readouterr().err)
    assert cli.main(["train", "--text", str(book), *TINY, "--quiet"]) == 0
    capsys.readouterr()
    assert cli.main(["sample", "--prompt", "th", "--length", "5", "--seed", "1"]) == 0
    assert capsys.readouterr().out.startswith("th")


def test_an_early_stop_is_told(book, tmp_path, capsys):
    arguments = ["train", "--text", str(book), "--out", str(tmp_path / "run"), *TINY, "--quiet"]
    assert cli.main([*arguments, "--steps", "100000", "--seconds", "0.2"]) == 0
    assert "stopped by --seconds 0.2 after" in capsys.readouterr().out


def test_the_environment_chooses_the_backend_of_a_training(book, tmp_path):
    environment = {**os.environ, "MINITORCH_RNN_BACKEND": "abacus"}
    answer = subprocess.run(
        [sys.executable, "-m", "minitorch_rnn", "train", "--text", str(book), *TINY],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 1
    assert "'abacus'" in one_line(answer.stderr)


def test_a_missing_package_is_found_before_the_training(book, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert cli.main(["train", "--text", str(book)]) == 1
    told = one_line(capsys.readouterr().err)
    assert "safetensors is needed; install it with: pip install -e '.[app]'" in told


def test_a_training_that_diverges_says_where_and_is_recorded_as_failed(book, tmp_path, capsys):
    wild = ("--optimizer", "sgd", "--lr", "1e25", "--nonlinearity", "relu", "--quiet")
    arguments = ["train", "--text", str(book), "--out", str(tmp_path / "run"), *TINY, *wild]
    assert cli.main(arguments) == 1
    assert re.search("loss of step 2 is (nan|inf)", one_line(capsys.readouterr().err))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["status"] == "failed" and "loss of step 2" in record["error"]
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def obey_ctrl_c():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background starts without


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for other processes")
def test_ctrl_c_saves_what_was_learned_and_ends_with_130(book, tmp_path):
    command = [*COMMAND, "train", "--text", book, "--out", tmp_path, *TINY, "--steps", "1000000"]
    with subprocess.Popen(command, **PIPES, preexec_fn=obey_ctrl_c) as process:
        assert process.stderr.readline().startswith("step 1/1000000")
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    assert "Traceback" not in error and f"wrote {tmp_path}" in out
    run = training.Run.open(tmp_path)
    assert (run.status, run.record["ended"]) == ("interrupted", "interrupt") and run.task()


def test_ctrl_c_elsewhere_is_one_line_and_130(monkeypatch, capsys):
    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Run, "open", interrupted)
    assert cli.main(["sample", "run"]) == 130
    assert one_line(capsys.readouterr().err) == "interrupted"


# Sampling -----------------------------------------------------------------------------------------


def test_a_sample_starts_with_the_prompt_and_repeats_under_its_seed(trained):
    arguments = ("sample", trained[1], "--prompt", "the cat", "--length", "50", "--seed")
    first, again = run(*arguments, "3"), run(*arguments, "3")
    assert first.returncode == 0 and first.stderr == ""
    assert first.stdout == again.stdout
    assert first.stdout.startswith("the cat") and len(first.stdout) == len("the cat") + 50 + 1


def test_another_seed_draws_another_sample(trained, capsys):
    drawn = []
    for seed in ("3", "4"):
        assert cli.main(["sample", str(trained[1]), "--seed", seed]) == 0
        drawn.append(capsys.readouterr().out)
    assert drawn[0] != drawn[1]


def test_a_sample_of_no_run_is_one_line(tmp_path):
    result = run("sample", tmp_path / "none")
    assert result.returncode == 1 and result.stdout == ""
    told = one_line(result.stderr)
    assert told == f"{tmp_path}/none: holds no run: there is no run.json in it."


def test_an_empty_prompt_is_one_line(trained, capsys):
    assert cli.main(["sample", str(trained[1]), "--prompt", ""]) == 1
    assert "prompt is empty" in one_line(capsys.readouterr().err)


# Where the output goes ----------------------------------------------------------------------------


def test_a_reader_that_leaves_early_gets_no_traceback(trained):
    command = [*COMMAND, "sample", trained[1], "--length", "1000000"]
    with subprocess.Popen(command, **PIPES) as process:
        assert len(process.stdout.readline()) > 0
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
@pytest.mark.parametrize(
    "redirection, status, told",
    [
        (">&-", 0, ""),
        pytest.param(
            ">/dev/full", 1,
            "minitorch-rnn: the output cannot be written: No space left on device\n",
            marks=pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full"),
        ),
    ],
)  # fmt: skip
def test_an_output_that_takes_nothing_gets_no_traceback(redirection, status, told, trained):
    command = f'"$0" -m minitorch_rnn sample "$1" --length 5 {redirection}'
    result = subprocess.run(
        ["sh", "-c", command, sys.executable, trained[1]],
        stderr=subprocess.PIPE, text=True, timeout=60,
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (status, told)


def test_characters_the_output_lacks_are_replaced(trained):
    env = os.environ | {"PYTHONIOENCODING": "ascii"}
    result = run("sample", trained[1], "--prompt", "\u00e9t\u00e9", "--length", "5", env=env)
    assert result.returncode == 0 and result.stdout.startswith("?t?")
