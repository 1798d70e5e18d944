"""What CuPy 14.2.0 has, lacks and waits for, as names: each was read in its source or asked of it.

A test compares these lists with the package itself where it is installed.
"""

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
