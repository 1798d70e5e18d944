"""The array of the stand-in for CuPy: `ndarray` wraps a NumPy array and lets none of it out.

Here are the border, which every value crosses on its way to NumPy and back, and the indices. The
operators and most methods are made in `strict_cupy`, from the functions of the module.
"""

from collections import namedtuple

import numpy as np
from strict_facts import DTYPES, NEEDS_NO_ARRAY, VIEWS
from strict_watch import memory, records, refuse, synchronisations

Flags = namedtuple("Flags", "c_contiguous f_contiguous owndata fnc forc")  # no `writeable`


class LeakError(TypeError, AssertionError):
    """NumPy was called on a device array. CuPy would answer the call, which hides the leak."""

    def __init__(self, name):
        super().__init__(f"numpy.{name} was called on a device array: use namespace(x).{name}")


# The border. `seen` maps the id of a host array that crossed it to the device array around it.
def is_scalar(x):
    if isinstance(x, np.generic):
        return x.dtype.char in DTYPES
    return type(x) in (bool, int, float, complex)  # no subclass, as in CuPy


def operand(x, seen):
    """The host value of what a ufunc takes: device arrays and scalars."""
    if isinstance(x, ndarray):
        seen[id(x._host)] = x
        return x._host
    if x is None or is_scalar(x):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def argument(x, seen):
    """The host value of what other functions take: axes, dtypes and lists of arrays too."""
    if isinstance(x, (list, tuple)):
        items = [argument(item, seen) for item in x]
        nested = [isinstance(item, (np.ndarray, list, tuple)) for item in items]
        if any(isinstance(item, np.ndarray) for item in items) and not all(nested):
            raise TypeError("Only cupy arrays can be concatenated")
        return tuple(items) if isinstance(x, tuple) else items
    converts = hasattr(type(x), "__array__") and not isinstance(x, np.generic)
    return operand(x, seen) if converts else x  # which refuses NumPy arrays and their like


def to_device(result, seen):
    """Back to the device; an array that came in (`out=`, `asarray`) leaves as the same object."""
    if isinstance(result, (np.ndarray, np.generic)):
        return seen[id(result)] if id(result) in seen else ndarray(np.asarray(result))
    if isinstance(result, (list, tuple)):
        items = [to_device(item, seen) for item in result]
        return result._make(items) if hasattr(result, "_make") else type(result)(items)
    return result


def call_on_host(function, args, kwargs, read=argument):
    if function.__name__ not in VIEWS:
        refuse(f"{function.__name__}()")
    seen = {}
    args = [read(x, seen) for x in args]
    kwargs = {keyword: argument(x, seen) for keyword, x in kwargs.items()}
    if not (seen or read is operand or function.__name__ in NEEDS_NO_ARRAY):
        raise TypeError(f"cupy.{function.__name__} needs a cupy.ndarray, and no argument is one")
    with np.errstate(all="ignore"):  # a device gives inf and nan without a warning
        result = function(*args, **kwargs)
    if records() and not np.may_share_memory(result, args[0]):
        refuse(f"{function.__name__}() that copies")
    return to_device(result, seen)


def on_device(x):
    return isinstance(x, ndarray) or (isinstance(x, (list, tuple)) and any(map(on_device, x)))


# Indexing.
def host_key(x, key):
    """The key for `x._host`, and the kinds ("b", "i", "u") of the arrays in it.

    Integer arrays go modulo the axis, as CuPy wraps what is out of range and never raises. The
    Ellipsis makes NumPy return a 0-d view, as CuPy does, where it would copy out a scalar.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    for i, part in enumerate(parts):
        if isinstance(part, (ndarray, np.ndarray, list, tuple, bool, np.bool_)):
            array = np.asarray(part if isinstance(part, np.ndarray) else argument(part, {}))
            empty = array.size == 0 and isinstance(part, (list, tuple))  # NumPy makes it float
            parts[i] = array.astype(int) if empty else array
            if parts[i].dtype.kind not in "biu":
                raise IndexError("arrays used as indices must be of integer or boolean type")
    kinds = [part.dtype.kind for part in parts if isinstance(part, np.ndarray)]
    for _ in range(kinds.count("b")):
        synchronisations.add("index with a boolean mask")
    if not any(part is Ellipsis for part in parts):
        parts.append(Ellipsis)
    axis, skipped = 0, x.ndim - sum(map(_axes_used, parts))
    for i, part in enumerate(parts):
        if isinstance(part, np.ndarray) and part.dtype != bool and skipped >= 0 and x.shape[axis]:
            parts[i] = part.astype(int) % x.shape[axis]
        axis += skipped if part is Ellipsis else _axes_used(part)
    return tuple(parts), kinds


def _axes_used(part):
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == bool else 1


class ndarray:
    """A device array. What is here, or set in `strict_cupy`, is on `cupy.ndarray` too."""

    __slots__ = ("_host", "__weakref__")
    __module__ = "cupy"
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, host):
        if host.dtype.char not in DTYPES:
            raise ValueError(f"Unsupported dtype {host.dtype}")
        self._host = host
        memory.add(host)

    @property
    def flags(self):
        c, f = self._host.flags.c_contiguous, self._host.flags.f_contiguous
        return Flags(c, f, self._host.base is None, f and not c, f or c)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key):
        key, kinds = host_key(self, key)
        if kinds:
            refuse("an index that copies")
        return ndarray(np.array(self._host[key], order="C") if kinds else self._host[key])

    def __setitem__(self, key, value):
        refuse("x[i] = y")
        key, kinds = host_key(self, key)
        if isinstance(value, (np.ndarray, list, tuple)) and not kinds:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        value = operand(value, {})
        self._host[key] = value
        if kinds:  # which of several values for one element stays is undefined on CuPy
            stored, value = self._host[key], np.asarray(value).astype(self.dtype)
            if ((stored != value) & (stored == stored)).any():  # the second term leaves out nan
                raise ValueError("a[i] = v with repeated i, different v is undefined: use add.at")

    def take(self, indices, axis=None, out=None):
        indices = indices if isinstance(indices, np.ndarray) else argument(indices, {})
        return call_on_host(
            np.ndarray.take, (self, ndarray(np.asarray(indices)), axis, out, "wrap"), {}
        )

    def get(self, stream=None, order="C", out=None, blocking=True):
        synchronisations.add("get()")
        if out is None:
            return self._host.copy(order)
        np.copyto(out, self._host, casting="no")
        return out

    def __format__(self, spec):
        synchronisations.add("format()")
        return format(self._host, spec)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_function__(self, function, types, args, kwargs):
        raise LeakError(function.__name__)
