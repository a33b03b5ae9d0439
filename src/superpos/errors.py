"""The errors a user can cause, each told in one sentence."""

from __future__ import annotations


class InvalidArgument(ValueError):
    """An argument is outside what is accepted; the message names it, its value and the range.

    The command line prints the message alone and exits with 2.
    """


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
