"""Grammars: an automaton written otherwise accepts every string, and legal is what follows."""

import collections
import itertools
import math
import re

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from minitorch_rnn.data.generators import Dyck, Reber, knows_the_legal
from minitorch_rnn.errors import DataError

# The Reber grammar as a regular expression: above, below, and the lower loop that both reach.
TAIL = "(?:XT*VP)*(?:S|XT*VV)"
PLAIN = f"B(?:TS*X{TAIL}|PT*V(?:V|P{TAIL}))E"
PATTERNS = {False: re.compile(PLAIN), True: re.compile(f"B(?:T{PLAIN}T|P{PLAIN}P)E")}

both = pytest.mark.parametrize("embedded", [False, True])


def strings(grammar, count, seed=0):
    rng = np.random.default_rng(seed)
    return [grammar.string(rng) for _ in range(count)]


@both
def test_every_reber_string_is_of_the_regular_expression(embedded):
    for text in strings(Reber(embedded), 2000):
        assert PATTERNS[embedded].fullmatch(text), text


@both
def test_every_short_string_of_the_regular_expression_is_drawn(embedded):
    longest = 11 if embedded else 8
    middles = itertools.product("BTSXPVE", repeat=5) if not embedded else []
    words = {"B" + "".join(m[:n]) + "E" for m in middles for n in range(6)}
    if embedded:
        plain = {t for t in strings(Reber(), 4000, seed=3) if len(t) <= longest - 4}
        words = {f"B{c}{t}{c}E" for c in "TP" for t in plain}
    short = {w for w in words if len(w) < longest and PATTERNS[embedded].fullmatch(w)}
    drawn = set(strings(Reber(embedded), 8000))
    assert len(short) >= 7 and short <= drawn


@both
def test_a_string_is_legal_step_by_step_and_says_so(embedded):
    grammar = Reber(embedded)
    for text in strings(grammar, 200):
        for t in range(len(text)):
            assert text[t] in grammar.successors(text[:t])
        assert grammar.successors(text) == ""


def test_legal_is_all_that_follows_some_beginning():
    grammar = Reber(embedded=True)
    followers = collections.defaultdict(set)
    for text in strings(grammar, 5000):
        for t in range(min(len(text), 7)):  # short beginnings, each of which comes often
            followers[text[:t]].add(text[t])
    assert len(followers) > 30
    for beginning, seen in followers.items():
        assert set(grammar.successors(beginning)) == seen


@both
def test_where_two_symbols_may_follow_both_are_equally_likely(embedded):
    grammar = Reber(embedded)
    counts = collections.Counter()
    for text in strings(grammar, 3000):
        for t in range(len(text)):
            options = grammar.successors(text[:t])
            assert 1 <= len(options) <= 2
            if len(options) == 2:
                counts[options.index(text[t])] += 1
    assert counts[0] / counts.total() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("grammar", [Reber(), Reber(True), Dyck(2, 3, 2, 12)], ids=repr)
def test_a_batch_is_strings_and_what_comes_next(grammar, rng):
    batch = grammar.draw(rng, 30)
    legal = grammar.legal(batch.inputs)
    asked = batch.targets != -100
    for b, n in enumerate(batch.lengths):
        text = grammar.decode(batch.inputs[:n, b]) + grammar.decode(batch.targets[n - 1 : n, b])
        assert grammar.successors(text) == "" and not asked[n:, b].any()
        np.testing.assert_array_equal(batch.targets[: n - 1, b], batch.inputs[1:n, b])
        for t in range(n):
            here = "".join(grammar.alphabet[i] for i in np.flatnonzero(legal[t, b]))
            assert sorted(here) == sorted(grammar.successors(text[: t + 1]))
    assert np.take_along_axis(legal, batch.targets.clip(0)[..., None], 2)[asked].all()
    assert not legal[~asked].any()


def test_the_loss_of_who_knows_the_grammar_is_the_log_of_the_choices(rng):
    grammar = Reber()
    batch = grammar.draw(rng, 2000)
    asked = batch.targets != -100
    choices = grammar.legal(batch.inputs).sum(axis=-1)[asked]
    # By hand: two choices of equal chance in five states, so expected visits solve v = e + v P.
    P = np.zeros((5, 5))
    for i, after in enumerate([(1, 2), (1, 3), (2, 4), (2, None), (3, None)]):
        for j in after:
            if j is not None:
                P[i, j] += 0.5
    visits = np.linalg.solve(np.eye(5) - P.T, [1, 0, 0, 0, 0])
    assert np.log(choices).sum() / 2000 == pytest.approx(visits.sum() * math.log(2), rel=0.03)


