"""The three definitions of truncated backpropagation: which errors reach which states."""

import numpy as np
import pytest

from minitorch_rnn.column import (
    Truncation,
    Window,
    chunked,
    explain_truncation,
    per_loss_window,
    williams_peng,
)
from minitorch_rnn.errors import ColumnError

LENGTHS = range(1, 13)


def pairs(truncation, T):
    """The kept pairs (loss t, state t')."""
    return {
        (t, state - 1)
        for t, row in enumerate(truncation.reaches(T))
        for state, kept in enumerate(row)
        if kept
    }


def all_pairs(T):
    """Full backpropagation: every state up to the loss, and the history."""
    return {(t, state) for t in range(T) for state in range(-1, t + 1)}


def cut_between_chunks(T, k):
    """Walk back link by link; the link into the first column of a chunk but the first is cut."""
    kept = set()
    for t in range(T):
        state = t
        kept.add((t, state))
        while state >= 0 and (state == 0 or state % k != 0):
            state -= 1
            kept.add((t, state))
    return kept


def so_many_states_back(T, k):
    """Walk back over at most k links."""
    return {(t, t - back) for t in range(T) for back in range(k + 1) if t - back >= -1}


def sweep_now_and_then(T, h, h_prime):
    """Go through time; at every h'-th step, sweep the last h' losses back through h columns."""
    if h >= T:  # nothing is ever forgotten
        return all_pairs(T)
    kept = set()
    for now in range(T + h_prime):  # the last sweep may come after the end
        if (now + 1) % h_prime == 0:
            swept = range(now, now - h, -1)
            for t in range(now - h_prime + 1, now + 1):
                kept |= {(t, column) for column in swept if 0 <= column <= t < T}
                if 0 in swept and t < T:
                    kept.add((t, -1))
    return kept


@pytest.mark.parametrize("T", LENGTHS)
def test_chunks_cut_the_link_into_their_first_column(T):
    for k in range(1, T + 3):
        assert pairs(chunked(k), T) == cut_between_chunks(T, k), k


@pytest.mark.parametrize("T", LENGTHS)
def test_a_window_for_each_loss_goes_the_same_number_of_states_back(T):
    for k in range(T + 3):
        assert pairs(per_loss_window(k), T) == so_many_states_back(T, k), k


@pytest.mark.parametrize("T", LENGTHS)
def test_williams_and_peng_sweep_every_so_often(T):
    for h in range(1, T + 5):
        for h_prime in range(1, h + 1):
            found = pairs(williams_peng(h, h_prime), T)
            assert found == sweep_now_and_then(T, h, h_prime), (h, h_prime)


@pytest.mark.parametrize("T", LENGTHS)
def test_as_many_steps_as_columns_is_the_full_gradient(T):
    for k in (T, T + 1, 5 * T):
        assert pairs(chunked(k), T) == pairs(per_loss_window(k), T) == all_pairs(T)


def test_many_more_steps_than_any_sequence_has_are_the_full_gradient():
    many = 10**7
    for rule in (chunked(many), per_loss_window(many), williams_peng(many, many)):
        assert pairs(rule, 5) == all_pairs(5) and str(many) in rule.name
    assert chunked(many).windows(5) == [Window(range(5), -1)]


@pytest.mark.parametrize("T", LENGTHS)
def test_one_step_less_than_all_columns_is_not_the_full_gradient(T):
    assert pairs(per_loss_window(T - 1), T) == all_pairs(T) - {(T - 1, -1)}
    if T > 1:
        assert pairs(chunked(T - 1), T) < all_pairs(T)


@pytest.mark.parametrize("T", LENGTHS)
def test_williams_and_peng_is_full_where_a_sweep_is_as_long_as_the_sequence(T):
    for h in range(1, T + 5):
        for h_prime in range(1, h + 1):
            full = pairs(williams_peng(h, h_prime), T) == all_pairs(T)
            assert full == (h >= T), (h, h_prime)


@pytest.mark.parametrize("T", LENGTHS)
def test_sweeps_as_long_as_their_distance_are_chunks(T):
    for h in range(1, T + 3):
        assert williams_peng(h, h).windows(T) == chunked(h).windows(T)


@pytest.mark.parametrize("T", LENGTHS)
def test_a_sweep_at_every_step_is_a_window_but_for_the_history(T):
    for h in range(1, T + 3):
        swept, window = pairs(williams_peng(h, 1), T), pairs(per_loss_window(h - 1), T)
        assert swept - window == ({(h - 1, -1)} if h <= T else set()) and window <= swept


