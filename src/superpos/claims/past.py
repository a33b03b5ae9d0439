"""The claims in every commit of a clone: their entries in the registry, and what decides them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import yaml

from superpos.claims.clone import Clone, Commit
from superpos.claims.predicates import Predicate, predicates
from superpos.claims.registry import filled
from superpos.compute import yamls

NOT_YET = "untested"  # the verdict before there is one
_ASIDE = (  # what is no part of what is claimed, of what would count, or of what was found
    *("id", "chapter", "deviations", "thresholds_of"),
    *("amendments", "responses", "moved"),
)
# A list of which every entry begins at the margin, so that each can be read alone; and one entry.
_OF_ENTRIES = re.compile(r"(?:#.*\n|\n)*(?:- .*\n(?:[ #].*\n|\n)*)*")
_ENTRY = re.compile(r"^- .*\n(?:[ #].*\n|\n)*", re.M)
_TEXTS = ("statement", "setting", "counts", "qualified")


@dataclass(frozen=True)
class Entry:
    """A claim in one version of the registry.

    Attributes
    ----------
    fields
        What is claimed, what would count, and the verdict, by name. Texts stand on one line, with
        the thresholds in them as a reader sees them: a number that was given a name is the same.
    amended
        The dates of its amendments.
    """

    fields: Mapping[str, Any]
    amended: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """The claims in one commit, by id."""

    entries: Mapping[str, Entry]
    code: Mapping[str, Predicate]


class Past:
    """All commits behind the current one, itself last, parents before children.

    Attributes
    ----------
    commits
        In that order; what follows counts them.
    parents
        Of each commit those of its parents.
    states
        The claims in each commit.
    """

    def __init__(self, clone: Clone) -> None:
        self._clone = clone
        self._read: dict[tuple[str, str], Any] = {}
        self.commits = clone.commits()
        number = {commit.id: k for k, commit in enumerate(self.commits)}
        self.parents = [[number[each] for each in c.parents] for c in self.commits]
        self.states = [self._state(commit) for commit in self.commits]

    @cached_property
    def ids(self) -> list[str]:
        """All claims that were ever registered: today's in their order, then the others."""
        now = self.states[-1].entries
        return list(dict.fromkeys([*now, *(name for s in self.states for name in s.entries)]))

    def is_behind(self, j: int, k: int) -> bool:
        """Return whether commit ``j`` is commit ``k``, or one that it builds on."""
        return bool(self._behind[k] >> j & 1)

    @cached_property
    def _behind(self) -> list[int]:
        """For each commit a number whose bit j says whether commit j is behind it."""
        found: list[int] = []
        for k, parents in enumerate(self.parents):
            bits = 1 << k
            for parent in parents:
                bits |= found[parent]
            found.append(bits)
        return found

    def _state(self, commit: Commit) -> State:
        entries: dict[str, Entry] = {}
        code: dict[str, Predicate] = {}
        for path, blob in self._clone.files(commit.tree).items():
            if path.startswith("tests/"):
                continue
            if path.endswith((".yml", ".yaml")):
                entries |= self._once(_registered, path, blob)
            elif path.endswith((".py", ".md")):
                code |= self._once(_decided, path, blob)
        return State(entries, code)

    def _once(self, reader: Callable[[bytes, str], Any], path: str, blob: str) -> Any:
        """Return what a reader finds in a file, read once as long as it does not change."""
        if (path, blob) not in self._read:
            self._read[path, blob] = reader(self._clone.read(blob), path)
        return self._read[path, blob]


def _decided(content: bytes, path: str) -> Mapping[str, Predicate]:
    if not any(mark in content for mark in (b"record(", b".test(", b"def judge(")):
        return {}
    return predicates(content.decode("utf-8", "replace"), path)


def _entries(content: bytes) -> list[Any]:
    """Return the entries of a list in YAML; of anything else, or what cannot be read, none.

    A commit changes few of them: where each can be read alone, it is read once for all commits.
    """
    text = content.decode("utf-8", "replace")
    try:
        if _OF_ENTRIES.fullmatch(text):
            return [each for alone in _ENTRY.findall(text) for each in _alone(alone)]
    except yaml.YAMLError:  # an entry that uses others by an alias, if it is not just wrong
        pass
    try:
        listed = yamls.load(content)
    except yaml.YAMLError:  # a draft that cannot be read registers nothing
        return []
    return listed if isinstance(listed, list) else []


@cache
def _alone(text: str) -> list[Any]:
    return yamls.load(text)


def _registered(content: bytes, path: str) -> Mapping[str, Entry]:
    """Return the claims that a file registers: any list of entries with an id and a statement."""
    if b"id:" not in content or b"statement:" not in content:
        return {}
    listed = _entries(content)
    found: dict[str, Entry] = {}
    thresholds: dict[str, Mapping[str, float]] = {}
    for entry in listed:
        if isinstance(entry, dict) and {"id", "statement"} <= entry.keys():
            # A commit is there for good: a draft that no registry would take registers nothing.
            with suppress(AttributeError, TypeError, ValueError):
                name = entry["id"]
                others = [thresholds.get(other, {}) for other in entry.get("thresholds_of", ())]
                known: dict[str, float] = {}
                for each in (*others, entry.get("thresholds", {})):
                    known |= each
                thresholds[name] = known
                dates = (str(each.get("date")) for each in entry.get("amendments", ()))
                found[name] = Entry(_fields(entry, known), tuple(dates))
    return found


def _fields(entry: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    fields = {name: value for name, value in entry.items() if name not in _ASIDE}
    for name in _TEXTS:
        if fields.get(name):
            fields[name] = filled(" ".join(str(fields[name]).split()), thresholds)
    source = fields.pop("source", None)
    if isinstance(source, dict):
        fields |= {f"source.{name}": value for name, value in source.items()}
    return {"expected": NOT_YET, **fields, "thresholds": dict(thresholds)}