def test_the_inner_string_says_nothing_of_the_outer_symbol():
    grammar = Reber(embedded=True)
    inner = {c: collections.Counter() for c in "TP"}
    for text in strings(grammar, 4000):
        assert text[1] == text[-2]
        inner[text[1]][text[2:-2]] += 1
    for text, count in inner["T"].most_common(5):
        assert inner["P"][text] == pytest.approx(count, abs=6 * math.sqrt(count))


def balanced(text, depth):
    """By a stack; the words between the dots."""
    assert text[0] == text[-1] == "."
    stack = []
    for c in text[1:-1]:
        if c in "([{<":
            stack.append(c)
            if len(stack) > depth:
                return False
        elif not stack or stack.pop() + c not in ("()", "[]", "{}", "<>"):
            return False
    return not stack


@given(
    st.integers(1, 4), st.integers(1, 6), st.integers(2, 15), st.integers(1, 20), st.integers(0, 99)
)
def test_every_dyck_word_is_balanced_within_its_depth_and_length(kinds, depth, short, more, seed):
    dyck = Dyck(kinds, depth, short, short + more)
    for text in strings(dyck, 5, seed):
        assert balanced(text, depth) and short <= len(text) - 2 <= short + more
        assert len(text) % 2 == 0
        for t in range(len(text)):
            assert text[t] in dyck.successors(text[:t])
        assert dyck.successors(text) == ""


def test_all_dyck_words_of_a_length_are_equally_likely():
    dyck = Dyck(kinds=2, depth=3, shortest=8, longest=8)
    every = {
        "".join(w) for w in itertools.product("()[]", repeat=8) if balanced(f".{''.join(w)}.", 3)
    }
    assert len(every) == 13 * 2**4  # 13 shapes of 8 brackets are at most 3 deep, of 14 in all
    counts = collections.Counter(text[1:-1] for text in strings(dyck, 8000))
    assert set(counts) == every
    expected = 8000 / len(every)
    chi2 = sum((n - expected) ** 2 / expected for n in counts.values())
    assert chi2 < 274  # 207 degrees of freedom: above it once in a thousand


def test_dyck_lengths_are_equally_likely():
    counts = collections.Counter(len(t) - 2 for t in strings(Dyck(1, 9, 2, 8), 4000))
    assert sorted(counts) == [2, 4, 6, 8]
    assert min(counts.values()) > 850


@pytest.mark.parametrize(
    "text, follow",
    [
        ("", "."),
        (".", "([."),
        (".(", "([)"),
        (".([", "]"),
        (".([]", "([)"),
        (".([])", "([."),
        (".([]).", ""),
        ("..", ""),
    ],
)
def test_what_may_follow_in_a_dyck_word(text, follow):
    assert Dyck(kinds=2, depth=2).successors(text) == follow


@pytest.mark.parametrize("text, place", [(".)", 1), (".(]", 2), (".((", 2), (".(.", 2), ("...", 2)])
def test_what_is_no_beginning_is_named(text, place):
    with pytest.raises(DataError, match=f"at place {place}"):
        Dyck(kinds=2, depth=1).successors(text)


def test_symbols_that_are_not_known_are_named():
    with pytest.raises(DataError, match="'Q' is no symbol; they are 'BTSXPVE'"):
        Reber().encode("BTQ")


def test_a_network_knows_the_legal_when_they_all_score_above_the_others():
    legal = np.array([[True, True, False], [False, False, False], [True, True, True]])
    scores = np.array([[2.0, 1.0, 0.5], [1, 2, 3], [1, 2, 3]])
    assert knows_the_legal(scores, legal).tolist() == [True, True, True]
    assert not knows_the_legal(np.array([2.0, 1.0, 1.0]), legal[0])  # a tie is no knowledge
    assert not knows_the_legal(np.array([2.0, 1.0, 3.0]), legal[0])
