"""The fast road on a GPU: recurrent layers whose steps are our own kernels.

In here: `kernels.cu` has each cell's step as CUDA C++, and `layouts` what it expects and leaves;
`loops` runs the steps of a sequence, `persistent` (and `persistent.cu`) all of them in one kernel;
`passes` makes the two passes of a scan of them, `proof` compares them with NumPy before they count,
and `options` is what a user may choose.
"""

from minitorch_rnn.nn.gpu.loops import sources
from minitorch_rnn.nn.gpu.options import scan_options
from minitorch_rnn.nn.gpu.passes import backward, forward

__all__ = ["backward", "forward", "scan_options", "sources"]
