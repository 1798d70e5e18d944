"""The folder a run leaves behind: written whole, read back bit for bit, refused when damaged."""

import json

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn import data, training
from minitorch_rnn.errors import RunError

FILES = ["config.json", "loss.png", "weights.safetensors"]


def model_of(text="the cat sat on", seed=0, **options):
    rng = np.random.default_rng(seed)
    return training.CharacterModel(data.Vocabulary.of(text), 12, rng=rng, **options)


def save(folder, model, losses=(3.0, 2.0), **config):
    training.save_run(folder, model, config, list(losses), entropy=4.0)


def same(state, other):
    assert list(state) == list(other)
    for name, array in state.items():
        assert array.dtype == other[name].dtype
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_run_comes_back_bit_for_bit(dtype, tmp_path):
    model = model_of(num_layers=2, nonlinearity="relu", dtype=dtype)
    save(tmp_path / "new" / "run", model, note="x")
    found, config = training.load_run(tmp_path / "new" / "run")
    same(found.state_dict(), model.state_dict())
    assert repr(found) == repr(model) and config["note"] == "x"
    assert found.vocabulary.characters == model.vocabulary.characters


def test_weights_whose_memory_is_in_another_order_come_back_as_they_were(tmp_path):
    model = model_of()
    weight = model.network.rnn.weight_ih_l0
    values = np.arange(float(weight.size)).reshape(weight.shape[::-1]).T
    weight._rebind(values)
    assert not weight.data.flags.c_contiguous
    save(tmp_path, model)
    found, _ = training.load_run(tmp_path)
    np.testing.assert_array_equal(found.network.rnn.weight_ih_l0.data, values)


def test_a_model_on_a_device_is_saved_as_on_the_host(backend, tmp_path):
    model = model_of()
    save(tmp_path, model)
    with mt.use("numpy"):
        same(training.load_run(tmp_path)[0].state_dict(), model.state_dict())


def test_unusual_characters_survive_in_the_configuration(tmp_path):
    text = 'a\N{GRINNING FACE}\u2028"\\\udcff'
    save(tmp_path, model_of(text))
    assert training.load_run(tmp_path)[0].vocabulary.characters == "".join(sorted(text + "\ufffd"))


def test_a_run_is_three_files_and_no_litter_and_may_be_saved_again(tmp_path):
    save(tmp_path, model_of())
    save(tmp_path, model_of(seed=1))
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    same(training.load_run(tmp_path)[0].state_dict(), model_of(seed=1).state_dict())


@pytest.mark.parametrize("losses", [[], [3.0], [3.0] * 500], ids=len)
def test_the_picture_is_a_png(losses, tmp_path):
    save(tmp_path, model_of(), losses)
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_a_file_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "run").write_text("mine")
    for folder in (tmp_path / "run", tmp_path / "run" / "below"):
        with pytest.raises(RunError, match=f"{folder}: cannot be written"):
            save(folder, model_of())
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_in_the_way_of_a_file_is_named_and_leaves_no_litter(tmp_path):
    (tmp_path / "weights.safetensors").mkdir()
    with pytest.raises(RunError, match="weights.safetensors.*cannot be written: Is a directory"):
        save(tmp_path, model_of())
    assert [path.name for path in tmp_path.iterdir()] == ["weights.safetensors"]


def edited(**changes):
    return lambda content: json.dumps(json.loads(content) | changes).encode()


DAMAGE = [  # the file, and what happens to its content
    pytest.param("config.json", None, id="no config"),
    pytest.param("config.json", lambda c: b"", id="empty config"),
    pytest.param("config.json", lambda c: c[:-20], id="config cut short"),
    pytest.param("config.json", lambda c: b"\xff" + c, id="config not UTF-8"),
    pytest.param("config.json", lambda c: b"[]", id="config is a list"),
    pytest.param("config.json", lambda c: b"{}", id="config says nothing"),
    pytest.param("config.json", lambda c: b"[" * 10**5, id="config deeply nested"),
    pytest.param("config.json", edited(vocabulary=7), id="vocabulary"),
    pytest.param("config.json", edited(hidden_size="12"), id="text for a size"),
    pytest.param("config.json", edited(hidden_size=-1), id="negative size"),
    pytest.param("config.json", edited(hidden_size=10**15), id="enormous size"),
    pytest.param("config.json", edited(nonlinearity="sin"), id="nonlinearity"),
    pytest.param("config.json", edited(dtype="int32"), id="dtype"),
    pytest.param("weights.safetensors", None, id="no weights"),
    pytest.param("weights.safetensors", lambda c: b"", id="empty weights"),
    pytest.param("weights.safetensors", lambda c: c[: len(c) // 2], id="half the weights"),
    pytest.param("weights.safetensors", lambda c: c[:-1], id="a byte short"),
    pytest.param("weights.safetensors", lambda c: c + b"\0", id="a byte more"),
    pytest.param("weights.safetensors", lambda c: b"\xff" * 8 + c[8:], id="endless header"),
    pytest.param("weights.safetensors", lambda c: c.replace(b"weight_ih", b"weight_iH"), id="name"),
]


@pytest.mark.parametrize("name, damage", DAMAGE)
def test_a_damaged_run_is_an_error_that_names_the_file(name, damage, tmp_path):
    save(tmp_path, model_of())
    path = tmp_path / name
    content = path.read_bytes()
    path.unlink()
    if damage:
        path.write_bytes(damage(content))
    with pytest.raises(RunError, match=f"^{path}: (is damaged|cannot be read)"):
        training.load_run(tmp_path)


def test_weights_of_another_size_are_told_with_both_sizes(tmp_path):
    save(tmp_path, model_of())
    path = tmp_path / "config.json"
    path.write_bytes(edited(hidden_size=13)(path.read_bytes()))
    with pytest.raises(RunError, match=r"(?s)weights.safetensors: .*\(12,\), .* \(13,\)"):
        training.load_run(tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(RunError, match=f"{tmp_path}/none/config.json: cannot be read: No such"):
        training.load_run(tmp_path / "none")
