"""Small trainings for tests: streams of figures, a network that carries its state, dropout too."""

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn import nn, training
from minitorch_rnn.data import Batch

T, B, I, H = 6, 4, 2, 5


class RunningSums(training.Task):
    """To say the sum of all inputs so far, over streams in chunks; the epoch draws its inputs."""

    def __init__(self, layer=nn.LSTM, chunks=5, seed=0, last=B, scale=1.0, **options):
        self.seed, self.chunks, self.last, self.scale = seed, chunks, last, scale
        model = nn.Module()
        model.layer = layer(I, H, num_layers=2, rng=np.random.default_rng(seed), **options)
        model.output = nn.Linear(H, 1, rng=np.random.default_rng(seed + 1))
        super().__init__(model, self.epoch, self.epoch(10**6))

    def epoch(self, number):
        rng = np.random.default_rng([self.seed, number])
        x = self.scale * rng.normal(size=(self.chunks * T, B, I))
        sums = np.cumsum(x, axis=0).mean(-1, keepdims=True) / 3
        chunks = [slice(i * T, (i + 1) * T) for i in range(self.chunks)]
        batches = [Batch(x[c], sums[c], fresh=c.start == 0) for c in chunks]
        few, whole = batches[-1], self.last == B
        last = Batch(few.inputs[:, : self.last], few.targets[:, : self.last], None, not whole)
        return batches if whole else [*batches[:-1], last]

    def loss(self, batch, state):
        states, state = self.model.layer(mt.tensor(batch.inputs), state)
        outputs = self.model.output(states)
        return nn.mse_loss(outputs, mt.tensor(batch.targets)), state


def trainer_of(task, optimizer="Adam", lr=0.02, schedule=None, **options):
    params = task.model.parameters()
    made = getattr(mt.optim, optimizer)(params, lr)
    return training.Trainer(task, made, schedule and schedule(made), **options)


def same(state, other):
    assert list(state) == list(other)
    for name, array in state.items():
        assert array.dtype == other[name].dtype
        np.testing.assert_array_equal(array, other[name], err_msg=name)
