"""A stand-in for CuPy that lives on the host and bites where CuPy bites.

Here: `ndarray` (wraps a NumPy array and lets none of it out), `xp` (stands for the module `cupy`),
`synchronisations` (counts the times the host would have waited for the device), `memory` (counts
bytes) and `Recording` (inside, no operation is allowed). On a machine without a GPU they prove that
no operation leaks to NumPy, mixes backends, uses a name or a keyword that CuPy lacks, synchronises
in secret, or gets into a capture. Every rule was read in the source of CuPy 14.2.0. Where
CuPy is undefined or copies without a word we raise: repeated indices with different values, or
NumPy values, in `a[i] = v`. Not here: streams, the last digits of a result; and kernels,
which are in `strict_device`.
"""

import threading
import types
import weakref
from collections import namedtuple
from contextlib import contextmanager

import numpy as np

# Public names that NumPy 2.4.6 has and the wheel cupy-cuda12x 14.2.0 lacks. With both installed:
# import cupy, numpy; print(*(n for n in dir(numpy) if n[0] != "_" and not hasattr(cupy, n)))
MISSING = """False_ ScalarType True_ asmatrix block bmat busday_count busday_offset busdaycalendar
bytes_ char character clongdouble complex256 core ctypeslib datetime64 datetime_as_string
datetime_data dtypes einsum_path emath errstate f2py flexible float128 frompyfunc fromregex
geomspace get_include getbufsize geterr geterrcall histogram_bin_edges info insert is_busday isnat
little_endian longdouble ma matrix matvec memmap nanpercentile nanquantile ndenumerate nditer
nested_iters object_ polyder polydiv polyint rec recarray record sctypeDict setbufsize seterr
seterrcall show_runtime spacing str_ strings test timedelta64 typecodes unstack vecdot vecmat
void""".split()
MISSING_LINALG = """diagonal matrix_norm multi_dot outer svdvals tensordot test trace vecdot
vector_norm""".split()  # likewise numpy.linalg and cupy.linalg

# Keyword: the functions that take it in NumPy only (inspect.signature, docstrings; same wheels).
_REDUCTIONS = "amax amin max min nanmax nanmin nanprod nansum prod sum "
MISSING_KEYWORDS = {
    "initial": _REDUCTIONS,
    "where": _REDUCTIONS + "all any mean nanmean nanstd nanvar std var",
    **dict.fromkeys(("correction", "mean"), "nanstd nanvar std var"),
    **{"casting": "astype einsum", "out": "einsum"},
    **{"subok": "astype copy broadcast_arrays broadcast_to"},
    **dict.fromkeys(("order", "stable"), "argpartition argsort einsum partition sort"),
    **{"keepdims": "count_nonzero", "kind": "argpartition isin partition", "shape": "reshape"},
}
# These fetch a number from the device, for the size of the result or for a check.
SYNCHRONISING = """argwhere array2string array_repr array_str asarray_chkfinite bincount choose
compress delete extract flatnonzero histogram histogram2d histogramdd intersect1d mask_indices
nanmax nanmin nonzero place ravel_multi_index real_if_close save savetxt savez setdiff1d setxor1d
trim_zeros union1d unique unique_all unique_counts unique_inverse unique_values
unravel_index""".split()
ON_DEVICE = "allclose array_equal array_equiv count_nonzero".split()  # in NumPy: Python numbers
NEEDS_NO_ARRAY = """arange atleast_1d atleast_2d atleast_3d bartlett blackman broadcast_shapes
can_cast diag_indices empty eye full get_printoptions hamming hanning identity indices iscomplexobj
isclose isdtype isrealobj isscalar issubdtype iterable kaiser linspace load logspace
min_scalar_type ndim ones printoptions promote_types result_type set_printoptions shape tri
tril_indices triu_indices typename zeros""".split()
METHODS = """all any argmax argmin argsort astype clip compress conj conjugate copy cumprod cumsum
diagonal dot fill flatten max mean min nonzero prod ravel repeat reshape round searchsorted sort
squeeze std sum swapaxes trace transpose var view""".split()
OPERATORS = """add:add subtract:sub multiply:mul matmul:matmul divide:truediv remainder:mod
floor_divide:floordiv divmod:divmod power:pow left_shift:lshift right_shift:rshift bitwise_and:and
bitwise_or:or bitwise_xor:xor"""
OPERATORS = dict(pair.split(":") for pair in OPERATORS.split())
COMPARISONS = "less:lt less_equal:le equal:eq not_equal:ne greater:gt greater_equal:ge"
COMPARISONS = dict(pair.split(":") for pair in COMPARISONS.split())
UNARY = {"negative": "neg", "positive": "pos", "absolute": "abs", "invert": "invert"}
DTYPES = "?bBhHiIlLqQefdFD"  # then those that ufunc.at takes with integer indices
AT_DTYPES = {"add": "iIlLqQefd", "subtract": "iI", "maximum": "iIlLqQfd", "minimum": "iIlLqQfd"}
AT_DTYPES |= dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), "iIlLqQ")

