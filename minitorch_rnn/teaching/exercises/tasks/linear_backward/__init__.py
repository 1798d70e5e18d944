"""A linear layer, backward: every recurrent step is made of it."""

from minitorch_rnn.column import Column, Edge, Input, Layer
from minitorch_rnn.teaching.exercises.exercise import Call, Exercise, seeded
from minitorch_rnn.teaching.exercises.networks import Drawn, gradient_case, sizes, step

__all__ = ["EXERCISE"]


def _case(B, I, O, seed):
    layer = Column("linear", (Input("x", I), Layer("Y", O, "identity")), (Edge("x", "Y"),), "Y")
    drawn = Drawn(layer, 1, B, seed)
    dy, x, W = drawn.dY[0], drawn.inputs["x"][0], drawn.params["weight.x->Y"]
    dx, dW, db = dy @ W, dy.T @ x, dy.sum(axis=0)
    slips = [
        ("db is averaged over the B examples; their parts add up: sum(axis=0).",
         (None, None, db / B)),
        ("dW is averaged over the B examples; their parts add up.", (None, dW / B, None)),
        ("db has the gradient of one example; b is used by all of them: sum(axis=0).",
         (None, None, dy[0])),
        ("db has the gradient of one example; b is used by all of them: sum(axis=0).",
         (None, None, dy[-1])),
        ("db has one sum for all outputs; each output has a bias of its own: sum(axis=0).",
         (None, None, db * 0 + dy.sum())),
        ("dx is multiplied by the transposed W: forward has Wᵀ, so backward has W: dy @ W.",
         (dy @ W.T if I == O else dx, None, None)),
    ]  # fmt: skip
    return gradient_case(
        drawn,
        Call("linear_backward", {"dy": dy, "x": x, "W": W}),
        sizes(B=B, I=I, O=O),
        {"dx": "input.x", "dW": "weight.x->Y", "db": "bias.Y"},
        as_student=step,
        tuple_of=("dx", "dW", "db"),
        slips=slips,
    )


EXERCISE = Exercise(
    name="linear-backward",
    title="a linear layer, backward",
    slides="79-84",
    level=1,
    hints=(
        "Look at shapes first: which products of dy (B, O), x (B, I) and W (O, I) give (B, I) and "
        "(O, I)? There is one of each.",
        "dy_o goes back to x_i over W_oi: dx_i = Σ_o dy_o W_oi. W_oi multiplied x_i on its way to "
        "y_o: dW_oi = Σ_b dy_bo x_bi. And db_o = Σ_b dy_bo.",
        "return dy @ W, dy.T @ x, dy.sum(axis=0)",
    ),
    afterwards="The lecture writes derivatives as row vectors: dx = dy W is exactly its line. Its "
    "dW is the transpose of yours, because yours has the shape of W.",
    cases=lambda: seeded(_case, [(1, 1, 1), (1, 2, 3), (3, 2, 4), (2, 3, 3)]),
)
