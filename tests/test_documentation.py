"""What the documentation says is run: every docstring example and every public name."""

import ast
import doctest
import importlib
import pathlib
import pkgutil

import pytest

import minitorch_rnn

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(minitorch_rnn.__path__, "minitorch_rnn.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_hold(name):
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_the_examples_of_primitives_are_found_too():
    # A primitive is a wrapped function; doctest must look behind the wrapper.
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {test.name for test in finder.find(importlib.import_module("minitorch_rnn.ops.shape"))}
    assert "minitorch_rnn.ops.shape.pad" in found


def test_all_lists_are_sorted_and_true():
    for name in ["minitorch_rnn", *MODULES]:
        module = importlib.import_module(name)
        listed = getattr(module, "__all__", [])
        assert listed == sorted(listed), name
        assert all(hasattr(module, entry) for entry in listed), name


def test_every_package_exports_by_all():
    for path in pathlib.Path(minitorch_rnn.__path__[0]).rglob("__init__.py"):
        names = {
            target.id
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        assert "__all__" in names, path
