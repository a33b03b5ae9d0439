"""Specification curves: in how many reasonable specifications a claim holds, and what decides.

Stored are counts, a file a pool, in ``book/robustness/``. What they were counted with is in
`superpos.claims.specifications`; `superpos.studies.robustness` computes them.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from superpos.claims import rule
from superpos.errors import InvalidArgument

FOLDER = "robustness"  # in the book's folder
_LINE = 160  # characters, up to which a part of a file stands on one line


def address(claim: str, chapter: str) -> str:
    """Return where a claim's curve is shown, from the book's folder in the site.

    >>> address("alpha-rises", "alpha")
    'robustness/alpha.html#curve-alpha-rises'
    """
    return f"{FOLDER}/{chapter}.html#curve-{claim}"


@dataclass(frozen=True)
class Specification:
    """One specification of a claim, and what was counted.

    Attributes
    ----------
    options
        What was chosen, in words, by factor.
    shown, of
        How many of the trials showed the claim: single runs, or groups of which the best counts.
        0 of 0 where there was nothing to count.
    weaker, weaker_of
        The same for the weaker reading; None where the claim has none.
    holds
        Whether shown / of lies above the share that the registry asks for.
    why
        Why there was nothing to count, else empty.
    """

    options: Mapping[str, str]
    shown: int
    of: int
    holds: bool
    weaker: int | None = None
    weaker_of: int | None = None
    why: str = ""

    @property
    def rate(self) -> float:
        """The share of trials that show the claim, in [0, 1]; 0 where nothing was counted."""
        return self.shown / self.of if self.of else 0.0

    @property
    def in_words(self) -> str:
        """What was chosen and what came out, as text.

        Examples
        --------
        >>> Specification({"p": "0.1", "rate": "0.01"}, 9, 10, True).in_words
        'p 0.1; rate 0.01: 9 of 10'
        """
        chosen = "; ".join(f"{factor} {option}" for factor, option in self.options.items())
        return f"{chosen}: {self.why or f'{self.shown} of {self.of}'}"


@dataclass(frozen=True)
class Driver:
    """How much a factor moves the rate.

    Attributes
    ----------
    factor
        Its name.
    rates
        The mean rate of the specifications with each option, by option.
    """

    factor: str
    rates: Mapping[str, float]

    @property
    def difference(self) -> float:
        """The largest of these means minus the smallest, in [0, 1]."""
        return max(self.rates.values()) - min(self.rates.values())


@dataclass(frozen=True)
class Curve:
    """A claim's specification curve.

    Attributes
    ----------
    claim, pool
        Of whom, and from which models.
    share
        The share of trials above which a specification holds.
    specifications
        All of them, in the order in which they were registered.
    stale
        Why it does not count any more, in words; empty if it does.

    Examples
    --------
    >>> rare = Specification({"rate": "0.1", "steps": "100"}, 1, 10, False)
    >>> often = Specification({"rate": "0.01", "steps": "100"}, 9, 10, True)
    >>> curve = Curve("a-claim", "a-pool", 0.5, (rare, often))
    >>> curve.in_words, curve.favourable
    ('holds in 1 of 2', 'rate 0.01; steps 100: 9 of 10')
    >>> [(driver.factor, round(driver.difference, 1)) for driver in curve.drivers]
    [('rate', 0.8)]
    >>> curve.decides
    'rate, with mean rates from 10% (0.1) to 90% (0.01)'
    """

    claim: str
    pool: str
    share: float
    specifications: tuple[Specification, ...]
    stale: str = ""

    @property
    def holds(self) -> int:
        """In how many specifications the claim holds."""
        return sum(each.holds for each in self.specifications)

    @property
    def of(self) -> int:
        """How many specifications there are."""
        return len(self.specifications)

    @property
    def in_words(self) -> str:
        """In how many of them the claim holds, as text."""
        return f"holds in {self.holds} of {self.of}"

    @property
    def stands(self) -> rule.Curve:
        """Whether it holds in ``"most"`` of them, more than half, or in ``"few"``."""
        return "most" if 2 * self.holds > self.of else "few"

    @property
    def summary(self) -> dict[str, Any]:
        """What the ledger says of it.

        Examples
        --------
        >>> Curve("a", "b", 0.5, (Specification({"p": "1"}, 9, 10, True),)).summary
        {'holds': 1, 'of': 1, 'favourable': 'p 1: 9 of 10'}
        """
        return {"holds": self.holds, "of": self.of, "favourable": self.favourable}

    @property
    def sorted(self) -> tuple[Specification, ...]:
        """The specifications from the lowest rate to the highest."""
        return tuple(sorted(self.specifications, key=lambda each: each.rate))

    @property
    def favourable(self) -> str:
        """The specification with the highest rate, and how many others reach that, as text."""
        best = max(self.specifications, key=lambda each: each.rate)
        if not best.rate:
            return "none, for no trial of any shows it"
        others = sum(each.rate == best.rate for each in self.specifications) - 1
        return best.in_words + (f" (and {others} more)" if others else "")

    @property
    def decides(self) -> str:
        """What moves the rate most, as text: the factor, with its worst and its best option.

        Empty where both have the same rate in per cent.
        """
        driver = self.drivers[0]
        low, *_, high = sorted(driver.rates, key=lambda option: driver.rates[option])
        worst, best = (f"{driver.rates[option]:.0%}" for option in (low, high))
        if worst == best:
            return ""
        return f"{driver.factor}, with mean rates from {worst} ({low}) to {best} ({high})"

    @property
    def drivers(self) -> tuple[Driver, ...]:
        """The factors, the one that moves the rate most first; those with one option left out."""
        found = []
        for factor in self.specifications[0].options:
            rates: dict[str, list[float]] = {}
            for each in self.specifications:
                rates.setdefault(each.options[factor], []).append(each.rate)
            if len(rates) > 1:
                means = {option: sum(values) / len(values) for option, values in rates.items()}
                found.append(Driver(factor, means))
        return tuple(sorted(found, key=lambda driver: -driver.difference))


def path_of(book: Path, pool: str) -> Path:
    """Return where the counts of a pool are stored."""
    return book / FOLDER / f"{pool}.json"


def read(book: Path, pool: str) -> dict[str, Any]:
    """Return what is stored of a pool, as `write` has it; an empty one if there is nothing.

    Raises
    ------
    InvalidArgument
        If the file is not one that `write` has written.
    """
    path = path_of(book, pool)
    empty = {"cells": [], "keys": {}, "made": [], "pool": pool}
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return empty
    except ValueError as problem:
        raise InvalidArgument(f"{path.name} is not valid JSON: {problem}") from None
    if not isinstance(found, dict) or found.keys() != empty.keys():
        raise InvalidArgument(f"{path.name} is no stored curve: {', '.join(empty)} are needed")
    return found


def write(book: Path, found: Mapping[str, Any]) -> None:
    """Store what is known of a pool: the file is the old one or the new one, never half of it.

    Raises
    ------
    InvalidArgument
        If it cannot be written.
    """
    path = path_of(book, found["pool"])
    aside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(laid_out(found) + "\n", "utf-8")
        os.replace(aside, path)
    except OSError as problem:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise InvalidArgument(f"{path} cannot be written: {problem.strerror}") from None


def laid_out(value: Any, indent: int = 0, taken: int = 0) -> str:
    """Return JSON with sorted keys, in which a part that fits a line stands on one.

    Parameters
    ----------
    value
        What JSON knows.
    indent, taken
        How far in it stands, and how much of its first line is taken by its name.

    Examples
    --------
    >>> laid_out({"b": [1, 2], "a": None})
    '{"a": null, "b": [1, 2]}'
    >>> print(laid_out({"b": ["x" * 90, "y" * 90], "a": [1, 2]}).replace("x" * 90, "x"))
    {
     "a": [1, 2],
     "b": [
      "x",
      "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
     ]
    }
    """
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if indent + taken + len(line) <= _LINE or not isinstance(value, dict | list) or not value:
        return line
    opening, closing, heads = "[", "]", [""] * len(value)
    inside = value
    if isinstance(value, dict):
        opening, closing, names = "{", "}", sorted(value)
        heads = [f"{json.dumps(name, ensure_ascii=False)}: " for name in names]
        inside = [value[name] for name in names]
    margin = " " * (indent + 1)
    lines = ",\n".join(
        f"{margin}{head}{laid_out(part, indent + 1, len(head))}"
        for head, part in zip(heads, inside, strict=True)
    )
    return f"{opening}\n{lines}\n{' ' * indent}{closing}"


def curve_of(
    claim: str,
    share: float,
    pool: str,
    factors: Iterable[str],
    cells: Sequence[Mapping[str, Any]],
    stale: str = "",
) -> Curve:
    """Return the curve of a claim from the stored cells of its pool.

    Parameters
    ----------
    claim, share, pool, stale
        As for `Curve`.
    factors
        Of the pool, in order.
    cells
        As they are stored.

    Raises
    ------
    InvalidArgument
        If a count is not one.
    """
    found = []
    for cell in cells:
        chosen = cell["head"]["options"]
        for each in cell["claims"].get(claim, ()):
            found.append(
                Specification(
                    {name: chosen[name] for name in factors if name in chosen} | each["options"],
                    each["shown"], each["of"], each["holds"],
                    each.get("weaker"), each.get("weaker_of"), each.get("why", ""),
                )
            )  # fmt: skip
            one = found[-1]
            fits = 0 <= one.shown <= one.of and one.holds is (one.of > 0 and one.rate > share)
            if not fits and not stale:
                told = "holds" if one.holds else "does not hold"
                raise InvalidArgument(
                    f"{pool}.json: {claim}, {one.in_words} {told}; it holds above {share:g}"
                )
    return Curve(claim, pool, share, tuple(found), stale)
