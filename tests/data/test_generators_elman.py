"""Elman's streams: bits, letters and sentences, and what can be known of what comes next."""

import collections
import itertools
import math

import numpy as np
import pytest

from minitorch_rnn.data.generators import Letters, Sentences, XorStream
from minitorch_rnn.data.generators.sentences import CATEGORIES, TEMPLATES
from minitorch_rnn.errors import DataError


def test_each_third_bit_is_the_exclusive_or_of_the_two_before():
    batch = XorStream().draw(np.random.default_rng(0), 2)
    assert batch.inputs.shape == (3000, 2, 1)
    for bits in batch.inputs[..., 0].T.astype(int).tolist():
        triples = list(zip(bits[0::3], bits[1::3], bits[2::3], strict=True))
        assert len(triples) == 1000 and all(a ^ b == c for a, b, c in triples)
        counts = collections.Counter(triples)
        assert len(counts) == 4 and min(counts.values()) > 200  # both free bits are fair
    np.testing.assert_array_equal(batch.targets[:-1], batch.inputs[1:])
    assert np.isnan(batch.targets[-1]).all()


@pytest.mark.parametrize("bits", [3, 4, 5, 6])
def test_a_stream_of_bits_may_end_within_a_triple(bits):
    assert XorStream(bits).draw(np.random.default_rng(0), 1).inputs.shape == (bits, 1, 1)


def test_always_saying_half_costs_a_quarter_and_knowing_thirds_a_sixth():
    targets = XorStream(30_001).draw(np.random.default_rng(0), 1).targets[:-1, 0, 0]
    said = np.full(30_000, 0.5)
    assert ((said - targets) ** 2).mean() == XorStream().chance == 0.25
    said[1::3] = targets[1::3]
    assert ((said - targets) ** 2).mean() == pytest.approx(1 / 6, rel=1e-12)


def test_letters_are_syllables_in_bits_as_in_the_table():
    task = Letters(200)
    batch = task.draw(np.random.default_rng(0), 3)
    for b, n in enumerate(batch.lengths):
        text = task.decode(batch.inputs[:n, b])
        syllables = text.replace("b", " b").replace("d", " d").replace("g", " g").split()
        assert len(syllables) == 200 and set(syllables) == {"ba", "dii", "guuu"}
        np.testing.assert_array_equal(batch.targets[: n - 1, b], batch.inputs[1:n, b])
        assert np.isnan(batch.targets[n - 1 :, b]).all()


def test_the_bits_mean_what_they_are_called():
    bits = {c: dict(zip("cvihbV", v, strict=True)) for c, v in Letters.VECTORS.items()}
    assert len({tuple(v) for v in Letters.VECTORS.values()}) == 6
    for c, v in bits.items():
        assert v["c"] == (c in "bdg") and v["v"] == (c in "aiu")  # consonant, vowel
        assert v["i"] == v["c"] and v["V"] == 1  # stops are interrupted, and all are voiced
        assert v["h"] == (c in "diu") and v["b"] == (c in "gau")  # high, back


def test_letters_have_the_chance_they_say():
    task = Letters(20_000)
    x = task.draw(np.random.default_rng(0), 1).inputs[:, 0]
    assert ((x - x.mean(axis=0)) ** 2).mean() == pytest.approx(task.chance, rel=0.01)


def test_what_a_network_says_is_read_as_the_nearest_letter():
    said = Letters().encode("badiiguuu") + np.random.default_rng(0).uniform(-0.2, 0.2, (9, 6))
    assert Letters().decode(said) == "badiiguuu"


def test_a_letter_without_bits_is_named():
    with pytest.raises(DataError, match="'z' has no bits"):
        Letters().encode("baz")
    assert Letters().encode("").shape == (0, 6)


def every_sentence():
    return {
        words: sum(words in itertools.product(*(CATEGORIES[c] for c in t)) for t in TEMPLATES)
        for template in TEMPLATES
        for words in itertools.product(*(CATEGORIES[c] for c in template))
    }


def test_there_are_29_words_and_sixteen_templates_of_two_or_three():
    assert len(Sentences.WORDS) == 29 and len(set(TEMPLATES)) == 16
    assert collections.Counter(map(len, TEMPLATES)) == {2: 4, 3: 12}
    assert all(t[0].startswith("NOUN") and t[1].startswith("VERB") for t in TEMPLATES)


