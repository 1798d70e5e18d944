"""Text as a task: the character model and its samples, its options, what it is judged by."""

import collections
import json
import math

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import nn, optim, training
from minitorch_rnn.data.text import ByteVocabulary, Vocabulary, standard_library
from minitorch_rnn.errors import DataError, RunError
from minitorch_rnn.training.tasks.text import CharacterModel, CharacterTask, TextConfig

TEXT = "the cat sat on the mat. " * 40
SMALL = {"hidden": 12, "batch": 4, "sequence": 8, "dtype": "float64"}


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def task_of(book, seed=0, **options):
    mt.manual_seed(seed)
    return CharacterTask.prepare(TextConfig.of({"text": book, **SMALL, **options}))


def trained(task, steps=80, lr=0.03):
    training.Trainer(task, optim.Adam(task.model.parameters(), lr)).run(steps=steps)
    return task


def model_of(seed=0, vocabulary=None, **options):
    rng = np.random.default_rng(seed)
    return CharacterModel(vocabulary or Vocabulary.of(TEXT), 12, rng=rng, **options)


# The model ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell, layer", [("rnn", nn.RNN), ("lstm", nn.LSTM), ("gru", nn.GRU)])
def test_a_model_is_recurrent_layers_of_a_cell_over_one_hot_rows(cell, layer):
    model = model_of(cell=cell, num_layers=2, dtype="float64")
    assert type(model.network.rnn) is layer and model.network.rnn.num_layers == 2
    numbers = model.vocabulary.encode("the cat ")[:, None]
    states, last = model.network.rnn(np.eye(len(model.vocabulary))[numbers])
    logits, state = model(numbers)
    np.testing.assert_allclose(logits.data, model.network.output(states).data, rtol=1e-12)
    pairs = zip(state, last, strict=True) if cell == "lstm" else [(state, last)]
    for one, other in pairs:
        np.testing.assert_allclose(one.data, other.data, rtol=1e-12)


def test_two_chunks_with_the_state_between_them_are_one():
    for cell in ("rnn", "lstm", "gru"):
        model = model_of(cell=cell, num_layers=2)
        numbers = model.vocabulary.encode("the cat sat ").reshape(2, 6).T
        whole, _ = model(numbers)
        first, state = model(numbers[:4])
        second, _ = model(numbers[4:], state)
        np.testing.assert_allclose(whole.data, [*first.data, *second.data], rtol=1e-12)


def test_its_parameters_have_the_names_they_always_had():
    names = ["network.rnn.weight_ih_l0", "network.output.weight"]
    assert set(names) <= set(model_of().state_dict()) & set(model_of(cell="lstm").state_dict())


def test_the_nonlinearity_is_that_of_the_cell_rnn():
    assert model_of(nonlinearity="relu").network.rnn.nonlinearity == "relu"
    with pytest.raises(ValueError, match="cell is 'mlp'; known are 'rnn', 'lstm', 'gru'"):
        model_of(cell="mlp")


# Sampling -----------------------------------------------------------------------------------------


def sampled(model, prompt="the ", length=30, temperature=1.0, seed=5):
    return "".join(model.sample(prompt, length, temperature, np.random.default_rng(seed)))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_sample_depends_on_the_seed_alone(cell):
    model = model_of(cell=cell)
    assert sampled(model) == sampled(model) != sampled(model, seed=6)
    assert len(sampled(model)) == 30


def test_characters_are_drawn_with_the_models_probabilities():
    model = model_of(vocabulary=Vocabulary("ab"))
    logits, _ = model(model.vocabulary.encode("ab")[:, None])
    z = logits.data[-1, 0] / 0.5
    expected = np.exp(z) / np.exp(z).sum()
    rng = np.random.default_rng(0)
    drawn = collections.Counter("".join(model.sample("ab", 1, 0.5, rng)) for _ in range(1000))
    found = [drawn[letter] / 1000 for letter in model.vocabulary.characters]
    np.testing.assert_allclose(found, expected, atol=0.06)  # 4 standard deviations of 1000 draws


def test_a_sample_goes_on_from_the_state_of_all_that_came_before():
    model = model_of(cell="gru")
    text = "the " + sampled(model, temperature=1e-3)
    logits, _ = model(model.vocabulary.encode(text)[:, None])
    likeliest = logits.data[3:-1, 0].argmax(axis=-1)
    assert model.vocabulary.decode(likeliest) == text[4:]


def test_a_trained_model_at_low_temperature_writes_its_text(book):
    model = trained(task_of(book), 120).model
    assert sampled(model, "the cat", 18, temperature=1e-320) == " sat on the mat. t"


def test_nothing_is_dropped_from_a_sample_and_the_model_goes_on_training():
    model = model_of(num_layers=2, dropout=0.9)
    assert model.training
    drawn = sampled(model, temperature=1e-3)
    assert model.training and drawn == sampled(model.eval(), temperature=1e-3)
    assert not model.training


