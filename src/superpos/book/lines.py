"""Texts of the registry, and others that people write, as lines of Markdown: they hold no HTML."""

from __future__ import annotations

import re

from superpos.claims import registry

_APART = re.compile(r"(`[^`]*`|\$[^$]*\$)")  # code and formulas, which show what they hold
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def one_line(text: str) -> str:
    """Return a text as one line of Markdown, in which D* is no emphasis and no tag is one.

    Examples
    --------
    >>> print(one_line("D* falls, <b>`<b>`</b>: n < m"))
    D\\* falls, \\<b>`<b>`\\</b>: n < m
    """
    parts = _APART.split(registry.one_line(text))
    return "".join(
        part if number % 2 else _TAG.sub(r"\\<", part) for number, part in enumerate(parts)
    )
