"""Tagging as a task: the model, buckets and padding, figures beside a baseline, other data."""

import json

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn, optim, training
from minitorch_rnn.data.tagged import Tagged, TaggedCorpus
from minitorch_rnn.errors import DataError
from minitorch_rnn.training.tasks.tagging import TaggingConfig, TaggingModel, TaggingTask

SMALL = {"hidden": 8, "embedding": 4, "batch": 5, "dtype": "float64"}


def after_a(count=60, seed=0):
    """Letters whose tag says whether an a stands anywhere before them; b only ever after one."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        letters = "".join(rng.choice(list("cdefa"), size=rng.integers(2, 12)))
        tags = ["after" if "a" in letters[:i] else "before" for i in range(len(letters))]
        found.append([Tagged(letters, tags)])
    return TaggedCorpus(found, ("after", "before"), "letters", ())


def task_of(corpus=None, seed=0, **options):
    mt.manual_seed(seed)
    config = TaggingConfig.of(SMALL | {"seed": seed} | options)
    return TaggingTask.of(corpus or after_a(), config)


def trained(task, steps=70):
    training.Trainer(task, optim.Adam(task.model.parameters(), 0.05)).run(steps=steps)
    return task


def said(task):
    """Symbols, tags and what the model says, of all that is held out, one sequence at a time."""
    for batch in task.held_out:
        for b in range(batch.size):
            n = len(batch.inputs) if batch.lengths is None else batch.lengths[b]
            logits = task.model(batch.inputs[:n, b : b + 1]).data[:, 0]
            yield batch.inputs[:n, b], batch.targets[:n, b], logits


# The model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_padding_changes_no_logits_of_a_sequence(cell, bidirectional, rng):
    model = TaggingModel(9, 3, 4, 5, bidirectional, cell, num_layers=2, dtype="float64")
    numbers = rng.integers(0, 9, (7, 2))
    padded = model(numbers, np.array([7, 4])).data[:4, 1]
    np.testing.assert_allclose(padded, model(numbers[:4, 1:]).data[:, 0], rtol=1e-12)


def test_only_a_bidirectional_model_looks_ahead(rng):
    numbers = rng.integers(0, 9, (6, 1))
    changed = numbers.copy()
    changed[-1] = (changed[-1] + 1) % 9
    for both in (True, False):
        model = TaggingModel(9, 3, 4, 5, both, dtype="float64")
        same = np.array_equal(model(numbers).data[0], model(changed).data[0])
        assert same is not both


# The task -----------------------------------------------------------------------------------------


def test_the_loss_asks_nothing_of_padding():
    task = task_of()
    batch = next(batch for batch in task.batches(0) if batch.lengths is not None)
    loss, state = task.loss(batch, None)
    parts = []
    for b, n in enumerate(batch.lengths):
        logits = task.model(batch.inputs[:n, b : b + 1])
        parts.append(nn.cross_entropy(logits, batch.targets[:n, b : b + 1], reduction="sum").item())
    assert batch.lengths.sum() == batch.count < batch.targets.size and state is None
    assert loss.item() == pytest.approx(sum(parts) / batch.lengths.sum(), rel=1e-12)


def test_figures_are_those_of_all_held_out_symbols_one_by_one():
    task = trained(task_of(), 10)
    figures, wrong, nats, n = task.evaluate(), 0, 0.0, 0
    for _, tags, logits in said(task):
        wrong += (logits.argmax(-1) != tags).sum()
        nats += nn.cross_entropy(logits, tags, reduction="sum").item()
        n += len(tags)
    assert figures["error_rate"] == pytest.approx(wrong / n, rel=1e-12) and 0 < wrong < n
    assert figures["accuracy"] == pytest.approx(1 - wrong / n, rel=1e-12)
    assert figures["loss"] == pytest.approx(nats / n, rel=1e-12)
    assert task.evaluate() == figures and task.judged_by in figures


def test_the_baseline_is_the_most_frequent_tag_of_a_symbol_in_the_training_part():
    train = [Tagged("ab", ["X", "Y"]), Tagged("aab", ["X", "Y", "Y"]), Tagged("bb", ["X", "Y"])]
    held = Tagged("abbz", ["X", "Y", "X", "Y"])  # a: X twice of 3; b: Y 3 of 4; else Y, 4 of 7
    task = task_of(TaggedCorpus([[one] for one in (*train, held)], ("X", "Y"), "it", ()))
    assert task.tags == ("X", "Y") and task.symbols.known[1:] == ("b", "a")
    assert task.usual.tolist() == [1, 1, 0]
    assert task.evaluate()["baseline_error_rate"] == pytest.approx(1 / 4)
    assert list(task.baselines().values()) == [pytest.approx(1 / 4)]


def test_symbols_are_learned_on_the_training_part_and_tags_on_all():
    groups = [[Tagged("aa", ["X", "X"])], [Tagged("zz", ["Z", "Z"])]]
    task = task_of(TaggedCorpus(groups, ("X", "Z"), "it", ()))
    assert task.symbols.known[1:] == ("a",) and task.tags == ("X", "Z")
    assert task.held_out[0].inputs.tolist() == [[0], [0]]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_training_learns_what_depends_on_what_came_before(cell):
    figures = trained(task_of(cell=cell)).evaluate()
    assert figures["error_rate"] < 0.1 < 0.2 < figures["baseline_error_rate"]


def test_only_a_bidirectional_tagger_learns_what_depends_on_what_follows():
    backward = [[Tagged(one.symbols[::-1], one.tags[::-1])] for [one] in after_a().groups]
    corpus = after_a()._replace(groups=backward)
    errors = [
        trained(task_of(corpus, bidirectional=both)).evaluate()["error_rate"]
        for both in (True, False)
    ]
    assert errors[0] < 0.1 < 0.2 < errors[1]


def order(task, epoch):
    """The sequences of an epoch as they come, without their padding."""
    found = []
    for batch in task.batches(epoch):
        n = (batch.targets != -100).sum(axis=0)
        found += [tuple(batch.inputs[: n[b], b]) for b in range(batch.size)]
    return found


def test_an_epoch_holds_every_sequence_once_in_an_order_of_its_own_and_of_the_seed():
    task, other = task_of(), task_of(seed=1)
    first = order(task, 0)
    assert first == order(task, 0) == order(task_of(), 0)
    trained_on, _ = after_a().split()
    numbers = [tuple(task.symbols.encode(one.symbols)) for one in trained_on.sequences]
    for again in (order(task, 0), order(task, 1), order(other, 0)):
        assert sorted(again) == sorted(numbers)
    assert order(task, 1) != first != order(other, 0)


@pytest.mark.parametrize("cell, layer", [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_the_model_is_what_the_options_ask_for(cell, layer):
    task = task_of(cell=cell, layers=2, dropout=0.25, bidirectional=False, dtype="float32")
    assert repr(task.model.network.rnn) == repr(layer(4, 8, num_layers=2, dropout=0.25))
    assert task.model.embedding.weight.shape == (len(task.symbols), 4)
    assert {str(p.dtype) for p in task.model.parameters()} == {"float32"}


def test_the_same_seed_gives_the_same_figures():
    one, other = (trained(task_of(), 20).evaluate() for _ in range(2))
    assert one == other != trained(task_of(seed=1), 20).evaluate()


def test_nothing_is_dropped_while_the_model_is_judged():
    task = task_of(layers=2, dropout=0.5)
    assert task.evaluate() == task.evaluate() and task.model.training


# What it says -------------------------------------------------------------------------------------


def test_the_report_has_precision_and_recall_of_each_tag_beside_the_baseline():
    task = trained(task_of(), 10)
    told = task.report(task.evaluate()).splitlines()
    assert "symbols that chose but did not train" in told[0]
    assert "most frequent tag of each symbol" in told[1]
    tags, given, usual = ([], [], [])
    for symbols, right, logits in said(task):
        tags += [*right]
        given += [*logits.argmax(-1)]
        usual += [*task.usual[symbols]]
    right = np.array(tags)
    for line in told[4:]:
        name, *numbers = line.split()
        tag = task.tags.index(name)
        expected = [f"{(right == tag).sum():,}"]
        for answers in (np.array(given), np.array(usual)):
            hit = ((answers == tag) & (right == tag)).sum()
            for whole in ((answers == tag).sum(), (right == tag).sum()):
                expected.append(f"{100 * hit / whole:.1f}" if whole else "-")
        assert numbers == expected
    assert len(told) == 4 + 2 and len({len(line) for line in told[3:]}) == 1


def test_of_many_tags_the_report_shows_the_most_frequent():
    tags = tuple(f"T{i:02}" for i in range(30))
    sequence = Tagged("a" * 31, [*tags, "T29"])
    task = task_of(TaggedCorpus([[sequence], [sequence]], tags, "it", ()))
    told = task.report(task.evaluate()).splitlines()
    assert told[4].startswith("T29 ") and told[-1] == "… and 6 rarer tags" and len(told) == 4 + 25


def test_the_report_names_the_files_that_were_skipped(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.py").write_text("x = 1\n")
    (tmp_path / "no.py").write_text("'open")
    task = TaggingTask.prepare(TaggingConfig.of(SMALL | {"data": str(tmp_path)}))
    told = task.report(task.evaluate()).splitlines()[-1]
    assert told.startswith("1 of 4 files do not tokenize and were skipped, such as ")
    assert task.sources() == [str(tmp_path / f"{i}.py") for i in range(3)]


# Without the data, and with other -----------------------------------------------------------------


@pytest.fixture
def other(tmp_path):
    path = tmp_path / "other.tsv"
    lines = ["c\tbefore", "a\tbefore", "?\tafter", "", "d\tbefore"]
    path.write_text("\n".join(lines))
    return str(path)


def test_restored_from_options_and_facts_it_judges_other_data(other):
    task = trained(task_of())
    found = TaggingTask.restore(task.config, json.loads(json.dumps(task.facts())))
    found.model.load_state_dict(task.model.state_dict())
    assert found.facts() == task.facts() and found.sources() == []
    with pytest.raises(DataError, match="tag: there is no data to judge by"):
        found.evaluate()
    found.read(other)
    assert found.sources() == [other] and found.facts() == task.facts()
    figures = found.evaluate()
    assert figures["error_rate"] == 0  # it has learned its task
    assert f"On 4 symbols of {other}\n0.0% of the tags are wrong" in found.report(figures)
    unknown = found.symbols.encode(["c", "a", "?", "d"]).tolist()
    assert found.held_out[0].inputs.T.ravel().tolist() == [unknown[3], 0, 0, *unknown[:3]]


def test_tags_of_which_none_was_trained_on_are_refused(tmp_path):
    path = tmp_path / "new.tsv"
    path.write_text("a\tnone\nb\tlater\n")
    task = task_of()
    with pytest.raises(
        DataError, match="new.tsv: has the tag 'none', and none .*knows after, before"
    ):
        task.read(str(path))


def test_a_tag_that_was_not_trained_on_counts_as_wrong(tmp_path):
    path = tmp_path / "new.tsv"
    path.write_text("c\tbefore\na\tbefore\nd\tafter\n")
    task = trained(task_of())
    task.read(str(path))
    known = task.evaluate()
    assert known["error_rate"] == 0 and "not trained on" not in task.report(known)
    path.write_text("c\tbefore\na\tbefore\nd\tafter\nd\tlater\n")
    task.read(str(path))
    figures = task.evaluate()
    assert figures["error_rate"] == pytest.approx(0.25) == 1 - figures["accuracy"]
    assert figures["baseline_error_rate"] >= 0.25 and np.isfinite(figures["loss"])
    told = task.report(figures)
    assert "On 4 symbols" in told
    assert "1 have a tag that it was not trained on, such as 'later': they count as wrong" in told


def damaged(**changes):
    return {"symbols": ["a"], "tags": ["X"], "usual": [0, 0]} | changes


@pytest.mark.parametrize(
    "facts, reason",
    [
        ({}, "symbols: None came; a list of str"),
        (damaged(symbols="ab"), "symbols: ab came"),
        (damaged(tags=[1]), "tags: .* a list of str is needed"),
        (damaged(usual=[0, True]), "usual: .* a list of int is needed"),
        (damaged(usual=[0]), "usual: 1 tags came; one of 1 for each of 2 symbols"),
        (damaged(usual=[0, 1]), "usual: 2 tags came"),
        (damaged(usual=[0, -1]), "usual: 2 tags came"),
    ],
    ids=str,
)
def test_facts_that_are_not_a_taggers_are_refused(facts, reason):
    with pytest.raises(DataError, match=reason):
        TaggingTask.restore(TaggingConfig.of(SMALL), facts)


def test_without_data_it_is_the_syntax_of_the_library():
    task = TaggingTask.prepare(TaggingConfig.of(SMALL | {"files": 3, "sequence": 50}))
    assert task.tags[1] == "comment" and len(task.sources()) == 3
    assert max(len(batch.inputs) for batch in task.batches(0)) == 50
