"""What git knows of each claim: when it was registered, when first recorded, and what changed.

Claims are followed by their ids, not by the names of files: a registry, a notebook or a study may
be renamed or taken apart. Every commit behind the current one is compared with its parents; a
merge changes only what none of its parents had.

*Registered* is a claim in the first commit with its id in a registry; *recorded* in the first with
code that decides it (`superpos.claims.predicates`); its *verdict* is there in the first commit
after that whose registry expects another than ``untested``. It was measured between the last two:
git cannot know when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from superpos.claims.clone import Commit, history
from superpos.claims.past import NOT_YET, Entry, Past
from superpos.claims.predicates import RULE, TEST, Predicate

# The fields of an entry that decide its verdict.
DECIDES = (
    *("statement", "setting", "share", "lower", "counts", "qualified", "thresholds"),
    *("new", "complete"),
)
REGISTRY, PREDICATE = "registry", "predicate"
PHASES = {
    "drafted": "before there was code to decide it",
    "measured": "between the first code and the first verdict",
    "judged": "with the first verdict or later",
}
ORDERS = {
    "before": "registered before the code that decides them",
    "same": "in the same commit as that",
    "after": "after it",
    "apart": "beside it, on another branch",
    "unrecorded": "without code yet",
}


@dataclass(frozen=True)
class Change:
    """One change of a claim.

    Attributes
    ----------
    commit
        That made it.
    of
        ``registry`` for fields of the entry, ``predicate`` for the code that decides.
    phase
        When, a key of `PHASES`.
    parts
        What changed: fields, or ``test`` and the functions and constants that it uses.
    before, after
        The fields' values, by name; for code the file.
    rewritten
        Whether the code moved from a notebook into a study, so that it reads otherwise all over
        and cannot be compared.
    """

    commit: Commit
    of: str
    phase: str
    parts: tuple[str, ...]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    rewritten: bool = False

    @property
    def decides(self) -> bool:
        """Whether it may have changed what a measurement says of the claim."""
        return self.of == PREDICATE or not {*self.parts}.isdisjoint(DECIDES)

    @property
    def told(self) -> str:
        """What changed, in words."""
        if self.rewritten:
            return "code: moved into a study"
        if self.of == PREDICATE:
            return f"code: {', '.join('the test' if name == TEST else name for name in self.parts)}"
        verdicts = f"expected, {self.before.get('expected')} → {self.after.get('expected')}"
        parts = (verdicts if name == "expected" else name for name in self.parts)
        return f"registry: {', '.join(parts)}"


@dataclass(frozen=True)
class Record:
    """What git knows of one claim: commits are None where there is none yet.

    Attributes
    ----------
    order
        Of registering and recording, a key of `ORDERS`.
    removed
        The commit that took it out of the registry.
    amended
        The dates of its amendments.
    """

    id: str
    registered: Commit | None
    recorded: Commit | None
    verdict: Commit | None
    order: str
    removed: Commit | None
    changes: tuple[Change, ...]
    amended: tuple[str, ...]

    def changed(self, of: str) -> list[Change]:
        """Return what changed of what decides, with the first verdict or later."""
        late = [each for each in self.changes if each.phase == "judged" and not each.rewritten]
        return [each for each in late if each.of == of and each.decides]

    def as_json(self) -> dict[str, Any]:
        """Return the record for programs."""
        commits = ("registered", "recorded", "verdict", "removed")
        return {
            "id": self.id,
            **{name: _commit(getattr(self, name)) for name in commits},
            "order": self.order,
            "amended": list(self.amended),
            "changes": [
                {
                    "commit": _commit(change.commit),
                    "of": change.of,
                    "phase": change.phase,
                    "parts": list(change.parts),
                    "before": dict(change.before),
                    "after": dict(change.after),
                    "rewritten": change.rewritten,
                }
                for change in self.changes
            ],
        }


@dataclass(frozen=True)
class Audit:
    """What git knows of all claims.

    Attributes
    ----------
    records
        One of each claim that is, or was, in the registry, in its order.
    rule
        The commits that wrote, and then changed, the rule that turns rates into verdicts.
    """

    records: tuple[Record, ...]
    rule: tuple[Commit, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the audit for programs."""
        return {
            "summary": summary(self.records),
            "unamended": unamended(self.records),
            "rule": [_commit(commit) for commit in self.rule],
            "claims": [record.as_json() for record in self.records],
        }


def audit(root: Path) -> Audit:
    """Return what git knows of each claim that is, or was, in the registry of a clone.

    Parameters
    ----------
    root
        The top folder of the clone. What is not committed does not count.

    Raises
    ------
    NoHistory
        If that is no clone, or a shallow one.
    """
    with history(root) as clone:
        past = Past(clone)
    return Audit(tuple(_record(past, name) for name in past.ids), tuple(_rule(past)))


def unamended(records: Iterable[Record]) -> list[str]:
    """Return the claims whose entry changed in a field that decides, with the first verdict or
    later, on a day of which no amendment tells."""
    return [
        record.id
        for record in records
        if not record.removed
        and {change.commit.date[:10] for change in record.changed(REGISTRY)} - {*record.amended}
    ]


def summary(records: Sequence[Record]) -> str:
    """Return how many claims were registered when, and what changed after, in a few sentences."""
    there = [record for record in records if not record.removed]
    counts = {order: sum(record.order == order for record in there) for order in ORDERS}
    told = [f"{count} {ORDERS[order]}" for order, count in counts.items() if count]
    fields, code = (sum(bool(r.changed(of)) for r in there) for of in (REGISTRY, PREDICATE))
    moved = sum(any(change.rewritten for change in record.changes) for record in there)
    lines = [
        f"{len(there)} claims: {', '.join(told) or 'none registered'}.",
        f"With the first verdict or later, fields that decide changed in {fields}; the code in "
        f"{code}, in form or in substance, beside {moved} that moved from notebooks into studies.",
    ]
    if silent := unamended(there):
        lines.append(f"Changed without an amendment: {', '.join(silent)}.")
    if removed := [record.id for record in records if record.removed]:
        lines.append(f"Taken out of the registry: {', '.join(removed)}.")
    return " ".join(lines)


