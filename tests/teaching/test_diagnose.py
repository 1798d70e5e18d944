"""What `diagnose` says of right, wrong and unusable gradients, mistake by mistake."""

import inspect
import textwrap
import time

import numpy as np
import pytest
from numpy.testing import assert_allclose
from teaching.diagnosed import NAMES, named, problem_of, small, with_slip

from minitorch_rnn.bptt import slides
from minitorch_rnn.column.networks import NETWORKS, state_space
from minitorch_rnn.teaching.diagnose import Problem, diagnose
from minitorch_rnn.teaching.mistakes import FAMILIES, Network, Sweep


def changed(problem, gradients):
    return any(
        not np.allclose(gradients[n], g, rtol=1e-5, atol=1e-5 * np.abs(g).max())
        for n, g in problem.true.items()
    )


@pytest.mark.parametrize("name", NETWORKS)
def test_a_sweep_without_a_slip_is_the_explicit_bptt(name):
    problem = problem_of(NETWORKS[name](3, 4, 3))
    net = Network(problem.column, problem.params, problem.trace, problem.dY, {})
    found = Sweep(net, [1, 1]).run()
    for n, g in problem.true.items():
        assert_allclose(found[n][1], g, rtol=1e-10, atol=1e-12, err_msg=n)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "name, options", [("state-space", {"layers": 2}), ("bidirectional", {}), ("elman", {})]
)
def test_every_hypothesis_is_recognised_where_it_changes_something(name, options, seed):
    column = NETWORKS[name](3, 4, 3, output_activation="softmax", **options)
    problem = problem_of(column, seed)
    seen = set()
    for h in problem.suspects({}).hypotheses[seed::3]:
        gradients = with_slip(problem, h)
        if not changed(problem, gradients):
            continue
        diagnosis = diagnose(problem, gradients)
        assert not diagnosis.right, h.says
        assert diagnosis.findings, f"{h.name}: {h.says}: {diagnosis}"
        best = diagnosis.findings[0]
        assert len(best.mistakes) == 1, f"{h.name}: {h.says}: {diagnosis}"
        assert best.digits > 9
        seen.add(h.name)
    assert len(seen) >= 15


def test_gates_and_products_have_their_own_mistakes():
    problem = problem_of(NETWORKS["lstm"](2, 3, 2), T=4, B=2)
    for h in problem.suspects({}).hypotheses:
        if "product" in h.name or "where c(t-1) belongs" in h.says:
            found = diagnose(problem, with_slip(problem, h)).findings
            assert found and found[0].mistakes == (h.name,), h.says


