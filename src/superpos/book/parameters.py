"""What a chapter can be run with: the cell tagged ``parameters``, and what it refuses."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from superpos.errors import InvalidArgument

_LIST = re.compile(r"list\[(int|float|str)\]")
_INTERVAL = re.compile(r"([\[(])\s*([^,\[\](){}]+?)\s*,\s*([^,\[\](){}]+?)\s*([\])])\s*$")
_CHOICES = re.compile(r"\{([^{}]+)\}\s*$")
_NUMBERS = {  # as Python writes them, but for 1_000 and the digits of other scripts
    "int": re.compile(r"\s*[+-]?[0-9]+\s*", re.ASCII),
    "float": re.compile(r"\s*[+-]?([0-9]*\.?[0-9]*(e[+-]?[0-9]+)?|inf|infinity|nan)\s*", re.I),
}
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WORDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell, ``name: type = default  # help [low, high]``.

    The interval (or, for text, the choices in braces) that may end the comment
    is what a value is checked against.
    """

    name: str
    type: str
    default: Any
    help: str

    @property
    def interval(self) -> tuple[float, float, bool, bool] | None:
        """Its low and its high end, and whether each is accepted; None without an interval."""
        found = None if _CHOICES.search(self.help) else _INTERVAL.search(self.help)
        if found is None or _item_type(self.type) not in _NUMBERS:
            return None
        opening, low, high, closing = found.groups()
        return float(low), float(high), opening == "[", closing == "]"

    @property
    def accepted(self) -> str:
        """What a value must be, in words."""
        item = _item_type(self.type)
        words = _WORDS[item]
        if choices := _CHOICES.search(self.help):
            words = f"one of {choices.group(1).strip()}"
        elif interval := _INTERVAL.search(self.help):
            words = f"{words} in {interval.group(0).strip()}"
        return words if item == self.type else f"a comma-separated list, each {words}"

    def read(self, value: Any) -> Any:
        """Return ``value``, as text or already typed, as a checked value of this parameter.

        Raises
        ------
        InvalidArgument
            If it is ill-typed, NaN, or outside what the comment accepts.
        """
        item = _item_type(self.type)
        try:
            if item == self.type:
                return self._checked(_convert(value, item))
            parts = value.split(",") if isinstance(value, str) else value
            return [self._checked(_convert(part, item)) for part in parts]
        except (ValueError, TypeError):
            shown = value if isinstance(value, str) else repr(value)
            shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
            raise InvalidArgument(
                f"parameter {self.name} must be {self.accepted}; got {shown}"
            ) from None

    def _checked(self, value: Any) -> Any:
        if choices := _CHOICES.search(self.help):
            if str(value) not in [choice.strip(" '\"") for choice in choices.group(1).split(",")]:
                raise ValueError
        elif type(value) in (int, float):
            low, high, with_low, with_high = self.interval or (-math.inf, math.inf, False, False)
            above = value > low or (with_low and value == low)
            below = value < high or (with_high and value == high)
            if not (above and below):  # NaN compares false, so it ends here as well
                raise ValueError
        return value


def _item_type(declared: str) -> str:
    return listed.group(1) if (listed := _LIST.fullmatch(declared)) else declared


def _convert(value: Any, kind: str) -> Any:
    if isinstance(value, str):
        if kind == "bool":
            if value.lower() not in _TRUTH:
                raise ValueError
            return _TRUTH[value.lower()]
        if kind in _NUMBERS and not _NUMBERS[kind].fullmatch(value):
            raise ValueError
        return {"int": int, "float": float, "str": str}[kind](value)
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value).__name__ != kind:
        raise TypeError
    return value


def read_cell(source: str, *, where: str) -> tuple[Parameter, ...]:
    """Read a parameters cell, through papermill's own reader, so that both see the same.

    Parameters
    ----------
    source
        The cell's source.
    where
        The file it is in, for messages.

    Raises
    ------
    InvalidArgument
        If a line has no type, or papermill's notebook help would not list it.
    """
    import nbformat
    from papermill.translators import PythonTranslator

    listed = PythonTranslator.inspect(nbformat.v4.new_code_cell(source))
    try:
        statements = ast.parse(source).body
    except SyntaxError as problem:
        raise InvalidArgument(f"{where}, parameters: {problem}") from None
    assigned = [
        name.id
        for statement in statements
        for name in ast.walk(statement)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    ]
    for name in assigned:
        if name not in [parameter.name for parameter in listed]:
            raise InvalidArgument(
                f"{where}: papermill cannot read the parameter {name}; write it on one line as "
                "`name: type = value  # what it is [low, high]`, with a single ="
            )
    parameters = []
    for found in listed:
        if _item_type(found.inferred_type_name) not in _WORDS:
            raise InvalidArgument(
                f"{where}: parameter {found.name} has the type {found.inferred_type_name}; "
                "accepted are int, float, bool, str and lists such as list[float]"
            )
        default = ast.literal_eval(found.default)
        parameter = Parameter(found.name, found.inferred_type_name, default, found.help)
        parameters.append(parameter)
        try:
            parameter.read(default)
        except InvalidArgument as problem:
            raise InvalidArgument(f"{where}: the default of {problem}") from None
    return tuple(parameters)


def choose(
    parameters: tuple[Parameter, ...], given: Mapping[str, Any], *, chapter: str
) -> dict[str, Any]:
    """Return ``given`` as checked values, in the order of the chapter's parameters cell.

    Raises
    ------
    InvalidArgument
        If a name is not a parameter of the chapter or a value is not accepted.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise InvalidArgument(unknown("parameter", name, known, owner=f"chapter {chapter}"))
    return {name: known[name].read(given[name]) for name in known if name in given}


def unknown(kind: str, name: str, known: Mapping[str, Any] | list[str], *, owner: str) -> str:
    """Return the sentence that refuses an unknown name and offers the nearest known one."""
    name = name if len(name) <= 60 else f"{name[:59]}…"
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{owner} has no {kind} {name}; {hint}known: {', '.join(known) or 'none'}"
