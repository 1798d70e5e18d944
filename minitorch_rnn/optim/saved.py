"""What an optimiser saves: values for its state_dict, and how a state_dict is read and judged.

Reading changes nothing: it returns new groups and a new state, or says all that does not fit.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from minitorch_rnn.backend import namespace, to_numpy
from minitorch_rnn.engine import Tensor, raw
from minitorch_rnn.errors import StateError

if TYPE_CHECKING:
    from minitorch_rnn.optim.optimizer import Optimizer

# Options that older files of PyTorch do not know yet.
NEWER = {"decoupled_weight_decay", "maximize"}


def plain(value: Any) -> Any:
    """An option as Python's own: a number out of any array of one element, lists as tuples.

    A NumPy scalar would widen float32 arrays, a Python number does not.

    >>> plain(np.float64(0.5)), plain([0.9, 0.999]), plain("a name")
    (0.5, (0.9, 0.999), 'a name')
    """
    if isinstance(value, list | tuple):
        return tuple(plain(entry) for entry in value)
    return value.item() if hasattr(value, "item") else value


def on_host(value: Any) -> Any:
    """What is kept of a parameter, for a file: numbers as they are, arrays as copies on the host.

    >>> on_host(3), on_host(np.float32(2.0))
    (3, array(2., dtype=float32))
    """
    return (
        value if value is None or type(value) in (bool, int, float) else np.array(to_numpy(value))
    )


def read(
    optimizer: Optimizer, state_dict: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[Tensor, dict[str, Any]]]:
    """The options of every group, and what is kept of every parameter, out of a state_dict.

    Raises:
        StateError: naming all that does not fit.
    """
    problems: list[str] = []
    if not {"state", "param_groups"} <= set(state_dict):
        problems.append(f"its entries are {list(state_dict)}, not 'state' and 'param_groups'")
        raise _misfit(optimizer, problems)
    own, given = optimizer.param_groups, list(state_dict["param_groups"])
    if len(own) != len(given):
        problems.append(f"it has {len(given)} parameter groups, the optimiser {len(own)}")
        raise _misfit(optimizer, problems)
    groups = []
    owners: dict[str, tuple[int, Tensor]] = {}  # JSON turns places into strings
    for i, (mine, its) in enumerate(zip(own, given, strict=True)):
        groups.append(_options(optimizer, i, its, problems))
        ids, params = list(its.get("params", ())), mine["params"]
        if len(ids) != len(params):
            problems.append(
                f"its group {i} has {len(ids)} parameters, the optimiser's {len(params)}"
            )
        for place, p in zip(ids, params, strict=False):
            owners[str(place)] = len(owners), p
    state = {}
    for place, kept in state_dict["state"].items():
        if str(place) in owners:
            i, p = owners[str(place)]
            state[p] = {name: _kept(i, p, name, v, problems) for name, v in kept.items()}
        else:
            problems.append(
                f"it keeps something of parameter {place}, which is in none of its groups"
            )
    if problems:
        raise _misfit(optimizer, problems)
    return groups, state


def _misfit(optimizer: Optimizer, problems: list[str]) -> StateError:
    listed = "".join(f"\n  {problem}" for problem in problems)
    return StateError(f"{type(optimizer).__name__}: the state_dict does not fit.{listed}")


def _options(
    optimizer: Optimizer, i: int, given: Mapping[str, Any], problems: list[str]
) -> dict[str, Any]:
    options = {k: copy.deepcopy(plain(v)) for k, v in given.items() if k != "params"}
    missing = [k for k in optimizer.defaults if k not in options and k not in NEWER]
    if missing:
        problems.append(f"its group {i} has no {', '.join(missing)}; it has {', '.join(options)}")
        return options
    try:
        optimizer.check(optimizer.param_groups[i] | options)
    except (TypeError, ValueError) as error:
        problems.append(f"its group {i}: {error}")
    return options


def _kept(i: int, p: Tensor, name: str, value: Any, problems: list[str]) -> Any:
    """One entry of what is kept of parameter i, in its dtype and on its backend."""
    if name == "step":
        return int(plain(value))  # PyTorch counts in a 0-d tensor of float32
    if value is None or isinstance(value, bool | int | float):
        return value
    array = to_numpy(raw(value))
    if array.shape != p.shape:
        problems.append(f"{name} of parameter {i} has shape {array.shape}, the parameter {p.shape}")
        return None
    if array.dtype.kind not in "biuf":
        problems.append(f"{name} of parameter {i} is {array.dtype}, the parameter {p.dtype}")
        return None
    return namespace(p._data).array(array, dtype=p.dtype)
