"""What the tests of several processes start with mpiexec: `mpi_programs.py NAME [ARGUMENT …]`.

A program is a function that is called with the communicator; what rank 0 has to tell goes as JSON
or arrays into the file that is the first argument.
"""

import hashlib
import json
import os
import signal
import sys
import time

import numpy as np

import minitorch_rnn as mt
from minitorch_rnn.data.batch import Batch
from minitorch_rnn.training import distributed, session
from minitorch_rnn.training.task import Task
from minitorch_rnn.training.tasks import TASKS
from minitorch_rnn.training.trainer import Trainer

OPTIMIZERS = {
    "adam": lambda params: mt.optim.Adam(params, 0.01),
    "sgd": lambda params: mt.optim.SGD(params, 0.2, momentum=0.9, weight_decay=0.01),
}
STEPS = 50
T, I, H, O = 6, 2, 5, 3


class Streams(Task):
    """Figures that go on from batch to batch, so that the state is carried; some are not asked."""

    def loss(self, batch, state):
        outputs, state = self.model(batch.inputs, state)
        asked = ~np.isnan(batch.targets)
        error = (outputs - np.where(asked, batch.targets, 0.0)) * asked
        return (error * error).sum() / batch.count, state


def trainer(cell, optimizer, B, communicator):
    """A training of a small network on B streams, carried over 4 batches an epoch."""
    model = mt.nn.RecurrentNetwork(
        I, H, O, "identity", cell=cell, num_layers=2, rng=np.random.default_rng(1)
    )

    def batches(epoch):
        rng = np.random.default_rng([7, epoch])
        x = rng.normal(size=(4, T, B, I))
        y = rng.normal(size=(4, T, B, O))
        y[rng.random(y.shape) < 0.3] = np.nan  # so that processes count differently
        y[0, 0, 0] = 1.0
        if B == 3:
            y[0, :, 1] = np.nan  # a sequence that asks for nothing in the first batch
        return [Batch(x[i], y[i], None, i == 0) for i in range(4)]

    task = Streams(model, batches, batches(999)[:1])
    made = OPTIMIZERS[optimizer](model.parameters())
    return Trainer(task, made, max_norm=0.5, communicator=communicator)


def train(communicator, path, cell, optimizer, B):
    """Train; leave weights, losses and the joined state in a file."""
    done = trainer(cell, optimizer, int(B), communicator)
    losses = []
    for _ in range(STEPS - 3):  # which leaves a state to be carried
        step = done.take_step()
        losses.append(float(step.loss))
    state = communicator.gather_state(done.state)
    done.state = communicator.share_state(state)
    for _ in range(3):
        losses.append(float(done.take_step().loss))
    communicator.check_same(done.optimizer.params, done.step)
    if communicator.rank == 0:
        found = {name: p.numpy() for name, p in _plain(done.task.model).items()}
        states = [x.numpy() for x in (state if isinstance(state, tuple) else (state,))]
        kept = {f"state {i}": x for i, x in enumerate(states)}
        np.savez(path, losses=losses, **found, **kept)


def _plain(model):
    return {name: p.detach() for name, p in model.named_parameters()}


def results(communicator, path, cases):
    """All that works, in one start: trainings into files, the rest as JSON of every rank."""
    for name, cell, optimizer, B in json.loads(cases):
        one = distributed.create_communicator(name)
        train(one, f"{path}.{name}.{cell}.{optimizer}.{B}.npz", cell, optimizer, B)
        one.close()
    programs = (values, bits, own_loop, differ)[communicator.size == 1 :]
    found = {program.__name__: program(communicator) for program in programs}
    tell(communicator, path, found | {"uneven": uneven(communicator, path)})


def tell(communicator, path, value):
    """Leave what every rank found in a file."""
    found = communicator.gather(value)
    if communicator.rank == 0:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(found, file)


def values(communicator):
    """What the methods of a communicator give, on every rank."""
    rank, size = communicator.rank, communicator.size
    p, q, unused = (mt.nn.Parameter(np.zeros(n)) for n in ((2,), (), (3,)))
    half = mt.nn.Parameter(np.zeros(2, dtype="float16"))
    if rank < size - 1:  # the last one has an empty part
        p.grad = mt.tensor([1.0 + rank, 2.0])
        half.grad = mt.tensor([3.0, 5.0], dtype="float16")
    else:
        p.grad = mt.tensor([np.nan, np.inf])  # a mean over nothing
    if rank == 0:
        q.grad = mt.tensor(8.0)
    count = 10 * (rank + 1) if rank < size - 1 else 0
    total, sums = communicator.average([p, q, unused, half], count, [1.5, mt.tensor(2.0 * rank)])
    twice = p.grad
    p.grad = mt.tensor([9.0, 9.0])
    communicator.average([p, q, unused, half], 1, [])
    state = (mt.ones(1, 2, 3) * (rank + 1), {"c": mt.ones(2, 2, 1) * rank}) if rank else None
    whole = communicator.gather_state(state)
    mine = communicator.share_state(whole)
    return {
        "total": total, "sums": sums, "p": twice.tolist(), "q": q.grad.tolist(),
        "unused": unused.grad is None, "half": half.grad.tolist(), "dtype": str(half.grad.dtype),
        "steps": communicator.step, "nest": communicator.broadcast({"a": [rank, "é"], "b": None}),
        "whole": None if whole is None else [whole[0].tolist(), whole[1]["c"].tolist()],
        "mine": [mine[0].tolist(), mine[1]["c"].tolist()],
        "part": distributed.scatter_dataset(list(range(7)) if rank == 0 else None, communicator),
    }  # fmt: skip


