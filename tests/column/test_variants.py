"""The five variants: which columns have an input, and which an output that counts."""

import numpy as np
import pytest

from minitorch_rnn.column import VARIANTS, Variant
from minitorch_rnn.column.variants import delayed_many_to_many
from minitorch_rnn.errors import ColumnError

MASKS = [  # variant, columns with an input, columns with an output; 1 where there is one
    ("one-to-one", "1", "1"),
    ("one-to-one", "10", "10"),
    ("one-to-one", "10000", "10000"),
    ("one-to-many", "1", "1"),
    ("one-to-many", "10", "11"),
    ("one-to-many", "10000", "11111"),
    ("many-to-one", "1", "1"),
    ("many-to-one", "11", "01"),
    ("many-to-one", "11111", "00001"),
    ("delayed", "1", "1"),
    ("delayed", "10", "01"),
    ("delayed", "11100", "00011"),
    ("synchronous", "1", "1"),
    ("synchronous", "11", "11"),
    ("synchronous", "11111", "11111"),
]


def mask(text):
    return tuple(digit == "1" for digit in text)


@pytest.mark.parametrize("name, inputs, outputs", MASKS)
def test_a_variant_removes_some_inputs_or_some_outputs(name, inputs, outputs):
    assert VARIANTS[name](len(inputs)) == Variant(name, mask(inputs), mask(outputs))


def test_the_table_above_holds_every_variant():
    assert {name for name, _, _ in MASKS} == set(VARIANTS)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("T", [1, 2, 3, 4, 7])
def test_every_variant_has_an_input_at_first_and_some_output(name, T):
    variant = VARIANTS[name](T)
    assert len(variant.inputs) == len(variant.outputs) == T
    assert variant.inputs[0] is True and any(variant.outputs)
    assert {type(there) for there in variant.inputs + variant.outputs} == {bool}


DELAYS = [  # how many columns have an input; the rest have the outputs, and one must have
    (1, "10000", "01111"),
    (2, "11000", "00111"),
    (3, "11100", "00011"),
    (4, "11110", "00001"),
    (5, "11111", "00001"),
]


@pytest.mark.parametrize("n, inputs, outputs", DELAYS)
def test_the_outputs_wait_for_as_many_inputs_as_there_are(n, inputs, outputs):
    assert delayed_many_to_many(5, n) == Variant("delayed", mask(inputs), mask(outputs))


@pytest.mark.parametrize("T", [2, 3, 4, 9])
def test_in_the_delayed_variant_every_column_either_reads_or_writes(T):
    variant = delayed_many_to_many(T)
    assert [x != y for x, y in zip(variant.inputs, variant.outputs, strict=True)] == [True] * T
    assert sum(variant.inputs) - sum(variant.outputs) in (0, 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_says_which_slide_it_is_on(name):
    assert "slide" in VARIANTS[name].__doc__


@pytest.mark.parametrize("T", [0, -1, "3", 2.5, None, True])
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_of_no_whole_number_of_columns_is_refused(name, T):
    with pytest.raises(ColumnError, match=f"T, the number of columns, is {T!r}; a whole .* from 1"):
        VARIANTS[name](T)


@pytest.mark.parametrize("T", ["3", 2.5, None, True, 0])
def test_a_wrong_number_of_columns_is_told_where_their_inputs_are_counted_too(T):
    with pytest.raises(ColumnError, match=f"{T!r}"):
        delayed_many_to_many(T, 2)


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", True])
def test_a_number_of_inputs_that_counts_none_is_refused(n):
    with pytest.raises(
        ColumnError, match=f"delayed_many_to_many: inputs is {n!r}; a whole number from 1"
    ):
        delayed_many_to_many(3, n)


@pytest.mark.parametrize("n", [6, 100])
def test_more_inputs_than_columns_are_refused_with_both_numbers(n):
    with pytest.raises(ColumnError, match=f"delayed_many_to_many: {n} of 5 columns"):
        delayed_many_to_many(5, n)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_number_of_columns_may_be_a_numpy_integer(name):
    assert VARIANTS[name](np.int64(5)) == VARIANTS[name](5)
    assert delayed_many_to_many(np.int64(5), np.int64(2)) == delayed_many_to_many(5, 2)
