"""A training on another backend: the same losses, and checkpoints that go from one to the other."""

import numpy as np
from small_tasks import RunningSums, trainer_of

import minitorch_rnn as mt
from minitorch_rnn import training


class Losses(training.Callback):
    def __init__(self):
        self.found = []

    def after_step(self, trainer, step):
        self.found.append(step.loss.item())


def trained(steps, folder=None, resume=False):
    """The losses of a small training, and its trainer."""
    mt.manual_seed(0)
    trainer, losses = trainer_of(RunningSums(dropout=0.2), validate_every=4), Losses()
    kept = [] if folder is None else [training.Checkpoints(folder)]
    if resume:
        kept[0].restore(trainer)
    trainer.run(steps, callbacks=[losses, *kept])
    return losses.found, trainer


def test_the_losses_are_the_same(backend):
    with mt.use("numpy"):
        expected, _ = trained(7)
    found, trainer = trained(7)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert {p.backend for p in trainer.task.model.parameters()} == {backend}


def test_a_checkpoint_of_one_goes_on_on_the_other(backend, tmp_path):
    with mt.use("numpy"):
        whole, _ = trained(9)
        trained(5, tmp_path)
    found, trainer = trained(9, tmp_path, resume=True)
    np.testing.assert_allclose(found, whole[5:], rtol=1e-10)  # steps amplify what rounding begins
    assert {part.backend for part in trainer.state or ()} <= {backend}
    with mt.use("numpy"):
        again, _ = trained(12, tmp_path, resume=True)
    assert len(again) == 3 and np.isfinite(again).all()
