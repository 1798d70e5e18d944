"""A stand-in for CuPy that lives on the host and bites where CuPy bites.

Here is `xp`, which stands for the module `cupy`; its `ndarray` is in `strict_array`, and what is
counted in `strict_watch`. On a machine without a GPU they prove that no operation leaks to NumPy,
mixes backends, uses a name or a keyword that CuPy lacks, synchronises in secret, or gets into a
capture. Every rule was read in the source of CuPy 14.2.0. Where CuPy is undefined or copies without
a word we raise: repeated indices with different values, or NumPy values, in `a[i] = v`. Not here:
streams, the last digits of a result; and kernels, which are in `strict_device`.
"""

import types

import numpy as np
import strict_array
from strict_array import (
    LeakError,
    argument,
    call_on_host,
    is_scalar,
    ndarray,
    on_device,
    operand,
    to_device,
)
from strict_facts import (
    AT_DTYPES,
    CALLBACKS,
    COMPARISONS,
    METHODS,
    MISSING,
    MISSING_KEYWORDS,
    MISSING_LINALG,
    ON_DEVICE,
    OPERATORS,
    SYNCHRONISING,
    UNARY,
)
from strict_watch import refuse, synchronisations

PASSED_ON = (np.generic, np.dtype, np.finfo, np.iinfo, np.ndindex, Exception)


class ufunc:
    """An elementwise function, with no more methods and keywords than it has on CuPy."""

    def __init__(self, host):
        self._host, self.__name__, self.nin, self.nout = host, host.__name__, host.nin, host.nout

    def __call__(self, *args, out=None, dtype=None, casting="same_kind", **kwargs):
        if kwargs:  # where=, order=, subok=
            raise TypeError(f"Wrong arguments {kwargs}")
        out = {} if out is None else {"out": out}  # NumPy minds a None beside a positional out
        return call_on_host(
            self._host, args, dict(dtype=dtype, casting=casting, **out), read=operand
        )

    def _method(self, method, *allowed):
        if self.__name__ not in allowed:
            raise NotImplementedError(f"`cupy_{self.__name__}.{method}` is not supported yet")
        return getattr(self._host, method)

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        host = self._method("reduce", "add", "multiply")
        return call_on_host(host, (array, axis, dtype, out, keepdims), {})

    def accumulate(self, array, axis=0, dtype=None, out=None):
        return call_on_host(
            self._method("accumulate", "add", "multiply"), (array, axis, dtype, out), {}
        )

    def reduceat(self, array, indices, axis=0, dtype=None, out=None):
        return call_on_host(self._method("reduceat", "add"), (array, indices, axis, dtype, out), {})

    def outer(self, a, b, **kwargs):
        return call_on_host(self._host.outer, (a, b), kwargs)

    def at(self, a, indices, b=None):
        refuse(f"{self.__name__}.at()")
        at, target, value = self._method("at", *AT_DTYPES), operand(a, {}), operand(b, {})
        key, kinds = strict_array.host_key(a, indices)
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
            or (name == "fill" and on_device(args[1:]))  # CuPy asks whether it is zero
            or (name == "repeat" and not (len(args) > 1 and type(args[1]) is int))
        ):
            synchronisations.add(f"{name}()")
        result = call_on_host(host, args, kwargs)
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
        if on_device(obj):
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


# What the classes still lack, made from the lists of facts.
def _array_ufunc(self, ufunc, method, *inputs, **kwargs):
    """NumPy also comes here for `array + ours` and for `np.float64(2) * ours` (no leak)."""
    left, name = inputs[0], ufunc.__name__
    if name in COMPARISONS and isinstance(left, np.ndarray) and left.ndim == 0:
        left = left[()]  # NumPy makes an array of the scalar before it compares
    operands = (left, *inputs[1:], *kwargs.get("out", ()))
    if any(isinstance(x, np.ndarray) for x in operands):
        raise TypeError(f"Unsupported type {np.ndarray}")
    if not all(isinstance(x, ndarray) or is_scalar(x) for x in operands):
        return NotImplemented  # the other class has its turn
    by_operator = name in OPERATORS | COMPARISONS and method == "__call__" and not kwargs
    if by_operator and isinstance(left, np.generic):
        return getattr(xp, name)(*operands)
    raise LeakError(name)


def _draw(name):
    def draw(rng, *args, **kwargs):
        refuse(f"Generator.{name}()")
        return ndarray(np.asarray(getattr(rng._host, name)(*args, **kwargs)))

    return draw


def _attribute(name):
    def read(x):
        return to_device(getattr(x._host, name), {id(x._host): x})

    return property(read, lambda x, value: setattr(x._host, name, argument(value, {})))


def _method(name):
    function = _function(getattr(np.ndarray, name))

    def method(self, *args, **kwargs):
        if name not in ("clip", "compress", "dot", "fill", "repeat", "searchsorted"):
            if on_device(args):  # NumPy would take a 0-d array for an axis or a length
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
        if isinstance(other, ndarray) or is_scalar(other):
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
ndarray.__copy__, ndarray.__array_ufunc__ = ndarray.copy, _array_ufunc
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