def test_a_model_of_bytes_samples_whole_characters():
    text = "é" * 400
    model = model_of(vocabulary=ByteVocabulary(), dtype="float64")
    numbers = model.vocabulary.encode(text)[:, None]
    optimizer = optim.Adam(model.parameters(), 0.03)
    for _ in range(60):
        optimizer.zero_grad()
        nn.cross_entropy(model(numbers[:40])[0], numbers[1:41]).backward()
        optimizer.step()
    assert sampled(model, "é", 20, temperature=1e-3) == "é" * 10


def test_a_prompt_of_unknown_characters_is_understood():
    assert len(sampled(model_of(), "\N{GRINNING FACE}")) == 30


def test_sampling_on_a_device_draws_the_same(backend):
    with mt.use("numpy"):
        expected = sampled(model_of())
    assert sampled(model_of()) == expected


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"temperature": math.inf}, "temperature is inf"),
    ],
    ids=str,
)
def test_a_sample_that_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        sampled(model_of(), **options)


# The task -----------------------------------------------------------------------------------------


def test_the_loss_is_the_cross_entropy_in_nats_and_the_first_that_of_guessing(book):
    task = task_of(book)
    batch = task.batches(0)[0]
    loss, state = task.loss(batch, None)
    logits, expected = task.model(batch.inputs)
    p = np.exp(logits.data) / np.exp(logits.data).sum(-1, keepdims=True)
    chosen = np.take_along_axis(p, batch.targets[..., None], -1)
    np.testing.assert_allclose(loss.item(), -np.log(chosen).mean(), rtol=1e-10)
    assert loss.item() == pytest.approx(math.log(len(task.vocabulary)), rel=0.1)
    np.testing.assert_array_equal(state.data, expected.data)


def test_figures_are_bits_over_all_that_was_held_out_with_the_state_carried(book):
    task = trained(task_of(book), 30)
    figures = task.evaluate()
    numbers = task.held_out.inputs.T, task.held_out.targets.T
    loss = nn.cross_entropy(task.model(numbers[0])[0], numbers[1]).item()
    assert figures["loss"] == pytest.approx(loss, rel=1e-12)
    assert figures["bits_per_character"] == pytest.approx(loss / math.log(2), rel=1e-12)
    counts = np.array([*collections.Counter(task.held_out.targets.ravel().tolist()).values()])
    p = counts / counts.sum()
    assert figures["entropy_of_frequencies"] == pytest.approx(-(p * np.log2(p)).sum(), rel=1e-12)
    assert task.judged_by in figures and task.evaluate() == figures
    assert list(task.baselines().values()) == [figures["entropy_of_frequencies"]]


def test_nothing_is_dropped_while_the_model_is_judged(book):
    task = task_of(book, layers=2, dropout=0.5)
    assert task.evaluate() == task.evaluate() and task.model.training
    first = [task.loss(task.batches(0)[0], None)[0].item() for _ in range(2)]
    assert first[0] != first[1]


@pytest.mark.parametrize("options", [{}, {"cell": "lstm"}, {"symbols": "bytes", "cell": "gru"}])
def test_training_beats_the_frequencies_of_the_symbols(options, book):
    figures = trained(task_of(book, **options), 100).evaluate()
    assert figures["bits_per_character"] < figures["entropy_of_frequencies"] / 2


def test_the_same_seed_gives_the_same_figures(book):
    one, other = (trained(task_of(book), 20).evaluate() for _ in range(2))
    assert one == other != trained(task_of(book, seed=1), 20).evaluate()


@pytest.mark.parametrize("symbols, size", [("characters", len(set(TEXT)) + 1), ("bytes", 256)])
def test_the_model_is_what_the_options_ask_for(symbols, size, book):
    model = task_of(book, symbols=symbols, cell="gru", layers=2, dropout=0.25).model
    rnn = nn.GRU(size, 12, num_layers=2, dropout=0.25)
    assert repr(model.network.rnn) == repr(rnn) and len(model.vocabulary) == size
    assert task_of(book, nonlinearity="relu").model.network.rnn.nonlinearity == "relu"
    assert {str(p.dtype) for p in task_of(book, dtype="float32").model.parameters()} == {"float32"}


def test_every_epoch_reads_the_same_text_from_its_beginning(book):
    task = task_of(book)
    assert task.batches(0) is task.batches(7)
    assert task.vocabulary.decode(task.batches(0)[0].inputs[:, 0]) == TEXT[:8]


def test_restored_from_options_and_facts_it_is_the_same_model_without_a_text(book):
    task = trained(task_of(book), 10)
    facts = json.loads(json.dumps(task.facts()))
    found = CharacterTask.restore(task.config, facts)
    found.model.load_state_dict(task.model.state_dict())
    assert sampled(found.model) == sampled(task.model)
    assert found.facts() == task.facts() and found.sources() == []
    with pytest.raises(DataError, match="text: there is no text to judge by"):
        found.evaluate()


