"""Data-parallel training: several processes share every batch and take the same steps.

Each process computes the gradients of its part of the sequences, all take the mean of them, and so
all stay the same. It is built as ChainerMN was, on MPI by mpi4py (the extra `mpi`):

    mpiexec -n 2 python -m mpi4py -m minitorch_rnn train --distributed

In here: `communicator` is what processes tell each other, with `buckets` for gradients and
`carried` for states; `guarding` and `watchdog` end all where one fails or waits in vain; `alone` is
the communicator of a single process, and `nodes` is for training loops of one's own.
"""

from minitorch_rnn.training.distributed.alone import Alone
from minitorch_rnn.training.distributed.communicator import Communicator, create_communicator
from minitorch_rnn.training.distributed.guarding import guard
from minitorch_rnn.training.distributed.nodes import (
    MultiNodeOptimizer,
    create_multi_node_optimizer,
    scatter_dataset,
)

__all__ = [
    "Alone", "Communicator", "MultiNodeOptimizer", "create_communicator",
    "create_multi_node_optimizer", "guard", "scatter_dataset",
]  # fmt: skip
