"""Whether operations are recorded: no_grad, enable_grad and what they share."""

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from minitorch_rnn.engine.staying import check_staying

_grad_enabled: ContextVar[bool] = ContextVar("grad_enabled", default=True)


class _Recording:
    """Record operations or not, inside a `with` block or a decorated function or generator.

    The setting belongs to the thread (or async task), and leaving the block restores whatever
    was set before it, also after an exception.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = bool(enabled)
        self._before: list[bool] = []

    def __enter__(self) -> None:
        if not self._enabled:
            check_staying("no_grad()")
        self._before.append(_grad_enabled.get())
        _grad_enabled.set(self._enabled)

    def __exit__(self, *error: object) -> None:
        _grad_enabled.set(self._before.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with the setting while it runs; a generator has it while it is resumed."""
        import inspect

        enabled = self._enabled

        @functools.wraps(function)
        def call(*args: Any, **named: Any) -> Any:
            with _Recording(enabled):
                return function(*args, **named)

        @functools.wraps(function)
        def generate(*args: Any, **named: Any) -> Any:
            # The setting holds while the generator runs, and not while its caller does.
            generator = function(*args, **named)
            resume, sent = generator.send, None
            while True:
                try:
                    with _Recording(enabled):
                        value = resume(sent)
                except StopIteration as stop:
                    return stop.value
                try:
                    resume, sent = generator.send, (yield value)
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as error:
                    resume, sent = generator.throw, error

        return generate if inspect.isgeneratorfunction(function) else call


class no_grad(_Recording):
    """Record nothing inside a `with` block, or a decorated function or generator.

    The setting belongs to the thread (or async task), and leaving the block restores whatever
    was set before it, also after an exception.

    >>> import minitorch_rnn as mt
    >>> x = mt.tensor(3.0, requires_grad=True)
    >>> with mt.no_grad():
    ...     (x * x).requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


class enable_grad(_Recording):
    """Record again inside a `no_grad` block.

    >>> import minitorch_rnn as mt
    >>> with mt.no_grad(), mt.enable_grad():
    ...     mt.is_grad_enabled()
    True
    """

    def __init__(self) -> None:
        super().__init__(True)


class set_grad_enabled(_Recording):
    """Record from here on or not, at once; as a context manager, only until the block ends.

    >>> import minitorch_rnn as mt
    >>> with mt.set_grad_enabled(False):
    ...     mt.is_grad_enabled()
    False
    """

    def __init__(self, enabled: bool) -> None:
        if not enabled:
            check_staying("set_grad_enabled(False)")
        super().__init__(enabled)
        self._found: bool | None = _grad_enabled.get()
        _grad_enabled.set(self._enabled)

    def __enter__(self) -> None:
        self._before.append(_grad_enabled.get() if self._found is None else self._found)
        self._found = None  # what was found when it was made is to be restored once
        _grad_enabled.set(self._enabled)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, with the setting while it runs and no longer from here on."""
        if self._found is not None:
            _grad_enabled.set(self._found)
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """Whether operations are being recorded here and now.

    >>> import minitorch_rnn as mt
    >>> mt.is_grad_enabled()
    True
    """
    return _grad_enabled.get()