# These make no array if they need not copy, and a view may be taken in a capture.
VIEWS = """broadcast_to diagonal expand_dims moveaxis permute_dims ravel reshape rollaxis squeeze
swapaxes transpose view""".split()

# Not imitated: NumPy would hand host arrays to the callback.
CALLBACKS = ("apply_along_axis", "apply_over_axes", "fromfunction", "piecewise")
PASSED_ON = (np.generic, np.dtype, np.finfo, np.iinfo, np.ndindex, Exception)

Flags = namedtuple("Flags", "c_contiguous f_contiguous owndata fnc forc")  # no `writeable`


class LeakError(TypeError, AssertionError):
    """NumPy was called on a device array. CuPy would answer the call, which hides the leak."""

    def __init__(self, name):
        super().__init__(f"numpy.{name} was called on a device array: use namespace(x).{name}")


class Synchronisations:
    """How often the host waited for the device, and which calls made it wait."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.count, self.causes = 0, []

    def add(self, cause):
        refuse(cause)
        self.count += 1
        self.causes.append(cause)


class CaptureError(RuntimeError, AssertionError):
    """An operation while a device records. A GPU would run it never, again and again, or fail."""


class Recording:
    """A block in which a device records kernels; in its thread everything but a view raises."""

    threads = set()

    def __enter__(self):
        Recording.threads.add(threading.get_ident())

    def __exit__(self, *error):
        Recording.threads.remove(threading.get_ident())


def _records():
    return Recording.threads and threading.get_ident() in Recording.threads


def refuse(name):
    if _records():
        raise CaptureError(f"cupy: {name} was called in a capture, which records kernels only")


class Owner(weakref.ref):
    """An array that owns its memory."""

    __slots__ = ("key", "size")


class Memory:
    """Bytes of all arrays that are alive; views of one array count once."""

    def __init__(self):
        self.bytes, self._owners, self._watches = 0, {}, []

    def add(self, host):
        array = host if host.base is None else owner(host)
        key = id(array)
        if key not in self._owners:
            self._owners[key] = ref = Owner(array, self._free)
            ref.key, ref.size = key, array.nbytes
            self.bytes += ref.size
            for found in self._watches:
                found.peak = max(found.peak, self.bytes)

    def _free(self, ref):
        del self._owners[ref.key]
        self.bytes -= ref.size

    def arrays(self):
        """Those that are alive and own their memory."""
        return [
            array for array in [ref() for ref in list(self._owners.values())] if array is not None
        ]

    @contextmanager
    def watched(self):
        found = types.SimpleNamespace(peak=self.bytes)
        self._watches.append(found)
        try:
            yield found
        finally:
            self._watches.remove(found)


def owner(host):
    """The array whose memory a view shows."""
    while isinstance(host.base, np.ndarray):
        host = host.base
    return host


synchronisations = Synchronisations()
memory = Memory()


# The border. `seen` maps the id of a host array that crossed it to the device array around it.
def _is_scalar(x):
    if isinstance(x, np.generic):
        return x.dtype.char in DTYPES
    return type(x) in (bool, int, float, complex)  # no subclass, as in CuPy


def _operand(x, seen):
    """The host value of what a ufunc takes: device arrays and scalars."""
    if isinstance(x, ndarray):
        seen[id(x._host)] = x
        return x._host
    if x is None or _is_scalar(x):
        return x
    raise TypeError(f"Unsupported type {type(x)}")


def _argument(x, seen):
    """The host value of what other functions take: axes, dtypes and lists of arrays too."""
    if isinstance(x, (list, tuple)):
        items = [_argument(item, seen) for item in x]
        nested = [isinstance(item, (np.ndarray, list, tuple)) for item in items]
        if any(isinstance(item, np.ndarray) for item in items) and not all(nested):
            raise TypeError("Only cupy arrays can be concatenated")
        return tuple(items) if isinstance(x, tuple) else items
    converts = hasattr(type(x), "__array__") and not isinstance(x, np.generic)
    return _operand(x, seen) if converts else x  # which refuses NumPy arrays and their like


def _device(result, seen):
    """Back to the device; an array that came in (`out=`, `asarray`) leaves as the same object."""
    if isinstance(result, (np.ndarray, np.generic)):
        return seen[id(result)] if id(result) in seen else ndarray(np.asarray(result))
    if isinstance(result, (list, tuple)):
        items = [_device(item, seen) for item in result]
        return result._make(items) if hasattr(result, "_make") else type(result)(items)
    return result


def _call(function, args, kwargs, read=_argument):
    if function.__name__ not in VIEWS:
        refuse(f"{function.__name__}()")
    seen = {}
    args = [read(x, seen) for x in args]
    kwargs = {keyword: _argument(x, seen) for keyword, x in kwargs.items()}
    if not (seen or read is _operand or function.__name__ in NEEDS_NO_ARRAY):
        raise TypeError(f"cupy.{function.__name__} needs a cupy.ndarray, and no argument is one")
    with np.errstate(all="ignore"):  # a device gives inf and nan without a warning
        result = function(*args, **kwargs)
    if _records() and not np.may_share_memory(result, args[0]):
        refuse(f"{function.__name__}() that copies")
    return _device(result, seen)


def _on_device(x):
    return isinstance(x, ndarray) or (isinstance(x, (list, tuple)) and any(map(_on_device, x)))


# Indexing.
def _host_key(x, key):
    """The key for `x._host`, and the kinds ("b", "i", "u") of the arrays in it.

    Integer arrays go modulo the axis, as CuPy wraps what is out of range and never raises. The
    Ellipsis makes NumPy return a 0-d view, as CuPy does, where it would copy out a scalar.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    for i, part in enumerate(parts):
        if isinstance(part, (ndarray, np.ndarray, list, tuple, bool, np.bool_)):
            array = np.asarray(part if isinstance(part, np.ndarray) else _argument(part, {}))
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
    """A device array. What is here, or set at the end of the file, is on `cupy.ndarray` too."""

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
        key, kinds = _host_key(self, key)
        if kinds:
            refuse("an index that copies")
        return ndarray(np.array(self._host[key], order="C") if kinds else self._host[key])

    def __setitem__(self, key, value):
        refuse("x[i] = y")
        key, kinds = _host_key(self, key)
        if isinstance(value, (np.ndarray, list, tuple)) and not kinds:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        value = _operand(value, {})
        self._host[key] = value
        if kinds:  # which of several values for one element stays is undefined on CuPy
            stored, value = self._host[key], np.asarray(value).astype(self.dtype)
            if ((stored != value) & (stored == stored)).any():  # the second term leaves out nan
                raise ValueError("a[i] = v with repeated i, different v is undefined: use add.at")

    def take(self, indices, axis=None, out=None):
        indices = indices if isinstance(indices, np.ndarray) else _argument(indices, {})
        return _call(np.ndarray.take, (self, ndarray(np.asarray(indices)), axis, out, "wrap"), {})

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

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """NumPy also comes here for `array + ours` and for `np.float64(2) * ours` (no leak)."""
        left, name = inputs[0], ufunc.__name__
        if name in COMPARISONS and isinstance(left, np.ndarray) and left.ndim == 0:
            left = left[()]  # NumPy makes an array of the scalar before it compares
        operands = (left, *inputs[1:], *kwargs.get("out", ()))
        if any(isinstance(x, np.ndarray) for x in operands):
            raise TypeError(f"Unsupported type {np.ndarray}")
        if not all(isinstance(x, ndarray) or _is_scalar(x) for x in operands):
            return NotImplemented  # the other class has its turn
        by_operator = name in OPERATORS | COMPARISONS and method == "__call__" and not kwargs
        if by_operator and isinstance(left, np.generic):
            return getattr(xp, name)(*operands)
        raise LeakError(name)


