"""Where arrays live: NumPy on the CPU or CuPy on a GPU.

An array's own type decides which library computes with it (`namespace`); `use` only decides where
*new* arrays are made. Nothing here ever moves an array by itself. Random numbers are drawn on the
host by NumPy for every backend, so one seed means one model everywhere.

In here: `switch` has the backends, `setting` what a block can change, `arrays` what goes into an
array, `random` the numbers, `device` what a GPU can do beyond arrays, and `cuda` with `blas` how
CuPy does it: the only files that name cupy.
"""

from minitorch_rnn.backend.arrays import (
    asarray,
    dtype_of,
    get_default_dtype,
    plain,
    set_default_dtype,
)
from minitorch_rnn.backend.device import Device, Launch
from minitorch_rnn.backend.random import drawing_again, generator, manual_seed
from minitorch_rnn.backend.switch import (
    Backend,
    backend_of,
    current_backend,
    device_of,
    erf,
    names,
    namespace,
    namespace_of,
    place,
    raise_if_of_device,
    register,
    to_numpy,
    told,
    use,
)

__all__ = [
    "Backend", "Device", "Launch", "asarray", "backend_of", "current_backend", "device_of",
    "drawing_again", "dtype_of", "erf", "generator", "get_default_dtype", "manual_seed", "names",
    "namespace", "namespace_of", "place", "plain", "raise_if_of_device", "register",
    "set_default_dtype", "to_numpy", "told", "use",
]  # fmt: skip