SLIPS = {  # by what stands in slides.backward, what a slip makes of it, and what to call it
    "the loop starts late": ("range(T - 1, -1, -1)", "range(T - 2, -1, -1)", "missing time step"),
    "a column is left out": ("range(T - 1, -1, -1)", "[4, 3, 1, 0]", "missing time step"),
    "one t in dW_r": (
        "dW_r[l] += np.outer(dz, h[t - 1, l])", "dW_r[l] += (t != 2) * np.outer(dz, h[t - 1, l])",
        "missing time step"),
    "no h(-1) in dW_r": (
        "dW_r[l] += np.outer(dz, h[t - 1, l])", "dW_r[l] += (t > 0) * np.outer(dz, h[t - 1, l])",
        "missing initial state"),
    "dh(-1) not returned": (
        "l: dh[-1, l] for", "l: 0 * dh[-1, l] for", "missing initial state"),
    "= on dh": ("dh[t, L] += dz_o", "dh[t, L] = dz_o", "assigned, not accumulated"),
    "= on dh below": ("dh[t, l - 1] += dz", "dh[t, l - 1] = dz", "assigned, not accumulated"),
    "= on dW_c": ("dW_c[l] += np", "dW_c[l] = np", "assigned, not accumulated"),
    "= on db_o": ("db_o += dz_o", "db_o = dz_o", "assigned, not accumulated"),
    "W_r transposed": ("dh[t - 1, l] = dz @ W_r[l]", "dh[t - 1, l] = dz @ W_r[l].T",
                       "transposed weight"),
    "dW_r transposed": ("np.outer(dz, h[t - 1, l])", "np.outer(h[t - 1, l], dz)",
                        "transposed gradient"),
    "minus through time": ("= dz @ W_r[l]", "= -dz @ W_r[l]", "wrong sign"),
    "mean over time": ("dY[t] @ jacobian_o(Y[t], z_o[t])",
                       "dY[t] @ jacobian_o(Y[t], z_o[t]) / T", "wrong factor"),
    "three times": ("dW_r[l] += np", "dW_r[l] += 2.5 * np", "wrong factor"),
    "h(t) in dW_r": ("np.outer(dz, h[t - 1, l])", "np.outer(dz, h[t, l])",
                     "current for previous state"),
    "h(t-1) in dW_o": ("np.outer(dz_o, h[t, L])", "np.outer(dz_o, h[t - 1, L])",
                       "previous for current state"),
    "slope of z": ("jacobian(h[t, l], z[t, l])", "jacobian(z[t, l], z[t, l])", "slope at z"),
    "no slope": ("dh[t, l] @ jacobian(h[t, l], z[t, l])", "dh[t, l]", "no slope"),
    "sigmoid's slope": ("jacobian(h[t, l], z[t, l])", "np.diag(h[t, l] * (1 - h[t, l]))",
                        "wrong slope"),
    "diagonal softmax": ("dY[t] @ jacobian_o(Y[t], z_o[t])", "dY[t] * Y[t] * (1 - Y[t])",
                         "diagonal softmax Jacobian"),
    "dz_o = dY": ("dY[t] @ jacobian_o(Y[t], z_o[t])", "dY[t]", "no output Jacobian"),
    "no db": ("db[l] += dz", "pass", "missing bias"),
    "nothing through time": ("dh[t - 1, l] = dz @ W_r[l]", "dh[t - 1, l] = 0 * dz @ W_r[l]",
                             "no gradient through time"),
    "cut": ("dh[t - 1, l] = dz @ W_r[l]", "dh[t - 1, l] = (t > 2) * dz @ W_r[l]", "truncated"),
    "layers upward": ("range(L, 0, -1)", "range(1, L + 1)", "no gradient from the layer above"),
    "the output's error once": ("dh[t, L] += dz_o @ W_o", "dh[t, L] += (t == T - 1) * dz_o @ W_o",
                                "last step only"),
    "nothing from the output": ("dh[t, L] += dz_o @ W_o", "dh[t, L] += 0 * dz_o @ W_o",
                                "no gradient from the output"),
    "dx in reverse": ("for t in range(T)])", "for t in range(T - 1, -1, -1)])", "time reversed"),
    "W_r for W_c": ("+= dz @ W_c[l]", "+= dz @ W_r[l]", "weights swapped"),
    "W_r of another layer": ("= dz @ W_r[l]", "= dz @ W_r[L + 1 - l]", "layers swapped"),
    "no weight": ("= dz @ W_r[l]", "= dz", "missing weight"),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_code_of_slide_94_is_named(slip, seed):
    right, wrong, name = SLIPS[slip]
    source = textwrap.dedent(inspect.getsource(slides.backward))
    assert right in source
    names = dict(vars(slides))
    exec(source.replace(right, wrong), names)
    rng = np.random.default_rng(seed)
    H = 4
    params = {
        symbol: {l: 0.7 * rng.normal(size=shape) for l in (1, 2)}
        for symbol, shape in {"W_c": (H, H), "W_r": (H, H), "b": (H,)}.items()
    } | {"W_o": rng.normal(size=(3, H)), "b_o": rng.normal(size=3)}
    x, dY = rng.normal(size=(5, H)), rng.normal(size=(5, 3))
    first = {l: rng.normal(size=H) for l in (1, 2)}
    problem = Problem.slides(params, x, first, dY)
    trace = slides.forward(params, x, first)
    assert diagnose(problem, problem.named(slides.backward(params, trace, dY))).right
    found = diagnose(problem, problem.named(names["backward"](params, trace, dY))).findings
    assert found and found[0].mistakes == (name,), found


def test_two_mistakes_are_told_apart():
    problem = small()
    gradients = with_slip(problem, named(problem, "transposed weight"))
    gradients["weight.h1->Y"] *= -1
    diagnosis = diagnose(problem, gradients)
    assert diagnosis.findings[0].mistakes == ("transposed weight", "wrong sign")
    assert "(1)" in str(diagnosis) and "(2) dW[h1->Y] is minus" in str(diagnosis)


def test_single_precision_hides_no_mistake():
    problem = small()
    gradients = with_slip(problem, named(problem, "slope at z"))
    gradients["bias.Y"] *= 2
    single = {n: g.astype(np.float32) for n, g in gradients.items()}
    assert diagnose(problem, single).findings[0].mistakes == ("slope at z", "wrong factor")


def test_a_single_sequence_is_never_blamed_on_the_batch():
    problem = small(B=1)
    assert not any(
        "B" in h.says for h in problem.suspects({}).hypotheses if h.name == "wrong factor"
    )
    for c in (2.0, 0.5, 0.2, 5.0, -1.0):
        for p in problem.true:
            says = str(diagnose(problem, {**problem.true, p: c * problem.true[p]}))
            assert "sequence" not in says and "B =" not in says


def test_what_changes_nothing_is_not_claimed():
    """Where the output is linear there is no Jacobian to forget, and T = 1 has no other step."""
    problem = problem_of(state_space(3, 4, 3), T=1)
    for p in problem.true:
        for wrong in (-problem.true[p], 3.7 * problem.true[p] + 0.1):
            said = {
                m
                for f in diagnose(problem, {**problem.true, p: wrong}).findings
                for m in f.mistakes
            }
            assert not said & {
                "no output Jacobian", "truncated", "last step only", "no gradient through time",
                "diagonal softmax Jacobian", "time reversed",
            }  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_right_gradients_are_right_in_any_precision(name):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        problem = problem_of(NETWORKS[name](2, 3, 2), seed, T=1 + seed, B=1 + seed % 3)
        most = max(np.abs(g).max() for g in problem.true.values())
        for given in (
            problem.true,
            {n: g.astype(np.float32) for n, g in problem.true.items()},
            {n: g + 1e-8 * most * rng.uniform(-1, 1, g.shape) for n, g in problem.true.items()},
        ):
            diagnosis = diagnose(problem, given)
            assert diagnosis.right and not diagnosis.findings, diagnosis


def test_what_no_mistake_explains_is_not_explained():
    problem = small()
    rng = np.random.default_rng(1)
    wrong = {n: problem.true[n] + rng.normal(size=problem.true[n].shape) for n in NAMES}
    right = problem.true
    one = diagnose(problem, {**right, "weight.h1(t-1)->h1": wrong["weight.h1(t-1)->h1"]}, NAMES)
    assert not one.right and not one.findings
    assert "dW_c and db are right, so dz_h1(t) is: look at the line that gathers dW_r" in str(one)
    below = {n: wrong[n] if n.endswith("h1") and "Y" not in n else right[n] for n in right}
    told = str(diagnose(problem, below, NAMES))
    assert "dW_o and db_o are right, so the sweep is right down to there" in told
    assert "the first error is at h1" in told
    outside = diagnose(problem, {**right, "input.x": wrong["input.x"]}, NAMES)
    assert "Every dW and db is right" in str(outside)


def test_an_answer_comes_in_under_two_seconds():
    """Of processor time: of a large problem that nothing explains, so that every pair is tried."""
    problem = problem_of(NETWORKS["lstm"](5, 6, 4, output_activation="softmax"), T=10, B=4)
    rng = np.random.default_rng(0)
    below = [n for n in problem.true if n not in ("weight.h->Y", "bias.Y")]
    for wrong in (problem.true, below):
        given = {
            n: g + rng.normal(size=g.shape) if n in wrong else g for n, g in problem.true.items()
        }
        start = time.process_time()
        assert not diagnose(problem, given).findings
        assert time.process_time() - start < 2


def test_slides_take_a_batch_and_a_student_s_dictionaries():
    rng = np.random.default_rng(2)
    params = {"W_c": {1: rng.normal(size=(3, 2))}, "W_r": {1: rng.normal(size=(3, 3))}}
    params |= {"b": {1: rng.normal(size=3)}, "W_o": rng.normal(size=(2, 3)), "b_o": np.zeros(2)}
    problem = Problem.slides(
        params, rng.normal(size=(4, 5, 2)), {1: np.zeros(3)}, rng.normal(size=(4, 5, 2))
    )
    assert problem.true["history.h1"].shape == (1, 5, 3)
    diagnosis = diagnose(problem, {"dW_r[1]": -problem.true["weight.h1(t-1)->h1"]})
    assert "dW_r[1] is minus the true one." in str(diagnosis)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_changes_something_somewhere(family):
    names = ("state-space", "bidirectional", "elman", "lstm", "delayed", "with-skips")
    for name in names:
        layers = {"layers": 2} if name == "state-space" else {}
        column = NETWORKS[name](3, 4, 3, output_activation="softmax", **layers)
        problem = problem_of(column, T=3, B=2)
        net = Network(column, problem.params, problem.trace, problem.dY, {})
        for h in family(net):
            assert h.place[0] and h.place[1] and h.look
            if changed(problem, with_slip(problem, h)):
                return
    raise AssertionError("nothing is ever changed")
