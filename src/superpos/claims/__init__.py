"""Claims: what is registered, and the verdicts that experiments give.

Names are imported when they are first used: the registry is read without torch.
"""

from importlib import import_module

_VERDICTS = ("judge", "rate", "record", "show_claims", "show_deviations")

__all__ = ["judge", "rate", "record", "show_claims", "show_deviations"]


def __getattr__(name: str):
    if name in _VERDICTS:
        return getattr(import_module("superpos.claims.verdicts"), name)
    raise AttributeError(f"module 'superpos.claims' has no attribute {name!r}")
