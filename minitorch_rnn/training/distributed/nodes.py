"""For training loops of one's own, by ChainerMN's names: an optimiser, a data set of many nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch_rnn import backend
from minitorch_rnn.optim import Optimizer

__all__ = ["MultiNodeOptimizer", "create_multi_node_optimizer", "scatter_dataset"]


class MultiNodeOptimizer:
    """An optimiser whose step takes the mean of the gradients of all processes.

    All else, such as `zero_grad`, `lr` and `state_dict`, is the optimiser's own.

    Args:
        optimizer: of the same parameters on every process; they take the values of rank 0's.
        communicator: of the processes.

    >>> import minitorch_rnn as mt
    >>> from minitorch_rnn.training import distributed
    >>> sgd = mt.optim.SGD([mt.nn.Parameter(1.0)], lr=0.5)
    >>> optimizer = MultiNodeOptimizer(sgd, distributed.Alone())
    >>> optimizer.lr, optimizer.actual_optimizer is sgd
    (0.5, True)
    """

    def __init__(self, optimizer: Optimizer, communicator: Any) -> None:
        self.__dict__.update(actual_optimizer=optimizer, communicator=communicator)
        for p in optimizer.params:
            values = communicator.broadcast(backend.to_numpy(p._data))
            p.update_(backend.asarray(values, on=p.backend))

    def step(self, closure: Callable[[], Any] | None = None, count: int = 1) -> Any:
        """Take the mean of the gradients, then the step.

        Args:
            closure: as of `Optimizer.step`.
            count: the samples that this process has taken its mean of; 0 if it had none.
        """
        loss = None if closure is None else closure()
        self.communicator.average(self.actual_optimizer.params, count, [])
        self.actual_optimizer.step()
        return loss

    def __getattr__(self, name: str) -> Any:
        return getattr(self.actual_optimizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.actual_optimizer, name, value)


def create_multi_node_optimizer(optimizer: Optimizer, communicator: Any) -> MultiNodeOptimizer:
    """The optimiser of one process of several, for a training loop of one's own.

    Args:
        optimizer: of the same parameters on every process; they take the values of rank 0's.
        communicator: `create_communicator()`, or `Alone()`.

    >>> import minitorch_rnn as mt
    >>> from minitorch_rnn.training import distributed
    >>> p = mt.nn.Parameter([1.0, 2.0])
    >>> sgd = mt.optim.SGD([p], lr=0.5)
    >>> optimizer = distributed.create_multi_node_optimizer(sgd, distributed.Alone())
    >>> (p * p).sum().backward()
    >>> optimizer.step(count=1)
    >>> p.tolist()
    [0.0, 0.0]
    """
    return MultiNodeOptimizer(optimizer, communicator)


def scatter_dataset(dataset: Any, communicator: Any) -> Any:
    """The part of rank 0's data set that this process takes: neighbours, as many as can be.

    Args:
        dataset: what can be sliced and has a length, such as a list or an array, (N, …); on the
            other processes it is not looked at and may be None.
        communicator: of the processes.

    >>> from minitorch_rnn.training import distributed
    >>> distributed.scatter_dataset([3, 1, 2], distributed.Alone())
    [3, 1, 2]
    """
    size, parts = communicator.size, None
    if size == 1:
        return dataset
    if communicator.rank == 0:
        N = len(dataset)
        parts = [dataset[r * N // size : (r + 1) * N // size] for r in range(size)]
    return communicator.scatter(parts)
