"""The fixture of tests that call cuBLAS: a GPU of CuPy whose products are made on the host."""

import pytest
from cublas_on_host import gpu_on_host
from host_compiler import COMPILER, NEEDS_COMPILER


@pytest.fixture
def gpu():
    if COMPILER is None:
        pytest.skip(NEEDS_COMPILER)
    with gpu_on_host() as gpu:
        yield gpu
