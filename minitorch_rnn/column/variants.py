"""The five variants of slides 67–70: one model, with some inputs or some outputs removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from minitorch_rnn.column.validation import shown, whole
from minitorch_rnn.errors import ColumnError, ShapeError


class Variant(NamedTuple):
    """Which of T columns have an input and which an output that counts.

    Where `inputs` is False, x(t) is 0 and has no gradient; where `outputs` is False, Y(t) has no
    part in the divergence. A masked step contributes exactly 0, whatever its data hold.
    `nn.ColumnNetwork` masks inputs, ``network(x, variant=…)``, and `bptt.divergences.masked` steps
    of a divergence.

    >>> Variant("echo", inputs=(True, False), outputs=(False, True)).outputs
    (False, True)
    """

    name: str
    inputs: tuple[bool, ...]
    outputs: tuple[bool, ...]


def one_to_one(T: int) -> Variant:
    """A network without time: x(0) gives Y(0), and no later column counts (slide 67).

    >>> one_to_one(3).inputs, one_to_one(3).outputs
    ((True, False, False), (True, False, False))
    """
    return Variant("one-to-one", _only(T, 0), _only(T, 0))


def one_to_many(T: int) -> Variant:
    """One input gives a series of outputs, as a picture its caption (slide 67).

    >>> one_to_many(3).inputs, one_to_many(3).outputs
    ((True, False, False), (True, True, True))
    """
    return Variant("one-to-many", _only(T, 0), _all(T))


def many_to_one(T: int) -> Variant:
    """A series of inputs gives one output, as a text its kind (slide 67).

    >>> many_to_one(3).inputs, many_to_one(3).outputs
    ((True, True, True), (False, False, True))
    """
    return Variant("many-to-one", _all(T), _only(T, T - 1))


def delayed_many_to_many(T: int, inputs: int | None = None) -> Variant:
    """All inputs first, then the outputs, as in translation (slide 68).

    Args:
        T: columns in all.
        inputs: how many of them have an input; None is the first half.

    `column.encoder_decoder` is the network that has a part of its own for either phase, and
    `phases` its second input.

    >>> delayed_many_to_many(3).inputs, delayed_many_to_many(3).outputs
    ((True, True, False), (False, False, True))
    """
    T = _columns(T)
    n = (T + 1) // 2 if inputs is None else whole("delayed_many_to_many", "inputs", inputs, 1)
    if n > T:
        raise ColumnError(f"delayed_many_to_many: {n} of {T} columns cannot have an input.")
    first = tuple(t < n for t in range(T))
    # In a single column, the output cannot wait.
    return Variant("delayed", first, tuple(not x for x in first) if n < T else _only(T, T - 1))


def synchronous(T: int) -> Variant:
    """Every input has its output at once (slides 68 and 70).

    >>> synchronous(2).inputs, synchronous(2).outputs
    ((True, True), (True, True))
    """
    return Variant("synchronous", _all(T), _all(T))


def phases(variant: Variant, batch: int) -> list[list[list[float]]]:
    """(reading, writing) at every t: what the encoder–decoder takes for its input `phase`.

    >>> phases(delayed_many_to_many(3, inputs=2), batch=1)  # (T, B, 2)
    [[[1.0, 0.0]], [[1.0, 0.0]], [[0.0, 1.0]]]
    """
    return [[[float(read), 1.0 - read]] * batch for read in variant.inputs]


VARIANTS: dict[str, Callable[[int], Variant]] = {
    "one-to-one": one_to_one, "one-to-many": one_to_many, "many-to-one": many_to_one,
    "delayed": delayed_many_to_many, "synchronous": synchronous,
}  # fmt: skip


def variant_of(variant: Variant | str, T: int) -> Variant:
    """A variant, or the one of this name, for T columns.

    Raises:
        ColumnError: if there is no variant of this name.
        ShapeError: if it is one of other columns.
    """
    if isinstance(variant, str) and variant in VARIANTS:
        return VARIANTS[variant](T)
    if not isinstance(variant, Variant):
        raise ColumnError(
            f"variant is {shown(variant)}; known are {', '.join(map(repr, VARIANTS))}."
        )
    if len(variant.inputs) != T:
        raise ShapeError(
            f"the variant {variant.name!r} has {len(variant.inputs)} columns, the data have {T}."
        )
    return variant


def _columns(T: int) -> int:
    return whole("a variant", "T, the number of columns,", T, 1)


def _all(T: int) -> tuple[bool, ...]:
    return (True,) * _columns(T)


def _only(T: int, one: int) -> tuple[bool, ...]:
    return tuple(t == one for t in range(_columns(T)))