# The module.
class ufunc:
    """An elementwise function, with no more methods and keywords than it has on CuPy."""

    def __init__(self, host):
        self._host, self.__name__, self.nin, self.nout = host, host.__name__, host.nin, host.nout

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", **kwargs):
        if kwargs:  # where=, order=, subok=
            raise TypeError(f"Wrong arguments {kwargs}")
        out = {} if out is None else {"out": out}  # NumPy minds a None beside a positional out
        return _call(self._host, args, dict(dtype=dtype, casting=casting, **out), read=_operand)

    def _method(self, method, *allowed):
        if self.__name__ not in allowed:
            raise NotImplementedError(f"`cupy_{self.__name__}.{method}` is not supported yet")
        return getattr(self._host, method)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        host = self._method("reduce", "add", "multiply")
        return _call(host, (array, axis, dtype, out, keepdims), {})

    def accumulate(self, array, axis=0, dtype=None, out=None):
        return _call(self._method("accumulate", "add", "multiply"), (array, axis, dtype, out), {})

    def reduceat(self, array, indices, axis=0, dtype=None, out=None):
        return _call(self._method("reduceat", "add"), (array, indices, axis, dtype, out), {})

    def outer(self, a, b, **kwargs):
        return _call(self._host.outer, (a, b), kwargs)

    def at(self, a, indices, b=None):
        refuse(f"{self.__name__}.at()")
        at, target, value = self._method("at", *AT_DTYPES), _operand(a, {}), _operand(b, {})
        key, kinds = _host_key(a, indices)
        if set(kinds) & set("iu") and a.dtype.char not in AT_DTYPES[self.__name__]:
            raise TypeError(f"cupy.{self.__name__}.at does not support the dtype {a.dtype}")
        at(target, key, np.asarray(value).astype(a.dtype) if kinds else value)