def test_a_stream_can_be_parted_into_sentences():
    task = Sentences(300)
    batch = task.draw(np.random.default_rng(0), 2)
    sentences = set(every_sentence())
    for b in range(2):
        n = len(batch.inputs) if batch.lengths is None else batch.lengths[b]
        words = [task.WORDS[i] for i in batch.inputs[:n, b]]
        counts = {0: {0}}  # by place, how many sentences may have ended there
        for end in range(1, n + 1):
            counts[end] = {
                c + 1
                for size in (2, 3)
                if tuple(words[max(end - size, 0) : end]) in sentences
                for c in counts.get(end - size, ())
            }
        assert 300 in counts[n]
        np.testing.assert_array_equal(batch.targets[: n - 1, b], batch.inputs[1:n, b])
        assert (batch.targets[n - 1 :, b] == -100).all()


def test_templates_are_equally_likely():
    words = Sentences(20_000).draw(np.random.default_rng(0), 1).inputs
    assert len(words) / 20_000 == pytest.approx(2.75, abs=0.02)
    eat = (words == Sentences.WORDS.index("eat")).sum() / 20_000
    assert eat == pytest.approx(5 / 16, abs=0.015)


def test_likelihoods_are_the_shares_of_what_follows():
    """By counting in long streams: what comes after each row of three words."""
    task = Sentences(3000)
    batch = task.draw(np.random.default_rng(0), 20)
    p = task.likelihoods(batch.inputs, batch.lengths)
    seen = collections.defaultdict(list)
    for b, n in enumerate(batch.lengths):
        words = batch.inputs[:n, b].tolist()
        for t in range(3, n - 1):
            seen[tuple(words[t - 2 : t + 1])].append((t, b))
    often = [np.array(places).T for places in seen.values() if len(places) > 400]
    assert len(often) > 20
    for t, b in often:
        counted = np.bincount(batch.targets[t, b], minlength=29) / len(t)
        deviation = math.sqrt(0.25 / len(t))
        np.testing.assert_allclose(counted, p[t, b].mean(axis=0), atol=4.5 * deviation)


def test_likelihoods_of_a_first_word_are_the_templates():
    task = Sentences()
    man = task.likelihoods(np.array([[task.WORDS.index("man")]]))[0, 0]
    # man comes first in seven templates of people with 1/4, and in four of animals with 1/10.
    weights = collections.Counter()
    for template in TEMPLATES:
        first, verbs = CATEGORIES[template[0]], CATEGORIES[template[1]]
        for verb in verbs:
            weights[verb] += ("man" in first) / len(first) / len(verbs)
    expected = [weights[w] / weights.total() for w in task.WORDS]
    np.testing.assert_allclose(man, expected, rtol=1e-12)


def test_likelihoods_beat_every_guess_by_what_the_docstring_says():
    task = Sentences(1000)
    batch = task.draw(np.random.default_rng(1), 20)
    p = task.likelihoods(batch.inputs, batch.lengths)
    asked = batch.targets != -100
    p, targets = p[asked], batch.targets[asked]
    assert len(p) > 50_000
    assert -np.log(p[np.arange(len(p)), targets]).mean() == pytest.approx(2.09, abs=0.02)
    away = np.sqrt(((p - np.eye(29)[targets]) ** 2).sum(axis=1)).mean()
    assert away == pytest.approx(0.89, abs=0.01)
    assert task.chance == math.log(29)


def test_likelihoods_take_a_padded_batch_and_name_a_word_that_cannot_come():
    task = Sentences(9)
    batch = task.draw(np.random.default_rng(0), 4)
    assert batch.lengths is not None
    p = task.likelihoods(batch.inputs, batch.lengths)
    ends = np.arange(len(p))[:, None] >= batch.lengths
    np.testing.assert_allclose(p.sum(axis=-1), ~ends, rtol=1e-12)
    wrong = np.array([[task.WORDS.index(w)] for w in ("man", "car")])
    with pytest.raises(DataError, match="at step 1 of sequence 0 is 'car'"):
        task.likelihoods(wrong)
