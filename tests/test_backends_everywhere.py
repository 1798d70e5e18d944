"""Every public name of these rooms is used by some test that runs on every backend.

Found by reading the tests: from each that takes the fixture `backend`, through the tables and
functions of its file and of the files beside this one that it imports. Operations, layers and
networks of the lecture need no such search: their tests run over tables that must be complete.
"""

import ast
import functools
import pathlib

import pytest

from minitorch_rnn import autograd, nn, optim
from minitorch_rnn.optim import lr_scheduler

HOME = pathlib.Path(__file__).parent
ROOMS = {
    "nn.init": {name for name in vars(nn.init) if name.endswith("_") and name[0] != "_"},
    "nn.functional": set(nn.functional.__all__),
    "nn.utils": set(nn.utils.__all__) | set(nn.utils.rnn.__all__),
    "optim": set(optim.__all__) - {"Optimizer"},
    "optim.lr_scheduler": set(lr_scheduler.__all__) - {"LRScheduler"},
    # Results, what is handed over, and what tells an error its time step.
    "autograd": set(autograd.__all__)
    - {"Check", "Context", "Contribution", "Place", "Step", "time_steps"},
}


@functools.cache
def definitions(path):
    """What a file defines or takes from the files beside this one, by name."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = (path, node)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id: (path, node) for t in targets for name in ast.walk(t)
                      if isinstance(name, ast.Name)}  # fmt: skip
        elif isinstance(node, ast.ImportFrom) and (beside := HOME / f"{node.module}.py").exists():
            there = definitions(beside)
            found |= {a.asname or a.name: there[a.name] for a in node.names if a.name in there}
    return found


def words(node):
    """Names, attributes and texts: tables often name a class by its name."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value.rpartition(".")[2]


def reached(paths):
    """Every word of the tests that take `backend`, and of what they use."""
    waiting = [
        (path, node)
        for path in paths
        for _, node in definitions(path).values()
        if isinstance(node, ast.FunctionDef) and "backend" in [a.arg for a in node.args.args]
    ]
    found, seen = set(), set()
    while waiting:
        path, node = waiting.pop()
        if (path, id(node)) not in seen:
            seen.add((path, id(node)))
            here = set(words(node))
            found |= here
            waiting += [there for w in here if (there := definitions(path).get(w)) is not None]
    return found


@pytest.fixture(scope="module")
def used():
    return reached(HOME.rglob("test_*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_name_is_used_on_every_backend(room, used):
    assert ROOMS[room] and ROOMS[room] - used == set()


def test_the_search_follows_what_a_test_uses_and_nothing_else(tmp_path):
    file = tmp_path / "test_some.py"
    file.write_text(
        "TABLE = [nn.GRU]\nOTHER = [nn.LSTM]\n"
        "def helper():\n    return TABLE\n"
        "def test_one(backend):\n    helper()\n"
        "def test_other(rng):\n    OTHER\n"
    )
    found = reached([file])
    assert "GRU" in found and "LSTM" not in found