def told(found: Audit) -> str:
    """Return the audit as a table, with a line below each claim for every change."""
    width = max((len(record.id) for record in found.records), default=0)
    heads = ("registered", "recorded", "verdict")
    lines = [f"{'':{width}}  {'  '.join(f'{head:26}' for head in heads)}".rstrip()]
    for record in found.records:
        commits = (record.registered, record.recorded, record.verdict)
        cells = "  ".join(f"{_when(commit) if commit else 'not yet':26}" for commit in commits)
        note = f"removed {record.removed.short}" if record.removed else record.order
        lines.append(f"{record.id:{width}}  {cells}  {note}")
        lines += [
            f"{'':{width}}    {_when(change.commit)}  {change.told} ({PHASES[change.phase]})"
            for change in record.changes
        ]
    lines += ["", "The rule that turns rates into verdicts:"]
    lines += [f"    {_when(commit)}  {commit.subject}" for commit in found.rule]
    return "\n".join([*lines, "", summary(found.records)])


def _record(past: Past, name: str) -> Record:
    entries = [state.entries.get(name) for state in past.states]
    code = [state.code.get(name) for state in past.states]
    registered, recorded = _first(entries), _first(code)
    verdict = _first_verdict(past, entries, recorded)

    def phase(k: int) -> str:
        if verdict is not None and past.is_behind(verdict, k):
            return "judged"
        return "measured" if recorded is not None and past.is_behind(recorded, k) else "drafted"

    changes = {k: [] for k in range(len(past.commits))}
    for found, compare in ((entries, _fields_changed), (code, _code_changed)):
        for k, before, now in _moved(past, found):
            if change := compare(past.commits[k], phase(k), before, now):
                changes[k].append(change)
    last = entries[-1]
    return Record(
        id=name,
        **{
            part: None if k is None else past.commits[k]
            for part, k in {
                "registered": registered,
                "recorded": recorded,
                "verdict": verdict,
                "removed": None if last else _removed(past, entries),
            }.items()
        },
        order=_order(past, registered, recorded),
        changes=tuple(change for each in changes.values() for change in each),
        amended=last.amended if last else (),
    )


def _rule(past: Past) -> Iterator[Commit]:
    code = [state.code.get(RULE) for state in past.states]
    first = _first(code)
    if first is not None:
        yield past.commits[first]
    for k, _, _ in _moved(past, code):
        yield past.commits[k]


def _first(found: Sequence[Any]) -> int | None:
    return next((k for k, each in enumerate(found) if each is not None), None)


def _first_verdict(past: Past, entries: Sequence[Entry | None], recorded: int | None) -> int | None:
    return next(
        (
            k
            for k, entry in enumerate(entries)
            if entry is not None
            and entry.fields["expected"] != NOT_YET
            and recorded is not None
            and past.is_behind(recorded, k)
        ),
        None,
    )


def _order(past: Past, registered: int | None, recorded: int | None) -> str:
    if registered is None or recorded is None:
        return "unrecorded"
    if registered == recorded:
        return "same"
    if past.is_behind(registered, recorded):
        return "before"
    return "after" if past.is_behind(recorded, registered) else "apart"


def _removed(past: Past, entries: Sequence[Any]) -> int | None:
    """Return the last commit that lacks what all its parents have."""
    lacking = [
        k
        for k, parents in enumerate(past.parents)
        if parents and entries[k] is None and all(entries[p] is not None for p in parents)
    ]
    return lacking[-1] if lacking else None


def _moved(past: Past, found: Sequence[Any]) -> Iterator[tuple[int, list[Any], Any]]:
    """Yield each commit that has what none of its parents has, with what these have."""
    for k, parents in enumerate(past.parents):
        before = [found[parent] for parent in parents if found[parent] is not None]
        if found[k] is not None and before and found[k] not in before:
            yield k, before, found[k]


def _fields_changed(
    commit: Commit, phase: str, parents: Sequence[Entry], now: Entry
) -> Change | None:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for name in dict.fromkeys([*parents[0].fields, *now.fields]):
        olds, new = [each.fields.get(name) for each in parents], now.fields.get(name)
        old = olds[0]
        if new in olds or (old is None and name not in DECIDES):
            continue
        if name == "expected" and old == NOT_YET:  # the verdict is found, not changed
            continue
        if name == "thresholds":  # one with a new name is told by the texts as before
            old, new = _both(parents[0].fields[name], now.fields[name])
            if old == new:
                continue
        before[name], after[name] = old, new
    return Change(commit, REGISTRY, phase, tuple(after), before, after) if after else None


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict, dict]:
    """Return two mappings without what only one of them has."""
    names = [name for name in old if name in new]
    return {name: old[name] for name in names}, {name: new[name] for name in names}


def _code_changed(
    commit: Commit, phase: str, parents: Sequence[Predicate], now: Predicate
) -> Change | None:
    before = parents[0]
    return Change(
        commit,
        PREDICATE,
        phase,
        tuple(now.changed(before)),
        {"file": before.path},
        {"file": now.path},
        rewritten=before.in_notebook is not now.in_notebook,
    )


def _when(commit: Commit) -> str:
    return f"{commit.short} {commit.date}"


def _commit(commit: Commit | None) -> dict[str, str] | None:
    if commit is None:
        return None
    return {"id": commit.id, "date": commit.date, "subject": commit.subject}
