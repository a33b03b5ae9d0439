"""The errors a user can cause, each told in one sentence."""

from __future__ import annotations

import sys
from importlib.util import find_spec


class InvalidArgument(ValueError):
    """An argument is outside what is accepted; the message names it, its value and the range.

    The command line prints the message alone and exits with 2.
    """


class MissingExtra(ModuleNotFoundError):
    """A package is missing that an extra brings; the message has the command that installs it."""


def need(extra: str, *packages: str) -> None:
    """Refuse to go on without packages that an extra brings: the core of superpos has none of them.

    It stands where such packages are imported, or in the room in which all need them.

    Parameters
    ----------
    extra
        A name under ``optional-dependencies`` in ``pyproject.toml``.
    *packages
        As they are imported.

    Raises
    ------
    MissingExtra
        Naming those that are missing, and how to install them.

    Examples
    --------
    >>> need("studies", "json")
    >>> need("studies", "json", "no_such_package")
    Traceback (most recent call last):
        ...
    superpos.errors.MissingExtra: no_such_package is missing from ...: install it with
    pip install "superpos[studies]"
    """
    if missing := [name for name in packages if find_spec(name) is None]:
        told = "is missing" if len(missing) == 1 else "are missing"
        raise MissingExtra(
            f"{', '.join(missing)} {told} from {sys.executable}: install "
            f'{"it" if len(missing) == 1 else "them"} with pip install "superpos[{extra}]"',
            name=missing[0],
        )


class Diverged(RuntimeError):
    """Training left the finite numbers; the message names the step and the instances.

    Attributes
    ----------
    last_good
        The parameters before the step at which the loss stopped being finite.
    """

    def __init__(self, message: str, last_good: dict | None = None) -> None:
        super().__init__(message, last_good)  # both, so that it can come from another process
        self.last_good = last_good

    def __str__(self) -> str:
        return self.args[0]
