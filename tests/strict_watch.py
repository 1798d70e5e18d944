"""What is watched on the stand-in for CuPy: waits of the host, bytes that are alive, captures.

`synchronisations` counts the times the host would have waited for the device, `memory` the bytes,
and inside of a `Recording` no operation is allowed.
"""

import threading
import types
import weakref
from contextlib import contextmanager

import numpy as np


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


def records():
    return Recording.threads and threading.get_ident() in Recording.threads


def refuse(name):
    if records():
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
