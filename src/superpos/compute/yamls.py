"""YAML texts, read by libyaml where PyYAML has it: ten times sooner."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(text: str | bytes) -> Any:
    """Return what a YAML text says.

    Raises
    ------
    yaml.YAMLError
        If it is not valid.

    Examples
    --------
    >>> load("a: [1, 2]")
    {'a': [1, 2]}
    """
    return yaml.load(text, _LOADER)