def _function(host):
    """A function (or a method) of NumPy, with the keywords and the waits of CuPy's."""
    name = host.__name__

    def call(*args, **kwargs):
        for keyword in kwargs:
            if keyword in ("device", "like") or name in MISSING_KEYWORDS.get(keyword, "").split():
                raise TypeError(f"{name}() got an unexpected keyword argument {keyword!r}")
        if name in ("argsort", "sort") and kwargs.get("kind") not in (None, "stable"):
            raise ValueError("kind can only be None or 'stable'")
        if (
            (name in SYNCHRONISING or "weights" in kwargs)
            or (name == "where" and len(args) == 1)
            or (name == "fill" and _on_device(args[1:]))  # CuPy asks whether it is zero
            or (name == "repeat" and not (len(args) > 1 and type(args[1]) is int))
        ):
            synchronisations.add(f"{name}()")
        result = _call(host, args, kwargs)
        return xp.asarray(result) if name in ON_DEVICE else result

    return call


class Namespace(types.ModuleType):
    """Stands for a module of CuPy; makes each name from NumPy's when it is first asked for."""

    def __init__(self, name, host, missing):
        super().__init__(name)
        self._host, self._missing = host, missing

    def __getattr__(self, name):
        if name[0] == "_" or name in self._missing or not hasattr(self._host, name):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(self._host, name)
        if isinstance(value, np.ufunc) and name != "matmul":
            value = ufunc(value)
        elif callable(value) and not isinstance(value, type) and name not in CALLBACKS:
            value = _function(value)
        elif not (isinstance(value, type) and issubclass(value, PASSED_ON)):
            if not isinstance(value, (float, type(None), type(np.s_))):
                raise NotImplementedError(f"strict_cupy does not imitate {self.__name__}.{name}")
        setattr(self, name, value)
        return value


def _upload(host):
    """`asarray` and its like: the only door for host data, and always by a copy."""

    def upload(obj, dtype=None, **kwargs):
        if _on_device(obj):
            return _function(host)(obj, dtype, **kwargs)
        refuse(f"{host.__name__}() of host data")
        return ndarray(np.array(obj, dtype, **kwargs | {"copy": True}))

    return upload


def _unwritten(host):
    """`empty` and its like hold what nobody should read: nan, or the largest integer."""

    def make(*args, **kwargs):
        made = _function(host)(*args, **kwargs)
        kind = made.dtype.kind
        made._host.fill(np.nan if kind in "fc" else kind == "b" or np.iinfo(made.dtype).max)
        return made

    return make


def _asnumpy(x):
    return x.get() if isinstance(x, ndarray) else np.asarray(x)


def _along(x, indices, axis):
    """The key that x[key] takes: CuPy does it so, hence indices out of range wrap here too."""
    if indices.dtype.kind not in "iu" or indices.ndim != x.ndim:
        raise IndexError("`indices` must be an integer array with the dimensions of the other one")
    key = [np.arange(n).reshape([-1] + [1] * (x.ndim - 1 - i)) for i, n in enumerate(x.shape)]
    key[axis] = indices
    return tuple(key)


