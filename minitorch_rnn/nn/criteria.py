"""The divergences of `losses`, `classification` and `ctc` as modules.

A criterion is its function and that function's options with their defaults, in PyTorch's order:
what the module is built with. None has parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn import backend
from minitorch_rnn.bptt.divergences import Divergence, masked, named
from minitorch_rnn.column import Variant
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.nn.classification import cross_entropy, nll_loss
from minitorch_rnn.nn.configured import Configured, configured
from minitorch_rnn.nn.ctc import ctc_loss
from minitorch_rnn.nn.losses import (
    Reduction,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from minitorch_rnn.nn.module import Module


class Criterion(Configured):
    """A divergence as a module: its fields are the options of its `function`.

    Options can be changed afterwards. Weights are no parameters: they are kept as they were given,
    and used wherever the outputs live.
    """

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """The reduced divergence."""
        return self.function(outputs, targets, **self.options())  # type: ignore[no-any-return]


@configured
class CrossEntropyLoss(Criterion):
    """`cross_entropy` as a module.

    >>> from minitorch_rnn import nn, zeros
    >>> loss = nn.CrossEntropyLoss(reduction=("sum", "mean"))
    >>> loss
    CrossEntropyLoss(reduction=('sum', 'mean'))
    >>> round(loss(zeros(3, 2, 4), [[0, 1], [2, 3], [0, 0]]).item(), 6)
    4.158883
    """

    function = staticmethod(cross_entropy)
    weight: Any = None
    ignore_index: int = -100
    reduction: Reduction = "mean"
    label_smoothing: float = 0.0
    axis: int = -1


@configured
class NLLLoss(Criterion):
    """`nll_loss` as a module.

    >>> from minitorch_rnn import nn, tensor
    >>> nn.NLLLoss(ignore_index=0)(tensor([[-1.0, -2.0], [-3.0, -4.0]]), [1, 0]).item()
    2.0
    """

    function = staticmethod(nll_loss)
    weight: Any = None
    ignore_index: int = -100
    reduction: Reduction = "mean"
    axis: int = -1


@configured
class BCELoss(Criterion):
    """`binary_cross_entropy` as a module.

    >>> from minitorch_rnn import nn
    >>> round(nn.BCELoss()([0.5, 0.25], [1.0, 0.0]).item(), 6)
    0.490415
    """

    function = staticmethod(binary_cross_entropy)
    weight: Any = None
    reduction: Reduction = "mean"


@configured
class BCEWithLogitsLoss(Criterion):
    """`binary_cross_entropy_with_logits` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.BCEWithLogitsLoss(pos_weight=[3.0])([[1000.0], [-1000.0]], [[1.0], [1.0]]).item()
    1500.0
    """

    function = staticmethod(binary_cross_entropy_with_logits)
    weight: Any = None
    reduction: Reduction = "mean"
    pos_weight: Any = None


@configured
class MSELoss(Criterion):
    """`mse_loss` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.MSELoss("sum")([1.0, 3.0], [0.0, 0.0]).item()
    10.0
    """

    function = staticmethod(mse_loss)
    reduction: Reduction = "mean"


@configured
class L1Loss(Criterion):
    """`l1_loss` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.L1Loss()([1.0, 3.0], [0.0, 0.0]).item()
    2.0
    """

    function = staticmethod(l1_loss)
    reduction: Reduction = "mean"


@configured
class HuberLoss(Criterion):
    """`huber_loss` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.HuberLoss(delta=2.0)([1.0, 5.0], [0.0, 0.0]).item()
    4.25
    """

    function = staticmethod(huber_loss)
    reduction: Reduction = "mean"
    delta: float = 1.0


@configured
class SmoothL1Loss(Criterion):
    """`smooth_l1_loss` as a module.

    >>> from minitorch_rnn import nn
    >>> nn.SmoothL1Loss(beta=2.0)([1.0, 5.0], [0.0, 0.0]).item()
    2.125
    """

    function = staticmethod(smooth_l1_loss)
    reduction: Reduction = "mean"
    beta: float = 1.0


@configured
class KLDivLoss(Criterion):
    """`kl_div` as a module.

    >>> from minitorch_rnn import nn, tensor
    >>> round(nn.KLDivLoss("batchmean")(tensor([[0.5, 0.5]]).log(), [[1.0, 0.0]]).item(), 6)
    0.693147
    """

    function = staticmethod(kl_div)
    reduction: Reduction = "mean"
    log_target: bool = False


@configured
class CTCLoss(Criterion):
    """`ctc_loss` as a module.

    >>> from minitorch_rnn import log_softmax, nn, zeros
    >>> round(nn.CTCLoss()(log_softmax(zeros(1, 1, 4)), [[3]], [1], [1]).item(), 6)
    1.386294
    """

    function = staticmethod(ctc_loss)
    blank: int = 0
    reduction: Reduction = "mean"
    zero_infinity: bool = False

    def forward(  # type: ignore[override]
        self, log_probs: Any, targets: Any, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        """The reduced divergence."""
        return ctc_loss(log_probs, targets, input_lengths, target_lengths, **self.options())


class DivergenceLoss(Module):
    """Any divergence of the lecture as a loss: DIV(Y, D), summed over the batch.

    Args:
        divergence: a name in `bptt.divergences.DIVERGENCES`, or a `Divergence`.
        steps: True for every t that counts, or a `column.Variant`, whose outputs count; the others
            contribute exactly 0. None counts all.

    Raises:
        ValueError: if there is no divergence of this name.
        ShapeError: if outputs, targets and steps do not fit.

    >>> from minitorch_rnn import nn, ones, zeros
    >>> loss = nn.DivergenceLoss("squared error", steps=[False, True])
    >>> loss(ones(2, 3, 1), zeros(2, 3, 1)).item()
    1.5
    """

    def __init__(
        self, divergence: Divergence | str, steps: Sequence[bool] | Variant | None = None
    ) -> None:
        chosen = named("DivergenceLoss", divergence)
        self.divergence = chosen if steps is None else masked(chosen, steps)
        self.steps = steps

    def forward(self, outputs: Any, targets: Any) -> Tensor:
        """DIV of Y (T, B, O) and D, (T, B, O) or labels (U, B); of one sequence without the B.

        Labels are counted on the host: those on a device are waited for, so keep them in NumPy.
        """
        Y = outputs if isinstance(outputs, Tensor) else Tensor(outputs)
        D: Any = targets
        if self.divergence.takes == "labels":
            D = np.asarray(backend.to_numpy(raw(targets)))
        elif not isinstance(D, Tensor):
            D = Tensor(D, Y.dtype, backend=Y.backend)
        if Y.ndim == 2:
            Y, D = Y.unsqueeze(1), D[:, None]
        return self.divergence.value(mt, Y, D)  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        steps = "" if self.steps is None else f", steps={self.steps!r}"
        return f"DivergenceLoss({self.divergence.name!r}{steps})"