def test_another_text_is_judged_with_the_vocabulary_of_the_first(book, tmp_path):
    task = trained(task_of(book))
    other = tmp_path / "other.txt"
    other.write_text("the rat sat on the hat? " * 30, encoding="utf-8")
    found = CharacterTask.restore(task.config, task.facts())
    found.model.load_state_dict(task.model.state_dict())
    before = task.evaluate()
    found.read(str(other))
    assert found.facts() == task.facts() and found.sources() == [str(other)]
    assert found.evaluate()["loss"] > before["loss"] + 0.1
    assert f"characters of {other}\nthe model needs" in found.report(found.evaluate())
    numbers = task.vocabulary.encode(other.read_text())
    assert found.held_out.targets[0, -1] == numbers[len(numbers) // len(found.held_out.inputs) - 1]


def test_characters_are_learned_on_the_training_part_alone(tmp_path):
    path = tmp_path / "late.txt"
    path.write_text("abc " * 300 + "z" * 63, encoding="utf-8")
    task = task_of(str(path))
    assert task.vocabulary.characters == " abc\N{REPLACEMENT CHARACTER}"
    assert set(task.vocabulary.decode(task.held_out.targets[0])) == {"\N{REPLACEMENT CHARACTER}"}


def test_the_report_tells_both_entropies(book):
    task = task_of(book)
    bad, good = ({"bits_per_character": b, "entropy_of_frequencies": 3.4} for b in (3.5, 1.25))
    count = task.held_out.targets.size
    assert task.report(good) == (
        f"On {count} characters that chose but did not train its weights,\n"
        "the model needs 1.25 bits per character;\n"
        "their frequencies alone need 3.40: 2.15 bits fewer."
    )
    assert task.report(bad).endswith("the model is no better yet.")
    told = task_of(book, symbols="bytes").report(good).splitlines()
    assert told[0].startswith(f"On {count} bytes that chose but did not train its weights")
    assert told[1] == "the model needs 1.25 bits per byte;"


def test_characters_that_it_never_knew_are_counted(book, tmp_path):
    task, other = task_of(book), tmp_path / "other.txt"
    assert "never knew" not in task.report(task.evaluate())
    other.write_text("the mat ß " * 5 + "é", encoding="utf-8")
    task.read(str(other))
    assert "\n6 of them it never knew: they count as one symbol" in task.report(task.evaluate())
    task = task_of(book, symbols="bytes")
    task.read(str(other))
    assert "never knew" not in task.report(task.evaluate())


def test_a_path_is_kept_in_full(book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TextConfig.of(SMALL | {"text": "book.txt"})
    assert config.text == str(tmp_path / "book.txt")
    monkeypatch.chdir("/")
    assert CharacterTask.prepare(config).sources() == [book]


def test_a_folder_is_a_text_too_and_the_report_names_what_was_skipped(book, tmp_path):
    (tmp_path / "no.txt").write_bytes(b"\xff")
    task = task_of(str(tmp_path), patterns=["*.txt"])
    assert task.sources() == [book]
    told = task.report(task.evaluate()).splitlines()[-1]
    assert told.startswith("1 of 2 files are no text and were skipped, such as ")
    assert "no.txt: byte 0 is not UTF-8" in told


def test_a_text_that_cannot_be_used_is_refused_by_name(tmp_path):
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(DataError, match="short.txt.*9 characters.* need 36"):
        task_of(str(tmp_path / "short.txt"))
    with pytest.raises(DataError, match="1 stream of .*\\(--batch, --sequence\\)"):
        task_of(str(tmp_path / "short.txt"), batch=1)
    (tmp_path / "latin.txt").write_bytes("déjà vu ".encode("latin-1") * 90)
    with pytest.raises(DataError, match="byte 1 is not UTF-8; .* --symbols bytes"):
        task_of(str(tmp_path / "latin.txt"))
    assert task_of(str(tmp_path / "latin.txt"), symbols="bytes").evaluate()["loss"] > 0
    with pytest.raises(DataError, match="none.txt: cannot be read"):
        task_of(str(tmp_path / "none.txt"))


def test_without_a_text_it_is_the_library(monkeypatch):
    monkeypatch.setattr(
        "minitorch_rnn.training.tasks.text.standard_library", lambda: standard_library(20_000)
    )
    task = CharacterTask.prepare(TextConfig.of(SMALL))
    assert task.sources() and task.corpus.source == "the standard library"


@pytest.mark.parametrize("facts", [{}, {"vocabulary": 3}, {"vocabulary": {"symbols": "words"}}])
def test_facts_without_a_vocabulary_are_refused(facts):
    with pytest.raises(DataError, match="vocabulary"):
        CharacterTask.restore(TextConfig.of(SMALL), facts)


def test_options_that_do_not_go_together_are_refused():
    with pytest.raises(RunError, match="nonlinearity: relu is for the cell rnn; lstm has its own"):
        TextConfig.of({"nonlinearity": "relu", "cell": "lstm"})
    assert TextConfig.of({"nonlinearity": "relu"}).nonlinearity == "relu"
