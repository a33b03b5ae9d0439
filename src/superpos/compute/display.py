"""Showing things in a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from superpos.errors import need


def display(
    bundle: Mapping[str, Any], *, raw: bool = True, metadata: Mapping[str, Any] | None = None
) -> None:
    """Show something in its several forms, by MIME type, as ``IPython.display.display`` does.

    IPython is imported here, when there is something to show: nothing else needs it.
    """
    need("live", "IPython")
    from IPython.display import display as show

    show(bundle, raw=raw, metadata=metadata)
