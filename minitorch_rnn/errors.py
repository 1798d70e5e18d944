"""The exceptions of this library.

Each one subclasses the builtin a caller would expect, so `except ValueError` keeps working, and
each message says who complains, what came, what was needed and what to do. A wrong index or axis is
the builtin IndexError, a wrong name or option of a constructor the builtin ValueError.
"""


class ShapeError(ValueError):
    """Shapes, sizes or lengths do not fit; the message holds both."""


class DTypeError(TypeError):
    """An array has a dtype that the operation or the graph cannot use."""


class GraphError(RuntimeError):
    """The recorded graph cannot give the gradient that was asked for."""


class BackendError(RuntimeError):
    """A backend is missing, arrays of two backends met, or a device failed or computes wrongly."""


class DataError(ValueError):
    """A data set is unreadable, empty or too short; the message names the file and the reason."""


class ColumnError(ValueError):
    """A column is no network that can be run; the message names the node or the edge."""


class StateError(RuntimeError):
    """A state_dict does not fit; the message lists every difference at once."""


class RunError(ValueError):
    """A run folder is missing a file, or one of its files cannot be used; the message names it."""


class CheckpointError(ValueError):
    """A file of weights is damaged, cut off or of another format; the message names it."""


class NonFiniteError(ArithmeticError):
    """A loss or a gradient became nan or infinite; the message names the step and the tensor."""
