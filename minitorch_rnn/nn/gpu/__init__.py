"""The fast road on a GPU: recurrent layers whose steps are our own kernels.

In here: `kernels.cu` has each cell's step as CUDA C++, `loops` runs the steps of a sequence,
`persistent` all of them in one kernel, `passes` makes the two passes of a scan of them, and
`options` what a user may choose.
"""

from minitorch_rnn.nn.gpu.loops import sources
from minitorch_rnn.nn.gpu.options import scan_options
from minitorch_rnn.nn.gpu.passes import backward, forward

__all__ = ["backward", "forward", "scan_options", "sources"]
