"""The diagnosis names a student's mistake, accuses nobody who is right, and admits being lost."""

import time

import numpy as np
import pytest
from teaching import mistake_zoo, student_networks
from teaching.mistake_zoo import ZOO, accepted, gradients, handed_in, same

from minitorch_rnn import bptt, tensor
from minitorch_rnn.agreement.drawn import draw_column, draw_data
from minitorch_rnn.bptt import units
from minitorch_rnn.bptt.divergences import masked
from minitorch_rnn.nn import ColumnNetwork
from minitorch_rnn.teaching.diagnose import Problem, diagnose

NUMBERS = range(2)  # networks for each mistake
TRIES = {"general BPTT": 500, "graph": 250, "slides": 150, "units": 20, "students": 80}


def problem_of(subject):
    return Problem(subject.column, subject.params, subject.inputs, subject.dY, subject.histories)


@pytest.mark.parametrize("solution", student_networks.SOLUTIONS)
def test_the_solutions_are_right(solution):
    for number in range(6):
        subject = student_networks.drawn(solution, number)
        assert len({*subject.dY.shape, *subject.inputs.shape, subject.net.H}) == 5
        true, found = student_networks.truth(subject), gradients(solution, subject)
        for name, g in found.items():
            assert g.shape == true[name].shape
            np.testing.assert_allclose(g, true[name], rtol=1e-12, atol=1e-12, err_msg=name)
        # A history behind a blocked link has no gradient, and students do not look for one.
        assert all(not true[name].any() for name in true.keys() - found.keys())


@pytest.mark.parametrize("mistake", ZOO, ids=lambda m: f"{m.solution}: {m.label}")
def test_every_mistake_changes_the_numbers_and_has_a_name(mistake):
    assert all(names <= mistake_zoo.VOCABULARY for names in mistake.sets)
    for number in NUMBERS:
        subject, found = handed_in(mistake, number)
        assert not same(found, student_networks.truth(subject))


def test_the_zoo_is_large_and_its_mistakes_differ():
    assert len(ZOO) >= 45 and len(mistake_zoo.PAIRS) >= 10
    assert len({(m.solution, m.label) for m in ZOO}) == len(ZOO)
    assert len({(m.solution, m.patches) for m in ZOO}) == len(ZOO)
    assert {name for m in ZOO for names in m.sets for name in names} == mistake_zoo.VOCABULARY


def test_the_first_answer_is_right_in_nine_of_ten_and_comes_at_once():
    misses, slowest, right = [], 0.0, 0
    for mistake in ZOO:
        for number in NUMBERS:
            subject, found = handed_in(mistake, number)
            problem = problem_of(subject)
            start = time.process_time()
            diagnosis = diagnose(problem, found, subject.names)
            slowest = max(slowest, time.process_time() - start)
            assert not diagnosis.right, f"{mistake.label}: wrong gradients are called right"
            said = frozenset(diagnosis.findings[0].mistakes) if diagnosis.findings else frozenset()
            if said in mistake.sets or said in accepted(mistake, number):
                right += 1
            else:
                told = " & ".join(sorted(said)) or "does not know"
                misses.append(
                    f"{mistake.solution:<14}{mistake.label:<36}{number}  "
                    f"{mistake.names:<60}  {told}"
                )
    total = len(ZOO) * len(NUMBERS)
    table = "\n".join(misses)
    assert right >= 0.9 * total, f"{right} of {total} are named at first; the others are\n{table}"
    assert slowest < 2, f"the slowest answer took {slowest:.1f} s"


def of_slides(road, subject):
    """The gradients of a state-space network by the code of slide 94 or slides 79–93."""
    net, found = subject.net, {name: 0 for name in subject.names}
    biases = {l: subject.params[f"bias.h{l}"] for l in net.W_c}
    params = {"W_c": net.W_c, "W_r": net.W_r, "b": biases, "W_o": net.W_o}
    params["b_o"] = subject.params["bias.Y"]
    parts = []
    for b in range(net.B):
        first = {l: net.h[-1, l][b] for l in net.W_c}
        trace = bptt.forward(params, subject.inputs[:, b], first)
        d = road(params, trace, subject.dY[:, b])
        flat = {"dW_o": d["W_o"], "db_o": d["b_o"], "dx": d["x"]}
        for l in net.W_c:
            flat |= {f"dW_c{l}": d["W_c"][l], f"dW_r{l}": d["W_r"][l], f"db{l}": d["b"][l]}
            flat |= {f"dh_init{l}": d["h_init"][l][None]}
        parts.append(flat)
    for name, symbol in subject.names.items():
        arrays = [part[symbol] for part in parts]
        apart = name.startswith(("input", "history"))  # of each sequence
        found[name] = np.stack(arrays, axis=1) if apart else np.sum(arrays, axis=0)
    return found


