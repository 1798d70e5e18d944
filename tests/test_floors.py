"""The floors of the house: imports point down only, and the witnesses stay independent."""

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "minitorch_rnn"

# From the top; a file may import from floors below its own, and from its own folder.
FLOORS = [
    {"__main__"},
    {"cli"},
    {"teaching", "training"},
    {"agreement"},
    {"nn", "optim", "data", "serialization"},
    {"autograd"},
    {"ops"},
    {"engine"},
    {"backend"},
    {"bptt", "numeric"},
    {"column"},
    {"errors"},
]
LEVEL = {room: -i for i, floor in enumerate(FLOORS) for room in floor}
# Rooms on one floor that stand on each other, and why.
ALLOWED = {("training", "data"): "a loop runs over batches"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node


def inner_rooms(path):
    names = {p.name.removesuffix(".py") for p in PACKAGE.iterdir()}
    for name, _ in imports(path):
        parts = name.split(".")
        if parts[0] == "minitorch_rnn" and len(parts) > 1 and parts[1] in names:
            yield parts[1]


def test_there_are_files_and_every_room_has_a_floor():
    assert len(FILES) > 30
    assert {room(path) for path in FILES} - {"__init__"} <= set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = room(path)
    if here == "__init__":
        return  # the public face shows rooms of every floor
    for there in set(inner_rooms(path)):
        below = LEVEL[there] < LEVEL[here]
        assert below or there == here or (here, there) in ALLOWED, f"{here} imports {there}"


@pytest.mark.parametrize("witness", ["bptt", "numeric"])
def test_the_witnesses_import_numpy_and_nothing_of_the_engine(witness):
    for path in FILES:
        if room(path) != witness:
            continue
        for name, _ in imports(path):
            top, *rest = name.split(".")
            known = top in {"numpy", *sys.stdlib_module_names}
            ours = top == "minitorch_rnn" and rest[0] in {witness, "column", "errors"}
            assert known or ours, f"{path.name} imports {name}"


def test_a_column_is_data_and_imports_nothing():
    for path in FILES:
        for name, _ in imports(path) if room(path) == "column" else ():
            top, *rest = name.split(".")
            ours = top == "minitorch_rnn" and rest[0] in {"column", "errors"}
            assert ours or top in sys.stdlib_module_names, f"{path.name} imports {name}"


@pytest.mark.parametrize("heavy", ["cuda", "cupy", "cupy_backends", "cupyx"])
def test_only_the_backend_names_cupy(heavy):
    for path in FILES:
        if room(path) != "backend":
            assert heavy not in {name.split(".")[0] for name, _ in imports(path)}


def test_heavy_packages_are_imported_where_they_are_used():
    optional = {
        "cuda",
        "cupy",
        "cupy_backends",
        "cupyx",
        "filelock",
        "matplotlib",
        "mpi4py",
        "safetensors",
        "tensorboardX",
        "threadpoolctl",
        "tomli_w",
        "torch",
        "tqdm",
    }
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:  # at the top of the file
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or node.names[0].name]
                assert not optional & {name.split(".")[0] for name in names}, path


def test_importing_the_package_imports_nothing_heavy():
    heavy = "cupy torch matplotlib rich mpi4py tqdm safetensors threadpoolctl scipy".split()
    program = f"import sys, minitorch_rnn; print([m for m in {heavy} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stdout + answer.stderr


def test_files_hold_one_idea_and_say_which():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 400, f"{path}: a second idea has moved in"
        assert ast.get_docstring(ast.parse(text)), f"{path}: what lives here?"
        assert path.stem not in {"util", "helper", "helpers", "common", "misc"}
