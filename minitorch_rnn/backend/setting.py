"""Settings of the whole process, changed from now on by a call, or for a while by a block."""

from __future__ import annotations

from typing import Generic, TypeVar

__all__ = ["Setting", "Switch"]

T = TypeVar("T")


class Setting(Generic[T]):
    """One value, the same in all threads."""

    def __init__(self, value: T) -> None:
        self.value = value


class Switch(Generic[T]):
    """Give a setting another value: from now on, or inside the block, after which it has the old.

    >>> digits = Setting(3)
    >>> with Switch(digits, 5):
    ...     digits.value
    5
    >>> digits.value
    3
    """

    def __init__(self, setting: Setting[T], chosen: T) -> None:
        self._setting, self._chosen = setting, chosen
        self._before = [setting.value]  # of every block that has been entered
        self._entered = False
        setting.value = chosen

    def __enter__(self) -> T:
        if self._entered or self._setting.value is not self._chosen:  # kept, and used again
            self._before.append(self._setting.value)
        self._entered, self._setting.value = True, self._chosen
        return self._chosen

    def __exit__(self, *error: object) -> None:
        self._setting.value = self._before.pop()