def test_a_window_of_no_steps_keeps_every_error_at_its_own_time():
    assert pairs(per_loss_window(0), 4) == {(0, 0), (1, 1), (2, 2), (3, 3)}


RULES = [chunked(3), per_loss_window(2), williams_peng(5, 2), williams_peng(4, 3)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_loss_is_sent_back_once(rule):
    for T in LENGTHS:
        assert [t for window in rule.windows(T) for t in window.losses] == list(range(T))


def test_steps_may_be_numpy_integers():
    two, three = np.int64(2), np.int64(3)
    for swept, same in ((chunked(three), chunked(3)), (per_loss_window(two), per_loss_window(2)),
                        (williams_peng(three, two), williams_peng(3, 2))):  # fmt: skip
        assert swept.name == same.name and swept.windows(7) == same.windows(7)


def test_a_rule_of_ones_own_is_a_name_and_its_windows():
    own = Truncation("the last loss alone", lambda T: [Window(range(T - 1, T), T - 2)])
    assert own.reaches(3) == [[False] * 4, [False] * 4, [False, False, True, True]]


TEXTS = [
    pytest.param(per_loss_window(1), 3, """\
per_loss_window(k=1): # where the error of Div(t) reaches the state at t'
      t' -1  0  1  2
t = 0     #  #
t = 1        #  #
t = 2           #  #""", id="window"),
    pytest.param(williams_peng(3, 2), 5, """\
williams_peng(h=3, h'=2): # where the error of Div(t) reaches the state at t'
      t' -1  0  1  2  3  4
t = 0     #  #
t = 1     #  #  #
t = 2           #  #
t = 3           #  #  #
t = 4                 #  #""", id="sweeps"),
    pytest.param(chunked(4), 11, """\
chunked(k=4): # where the error of Div(t) reaches the state at t'
       t' -1  0  1  2  3  4  5  6  7  8  9 10
t = 0      #  #
t = 1      #  #  #
t = 2      #  #  #  #
t = 3      #  #  #  #  #
t = 4                     #
t = 5                     #  #
t = 6                     #  #  #
t = 7                     #  #  #  #
t = 8                                 #
t = 9                                 #  #
t = 10                                #  #  #""", id="two digits"),
]  # fmt: skip


@pytest.mark.parametrize("rule, T, text", TEXTS)
def test_the_kept_pairs_are_printed_one_row_for_each_loss(rule, T, text, capsys):
    explain_truncation(rule, T)
    assert capsys.readouterr().out == f"{text}\n"


WRONG = [
    pytest.param("chunked:|k is 0|from 1", lambda: chunked(0), id="chunk of nothing"),
    pytest.param("chunked:|k is 2.0", lambda: chunked(2.0), id="chunk of a float"),
    pytest.param("chunked:|k is True", lambda: chunked(True), id="chunk of a bool"),
    pytest.param("chunked:|k is None", lambda: chunked(None), id="chunk of None"),
    pytest.param("per_loss_window:|k is -1|from 0", lambda: per_loss_window(-1), id="window"),
    pytest.param("per_loss_window:|k is '2'", lambda: per_loss_window("2"), id="window of a word"),
    pytest.param("williams_peng:|h, with h_prime = 3, is 2|from 3", lambda: williams_peng(2, 3),
                 id="a gap"),
    pytest.param("williams_peng:|h_prime is 0|from 1", lambda: williams_peng(2, 0), id="no sweep"),
    pytest.param("williams_peng:|h, with h_prime = 1, is 2.5", lambda: williams_peng(2.5, 1),
                 id="sweep of a float"),
    pytest.param("williams_peng:|h_prime is '1'|from 1", lambda: williams_peng(2, "1"),
                 id="a word between sweeps"),
    pytest.param("explain_truncation:|T is 0|from 1", lambda: explain_truncation(chunked(2), 0),
                 id="no columns"),
    pytest.param("explain_truncation:|T is 4.0", lambda: explain_truncation(chunked(2), 4.0),
                 id="columns of a float"),
]  # fmt: skip


@pytest.mark.parametrize("parts, wrong", WRONG)
def test_a_wrong_number_of_steps_is_told_with_its_name(parts, wrong):
    with pytest.raises(ColumnError) as caught:
        wrong()
    assert [part for part in parts.split("|") if part not in str(caught.value)] == [], caught.value
