"""What waits on a tensor for its gradient: functions by key, and the handle that removes one."""

import math
from collections.abc import Callable
from itertools import count
from types import MappingProxyType
from typing import Any

NO_HOOKS: MappingProxyType[float, Any] = MappingProxyType({})
RETAIN = math.inf  # hooks run in the order of their keys: the one that keeps a gradient is last

_next_key = count().__next__


class Handle:
    """What `register_hook` returns; `remove()` takes the hook out again."""

    def __init__(self, hooks: dict[float, Any], hook: Callable[..., Any]) -> None:
        self._hooks, self._key = hooks, _next_key()
        hooks[self._key] = hook

    def remove(self) -> None:
        """Undo the registration; a second call does nothing."""
        self._hooks.pop(self._key, None)
