"""What the documentation says is run: every docstring example and every public name."""

import ast
import doctest
import functools
import importlib
import inspect
import pathlib
import pkgutil

import pytest

import minitorch_rnn

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(minitorch_rnn.__path__, "minitorch_rnn.")
    if not module.name.endswith("__main__")
)
ROOMS = ["autograd", "bptt", "column", "nn", "numeric", "ops", "optim", "teaching"]


def offered(module):
    """The functions and classes of ours that a module offers, by name, and the modules it offers.

    Where it has no `__all__`, these are the public ones that it defines.
    """
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    values = {f"{module.__name__}.{name}": getattr(module, name) for name in names}
    found = {
        name: value
        for name, value in values.items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.split(".")[0] == "minitorch_rnn"
    }
    return found, [value for value in values.values() if inspect.ismodule(value)]


@functools.cache
def public():
    """Every public function and class: of the package, of the rooms, of the modules in rooms."""
    found, _ = offered(minitorch_rnn)
    waiting = [importlib.import_module(f"minitorch_rnn.{room}") for room in ROOMS]
    while waiting:
        more, modules = offered(waiting.pop())
        found |= more
        waiting += modules
    return found


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_docstrings_hold(name):
    module = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_every_public_name_has_an_example_that_is_run():
    # A primitive is a wrapped function; doctest must look behind the wrapper.
    finder = doctest.DocTestFinder(exclude_empty=True)
    run = {
        test.name
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        if test.examples
    }
    known = {name: f"{value.__module__}.{value.__qualname__}" for name, value in public().items()}
    assert {"minitorch_rnn.abs", "minitorch_rnn.nn.utils.clip_grad_norm_"} <= set(known)
    missing = [name for name, place in known.items() if place not in run]
    assert not missing, ", ".join(missing)


def test_every_public_method_says_what_it_does():
    kinds = property | functools.cached_property | classmethod | staticmethod
    methods = {
        f"{name}.{method}": value
        for name, owner in public().items()
        if inspect.isclass(owner)
        for method, value in vars(owner).items()
        if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, kinds))
    }
    assert {"minitorch_rnn.Tensor.backward", "minitorch_rnn.column.Column.node"} <= set(methods)
    missing = [name for name, method in methods.items() if not method.__doc__]
    assert not missing, ", ".join(missing)


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
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        assert "__all__" in names, path
