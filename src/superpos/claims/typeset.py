"""The registry's plain text as HTML, with its formulas set: variables slanted, indices lowered.

Claims are written as one types them, ``m/‖W‖_F²`` or ``Σ_{j≠i}(Ŵ_i·W_j)²``, so that a terminal
can show them. Pages show them through `typeset`: lists of claims, cards, pages of single claims.
"""

from __future__ import annotations

import html
import re

_LETTERS = "A-Za-zŴα-ω"
_FORMULA = re.compile(
    rf"""
    # With an index or a power: a letter (W1_ki is an entry of the first layer's W), a closed group.
    (?:(?<![{_LETTERS}\d])(?P<letter>[{_LETTERS}])(?P<layer>\d?)(?P<prime>'?)|(?P<group>[Σ‖|)\d]))
    (?P<mark>[_^])
    (?:\{{(?P<braced>[^{{}}]+)\}}|\((?P<bracketed>[^()]+)\)
      |(?P<bare>\w≠\w|[−-]?\d+(?:\.\d+)?|bits|[A-Za-zα-ω]{{1,2}}))
    (?![{_LETTERS}_])
    | (?<![\w.])(?P<mantissa>\d(?:\.\d+)?)e(?P<exponent>-?\d+)\b  # 1e-9
    | (?<!\w)(?P<product>[A-Z]{{1,2}}ᵀ[A-Z]?|RW|BW|Wx)(?!\w)
    # A letter alone, unless it is a word (a, A), numbers a list, (b), or belongs to e.g. or an id
    | (?<![A-Za-z_.'’])(?<![a-z]-)(?!(?<=\()[a-e]\))
      (?P<alone>[B-DF-Zb-zŴα-ω]|E(?!\[)|A(?=[,)]|[ ]is\b))(?![\d'’{_LETTERS}]|\.\w)
    """,
    re.VERBOSE,
)


def typeset(text: str) -> str:
    """Return a text of the registry as HTML.

    Parameters
    ----------
    text
        As it stands in ``book/claims.yml``: no HTML, formulas as one types them.

    Returns
    -------
    str
        What may stand inside an element. Without its tags it reads as the text, but for the marks
        of indices and powers.

    Examples
    --------
    >>> typeset("D* & m/‖W‖_F²")
    '<var>D</var>* &amp; <var>m</var>/‖<var>W</var>‖<sub><var>F</var></sub>²'
    >>> typeset("a pair costs |cos|^α")
    'a pair costs |cos|<sup><var>α</var></sup>'
    """
    made, at = [], 0
    text = " ".join(text.split())
    for found in _FORMULA.finditer(text):
        made += [html.escape(text[at : found.start()], quote=False), _set(found)]
        at = found.end()
    return "".join([*made, html.escape(text[at:], quote=False)])


def _set(found: re.Match[str]) -> str:
    if letters := found["alone"] or found["product"]:
        return _slanted(letters)
    if mantissa := found["mantissa"]:
        power = f"10<sup>{found['exponent'].replace('-', '−')}</sup>"
        return power if mantissa == "1" else f"{mantissa} · {power}"
    script = found["braced"] or found["bracketed"] or found["bare"]
    if found["layer"]:
        script = f"{found['layer']},{script}"
    tag = "sub" if found["mark"] == "_" else "sup"
    base = found["group"] or _slanted(found["letter"]) + found["prime"]
    return f"{base}<{tag}>{_slanted(script)}</{tag}>"


def _slanted(letters: str) -> str:
    """Slant what names variables, one or two of them, and leave a word such as ``bits``."""
    alone = rf"(?<![{_LETTERS}])[{_LETTERS}]{{1,2}}(?![{_LETTERS}])"
    return re.sub(alone, r"<var>\g<0></var>", letters)
