"""Jordan's network: a constant plan goes in, a sequence comes out; and a cycle pulls states back.

The only memory is m(t) = mu m(t-1) + y(t-1), a fading sum of what the network itself has put out;
no error flows through it. First, one network learns eight sequences, each called up by a plan that
stays the same all the time. Then another learns to go round the corners of a square for ever. Its
memory is set to anything at all, and the outputs find back to the square: the cycle that was
learned attracts. Look at how much faster the first is learned when the memory is fed with the right
outputs instead of the network's own, and in the picture at the way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

import minitorch_rnn as mt
from bench.papers.look import DASHES, INKS, WIDTH
from bench.papers.result import Finding, Paper

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER = Paper(
    title="Jordan 1986: plans that yield sequences, cycles that attract",
    source=(
        "M. I. Jordan, Serial order: a parallel distributed processing approach, ICS report 8604, "
        "University of California, San Diego, 1986; the same in Attractor dynamics and parallelism "
        "in a connectionist sequential machine, Cognitive Science Society 1986"
    ),
    claim=(
        "A network taught a different sequence for each plan produces it from the plan alone; "
        "feeding back the desired outputs (teacher forcing) makes learning fast. When the state of "
        "a trained network is disturbed, the learned sequences turn out to be attractors, a cyclic "
        "one a limit cycle."
    ),
    seen=(
        "The paper was not seen. The claim is as M. L. Forcada summarises it, who gives no figures "
        "(Neural Networks: Automata and Formal Models of Computation, "
        "www.dlsi.ua.es/~mlf/nnafmc/pbook/node38.html). The square in the plane of two outputs is "
        "from memory, not checked. All bands are our own criteria."
    ),
    ours=(
        "`column.jordan` with logistic units and mu = 0.5, teacher-forced, judged on its own "
        "outputs. Plans: 3 bits, 32 hidden units, 8 random sequences of 8 steps of 4 bits. Square: "
        "16 hidden units, 5 times round from an empty memory; then 200 random memories."
    ),
    differs=(
        "Adam (0.02) on the cross-entropy of every output, 2,000 updates with all plans at once, "
        "where the paper, as remembered, used plain backpropagation of squared errors.",
        "Sizes and sequences are our own.",
        "One network that goes round the square in either direction, as its plan says, is added to "
        "be read: teacher forcing asks for the next output and never for stability, and where the "
        "derivative over a cycle has an eigenvalue above 1, outputs leave the cycle learned.",
    ),
    caption=(
        "Left: what comes out for each of the 8 plans, 4 outputs over 8 steps, grey from 0 to 1; a "
        "dot where the target is 1. Right: the plane of two outputs; from three random memories "
        "(rings) back to the corners of the square (crosses). Below: the distance to the cycle "
        "over time, of 200 random memories, the median and the 95th percentile."
    ),
    seeds=6,
)
MU = 0.5
NEAR = 0.2  # of a bit that counts as right
CLOSE = 0.05  # of a corner that counts as reached
SQUARE = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])


def run(
    seed: int, *, updates: int = 2000, most: int = 5000, hidden: int = 32, disturbed: int = 200
) -> dict[str, Any]:
    """One seed: both experiments.

    Args:
        seed: of weights, sequences and disturbances.
        updates: of the networks that are teacher-forced.
        most: of those that learn on their own outputs, unless all plans are right before.
        hidden: H for the plans; half of it for the square.
        disturbed: how many memories the square is started from.
    """
    plans = np.array([[p >> i & 1 for i in range(3)] for p in range(8)], float)
    rng = np.random.default_rng([seed, 5])
    D = (rng.integers(1, 16, (8, 8))[..., None] >> np.arange(4) & 1).astype(float)  # never all 0
    network = jordan(3, hidden, 4, seed)
    soon = learn(network, plans, D, updates)
    late = learn(jordan(3, hidden, 4, seed), plans, D, most, forced=False)
    Y = outputs(network, plans, len(D))
    both = jordan(2, hidden, 2, seed)
    learn(both, np.eye(2), np.tile(np.stack([SQUARE, SQUARE[::-1]], axis=1), (5, 1, 1)), updates)
    one = jordan(1, hidden // 2, 2, seed)
    before = disturb(one, np.ones(1), SQUARE, disturbed, seed)["return"]
    learn(one, np.ones((1, 1)), np.tile(SQUARE[:, None], (5, 1, 1)), updates)
    back = disturb(one, np.ones(1), SQUARE, disturbed, seed)
    found: dict[str, Any] = {
        "right": share_right(Y, D),
        "forced": soon or updates,
        "own": late or most,
        "return": back["return"],
        "untrained": before,
        "left": back["left"],
        "multiplier": multiplier(one, np.ones(1), SQUARE),
        "two ways": [
            [disturb(both, plan, way, disturbed, seed)["return"], multiplier(both, plan, way)]
            for plan, way in zip(np.eye(2), (SQUARE, SQUARE[::-1]), strict=True)
        ],
    }
    if seed == 0:
        found |= {"Y": np.round(Y, 3).tolist(), "D": D.tolist()}
        found |= {key: np.round(back[key], 7).tolist() for key in ("median", "high", "paths")}
    return found


def jordan(I: int, H: int, O: int, seed: int) -> mt.nn.ColumnNetwork:
    """Logistic units; m(t) = 0.5 m(t-1) + y(t-1), fixed and blocked."""
    column = mt.column.jordan(I, H, O, mu=MU, output_activation="sigmoid")
    return mt.nn.ColumnNetwork(column, rng=np.random.default_rng([seed, I, H, O]))


def learn(
    network: mt.nn.ColumnNetwork, plans: Any, D: Any, updates: int, forced: bool = True
) -> int:
    """Learn D (T, P, O), one sequence for each plan; returns when all were right first, or 0.

    Forced, the memory adds up the targets, and training goes on to the end. Otherwise it adds up
    what the network puts out, and training ends when all sequences come out right.
    """
    x = np.tile(plans, (len(D), 1, 1))
    optimizer, first = mt.optim.Adam(network.parameters(), lr=0.02), 0
    for update in range(1, updates + 1):
        Y, _ = network(x, teacher=D if forced else None)
        optimizer.zero_grad()
        mt.nn.functional.binary_cross_entropy(Y, D).backward()
        optimizer.step()
        if update % 50 == 0 and not first and share_right(outputs(network, plans, len(D)), D) == 1:
            first = update
            if not forced:
                break
    return first


def outputs(network: Any, plans: Any, steps: int, histories: Any = None) -> np.ndarray:
    """What comes out for each plan when the network hears itself, (T, P, O)."""
    with mt.no_grad():
        return np.asarray(network(np.tile(plans, (steps, 1, 1)), histories)[0].numpy())


def share_right(Y: np.ndarray, D: np.ndarray) -> float:
    """The share of plans all of whose outputs are near their targets, at every step."""
    return float((np.abs(Y - D) < NEAR).all(axis=(0, 2)).mean())


def disturb(
    network: Any, plan: np.ndarray, corners: np.ndarray, memories: int, seed: int
) -> dict[str, Any]:
    """Start from any memory: how far the outputs are from the cycle, and how many return to it.

    Every m that outputs between 0 and 1 could have left is in the square of side 1/(1 - mu).
    """
    rng, plans = np.random.default_rng([seed, 6]), np.tile(plan, (memories, 1))
    histories = {
        "m": np.zeros((1, memories, 2)),
        "Y": rng.uniform(0, 1 / (1 - MU), (1, memories, 2)),
    }
    Y = outputs(network, plans, 200, histories)
    settled = outputs(network, plan[None], 400)[-4:, 0]
    distance = np.linalg.norm(Y[:, :, None] - settled, axis=-1).min(axis=-1)
    # The last four outputs, in order, are the four corners, from whichever it is.
    turns = np.stack([np.roll(corners, i, axis=0) for i in range(4)])
    off = np.linalg.norm(Y[-4:].swapaxes(0, 1)[:, None] - turns, axis=-1).max(axis=-1).min(axis=-1)
    return {
        "return": float((off < CLOSE).mean()),
        "left": float(np.median(distance[20] / np.maximum(distance[0], 1e-300))),
        "median": np.median(distance, axis=1)[:41],
        "high": np.quantile(distance, 0.95, axis=1)[:41],
        "paths": Y[:17, :3].swapaxes(0, 1),
    }


def multiplier(network: mt.nn.ColumnNetwork, plan: np.ndarray, corners: np.ndarray) -> float:
    """The largest |eigenvalue| of the derivative of the memory after one cycle by that before.

    Below 1 the cycle attracts what is near it. Here, other than in training, the derivative goes
    through the memory.
    """
    whole = mt.nn.ColumnNetwork(network.column.unblocked())
    whole.load_state_dict(network.state_dict())

    def memory(last: Any) -> Any:  # the m that comes next
        return MU * last["m"] + last["Y"]

    def once_round(m: Any) -> Any:
        return memory(whole(np.tile(plan, (4, 1)), {"m": np.zeros((1, 2)), "Y": m})[1])

    with mt.no_grad():
        m = memory(whole(np.tile(plan, (40, 1)), teacher=np.tile(corners, (10, 1)))[1])
    J = mt.autograd.jacobian(once_round, m).numpy()[0, :, 0]
    return float(np.abs(np.linalg.eigvals(J)).max())


def findings(found: list[dict[str, Any]]) -> list[Finding]:
    """Plans, the speed of learning, and the way back to the cycle."""

    def each(key: str) -> tuple[float, ...]:
        return tuple(one[key] for one in found)

    return [
        Finding(
            "share of the 8 plans whose whole sequence comes out within 0.2, on the network's own "
            "outputs (a network blind to plans: at most 1/8)",
            "1", each("right"), least=0.95,
        ),
        Finding(
            "updates until all plans are right, learned on its own outputs (5,000 if never), over "
            "those with teacher forcing (2,000 if never)",
            "more than 1", tuple(one["own"] / one["forced"] for one in found), least=2.0,
        ),
        Finding(
            "updates until all plans are right, with teacher forcing", "not given", each("forced"),
        ),
        Finding(
            "share of random memories from which the outputs find back within 0.05 of the square's "
            "corners, in their order",
            "attractor", each("return"), least=0.99,
        ),
        Finding(
            "share of random memories that find back to the square before training",
            "not given", each("untrained"), most=0.01,
        ),
        Finding(
            "distance to the cycle after 5 times round over that at the start, median of memories",
            "to 0", each("left"), most=0.05,
        ),
        Finding(
            "largest |eigenvalue| of the derivative over one cycle; an attractor has less than 1",
            "attractor", each("multiplier"), most=0.9,
        ),
        Finding(
            "one network, two plans, the square in either direction: share that finds back, the "
            "worse of both",
            "not given", tuple(min(way[0] for way in one["two ways"]) for one in found),
        ),
        Finding(
            "one network, two plans: largest |eigenvalue| of the derivative over one cycle, the "
            "worse of both",
            "not given", tuple(max(way[1] for way in one["two ways"]) for one in found),
        ),
    ]  # fmt: skip


def draw(found: list[dict[str, Any]]) -> Figure:
    """The sequences of all plans; the way back in the plane of the outputs, and the distance."""
    from matplotlib import pyplot

    shown = found[0]
    Y, D = (np.array(shown[key]).transpose(1, 2, 0)[::-1] for key in ("Y", "D"))  # (P, O, T)
    figure = pyplot.figure(figsize=(WIDTH, 4.6))
    axes = figure.subplot_mosaic("AB;AC", width_ratios=(1, 1.15), height_ratios=(2, 1))
    gap = np.full((len(Y), 1, Y.shape[2]), np.nan)
    rows, dots = (np.concatenate([a, gap], axis=1).reshape(-1, Y.shape[2])[:-1] for a in (Y, D))
    axes["A"].imshow(rows, cmap="Greys", vmin=0, vmax=1.4, aspect="auto", interpolation="nearest")
    row, step = np.nonzero(np.nan_to_num(dots))
    axes["A"].plot(step, row, "o", color="white", markersize=3, linestyle="none")
    axes["A"].set_yticks(np.arange(8) * 5 + 1.5, [f"{7 - p:03b}" for p in range(8)])
    axes["A"].tick_params(length=0)
    axes["A"].set(xlabel="t (steps)", ylabel="plan", title="4 outputs for each plan")
    for spine in axes["A"].spines.values():
        spine.set_visible(False)
    for i, path in enumerate(np.array(shown["paths"])):
        axes["B"].plot(*path.T, color=INKS[i], linestyle=DASHES[i], linewidth=1)
        axes["B"].plot(*path[0], "o", color=INKS[i], markerfacecolor="white", markersize=9)
    axes["B"].plot(*SQUARE.T, "x", color="black", markersize=8, markeredgewidth=2, linestyle="none")
    axes["B"].set(xlabel="output 1", ylabel="output 2", title="back to the square")
    axes["B"].set(xlim=(0.1, 1), ylim=(0.1, 1))
    for key, label in (("high", "95th percentile"), ("median", "median")):
        axes["C"].plot(shown[key], label=label)
    axes["C"].set(yscale="log", xlabel="t (steps)", ylabel="distance to cycle")
    axes["C"].legend()
    return cast("Figure", figure)
