"""The scan road: one node for a whole sequence, and in everything else the layer step by step."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from recurrent_layers import CELLS, as_state, flat, layer, leaf
from test_cost import nodes

import minitorch_rnn as mt
from minitorch_rnn import nn
from minitorch_rnn.autograd import detect_anomaly, grad
from minitorch_rnn.backend import to_numpy
from minitorch_rnn.errors import GraphError

every_cell = pytest.mark.parametrize("kind", CELLS)


def both(kind, I, H, layers=1, scale=None, seed=0, **options):
    """The same layer on both roads; the weights times scale are normal."""
    nets = [
        layer(kind, I, H, layers, road=road, rng=np.random.default_rng(seed), **options)
        for road in ("scan", "graph")
    ]
    for parameters in zip(*[net.parameters() for net in nets], strict=True):
        if scale is not None:
            values = np.random.default_rng([seed, parameters[0].size]).normal(
                size=parameters[0].shape
            )
            for parameter in parameters:
                parameter.update_(mt.tensor(scale * values))
    return nets


def scans(*outputs):
    """Whether any operation that leads to the outputs is a whole scan."""
    return any(name.startswith("scan_") for name in nodes(*outputs))


def assert_the_same(found, expected, digits=11):
    """Of what cancels in a sum over time the error is that of the largest term."""
    for mine, reference in zip(found, expected, strict=True):
        assert (mine is None) == (reference is None)
        if mine is not None:
            assert (mine.dtype, mine.backend) == (reference.dtype, reference.backend)
            mine, reference = to_numpy(mine.data), to_numpy(reference.data)
            atol = 10.0**-digits * max(1.0, abs(reference).max(initial=0))
            assert_allclose(mine, reference, rtol=10.0**-digits, atol=atol)


# As step by step --------------------------------------------------------------------------------

CASES = {
    "kind": st.sampled_from(CELLS),
    "T": st.sampled_from([2, 3, 4, 7, 20]),
    "B": st.integers(1, 4),
    "I": st.integers(1, 4),
    "H": st.integers(1, 4),
    "layers": st.integers(1, 2),
    "ragged": st.booleans(),
    "start": st.sampled_from(["zeros", "given", "learned"]),
    "options": st.fixed_dictionaries(
        dict.fromkeys(("bidirectional", "bias", "batch_first"), st.booleans())
    ),
    "tracked": st.tuples(st.booleans(), st.booleans()),  # x, and the states
    "seed": st.integers(0, 10**6),
}


def outcome(net, arrays, tracked, lengths, cotangents, frozen, order=1):
    """All outputs, and the gradients of all leaves up to an order; None where there is none."""
    x, *states = [mt.tensor(a) for a in arrays]
    for tensor, ask in zip([x, *states], [tracked[0], *[tracked[1]] * len(states)], strict=True):
        tensor.requires_grad = ask
    for k, parameter in enumerate(net.parameters()):
        parameter.requires_grad = k not in frozen
    found = flat(net(x, as_state(states), lengths=lengths))
    leaves = [p for p in (x, *states, *net.parameters()) if p.requires_grad]
    asked = [
        (y, mt.tensor(v)) for y, v in zip(found, cotangents, strict=True)
        if v is not None and y.requires_grad
    ]  # fmt: skip
    if not asked:
        return found
    results, (outputs, seeds) = list(found), zip(*asked, strict=True)
    for k in range(1, order + 1):
        grads = grad(outputs, leaves, seeds, create_graph=k < order, allow_unused=True)
        results += grads
        if k < order:
            norm = sum((g**k * g).sum() for g in grads if g is not None)
            if not norm.requires_grad:  # of relu, which is linear wherever it can be derived
                break
            outputs, seeds = [norm], None
    return results


def drawn(net, rng, T, B, start):
    """x, the states if they are given, and what each output is asked with, sometimes nothing."""
    x = rng.normal(size=(B, T, net.input_size) if net.batch_first else (T, B, net.input_size))
    shapes = [y.shape for y in flat(net(x))]
    states = [rng.normal(size=s) for s in shapes[1:]] if start == "given" else []
    cotangents = [rng.normal(size=s) if rng.random() < 0.7 else None for s in shapes]
    if all(v is None for v in cotangents):
        cotangents[-1] = rng.normal(size=shapes[-1])
    return [x, *states], cotangents


def assert_both_roads_agree(
    kind, T, B, I, H, layers, ragged, start, options, tracked, seed, order=1, digits=11
):
    rng = np.random.default_rng(seed)
    learned = "learned" if start == "learned" else "zeros"
    scale = rng.choice([0.2, 1.0]) / np.sqrt(H)
    nets = both(kind, I, H, layers, scale, seed, initial_state=learned, **options)
    arrays, cotangents = drawn(nets[0], rng, T, B, start)
    lengths = rng.integers(1, T + 1, B).tolist() if ragged else None
    frozen = np.flatnonzero(rng.random(len(list(nets[0].parameters()))) < 0.2)
    roads = [outcome(net, arrays, tracked, lengths, cotangents, set(frozen), order) for net in nets]
    assert_the_same(*roads, digits)


# Every example is on the backend that the fixture chose once.
on_a_backend = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(case=st.fixed_dictionaries(CASES))
@settings(on_a_backend, max_examples=100)
def test_values_and_gradients_are_those_of_the_layer_step_by_step(backend, case):
    assert_both_roads_agree(**case)


SMALL = CASES | {"T": st.integers(2, 4), "H": st.integers(1, 3)}


@given(case=st.fixed_dictionaries(SMALL), order=st.sampled_from([2, 3]))
@settings(on_a_backend, max_examples=40)
def test_higher_derivatives_are_those_of_the_layer_step_by_step(backend, case, order):
    assert_both_roads_agree(**case, order=order, digits=10)  # sums of products of ever more factors


LONG = {  # several blocks of 256 rows forward and of 1024 backward, and a rest of each
    "one sequence": (1100, 1), "several": (130, 10), "many": (60, 40), "more than rows": (3, 1100),
}  # fmt: skip


@every_cell
@pytest.mark.parametrize("T, B", LONG.values(), ids=LONG)
@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
def test_blocks_of_time_steps_join(kind, T, B, ragged):
    assert_both_roads_agree(
        kind, T, B, 2, 3, 1, ragged, "given", {"bidirectional": True}, (True, True), 1
    )


def sizes_for(backend):
    """T, B, I and H: on a GPU so large that kernels have many blocks, and sums are divided."""
    return (67, 32, 64, 512) if backend == "cupy" else (11, 3, 2, 4)


@every_cell
@pytest.mark.parametrize("loop", ["captured", "launched", "persistent"])
@pytest.mark.parametrize("ragged", [False, True], ids=["whole", "ragged"])
def test_every_loop_of_a_device_gives_what_the_steps_give(kind, loop, ragged, backend):
    with nn.scan_options(loop=loop):
        assert_both_roads_agree(kind, *sizes_for(backend), 1, ragged, "given", {}, (True, True), 1)


@every_cell
@pytest.mark.parametrize("products", ["float32", "tf32", "float16"])
def test_products_on_a_device_are_as_exact_as_they_say(kind, products, backend, rng):
    T, B, I, H = sizes_for(backend)
    net = layer(kind, I, H, dtype="float32", rng=rng)
    exact = layer(kind, I, H, road="graph", rng=rng)  # float64
    exact.load_state_dict(net.state_dict())
    x, v = rng.normal(size=(T, B, I)), rng.normal(size=(T, B, H))
    with nn.scan_options(products=products):
        found = [
            grad(model(mt.tensor(x, dtype=dtype))[0], list(model.parameters()), mt.tensor(v, dtype))
            for model, dtype in ((net, "float32"), (exact, "float64"))
        ]
    # Of float32, 6e-8 for each of many terms; otherwise 2^-11 for each factor, over the steps.
    rtol = 1e-4 if products == "float32" or backend == "numpy" else 5e-2
    for mine, reference in zip(*[[to_numpy(g.data) for g in some] for some in found], strict=True):
        assert np.linalg.norm(mine - reference) <= rtol * np.linalg.norm(reference)


# A node among others ----------------------------------------------------------------------------


def trained(net, x):
    """A loss in all that a layer gives."""
    return sum((y * y).sum() for y in flat(net(x)))


@every_cell
def test_a_graph_that_is_kept_gives_the_same_bits_twice_and_then_no_more(kind, backend, rng):
    net, x = layer(kind, 3, 4, rng=rng), rng.normal(size=(6, 2, 3))
    loss, found = trained(net, x), []
    for keep in (True, True, False):
        net.zero_grad()
        loss.backward(retain_graph=keep)
        found.append([p.grad.numpy().tobytes() for p in net.parameters()])
    assert found[0] == found[1] == found[2]
    with pytest.raises(GraphError, match="second time.*retain_graph=True"):
        loss.backward()


@every_cell
def test_an_update_between_forward_and_backward_is_noticed(kind, backend, rng):
    for name in [n for n, _ in layer(kind, 3, 4).named_parameters()]:
        net = layer(kind, 3, 4, rng=rng)
        loss = trained(net, rng.normal(size=(6, 2, 3)))
        getattr(net, name).update_(getattr(net, name) * 2)
        with pytest.raises(GraphError, match="was changed"):
            loss.backward()


@every_cell
def test_after_a_differentiable_walk_a_plain_one_gives_the_same(kind, backend, rng):
    net = layer(kind, 3, 4, rng=rng)
    loss = trained(net, rng.normal(size=(6, 2, 3)))
    found = grad(loss, list(net.parameters()), create_graph=True)
    loss.backward()
    assert_the_same(found, [p.grad for p in net.parameters()])


@every_cell
@pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "both"])
@pytest.mark.parametrize("lengths", [None, [4, 6]], ids=["whole", "ragged"])
@pytest.mark.parametrize("create_graph", [False, True], ids=["plain", "differentiable"])
def test_memory_that_its_owner_changes_changes_no_gradient(
    kind, bidirectional, lengths, create_graph, rng
):
    memory, found = rng.normal(size=(6, 2, 3)), []
    net = layer(kind, 3, 4, bidirectional=bidirectional, rng=rng)
    for written in (False, True):
        loss = (net(mt.from_numpy(memory), lengths=lengths)[0] ** 2).sum()
        if written:
            memory[...] = 7.0
        grads = grad(loss, list(net.parameters()), create_graph=create_graph)
        found.append([g.data.tobytes() for g in grads])
    assert found[0] == found[1]


@every_cell
@pytest.mark.parametrize("create_graph", [False, True], ids=["plain", "differentiable"])
def test_a_tensor_that_is_used_twice_gets_each_gradient_once(kind, create_graph, backend, rng):
    x, found = rng.normal(size=(5, 3, 4)), []
    for net in both(kind, 4, 4):
        net.weight_hh_l0, net.bias_hh_l0 = net.weight_ih_l0, net.bias_ih_l0
        start = leaf(np.full((1, 3, 4), 0.3))
        state = as_state([start] * len(net.cell.states))
        leaves = [start, net.weight_ih_l0, net.bias_ih_l0]
        loss = sum((y * y).sum() for y in flat(net(x, state)))
        found.append(grad(loss, leaves, create_graph=create_graph))
    assert_the_same(*found)


# Where it is not taken --------------------------------------------------------------------------


def test_it_is_taken_unless_something_speaks_against_it(backend, rng):
    for kind in CELLS:
        for net, expected in zip(both(kind, 3, 4), (True, False), strict=True):
            assert scans(*flat(net(rng.normal(size=(2, 1, 3))))) == expected
            assert not scans(*flat(net.unroll(rng.normal(size=(2, 1, 3)))[:2]))


@every_cell
@pytest.mark.parametrize("T, B, dtype", [(4, 2, "float16"), (1, 2, "float64"), (4, 0, "float64")])
def test_half_precision_one_step_and_no_sequence_go_step_by_step(kind, T, B, dtype, rng):
    x, found = rng.normal(size=(T, B, 3)).astype(dtype), []
    for net in both(kind, 3, 4, dtype=dtype):
        outputs = flat(net(x))
        assert not scans(*outputs)
        outputs[0].sum().backward()
        found.append([a.data.tobytes() for a in (*outputs, *(p.grad for p in net.parameters()))])
    assert found[0] == found[1]


def test_projections_and_anomaly_mode_go_step_by_step(backend, rng):
    x = rng.normal(size=(4, 2, 3))
    assert not scans(*flat(nn.LSTM(3, 4, proj_size=2, rng=rng)(x)))
    net = nn.LSTM(3, 4, rng=rng)
    with detect_anomaly():
        assert not scans(*flat(net(x)))
    assert scans(*flat(net(x)))


@every_cell
def test_complex_numbers_go_step_by_step(kind, rng):
    x, found = mt.tensor(rng.normal(size=(4, 2, 3)) + 0.1j), []
    for net in both(kind, 3, 4):
        given = {n: mt.tensor(p.data + 0.1j) for n, p in net.named_parameters()}
        found.append([y.data.tobytes() for y in flat(nn.functional_call(net, given, x))])
    assert found[0] == found[1]


OTHERS = {
    "a narrower dtype": lambda a: a.astype("float32"),
    "complex numbers": lambda a: a + 0.1j,
    "one number for all units": lambda a: a.ravel()[:1],
    "a row too few": lambda a: a[:-1],
    "an axis more": lambda a: a[None],
}


@every_cell
@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
def test_tensors_of_another_kind_in_place_of_parameters_are_treated_alike(kind, change, name, rng):
    for B in (1, 3):
        x, found = rng.normal(size=(4, B, 3)), []
        for net in both(kind, 3, 4):
            for parameter in net.parameters():
                parameter.requires_grad = False  # complex numbers have no gradients
            # As functional_call does, which refuses other shapes; assignment does not.
            vars(net)[name] = mt.tensor(change(getattr(net, name).data))
            try:
                found.append([(y.dtype, y.data.tolist()) for y in flat(net(x))])
            except (ValueError, TypeError) as error:
                found.append((type(error), str(error).replace(repr(net), "")))
        assert found[0] == found[1]


@every_cell
@pytest.mark.parametrize("name", ["bias_ih_l0", "bias_hh_l0"])
def test_a_layer_with_one_bias_goes_step_by_step(kind, name, rng):
    x, found = rng.normal(size=(4, 2, 3)), []
    for net in both(kind, 3, 4):
        setattr(net, name, None)
        outputs = flat(net(x))
        assert not scans(*outputs)
        found.append([y.data.tobytes() for y in outputs])
    assert found[0] == found[1]