def _clip(a, a_min, a_max, out=None):
    return ndarray.clip(a, a_min, a_max, out)


def _matmul(a, b, /, *, out=None, **keywords):
    """CuPy takes the third argument by its name only, unlike its other ufuncs and `dot`."""
    return _function(np.matmul)(a, b, **keywords, **({} if out is None else {"out": out}))


def _put_along_axis(arr, indices, values, axis):
    arr[_along(arr, indices, axis)] = values


def _take_along_axis(a, indices, axis):
    return a[_along(a, indices, axis)]


class Generator:
    """As short as CuPy's: no normal, permutation or choice, and the stream is not NumPy's."""

    def __init__(self, seed=None):
        self._host = np.random.Generator(np.random.Philox(seed))


xp = Namespace("cupy", np, MISSING)
xp.ndarray, xp.ufunc, xp.asnumpy, xp.is_available = ndarray, ufunc, _asnumpy, lambda: True
xp.array, xp.asarray, xp.asanyarray = map(_upload, (np.array, np.asarray, np.asanyarray))
xp.empty, xp.empty_like = _unwritten(np.empty), _unwritten(np.empty_like)
xp.clip, xp.matmul, xp.take = _clip, _matmul, ndarray.take
xp.take_along_axis, xp.put_along_axis = _take_along_axis, _put_along_axis
xp.linalg = Namespace("cupy.linalg", np.linalg, MISSING_LINALG)
xp.random = types.ModuleType("cupy.random")
xp.random.default_rng = Generator


# What the classes still lack, made from the lists above.
def _draw(name):
    def draw(rng, *args, **kwargs):
        refuse(f"Generator.{name}()")
        return ndarray(np.asarray(getattr(rng._host, name)(*args, **kwargs)))

    return draw


def _attribute(name):
    def read(x):
        return _device(getattr(x._host, name), {id(x._host): x})

    return property(read, lambda x, value: setattr(x._host, name, _argument(value, {})))


def _method(name):
    function = _function(getattr(np.ndarray, name))

    def method(self, *args, **kwargs):
        if name not in ("clip", "compress", "dot", "fill", "repeat", "searchsorted"):
            if _on_device(args):  # NumPy would take a 0-d array for an axis or a length
                raise TypeError("'cupy.ndarray' object cannot be interpreted as an integer")
        return function(self, *args, **kwargs)

    return method


def _conversion(function):
    def convert(self):
        synchronisations.add(f"{function.__name__}()")
        return function(self._host)

    return convert


def _operator(name, reflected=False):
    def operate(self, other):
        operands = (other, self) if reflected else (self, other)
        if isinstance(other, ndarray) or _is_scalar(other):
            return getattr(xp, name)(*operands)
        if getattr(other, "__array_ufunc__", self) is None:
            return NotImplemented
        if not hasattr(other, "__array_ufunc__") and getattr(other, "__array_priority__", 0) > 100:
            return NotImplemented
        if name in ("equal", "not_equal"):
            if other is None or type(other).__eq__ is object.__eq__:
                return xp.full(self.shape, name == "not_equal")
        return getattr(np, name)(*operands)  # as CuPy does: raises, or asks other.__array_ufunc__

    return operate


def _inplace(name):
    return lambda x, other: getattr(xp, name)(x, other, out=x)


for _name in "integers random standard_normal uniform".split():
    setattr(Generator, _name, _draw(_name))
for _name in "base dtype imag itemsize mT nbytes ndim real shape size strides T".split():
    setattr(ndarray, _name, _attribute(_name))
for _name in METHODS:
    setattr(ndarray, _name, _method(_name))
for _type in (bool, complex, float, int, repr, str):
    setattr(ndarray, f"__{_type.__name__}__", _conversion(_type))
ndarray.__copy__ = ndarray.copy
ndarray.item, ndarray.tolist = _conversion(np.ndarray.item), _conversion(np.ndarray.tolist)
for _name, _sign in UNARY.items():
    setattr(ndarray, f"__{_sign}__", lambda x, _name=_name: getattr(xp, _name)(x))
for _name, _sign in COMPARISONS.items():
    setattr(ndarray, f"__{_sign}__", _operator(_name))
for _name, _sign in OPERATORS.items():
    setattr(ndarray, f"__{_sign}__", _operator(_name))
    setattr(ndarray, f"__r{_sign}__", _operator(_name, reflected=True))
    if _sign not in ("divmod", "matmul"):
        setattr(ndarray, f"__i{_sign}__", _inplace(_name))
