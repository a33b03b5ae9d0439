"""What was changed after a claim was registered, said in the open; and what others replied.

A test that proves wrong is not edited away: its entry in the registry gains an amendment, and what
the test had said before stays beside what it says now. Changes of the rule that gives verdicts
concern all claims: they stand in ``book/rules.yml``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from superpos.compute import yamls
from superpos.errors import InvalidArgument

_CHANGE = ("date", "what", "why", "measured")
_MEASURED = ("before", "after")


@dataclass(frozen=True)
class Amendment:
    """A change of what was registered.

    Attributes
    ----------
    date
        Of the change, ``YYYY-MM-DD``.
    what, why
        What was changed, and the reason, in sentences.
    measured
        Whether the change was made ``before`` or ``after`` the claim was measured.
    was
        The verdict by the test as it was before, where that is another one; else None.
    """

    date: str
    what: str
    why: str
    measured: str
    was: str | None = None

    def told(self) -> str:
        """Return the amendment in words.

        >>> print(Amendment("2026-11-21", "No interval.", "All cases.", "after", "new").told())
        2026-11-21, after measuring: No interval. All cases. By the test as it was: new.
        """
        was = f" By the test as it was: {self.was}." if self.was else ""
        return f"{self.date}, {self.measured} measuring: {self.what} {self.why}{was}"


@dataclass(frozen=True)
class Response:
    """What a person replied to a verdict: who, when (``YYYY-MM-DD``), what, where it stands."""

    who: str
    date: str
    text: str
    address: str

    def told(self) -> str:
        """Return the response in words.

        >>> Response("A. Author", "2027-01-02", "We meant more seeds.", "https://a.example/1").told()
        'A. Author, 2027-01-02: “We meant more seeds.” (https://a.example/1)'
        """
        return f"{self.who}, {self.date}: “{self.text}” ({self.address})"


@dataclass(frozen=True)
class Rule:
    """A change of the rule that gives verdicts, or of what entries may say; see ``book/rules.yml``.

    Attributes
    ----------
    date, what, why, measured
        As of an `Amendment`; ``measured`` is about the claims that it concerns.
    moved
        The claims whose verdicts moved with it.
    """

    date: str
    what: str
    why: str
    measured: str
    moved: tuple[str, ...] = ()

    def told(self) -> str:
        """Return the change in words.

        >>> Rule("2026-11-21", "No interval.", "Nothing was sampled.", "after").told()
        '2026-11-21, after measuring: No interval. Nothing was sampled.'
        """
        return f"{self.date}, {self.measured} measuring: {self.what} {self.why}"


def amendments(entries: Any, verdicts: Sequence[str], *, where: str) -> tuple[Amendment, ...]:
    """Return the amendments that an entry of the registry lists.

    Parameters
    ----------
    entries
        As read: mappings with ``date``, ``what``, ``why``, ``measured`` and, where the verdict was
        another, ``was``.
    verdicts
        Those that there are.
    where
        What messages begin with.

    Raises
    ------
    InvalidArgument
        If one lacks a field, has one that is unknown, or names a date or a verdict that is none.
    """
    found = []
    told = f"{where}: an amendment"
    for entry in _checked(entries, _CHANGE, ("was",), told):
        if entry.get("was") not in (None, *verdicts):
            raise InvalidArgument(
                f"{told} says that the verdict was {entry['was']!r}, "
                f"which is none of {', '.join(verdicts)}"
            )
        found.append(Amendment(**entry))
    return tuple(found)


def responses(entries: Any, *, where: str) -> tuple[Response, ...]:
    """Return the responses that an entry of the registry lists.

    Parameters
    ----------
    entries
        As read: mappings with ``who``, ``date``, ``text`` and ``address``.
    where
        What messages begin with.

    Raises
    ------
    InvalidArgument
        If one lacks a field, has one that is unknown, or a date that is none.
    """
    names = ("who", "date", "text", "address")
    return tuple(
        Response(**entry) for entry in _checked(entries, names, (), f"{where}: a response")
    )


def rules(path: Path) -> tuple[Rule, ...]:
    """Return the changes of the rule, in the file's order; none where there is no such file.

    Parameters
    ----------
    path
        ``book/rules.yml``.

    Raises
    ------
    InvalidArgument
        If one lacks a field, has one that is unknown, or a date that is none.
    """
    if not path.exists():
        return ()
    entries = yamls.load(path.read_text("utf-8")) or ()
    checked = _checked(entries, _CHANGE, ("moved",), f"{path.name}: a change")
    return tuple(Rule(**{**entry, "moved": tuple(entry.get("moved", ()))}) for entry in checked)


def _checked(
    entries: Any, required: tuple[str, ...], optional: tuple[str, ...], where: str
) -> Iterable[dict[str, Any]]:
    """Yield entries with all the fields that they need and no others, dates and texts in order."""
    if not isinstance(entries, list | tuple):
        raise InvalidArgument(f"{where} is missing: a list is needed, not {entries!r}")
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise InvalidArgument(f"{where} is {entry!r}: its fields are {', '.join(required)}")
        if missing := [name for name in required if not entry.get(name)]:
            raise InvalidArgument(f"{where} lacks {', '.join(missing)}")
        if unknown := [name for name in entry if name not in (*required, *optional)]:
            raise InvalidArgument(f"{where} has a field {', '.join(map(str, unknown))}")
        if entry.get("measured", "after") not in _MEASURED:
            raise InvalidArgument(
                f"{where} was made {entry['measured']!r} measuring; before or after?"
            )
        yield {
            name: " ".join(value.split()) if isinstance(value, str) else value
            for name, value in entry.items()
        } | {"date": _date(entry["date"], where)}


def _date(value: Any, where: str) -> str:
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise InvalidArgument(f"{where} has the date {value!r}; say it as 2026-11-21") from None
