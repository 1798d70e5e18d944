"""Optimizer: what all of them share, which is groups of parameters, the step and its state.

What an optimiser does to one parameter is its function `update`, on plain arrays of either backend;
the files beside this one hold one such function each. How a state_dict is read is in `saved`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

from minitorch_rnn import ops
from minitorch_rnn.backend import backend_of, told
from minitorch_rnn.engine import Tensor, enable_grad
from minitorch_rnn.errors import BackendError, ShapeError
from minitorch_rnn.optim import saved

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Optimizer:
    """Base of the optimisers: groups of parameters, each with its options, and one step for all.

    Args:
        params: tensors; or groups, dictionaries such as {"params": […], "lr": 0.01}, in which
            the options that are left out have the values of `defaults`.
        defaults: the options by name, "lr" among them: numbers of at least 0, or tuples of them.

    Attributes:
        param_groups: the groups. They may be written: group["lr"] = 0.01 holds from the next step.
        state: what `update` keeps of every parameter, by parameter; nothing before its first step.
        params: all parameters, one list.
        lr: the learning rate, to be read where the groups share one, and written to all of them.

    Parameters that require no gradient, or have none, are passed over.

    Raises:
        TypeError: if `params` holds something else, or an option is not a number.
        ValueError: if nothing requires a gradient, a parameter was computed or stands in two
            groups, or an option is below 0.

    >>> import minitorch_rnn as mt
    >>> class SignDescent(mt.optim.Optimizer):  # an optimiser of one's own
    ...     def __init__(self, params, lr=0.1):
    ...         super().__init__(params, {"lr": lr})
    ...     @staticmethod
    ...     def update(p, g, state, group):
    ...         return p - group["lr"] * mt.namespace(g).sign(g), {}
    >>> p = mt.nn.Parameter([1.0, 2.0])
    >>> (p * p).sum().backward()
    >>> SignDescent([p]).step()
    >>> p.tolist()
    [0.9, 1.9]
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        name = type(self).__name__
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(
                f"{name}: params is a {type(params).__name__}; an iterable of tensors or of groups "
                "is needed, such as module.parameters() or [p]."
            )
        self.defaults = dict(defaults)
        self.param_groups: list[dict[str, Any]] = []
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        entries = params if isinstance(params, set | frozenset) else list(params)
        grouped = any(isinstance(entry, dict) for entry in entries)
        for group in entries if grouped else [{"params": entries}]:
            self.add_param_group(group)  # type: ignore[arg-type]
        if not any(p.requires_grad for p in self.params):
            raise ValueError(f"{name}: got 0 parameters to train; pass module.parameters().")

    @staticmethod
    def update(p: Any, g: Any, state: dict[str, Any], group: Mapping[str, Any]) -> tuple[Any, Any]:
        """The new value of one parameter, and what to keep of it for the next step.

        Args:
            p: its value, an array.
            g: its gradient, an array of the shape and dtype of p.
            state: what the last call returned, {} at first.
            group: the options by name.

        A pure function, for nothing is written before all new values are known.
        """
        raise NotImplementedError("Optimizer: define update(p, g, state, group).")

    def check(self, group: Mapping[str, Any]) -> None:
        """Refuse options that cannot be used; extend it for what is to be checked beyond.

        Raises:
            TypeError, ValueError: naming the option and its value.
        """
        name = type(self).__name__
        for option in self.defaults:
            value = group[option]
            for number in value if isinstance(value, tuple) else (value,):
                if not isinstance(number, Real):
                    raise TypeError(f"{name}: {option} is {value!r}; a number is needed.")
                if not float(number) >= 0:
                    raise ValueError(f"{name}: {option} is {value}; at least 0 is needed.")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group, such as the layers that are thawed later; its options default as ever.

        Raises:
            TypeError, ValueError: as the constructor does.
        """
        name = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{name}: group {len(self.param_groups)} is a {type(param_group).__name__}; "
                "a dictionary with the entry 'params' is needed, as are all others."
            )
        options = {k: v for k, v in param_group.items() if k != "params"}
        options = {k: saved.plain(v) for k, v in (self.defaults | options).items()}
        group = {"params": self._leaves(param_group["params"])} | options
        self.check(group)
        self.param_groups.append(group)

    def _leaves(self, params: Any) -> list[Tensor]:
        name = type(self).__name__
        if isinstance(params, set | frozenset):
            raise TypeError(f"{name}: a set of parameters has no order; give a list.")
        known, leaves = {id(p) for p in self.params}, {}
        for i, p in enumerate([params] if isinstance(params, Tensor) else params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{name}: entry {i} is a {type(p).__name__}; tensors are needed.")
            if not p.is_leaf:
                raise ValueError(f"{name}: parameter {i} is not a leaf; it was computed.")
            if id(p) in known:
                raise ValueError(
                    f"{name}: parameter {i} of group {len(self.param_groups)} is in an earlier "
                    "group too; one group is needed for each."
                )
            leaves[id(p)] = p
        return list(leaves.values())

    @property
    def params(self) -> list[Tensor]:
        """The parameters of all groups, one list."""
        return [p for group in self.param_groups for p in group["params"]]

    @property
    def lr(self) -> float:
        """The learning rate of all groups; assigning sets it in each."""
        rates = [group["lr"] for group in self.param_groups]
        if any(rate != rates[0] for rate in rates):
            raise ValueError(
                f"{type(self).__name__}: the groups have the rates {rates}; "
                "read them from optimizer.param_groups."
            )
        return rates[0]  # type: ignore[no-any-return]

    @lr.setter
    def lr(self, rate: float) -> None:
        for group in self.param_groups:
            group["lr"] = rate

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set every parameter's `.grad` to None, or to zeros."""
        for p in self.params:
            p.grad = None if set_to_none or p.grad is None else ops.zeros_like(p.grad.detach())

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: computes the loss and its gradients anew, before the step.

        Returns:
            What `closure` returned; None without one.

        All new values are computed before the first is written. An error on the way, or Ctrl-C,
        leaves every parameter as it was; what it can fall into is the writing alone.

        Raises:
            ShapeError: if a gradient has another shape than its parameter.
            BackendError: if a parameter was moved away from what is kept of it, or the GPU failed.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with told(f"{type(self).__name__}.step"):
            for p, value, state in list(self._updates()):
                p.update_(value)
                self.state[p] = state
        return loss

    def _updates(self) -> Iterator[tuple[Tensor, Any, dict[str, Any]]]:
        """Every parameter to be updated, with its new value and its new state."""
        i = 0
        for group in self.param_groups:
            options = {k: saved.plain(v) for k, v in group.items() if k != "params"}
            for p in group["params"]:
                if p.requires_grad and p.grad is not None:
                    g, state = self._gradient(i, p), self.state.get(p, {})
                    if options.get("maximize"):
                        g = -g
                    try:
                        value, new = self.update(p._data, g, state, options)
                    except TypeError as cause:
                        self._refuse_two_backends(i, p, {"grad": g, **state}, cause)
                        raise
                    yield p, value, new
                i += 1

    def _gradient(self, i: int, p: Tensor) -> Any:
        if not isinstance(p.grad, Tensor) or p.grad.shape != p.shape:
            raise ShapeError(
                f"{type(self).__name__}: parameter {i} has shape {p.shape}, its grad is a "
                f"{type(p.grad).__name__} of shape {getattr(p.grad, 'shape', 'unknown')}; a Tensor "
                "of the parameter's shape is needed."
            )
        g = p.grad._data
        return g if g.dtype == p.dtype else g.astype(p.dtype)

    def _refuse_two_backends(
        self, i: int, p: Tensor, arrays: Mapping[str, Any], cause: TypeError
    ) -> None:
        for name, array in arrays.items():
            owner = backend_of(array)
            if owner is not None and owner.name != p.backend:
                raise BackendError(
                    f"{type(self).__name__}: parameter {i} is on {p.backend!r}, its {name} on "
                    f"{owner.name!r}. optimizer.load_state_dict(optimizer.state_dict()) moves what "
                    "is kept of the parameters to where they are."
                ) from cause

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that a step depends on besides parameters and gradients, as PyTorch's.

        Returns:
            {"state": {0: {"step": 1, …}, …}, "param_groups": [{"lr": 0.1, …, "params": [0, …]}]}:
            parameters by their place in `params`; NumPy arrays, and Python's numbers, booleans and
            tuples. PyTorch loads it with `torch.from_numpy` applied to the arrays.
        """
        places = {id(p): i for i, p in enumerate(self.params)}
        return {
            "state": {
                i: {name: saved.on_host(value) for name, value in self.state[p].items()}
                for i, p in enumerate(self.params)
                if self.state.get(p)
            },
            "param_groups": [
                {
                    **{k: saved.plain(v) for k, v in group.items() if k != "params"},
                    "params": [places[id(p)] for p in group["params"]],
                }
                for group in self.param_groups
            ],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where another optimiser of this kind stood, bit by bit; everything is copied.

        Args:
            state_dict: as `state_dict` returns it, also out of a JSON file, where places are
                strings; or that of PyTorch's optimiser of the same name, as it is. What it keeps
                goes to the backend and the dtype of the parameters.

        A schedule's constructor writes rates, so make the schedule before you load.

        Raises:
            StateError: naming all that does not fit, with both numbers; nothing is changed.
        """
        groups, state = saved.read(self, state_dict)
        for own, loaded in zip(self.param_groups, groups, strict=True):
            own.update(loaded)
        self.state = defaultdict(dict, state)

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            n, options = len(group["params"]), {k: v for k, v in group.items() if k != "params"}
            noun = "parameter" if n == 1 else "parameters"
            lines.append(", ".join([f"{n} {noun}", *(f"{k}={v}" for k, v in options.items())]))
        if len(lines) == 1:
            return f"{type(self).__name__}({lines[0]})"
        listed = "".join(f"\n  ({i}): {line}" for i, line in enumerate(lines))
        return f"{type(self).__name__}({listed}\n)"
