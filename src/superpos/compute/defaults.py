"""Attributes of classes that are made to be derived from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class default(Generic[T]):
    """An attribute that is computed, unless a subclass, a field or an object has one of its own.

    A property would not let itself be set.

    Examples
    --------
    >>> class Shape:
    ...     @default
    ...     def corners(self) -> int:
    ...         return 4
    >>> class Pentagon(Shape):
    ...     def __init__(self):
    ...         self.corners = 5
    >>> Shape().corners, Pentagon().corners
    (4, 5)
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __get__(self, owner: object, kind: type | None = None) -> T:
        if owner is None:  # or a field of a dataclass would take this for what it is by default
            raise AttributeError("an attribute of objects, not of their class")
        return self.compute(owner)
