"""One recorded evaluation of a function, and its derivatives: Jᵀ v, J v, and J row by row.

What `functional` offers under PyTorch's names is made of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from minitorch_rnn.backend import namespace
from minitorch_rnn.engine import Tensor, constant, raw, seed_of, walk
from minitorch_rnn.errors import DTypeError, GraphError, ShapeError
from minitorch_rnn.ops import ones_like, stack, zeros_like


class Evaluation(NamedTuple):
    """A map from fresh inputs xs to outputs ys, recorded. `who` asks, and signs the errors."""

    who: str
    xs: list[Tensor]
    ys: list[Tensor]
    many_in: bool  # whether the caller gave several inputs, and so gets a tuple
    many_out: bool
    create_graph: bool
    strict: bool
    output: str = "output {}"  # what a message calls ys[i]

    def outputs(self) -> Any:
        """What the function returned; without history unless that was asked for."""
        ys = self.ys if self.create_graph else [y.detach() for y in self.ys]
        return packed(ys, self.many_out)

    def pulled(self, v: Any) -> list[Tensor]:
        """Jᵀ v, one for each input."""
        vs = self._vectors(v, self.ys, self.output)
        for i, y in enumerate(self.ys):
            if self.strict and not y.requires_grad:
                raise self._refused(f"{self.output.format(i)} depends on no input")
        found = _gradients(self.ys, self.xs, vs, self.create_graph)
        return [
            self._result(g, x, x.shape, f"no output depends on input {i}")
            for i, (g, x) in enumerate(zip(found, self.xs, strict=True))
        ]

    def pushed(self, v: Any) -> list[Tensor]:
        """J v, one for each output: the gradient of <Jᵀ g, v> with respect to g."""
        vs = self._vectors(v, self.xs, "input {}")
        gs = [zeros_like(y).requires_grad_() for y in self.ys if y.requires_grad]
        slopes = _gradients([y for y in self.ys if y.requires_grad], self.xs, gs, True)
        for i, slope in enumerate(slopes):
            if self.strict and slope is None:
                raise self._refused(f"no output depends on input {i}")
        found = iter(_gradients(slopes, gs, vs, self.create_graph))
        return [
            self._result(
                next(found) if y.requires_grad else None,
                y,
                y.shape,
                f"{self.output.format(i)} depends on no input",
            )
            for i, y in enumerate(self.ys)
        ]

    def rows(self) -> list[list[Tensor]]:
        """∂y_i/∂x_j, (*y_i.shape, *x_j.shape), by i and j: a walk for each element of each y."""
        blocks: list[list[Tensor]] = []
        for i, y in enumerate(self.ys):
            walks = [_gradients([y], self.xs, [v], self.create_graph) for v in _basis(y)]
            blocks.append([])
            for j, x in enumerate(self.xs):
                shape, column = y.shape + x.shape, [gradients[j] for gradients in walks]
                used = column and column[0] is not None
                block = stack(column).reshape(shape) if used else None
                missing = f"{self.output.format(i)} does not depend on input {j}"
                blocks[i].append(self._result(block, x, shape, missing))
        return blocks

    def gradient(self) -> Evaluation:
        """The map from the same inputs to the gradient of the one number that is returned."""
        if [y.size for y in self.ys] != [1]:
            shapes = " and ".join(f"shape {y.shape}" for y in self.ys)
            raise ShapeError(
                f"{self.who}: func returned {shapes or 'nothing'}; second derivatives are taken of "
                "a single number. Reduce it: func(x).sum(), or take the jacobian of a jacobian."
            )
        slopes = self._replace(create_graph=True).pulled(None)
        return self._replace(ys=slopes, many_out=self.many_in, output="the gradient of input {}")

    def _vectors(self, v: Any, others: list[Tensor], told: str) -> list[Tensor]:
        """The vectors that v gives, one for each of `others` and of its shape."""
        if v is None and [x.size for x in others] == [1]:
            return [ones_like(others[0])]
        listed = " and ".join(f"{told.format(i)} has shape {x.shape}" for i, x in enumerate(others))
        if v is None:
            raise GraphError(
                f"{self.who}: v is implied only for a single element, but {listed}. "
                "Pass v of that shape, a tuple if there are several."
            )
        given = list(v) if isinstance(v, tuple | list) else [v]
        if len(given) != len(others):
            raise GraphError(f"{self.who}: v holds {len(given)} tensors, but {listed}.")
        vs = [
            v if isinstance(v, Tensor) else Tensor(v, x.dtype, backend=x.backend)
            for v, x in zip(given, others, strict=True)
        ]
        for i, (v, x) in enumerate(zip(vs, others, strict=True)):
            if v.shape != x.shape:
                raise ShapeError(
                    f"{self.who}: v has shape {v.shape}, but {told.format(i)} has shape {x.shape}."
                )
        return vs

    def _result(
        self, g: Tensor | None, like: Tensor, shape: tuple[int, ...], missing: str
    ) -> Tensor:
        """g, or zeros for what does not depend; `strict` refuses those."""
        if g is None:
            if self.strict:
                raise self._refused(missing)
            return constant(namespace(raw(like)).zeros(shape, dtype=like.dtype))
        if self.strict and self.create_graph and not g.requires_grad:
            raise self._refused(f"the derivative, of shape {g.shape}, is the same everywhere")
        return g

    def _refused(self, problem: str) -> GraphError:
        return GraphError(
            f"{self.who}: {problem}, which strict=True refuses; strict=False gives zeros. Where it "
            "should not be so: does func detach, or take derivatives without create_graph=True?"
        )


def evaluated(
    who: str, func: Callable[..., Any], inputs: Any, create_graph: bool, strict: bool
) -> Evaluation:
    """func at fresh leaves; with `create_graph`, at copies of the inputs that have a history."""
    many_in = isinstance(inputs, tuple | list)
    xs = []
    for i, given in enumerate(inputs if many_in else [inputs]):
        x = given if isinstance(given, Tensor) else Tensor(given)
        if x.dtype.kind != "f":
            raise DTypeError(
                f"{who}: input {i} is {x.dtype}, and derivatives are taken with respect to "
                "floating-point numbers. Convert it: x.astype('float64'), or keep it out of the "
                f"inputs: {who}(lambda x: func(x, labels), x)."
            )
        joined = create_graph and x.requires_grad
        xs.append(x.clone() if joined else x.detach().requires_grad_())
    result = func(*xs)
    many_out = isinstance(result, tuple | list)
    ys = list(result) if many_out else [result]
    for i, y in enumerate(ys):
        if not isinstance(y, Tensor):
            raise DTypeError(
                f"{who}: func returned a {type(y).__name__} as output {i}; needed is a Tensor, or "
                "a tuple of Tensors, computed from its arguments."
            )
    return Evaluation(who, xs, ys, many_in, many_out, create_graph, strict)


def packed(parts: list[Any], many: bool) -> Any:
    """A tuple of the parts, or the only one."""
    return tuple(parts) if many else parts[0]


def _gradients(
    ys: Sequence[Tensor | None], xs: list[Tensor], vs: list[Tensor], create_graph: bool
) -> tuple[Tensor | None, ...]:
    """`grad`, where some outputs may have no history, or be none at all."""
    pairs = [(y, v) for y, v in zip(ys, vs, strict=True) if y is not None and y.requires_grad]
    found = walk(
        [y for y, _ in pairs],
        [seed_of(y, v, create_graph) for y, v in pairs],
        {x._index: x for x in xs},
        retain_graph=True,  # an output may be a tensor of the caller, with its graph
        create_graph=create_graph,
        fresh=True,
    )
    return tuple([found.get(x._index) for x in xs])


def _basis(y: Tensor) -> Iterator[Tensor]:
    """The unit vectors of y's shape, in order."""
    for k in range(y.size):
        unit = namespace(raw(y)).zeros(y.size, dtype=y.dtype)
        unit[k] = 1
        yield constant(unit.reshape(y.shape))
