"""Claims: what is registered, and the verdicts that experiments give.

Names are imported when they are first used: the registry is read without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what `__getattr__` gives
    from superpos.claims.verdicts import judge, rate, record, show_claims, show_deviations

__all__ = ["judge", "rate", "record", "show_claims", "show_deviations"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("superpos.claims.verdicts"), name)
    raise AttributeError(f"module 'superpos.claims' has no attribute {name!r}")
