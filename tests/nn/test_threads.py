"""BLAS on one thread while products are small, and as before afterwards, whatever happens."""

import numpy as np
import pytest

import minitorch_rnn as mt
from minitorch_rnn.nn import threads


class Library:
    """What threadpoolctl tells of a BLAS."""

    def __init__(self, num_threads):
        self.num_threads, self.asked = num_threads, []

    def set_num_threads(self, n):
        self.num_threads = n
        self.asked.append(n)


@pytest.fixture
def libraries(monkeypatch):
    found = [Library(4), Library(1)]
    monkeypatch.setattr(threads, "_libraries", lambda: found)
    return found


def test_small_products_are_not_shared_and_the_setting_is_restored(libraries):
    with threads.unshared(threads._WORTH_SHARING - 1):
        assert [library.num_threads for library in libraries] == [1, 1]
    assert [library.num_threads for library in libraries] == [4, 1]
    assert libraries[1].asked == []  # what has one thread is left alone


def test_large_products_are_shared(libraries):
    with threads.unshared(threads._WORTH_SHARING):
        assert libraries[0].num_threads == 4
    assert libraries[0].asked == []


def test_an_exception_restores_the_setting(libraries):
    with pytest.raises(KeyboardInterrupt), threads.unshared(1):
        raise KeyboardInterrupt
    assert libraries[0].num_threads == 4


@pytest.mark.parametrize("H, expected", [(4, [1, 4] * 2), (3000, [])])
def test_a_layer_asks_once_each_way(H, expected, libraries):
    rnn = mt.nn.RNN(2, H, dtype="float32")
    output, _ = rnn(np.ones((3, 1, 2), "float32"))
    output.sum().backward()
    assert libraries[0].asked == expected


def test_real_libraries_are_found_and_obey():
    pytest.importorskip("threadpoolctl")
    (library, *_) = threads._libraries()
    before = library.num_threads
    library.set_num_threads(2)
    with threads.unshared(1):
        assert library.num_threads == 1
    assert library.num_threads == 2
    library.set_num_threads(before)