def bits(communicator):
    """Whether all ranks hold the same bits after an average of awkward numbers."""
    found = []
    for n in (1, 3, 1000, 70_001):
        for dtype in ("float32", "float64"):
            p = mt.nn.Parameter(np.zeros(n, dtype))
            p.grad = mt.tensor(np.random.default_rng([communicator.rank, n]).normal(size=n), dtype)
            communicator.average([p], communicator.rank + 3, [])
            found.append(hashlib.sha256(p.grad.numpy()).hexdigest())
            p.update_(p.grad)
            communicator.check_same([p], n)
    return found


def uneven(communicator, path):
    """The weights of a forecaster and a tagger whose batches differ in sequences and in targets."""
    rng = np.random.default_rng(3)
    path = f"{path}.data.{communicator.rank}"  # alike on all
    with open(f"{path}.csv", "w", encoding="utf-8") as file:
        for x, y in rng.normal(size=(150, 2)):
            file.write(f"{'' if x > 0.5 else x},{y}\n")
    with open(f"{path}.tsv", "w", encoding="utf-8") as file:
        for length in rng.integers(1, 9, 32):
            file.write("".join(f"{n % 7}\t{n % 2}\n" for n in rng.integers(0, 14, length)) + "\n")
    alike = {"hidden": 4, "dtype": "float64", "seconds": 1000}
    found = {}
    for name, options in {
        "forecast": {
            "data": f"{path}.csv", "target": "1", "columns": ["2"], "fill": "mean", "batch": 5,
            "sequence": 20, "network": "lstm",
        },
        "tag": {"data": f"{path}.tsv", "batch": 4},
    }.items():  # fmt: skip
        config = TASKS[name].Config.of(options | alike)
        mt.manual_seed(config.seed)
        task = TASKS[name].prepare(config)
        session.trainer_of(config, task, communicator).run(steps=25)
        found[name] = {key: p.tolist() for key, p in _plain(task.model).items()}
        found[name]["sizes"] = sorted({batch.size for batch in task.batches(0)})
    return found


def own_loop(communicator):
    """A loop of one's own, as users of ChainerMN write it: mean over 7 numbers, unevenly dealt."""
    data = np.arange(7.0) if communicator.rank == 0 else None
    mine = distributed.scatter_dataset(data, communicator)
    p = mt.nn.Parameter([float(communicator.rank)])
    optimizer = mt.optim.SGD([p], lr=0.25)
    optimizer = distributed.create_multi_node_optimizer(optimizer, communicator)
    optimizer.lr = 0.5
    for _ in range(60):
        optimizer.zero_grad()
        ((p - mine) * (p - mine)).mean().backward()
        optimizer.step(count=len(mine))
    model = mt.nn.Linear(2, 2, rng=np.random.default_rng(communicator.rank))
    communicator.bcast_data(model)
    communicator.check_same(list(model.parameters()), 0)
    return [p.item(), optimizer.param_groups[0]["lr"], model.weight.tolist()]


def differ(communicator):
    """The last rank differs: in one bit of a parameter, in the facts of its data."""
    last = communicator.rank == communicator.size - 1
    p = mt.nn.Parameter([1.0, np.nextafter(2.0, 3.0) if last else 2.0])
    said = []
    for check, arguments in (
        (communicator.check_same, ([p], 12)),
        (communicator.compare, ("the text", {"vocabulary": "abd" if last else "abc", "size": 3})),
    ):
        try:
            check(*arguments)
        except (RuntimeError, ValueError) as error:
            said.append(f"{type(error).__name__}: {error}")
    communicator.compare("the options", {"size": 3})
    return said


def fault(communicator, path, how):
    """Rank 1 fails at step 5 of a training that would not end."""
    done = trainer("rnn", "sgd", 4, communicator)
    places = communicator.places()
    if communicator.rank == 0:
        print(places, file=sys.stderr, flush=True)
    while True:
        if done.step == 5 and communicator.rank == 1:
            _fail(how)
        if done.step == 5 and how == "all":
            raise mt.errors.DataError("corpus.txt: is empty.")
        done.take_step()
        time.sleep(0.001)


def _fail(how):
    if how == "raise":
        raise ZeroDivisionError("of rank 1")
    if how == "data":
        raise mt.errors.DataError("corpus.txt: is not there.")
    if how == "exit":
        sys.exit(3)
    if how == "leave":
        sys.exit(0)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "die":
        os._exit(7)
    if how == "loop":
        while True:
            pass
    if how in ("SIGKILL", "SIGSTOP", "SIGSEGV"):
        os.kill(os.getpid(), getattr(signal, how))


def slow(communicator, path):
    """Rank 0 has something to do alone, longer than the timeout, while the others are patient."""
    if communicator.rank == 0:
        time.sleep(1.2)
    communicator.barrier(patient=True)
    if communicator.rank == 0:
        time.sleep(1.2)
        with open(path, "w", encoding="utf-8") as file:
            json.dump("done", file)


def signals(communicator, path):
    """Train until a signal comes to any rank; all end at one step, with the status it means."""
    got = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: got.append(number))
    done = trainer("rnn", "sgd", 4, communicator)
    came = 0
    while not came:
        done.take_step()
        came = max(communicator.gather(max(got, default=0)))
        if done.step == 3:
            _ready(path, communicator.rank)
        time.sleep(0.01)
    tell(communicator, path, done.step)
    return 128 + came


def _ready(path, rank):
    with open(f"{path}.part.{rank}", "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    os.replace(file.name, f"{path}.ready.{rank}")


def main(name, path, *arguments):
    """Run one program, guarded."""
    options = json.loads(os.environ.get("MPI_PROGRAM", "{}"))
    communicator = distributed.create_communicator(**options)
    with distributed.guard(communicator):
        status = globals()[name](communicator, path, *arguments)
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
