"""What the student reads, of gradients that are wrong and of some that cannot be compared."""

import numpy as np
import pytest
from teaching.diagnosed import NAMES, named, problem_of, small, with_slip

from minitorch_rnn.bptt import column as explicit
from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.column.networks import state_space
from minitorch_rnn.teaching.derive import derive
from minitorch_rnn.teaching.diagnose import Problem, diagnose

UNUSABLE = {
    "None": (None, "dW_r is None: nothing is returned for it."),
    "a shape": (np.zeros((2, 4)), "dW_r has shape (2, 4); needed is (4, 4)."),
    "as many numbers": (np.zeros(16), "dW_r has shape (16,); needed is (4, 4). The number of its"),
    "nan": (np.full((4, 4), np.nan), "dW_r is nan at 16 of 16 places, the first at index [0, 0]"),
    "infinite": (np.full((4, 4), np.inf), "dW_r is infinite at 16 of 16 places"),
    "text": ("none", "dW_r is of type <U4; an array of real numbers is needed."),
    "complex": (np.zeros((4, 4), complex), "dW_r is of type complex128"),
    "ragged": ([[1.0], [1.0, 2.0]], "dW_r is no array"),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_what_cannot_be_compared_is_told(what):
    value, says = UNUSABLE[what]
    problem = small()
    diagnosis = diagnose(problem, {"weight.h1(t-1)->h1": value}, NAMES)
    assert not diagnosis.right and not diagnosis.findings
    assert str(diagnosis).startswith(says)
    beside = diagnose(problem, {"dW_r": value, "bias.h1": -problem.true["bias.h1"]}, NAMES)
    assert str(beside).startswith(says) and beside.findings[0].mistakes == ("wrong sign",)
    right = diagnose(problem, {"dW_r": value, "bias.h1": problem.true["bias.h1"]}, NAMES)
    assert not right.right and "db is right" in str(right)


def test_a_transposed_shape_is_turned_and_the_rest_compared():
    problem = small()
    turned = {**problem.true, "weight.x->h1": problem.true["weight.x->h1"].T}
    diagnosis = diagnose(problem, turned, NAMES)
    assert diagnosis.findings[0].mistakes == ("transposed gradient",)
    assert "it has shape (3, 4), and W has (4, 3)" in str(diagnosis)
    turned["weight.h1(t-1)->h1"] = problem.true["weight.h1(t-1)->h1"].T
    assert diagnose(problem, turned).findings[0].mistakes == ("transposed gradient",)
    turned["bias.h1"] = -problem.true["bias.h1"]
    del turned["weight.h1(t-1)->h1"]
    both = diagnose(problem, turned).findings[0].mistakes
    assert both == ("transposed gradient", "wrong sign")


def test_a_bias_that_is_not_summed_has_a_shape_of_its_own():
    problem = small()
    sweep = explicit.backward(problem.column, problem.params, problem.trace, problem.dY)
    dz = sweep.dz["h1"]
    diagnosis = diagnose(problem, {"bias.h1": dz.sum(axis=0)}, NAMES)
    assert diagnosis.findings[0].mistakes == ("bias not summed",)
    assert "db has shape (3, 4)" in str(diagnosis)


def test_no_gradient_is_no_right_answer():
    diagnosis = diagnose(small(), {})
    assert not diagnosis.right and "nothing to compare" in str(diagnosis)


def test_nothing_written_yet_is_told_and_not_explained():
    problem = small()
    diagnosis = diagnose(problem, {n: 0 * g for n, g in problem.true.items()}, NAMES)
    assert not diagnosis.right and not diagnosis.findings
    assert "Every one of them is zero" in str(diagnosis)
    one = diagnose(problem, {**problem.true, "input.x": 0 * problem.true["input.x"]}, NAMES)
    assert one.findings[0].mistakes == ("left at zero",)


def test_a_network_that_sends_no_error_has_zeros_for_gradients():
    column = state_space(2, 3, 1)
    params = {n: np.ones(shape) for n, shape in column.shapes.items()}
    problem = Problem(column, params, np.ones((3, 1, 2)), np.zeros((3, 1, 1)))
    assert diagnose(problem, problem.true).right
    assert not diagnose(problem, {n: g + 1 for n, g in problem.true.items()}).right


def test_whole_numbers_and_single_axes_are_accepted():
    problem = small(B=1)
    dx = problem.true["input.x"]
    assert diagnose(problem, {"input.x": dx[:, 0]}).right
    cut = diagnose(problem, {"bias.h1": problem.true["bias.h1"].astype(int)}, NAMES)
    assert "db is int64: whole numbers lose what is after the point" in str(cut)


def test_a_learned_history_may_be_added_up_over_the_sequences():
    column = state_space(2, 3, 2)
    rng = np.random.default_rng(0)
    params = {n: rng.normal(size=shape) for n, shape in column.shapes.items()}
    problem = Problem(column, params, rng.normal(size=(4, 3, 2)), rng.normal(size=(4, 3, 2)))
    shared = problem.true["history.h1"].sum(axis=1)
    assert diagnose(problem, {"history.h1": shared}).right
    assert diagnose(problem, {"history.h1": -shared}).findings[0].mistakes == ("wrong sign",)


def test_unknown_names_are_listed_with_the_known_ones():
    problem = small()
    with pytest.raises(ValueError, match=r"no gradient is called 'dW_q'; known are weight.x->h1"):
        diagnose(problem, {"dW_q": 0}, NAMES)
    with pytest.raises(ValueError, match="also called dW_c, dW_r"):
        diagnose(problem, {"dW_q": 0}, NAMES)
    with pytest.raises(ValueError, match=r"'weight\.q'"):
        diagnose(problem, {}, {"weight.q": "dW_q"})


def test_a_learned_history_of_a_wrong_shape_is_told_the_parameter_s_first():
    column = state_space(2, 3, 1)
    params = {n: np.ones(shape) for n, shape in column.shapes.items()}
    problem = Problem(column, params, np.ones((4, 5, 2)), np.ones((4, 5, 1)))
    told = str(diagnose(problem, {"history.h1": np.ones((5, 4))}))
    assert "needed is (1, 3), as the parameter's, or (1, 5, 3), one for each sequence." in told


def cell(seed=0):
    """A lone tanh layer, whose state is the output."""
    column = Column(
        "cell",
        (Input("x", 2), Layer("h", 3, history="given")),
        (Edge("x", "h"), Edge("h", "h", 1)),
        "h",
    )
    return problem_of(column, seed, T=3, B=4)


def test_an_output_that_is_a_state_lacks_a_slope_and_no_output_jacobian():
    problem = cell()
    diagnosis = diagnose(problem, with_slip(problem, named(problem, "no slope")))
    assert diagnosis.findings[0].mistakes == ("no slope",)
    assert "the slope 1 - h(t)² of tanh is missing between dh(t) and dz_h(t)." in str(diagnosis)
    assert "Slide 94: dz(t,l) = dh(t,l) Jacobian(h(t,l), z(t,l))" in str(diagnosis)
    assert not any(h.name == "no output Jacobian" for h in problem.suspects({}).hypotheses)
    told = str(diagnose(problem, {"bias.h": problem.true["bias.h"] / 4}))
    assert "db[h] is 1/B = 1/4 times the true one." in told and "94: db(l) += dz(t,l)" in told


BIASES = {"bias.h": ("db_ih", "db_hh")}


@pytest.mark.parametrize(
    "ih, hh, says",
    [
        (-1, -1, "Wrong: db_ih and db_hh. Right: dx.\ndb_ih is minus the true one, and db_hh with"),
        (-1, 1, "Wrong: db_ih. Right: dx and db_hh.\ndb_ih is minus the true one.\n"),
        (1, -1, "Wrong: db_hh. Right: dx and db_ih.\ndb_hh is minus the true one.\n"),
        (0, -1, "Wrong: db_hh and db_ih. Right: dx.\nNote: db_ih is wrong otherwise than db_hh."),
        (1, 1, "All 3 gradients are right, to 15 digits: db_ih, db_hh and dx."),
        (1, 1 + 1e-8, "All 3 gradients are right, to "),
    ],
)
def test_two_names_for_one_gradient_are_both_judged(ih, hh, says):
    problem = cell()
    db, dx = problem.true["bias.h"], problem.true["input.x"]
    diagnosis = diagnose(problem, {"db_ih": ih * db, "db_hh": hh * db, "x": dx}, BIASES)
    assert str(diagnosis).startswith(says)
    assert diagnosis.right == (ih == 1 and hh >= 1)


def test_a_third_name_goes_with_the_array_that_it_equals():
    problem, names = cell(), {"bias.h": ("b1", "b2", "b3")}
    db = problem.true["bias.h"]
    told = str(diagnose(problem, {"b1": db, "b2": db, "b3": -db}, names))
    assert told.startswith("Wrong: b3. Right: b1 and b2.\n")


def test_one_gradient_in_two_shapes_is_a_fault():
    column = state_space(2, 3, 1)
    params = {n: np.ones(shape) for n, shape in column.shapes.items()}
    problem = Problem(column, params, np.ones((4, 5, 2)), np.ones((4, 5, 1)))
    true, names = problem.true["history.h1"], {"history.h1": ("each", "summed")}
    diagnosis = diagnose(problem, {"each": true, "summed": true.sum(axis=1)}, names)
    assert not diagnosis.right
    assert "summed has shape (1, 3) and each (1, 5, 3), and both are" in str(diagnosis)


@pytest.mark.parametrize("history", ["learned", "given"])
def test_what_a_derived_program_returns_is_judged_as_it_is(history):
    nodes = (Input("x", 2), Layer("h", 3, history=history), Layer("Y", 2))
    edges = (Edge("x", "h"), Edge("h", "h", 1), Edge("h", "h", 2), Edge("h", "Y"))
    problem = problem_of(column := Column("derived", nodes, edges, "Y"))
    names = {}
    exec(derive(column).source, names)
    past = {"h": problem.trace.a["h"][:2]} if history == "given" else {}
    params, x = dict(problem.params), problem.trace.a["x"]
    if history == "learned":
        problem = Problem(column, params, x, problem.dY)
    Y, trace = names["forward"](params, x, *([past] if past else []))
    found = names["backward"](params, trace, problem.dY)
    diagnosis = diagnose(problem, found)
    assert diagnosis.right and len(found) == len(problem.true), diagnosis
    found["x"] = -found["x"]
    assert "dx is minus the true one." in str(diagnose(problem, found))


def test_a_loop_that_runs_upwards_is_named_beside_what_gives_the_same_numbers():
    problem = small()
    gradients = with_slip(problem, named(problem, "time reversed", "runs from t = 0 upwards"))
    told = str(diagnose(problem, gradients, NAMES))
    assert "overwrites what had been written there already" in told
    assert (
        "or of this: the loop runs from t = 0 upwards, so that nothing has come from t+1 when "
        "dh1(t) is used." in told
    )


@pytest.mark.parametrize(
    "error, says",
    [
        (0.01, "1 % of its"), (0.13, "13 % of its"), (1.31, "131 % of its"), (12, "12 times its"),
        (547, "550 times its"), (54700, "55,000 times its"), (1e9, "more than a million times its"),
    ],
)  # fmt: skip
def test_how_far_off_an_unexplained_gradient_is(error, says):
    problem = small()
    true = problem.true["bias.h1"]
    wrong = true + error * np.abs(true).max() * np.array([1, -0.3, 0.7, -0.9])
    told = str(diagnose(problem, {**problem.true, "bias.h1": wrong}, NAMES))
    assert f"nor two of them together. db is off by up to {says} largest number." in told
    assert "look at the line that gathers db, and at the axes it sums over." in told


MESSAGES = {
    ("missing time step", "dW[h1(t-1)->h1] equals"): """\
Wrong: dW_r. Right: dW_c, dW_o, db, db_o, dx and dh_init.
dW_r equals the true dW_r without the t = 0 term, as if the initial state h1(-1) were 0.
Slides 91, 94: dh(-1,l) = dz(0,l) W_r(l), and h(-1,l) takes part in dW_r(l) at t = 0
Look at: what stands for h(t-1) at t = 0, and what becomes of the error sent there.
The same numbers would come of this: dW_r equals the true dW_r without its t = 0 term.""",
    ("missing time step", "dW[h1(t-1)->h1] equals the true dW[h1(t-1)->h1] without its t = 3"): """\
Wrong: dW_r. Right: dW_c, dW_o, db, db_o, dx and dh_init.
dW_r equals the true dW_r without its t = 3 term.
Slide 94: dW_r(l) += h(t-1,l) dz(t,l)
Look at: where the loop over t begins and ends, and what it does at t = 3.""",
    ("slope at z", "dz_h1(t) has the slope 1 - z²"): """\
Wrong: dW_c, dW_r, db, dx and dh_init. Right: dW_o and db_o.
dz_h1(t) has the slope 1 - z²; with y = tanh(z) the slope is 1 - y².
Slide 94: dz(t,l) = dh(t,l) Jacobian(h(t,l), z(t,l))
Look at: whether the formula of the slope is one of z or one of y, and which of them \
it is given.""",
    ("wrong factor", "dW[x->h1] is 1/B"): """\
Wrong: dW_c. Right: dW_r, dW_o, db, db_o, dx and dh_init.
dW_c is 1/B = 1/3 times the true one.
Slide 94: dW_c(l) += h(t,l-1) dz(t,l)
Look at: a mean where a sum belongs, or the other way round; a factor that came twice.""",
    ("no gradient through time", "no error goes back"): """\
Wrong: dW_c, dW_r, db, dx and dh_init. Right: dW_o and db_o.
No error goes back through time: dz_h1(t) W_r into dh1(t-1) is missing.
Slide 94: dh(t-1,l) = dz(t,l) W_r(l)
Look at: the line that adds to dh1: all links that leave h1 send it an error.""",
    ("diagonal softmax Jacobian", ""): """\
Wrong: dW_c, dW_r, dW_o, db, db_o, dx and dh_init.
dY(t) is multiplied by the diagonal of the softmax's Jacobian alone, y (1 - y): \
every output depends on every z.
Slides 85, 94: dz_o(t) = dY(t) (diag(Y(t)) - Y(t) Y(t)ᵀ)
Look at: the terms -y_i y_j off the diagonal.""",
    ("current for previous state", "dW[h1(t-1)->h1]"): """\
Wrong: dW_r. Right: dW_c, dW_o, db, db_o, dx and dh_init.
dW_r is gathered with h1(t) where h1(t-1) belongs.
Slide 94: dW_r(l) += h(t-1,l) dz(t,l)
Look at: the index of the state in the outer product.""",
    ("missing bias", "db[h1] is"): """\
Wrong: db. Right: dW_c, dW_r, dW_o, db_o, dx and dh_init.
db is zero throughout: nothing is ever added to it.
Slide 94: db(l) += dz(t,l)
Look at: the place beside dW where db should be gathered.""",
    ("truncated", "goes back 2 steps"): """\
Wrong: dW_c, dW_r, db, dx and dh_init. Right: dW_o and db_o.
The error of each output goes back 2 steps and no further: the gradient is truncated.
Slide 94: dh(t-1,l) = dz(t,l) W_r(l)
Look at: how far the loop follows dh(t-1): the full gradient reaches h(-1).""",
}


@pytest.mark.parametrize("name, says", MESSAGES)
def test_the_message_to_the_student(name, says):
    problem = small()
    gradients = with_slip(problem, named(problem, name, says))
    assert str(diagnose(problem, gradients, NAMES)) == MESSAGES[name, says]


def test_the_message_to_who_is_right():
    problem = small()
    said = str(diagnose(problem, problem.true, NAMES))
    assert said == (
        "All 7 gradients are right, to 15 digits: dW_c, dW_r, dW_o, db, db_o, dx and dh_init."
    )
