"""Every tutorial runs, as a script does, and prints something to check."""

import pathlib
import runpy

import pytest

TUTORIALS = sorted((pathlib.Path(__file__).parents[1] / "tutorials").glob("*.py"))


def test_there_are_tutorials():
    assert TUTORIALS


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_runs(path, capsys):
    assert path.read_text(encoding="utf-8").startswith("# %% [markdown]\n# # ")
    runpy.run_path(str(path), run_name="__main__")
    assert capsys.readouterr().out.strip()
