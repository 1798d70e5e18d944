"""The generated test: the derived source and the graph give the same gradients, all of them."""

from __future__ import annotations

from minitorch_rnn.column import Column
from minitorch_rnn.teaching.derivation.layout import STEP, WIDTH, arguments, quoted

_TEST = '''\
"""{file} and the graph give the same gradients, all of them."""

import importlib.util
import pathlib

import numpy as np
import pytest

SPEC = {spec}


def derived():
    """The module beside this file, wherever pytest is run."""
    path = pathlib.Path(__file__).with_name("{file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("T, B", [{cases}])
def test_the_derivation_agrees_with_the_graph(T, B):
    """DIV = <dY, Y>, so that dDIV/dY(t) is the dY(t) that the backward pass starts from."""
    import minitorch_rnn as mt

    column = mt.column.Column.from_json(SPEC)
    rng = np.random.default_rng(0)
    params = {{name: rng.normal(size=shape) for name, shape in column.shapes.items()}}
    inputs = {{name: rng.normal(size=(T, B, node.size)) for name, node in column.inputs.items()}}
    histories = {{
        node.name: rng.normal(size=(sum(column.reach[node.name]), B, node.size))
        for node in column.nodes
        if node.history == "given"
    }}
    dY = rng.normal(size=(T, B, column.node[column.output].size))

    network = mt.nn.ColumnNetwork(column, dtype="float64")
    network.load_state_dict(params)
    x = {{name: mt.tensor(values, requires_grad=True) for name, values in inputs.items()}}
    h = {{name: mt.tensor(values, requires_grad=True) for name, values in histories.items()}}
    outputs, _ = network(x, h)
    DIV = (outputs * mt.tensor(dY)).sum()
    if DIV.requires_grad:
        DIV.backward()
    graph = dict(network.named_parameters()) | x | {{f"given.{{name}}": v for name, v in h.items()}}

    module = derived()
{call}
    found = module.backward(params, trace, dY)

    expected = outputs.detach().numpy()
    np.testing.assert_allclose(Y, expected, rtol=1e-10, atol=1e-12, err_msg="Y")
    assert set(found) == set(graph)
    for name, leaf in graph.items():
        expected = np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()
        assert found[name].shape == expected.shape, name
        np.testing.assert_allclose(found[name], expected, rtol=1e-10, atol=1e-12, err_msg=name)
'''


def proof(column: Column, module: str) -> str:
    """A test file for pytest, to lie beside the file `module`.py."""
    longest = max((e.delay for e in column.edges), default=0)
    cases = "(1, 1), (5, 3)" + (f", ({longest + 2}, 2)" if 3 < longest < 100 else "")
    given = any(node.history == "given" for node in column.nodes)
    inputs = [f"inputs[{quoted(name)}]" for name in column.inputs]
    call = arguments(
        f"{STEP}Y, trace = module.forward", ["params", *inputs, *["histories"] * given], ""
    )
    spec = column.to_json()
    raw = "r" if "\\" in spec else ""
    long = "  # noqa: E501" if max(map(len, spec.split("\n"))) > WIDTH else ""
    return _TEST.format(
        file=f"{module}.py",
        spec=f'{raw}"""\n{spec}\n"""{long}',
        cases=cases,
        call="\n".join(call),
    )
