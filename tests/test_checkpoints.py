"""A training that was saved on one backend goes on on another, as if nothing had been between."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from optimizer_cases import OPTIMIZERS

import minitorch_rnn as mt
from minitorch_rnn import nn, optim
from minitorch_rnn.optim import lr_scheduler

T, B, I, H, O = 4, 3, 2, 5, 6
KEPT = {  # with these options an optimiser keeps all that it can
    "SGD": {"momentum": 0.9},
    "Adam": {"amsgrad": True},
    "AdamW": {"amsgrad": True},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adagrad": {"lr_decay": 0.1},
}
STEPS = 6
RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(STEPS, T, B, I)), RNG.integers(O, size=(STEPS, T, B))


class Model(nn.Module):
    """Dropout, too, so that the random numbers must go on where they were."""

    def __init__(self, rng):
        self.lstm = nn.LSTM(I, H, 2, dropout=0.3, initial_state="learned", rng=rng)
        self.norm, self.output = nn.LayerNorm(H), nn.Linear(H, O, rng=rng)

    def forward(self, x):
        return self.output(self.norm(self.lstm(x)[0]))


class Training:
    """A model with an optimiser, a schedule and a generator."""

    def __init__(self, kind):
        self.rng = np.random.default_rng(5)
        self.model = Model(self.rng)
        self.optimizer = getattr(optim, kind)(self.model.parameters(), lr=0.01, **KEPT[kind])
        self.schedule = lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=STEPS)

    def run(self, steps):
        """The losses of these steps."""
        losses = []
        for t in steps:
            loss = nn.cross_entropy(self.model(mt.tensor(X[t])), mt.tensor(LABELS[t]))
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.item())
        return losses

    def save(self, path):
        bits = self.rng.bit_generator.state
        mt.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "rng": {"state": str(bits["state"]["state"]), "inc": str(bits["state"]["inc"])},
            },
            path,
        )

    def load(self, path):
        saved = mt.load(path)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        bits = self.rng.bit_generator.state
        bits["state"] = {name: int(number) for name, number in saved["rng"].items()}
        self.rng.bit_generator.state = bits
        return self


def test_every_optimizer_is_here():
    ours = {name for name, value in vars(optim).items() if isinstance(value, type)}
    assert ours - {"Optimizer"} == set(OPTIMIZERS) == set(KEPT)


@pytest.mark.parametrize("saved_here", [True, False])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_training_goes_on_on_another_backend(kind, saved_here, backend, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    first, second = (backend, "numpy") if saved_here else ("numpy", backend)
    with mt.use("numpy"):
        whole = Training(kind)
        expected = whole.run(range(STEPS))
    with mt.use(first):
        begun = Training(kind)
        losses = begun.run(range(3))
        begun.save(path)
    with mt.use(second):
        resumed = Training(kind)
        resumed.run(range(1))  # what a checkpoint must replace
        losses += resumed.load(path).run(range(3, STEPS))
    # Rounding differs with the order of sums, and steps amplify it.
    assert_allclose(losses, expected, rtol=1e-10)
    assert {p.backend for p in resumed.model.parameters()} == {second}
    for name, array in whole.model.state_dict().items():
        found = resumed.model.state_dict()[name]
        assert_allclose(found, array, rtol=1e-7, atol=1e-9, err_msg=name)
