"""Gates: checks of what a caller hands to a function, told beside it rather than inside."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def gate(**checks: Callable[[str, Any], Any]) -> Callable[[F], F]:
    """Return a decorator that checks arguments, by name, before a function is called.

    A check takes the argument's name and its value; it returns the value as the function wants it,
    or refuses it. It may write the same numbers otherwise, and must not change them: stored results
    do not tell a gate from none (`superpos.compute.content`), so that one may be put before a
    function that has made some. A default is not checked.

    Raises
    ------
    TypeError
        If the function has no argument of that name.

    Examples
    --------
    >>> from superpos import checks
    >>> @gate(n=checks.whole_number)
    ... def twice(n):
    ...     return 2 * n
    >>> twice("four")
    Traceback (most recent call last):
    superpos.errors.InvalidArgument: n is 'four': a whole number of at least 1 is needed
    """

    def put(function: F) -> F:
        signature = inspect.signature(function)
        if unknown := checks.keys() - signature.parameters.keys():
            raise TypeError(f"{function.__name__} has no argument {', '.join(sorted(unknown))}")

        @functools.wraps(function)
        def gated(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            for name, check in checks.items():
                if name in given.arguments:
                    given.arguments[name] = check(name, given.arguments[name])
            return function(*given.args, **given.kwargs)

        _GATES.add(gated.__code__)  # type: ignore[attr-defined]
        return gated  # type: ignore[return-value]

    return put


_GATES: set[CodeType] = set()


def behind(value: FunctionType) -> FunctionType:
    """Return the function behind its gates, or the function itself where there is none.

    >>> from math import dist
    >>> behind(gate(p=lambda name, value: value)(dist)) is dist
    True
    """
    while getattr(value, "__code__", None) in _GATES:
        value = value.__wrapped__  # type: ignore[attr-defined]
    return value
