"""The mistakes that `teaching.diagnose` knows: families by file, the telling ones first."""

from minitorch_rnn.teaching.mistakes.amounts import wrong_factor, wrong_sign
from minitorch_rnn.teaching.mistakes.gathering import (
    assigned,
    bias_missing,
    bias_not_summed,
    left_at_zero,
    one_sequence,
    other_state,
    term_missing,
    transposed_gradient,
    undamped,
)
from minitorch_rnn.teaching.mistakes.hypothesis import Family, Hypothesis
from minitorch_rnn.teaching.mistakes.links import (
    carry_lost,
    delays_of_one,
    gate_elsewhere,
    gate_missing,
    leaking,
    link_assigned,
    link_missing,
    link_missing_once,
    link_moved,
    links_assigned,
    transposed_weight,
    weight_missing,
)
from minitorch_rnn.teaching.mistakes.network import Network
from minitorch_rnn.teaching.mistakes.slopes import (
    no_slope,
    output_jacobian,
    slope_at_z,
    slope_elsewhere,
    slope_not_sent,
    wrong_slope,
)
from minitorch_rnn.teaching.mistakes.start import start_missing, start_shifted
from minitorch_rnn.teaching.mistakes.steps import (
    column_skipped,
    last_step_only,
    loss_of_one_sequence,
    loss_shifted,
    reversed_time,
    swept_forward,
    truncated,
    turned_sweep,
    wrong_way,
)
from minitorch_rnn.teaching.mistakes.swaps import layers_swapped, weights_swapped
from minitorch_rnn.teaching.mistakes.sweep import Sweep

__all__ = ["FAMILIES", "Hypothesis", "Network", "Sweep", "hypotheses"]

# Where two explain the same numbers the earlier is named: what has one place on the slides comes
# before what has several, and within a family the local before the global.
FAMILIES: tuple[Family, ...] = (
    start_missing, bias_missing, transposed_gradient, output_jacobian, no_slope, slope_at_z,
    leaking, link_missing, link_assigned, carry_lost, swept_forward, links_assigned, assigned,
    bias_not_summed, transposed_weight, gate_missing, other_state, gate_elsewhere, last_step_only,
    column_skipped, term_missing, wrong_way, turned_sweep, reversed_time, weights_swapped,
    layers_swapped, one_sequence, loss_of_one_sequence, truncated, wrong_slope, undamped,
    slope_not_sent, weight_missing, slope_elsewhere, start_shifted, loss_shifted, delays_of_one,
    wrong_sign, wrong_factor, left_at_zero, link_missing_once, link_moved,
)  # fmt: skip


def hypotheses(net: Network) -> list[Hypothesis]:
    """All that may be wrong with the gradients of a network, the first to be named first.

    >>> len(FAMILIES)
    42
    """
    return [h for family in FAMILIES for h in family(net)]
