# %% [markdown]
# # 14. A training that survives
#
# Question: a training was killed at step 60 of 100. What must have been saved, so that it ends with
# the weights it would have had?
#
# Answer: all that the next step depends on. The weights are the smallest part of it.

# %%
import pathlib
import tempfile

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn import nn, training
from minitorch_rnn.data.generators import Adding, Drawn

# %% [markdown]
# A `Task` says what is trained: a model, the batches of every epoch, and a loss. Here two numbers
# among four are marked, and the network says their sum (the adding problem). Batch i of an epoch is
# drawn from the epoch and i alone, so a place in the data is two whole numbers.


# %%
class Sums(training.Task):
    def loss(self, batch, state):
        states, _ = self.model.lstm(mt.tensor(batch.inputs))
        outputs = self.model.output(states[-1])
        return nn.mse_loss(outputs, mt.tensor(batch.targets[-1])), None


def trainer():
    rng, model = np.random.default_rng(0), nn.Module()
    model.lstm = nn.LSTM(2, 12, 2, dropout=0.1, rng=rng)
    model.output = nn.Linear(12, 1, rng=rng)
    data = Drawn(Adding(4).draw, batch=16, batches=25, seed=1)
    task = Sums(model, data, Drawn(Adding(4).draw, batch=64, batches=1, seed=2)())
    optimizer = mt.optim.Adam(model.parameters(), lr=0.03)
    return training.Trainer(task, optimizer)


# %% [markdown]
# First the training that nobody disturbs.

# %%
whole = trainer()
whole.run(steps=100)
print(f"error {whole.task.evaluate()['loss']:.4f}; always saying 1 would give 1/6")

# %% [markdown]
# Then one that ends after 60 steps and leaves a file. A callback hears of every step; `Checkpoints`
# is one, too. A file is written beside its place, flushed and renamed, so that whatever happens
# there is an old one or a new one.


# %%
class PowerCut(training.Callback):
    def after_step(self, trainer, step):
        if step.number == 60:
            trainer.stop("the power went")


folder = pathlib.Path(tempfile.mkdtemp())
first = trainer()
first.run(steps=100, callbacks=[training.Checkpoints(folder), PowerCut()])
print(first.ended, first.step, sorted(path.name for path in folder.rglob("*.safetensors")))

# %% [markdown]
# A new process knows nothing but the file. It goes on to the same bits.

# %%
second = trainer()
training.Checkpoints(folder).restore(second)
second.run(steps=100)


def difference(trainer):
    pairs = zip(trainer.task.model.parameters(), whole.task.model.parameters(), strict=True)
    return max(abs(p - q).max().item() for p, q in pairs)


print("restored from everything:", difference(second))
assert difference(second) == 0

# %% [markdown]
# Now leave one thing out at a time: Adam's moments, the random numbers of dropout, the place in the
# data. Each time the training looks as if it went well, and is another one.

# %%
saved = training.Checkpoints(folder).newest()
print("a checkpoint holds", ", ".join(saved))
begun, numbers = trainer().state_dict(), saved["numbers"]
forgotten = {
    "the optimiser": saved | {"optimizer": begun["optimizer"]},
    "random numbers": saved | {"generators": begun["generators"]},
    "the place in the data": saved | {"numbers": numbers | {"epoch": 0, "index": 0}},
}
for what, incomplete in forgotten.items():
    third = trainer()
    third.load_state_dict(incomplete)
    third.run(steps=100)
    error = third.task.evaluate()["loss"]
    print(f"without {what}: weights differ by {difference(third):.3f}, error {error:.4f}")
    assert difference(third) > 1e-3

# %% [markdown]
# `minitorch-rnn train` does this for you: kill it, and `minitorch-rnn resume` goes on. Try
# `kill -9` in the middle, and compare the weights with those of a run that was left alone.