def of_graph(column, params, x, dY, histories):
    """The gradients of any column by the autograd graph."""
    network = ColumnNetwork(column, dtype="float64")
    network.load_state_dict(params)
    x, histories = (
        {n: tensor(a, requires_grad=True) for n, a in group.items()} for group in (x, histories)
    )
    Y, _ = network(x, histories)
    (Y * tensor(dY)).sum().backward()
    parts = dict(network.named_parameters())
    parts |= {f"input.{n}": leaf for n, leaf in x.items()}
    parts |= {f"history.{n}": leaf for n, leaf in histories.items()}  # of each sequence
    return {
        n: np.zeros(p.shape) if p.grad is None else np.array(p.grad.numpy())
        for n, p in parts.items()
    }


def random_problem(rng):
    """Any column with any data; dDIV/dY of some divergence of the outputs."""
    network, x, D, divergence, histories, variant, _ = draw_data(draw_column(rng), rng)
    params = {n: p.astype(float) for n, p in network.state_dict().items()}
    column = network.column
    for node in column.nodes:  # given, so that every road has a gradient of each sequence
        if any(column.reach[node.name]) and node.history == "learned":
            values = params[f"history.{node.name}"][:, None]
            B = next(iter(x.values())).shape[1]
            histories.setdefault(node.name, np.repeat(values, B, axis=1))
    trace = bptt.column.forward(column, params, x, histories)
    dY = masked(divergence, variant).gradient(trace.Y, D)
    return column, params, x, dY, histories


def right_solution(kind, number):
    """A problem, and gradients that are right."""
    rng = np.random.default_rng([number, len(kind)])
    if kind in ("general BPTT", "graph"):
        parts = column, params, x, dY, histories = random_problem(rng)
        problem = Problem(column, params, x, dY, histories)
        if kind == "graph":
            return problem, of_graph(*parts)
        trace = bptt.column.forward(column, params, x, histories)
        found = bptt.column.backward(column, params, trace, dY)
        inputs = {f"input.{n}": found.da[n] for n in x}
        given = {f"history.{n}": found.histories[n] for n in histories}
        return problem, found.parameters | inputs | given
    if kind == "students":
        names = student_networks.SOLUTIONS
        subject = student_networks.drawn(names[number % len(names)], number)
        return problem_of(subject), gradients(names[number % len(names)], subject)
    subject = student_networks.drawn("slide_94", number)
    road = bptt.backward if kind == "slides" else units.backward
    return problem_of(subject), of_slides(road, subject)


@pytest.mark.parametrize("kind", TRIES)
def test_right_solutions_are_never_accused(kind):
    for number in range(TRIES[kind]):
        problem, found = right_solution(kind, number)
        scale = max(np.abs(g).max(initial=0.0) for g in found.values())
        rng = np.random.default_rng(number)
        if number % 3 == 1:  # a student who works in single precision
            found = {n: g.astype(np.float32) for n, g in found.items()}
        elif number % 3 == 2:  # and one who takes differences
            found = {n: g + 1e-8 * scale * rng.normal(size=g.shape) for n, g in found.items()}
        if number % 5 == 4:  # not everything is asked for, or handed in
            found = dict(list(found.items())[: 1 + len(found) // 2])
        diagnosis = diagnose(problem, found)
        assert diagnosis.right, f"{kind} {number}: {diagnosis}"
        assert not diagnosis.findings, f"{kind} {number}: {diagnosis}"


def test_there_are_a_thousand_tries():
    assert sum(TRIES.values()) == 1000


def nonsense(kind, solution, number):
    subject = student_networks.drawn(solution, number)
    true, rng = student_networks.truth(subject), np.random.default_rng(number)
    if kind == "random numbers":
        return subject, {n: rng.normal(size=g.shape) for n, g in true.items()}
    if kind == "noise of a tenth":
        scale = {n: np.abs(g).max() for n, g in true.items()}
        return subject, {n: g + 0.1 * scale[n] * rng.normal(size=g.shape) for n, g in true.items()}
    if kind == "zeros":
        return subject, {n: np.zeros_like(g) for n, g in true.items()}
    other = {n: 0.7 * rng.normal(size=p.shape) for n, p in subject.params.items()}
    trace = bptt.column.forward(subject.column, other, subject.inputs, subject.histories)
    return subject, student_networks.truth(subject._replace(params=other, trace=trace))


@pytest.mark.parametrize("kind", ["random numbers", "noise of a tenth", "zeros", "another network"])
def test_nonsense_is_not_explained(kind):
    for solution in student_networks.SOLUTIONS:
        for number in NUMBERS:
            subject, found = nonsense(kind, solution, number)
            diagnosis = diagnose(problem_of(subject), found, subject.names)
            assert not diagnosis.right, f"{kind} for {solution} {number} is called right"
            assert not diagnosis.findings, f"{kind} for {solution} {number}: {diagnosis}"
