"""Measurements that take too long for the book: made once with ``superpos retest --keep``.

A claim that training decides is judged on its source's own procedure at its source's own size, and
on models at rest. Each of these is one file in ``book/measured/``: what was counted, with which
settings, by which code. One whose code or thresholds have changed is *stale*, and counts as
missing; the versions it was made with stand beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from superpos.claims import registry
from superpos.compute.fingerprint import machine, versions
from superpos.errors import InvalidArgument
from superpos.project import registry_file
from superpos.studies import code as digests

if TYPE_CHECKING:
    from superpos.studies.study import Outcome, Study

KINDS = ("published", "rest")


@dataclass(frozen=True)
class Kept:
    """A claim's measurement by another way to train than the book's.

    Attributes
    ----------
    claim, kind
        The claim's id, and which way: one of `KINDS`.
    shown, of
        How many of how many trials show the claim.
    weaker
        The same for its weaker reading, where it has one.
    measured
        What else was measured, in words, by name.
    procedure
        How models were trained, in a sentence.
    settings
        The values of the chapter's parameters that it depends on.
    first_seed
        From where its seeds were counted.
    seconds
        How long it took.
    made
        With which versions, on which kind of machine. ``device`` where it was another than the CPU;
        ``digest`` where ``code`` was told in the same checkout by another Python than measured.
    code
        A digest of the code that measured it, thresholds included.
    """

    claim: str
    kind: str
    shown: int
    of: int
    weaker: tuple[int, int] | None
    measured: Mapping[str, str]
    procedure: str
    settings: Mapping[str, Any]
    first_seed: int
    seconds: int
    made: Mapping[str, str]
    code: str

    def outcomes(self) -> tuple[Tensor, Tensor | None]:
        """Return which trials show the claim, and which its weaker reading: the first of them.

        Which was which is not kept.
        """
        weaker = None if self.weaker is None else _first(*self.weaker)
        return _first(self.shown, self.of), weaker


def _first(shown: int, of: int) -> Tensor:
    return torch.arange(of) < shown


def code(study: Study, claim_id: str, kind: str) -> str:
    """Return a digest of all the code that measures a claim in one of its ways."""
    way = study.ways(claim_id)[kind]
    return digests.of(study, claim_id, (way.procedure, way.settings))


def keep(kept: Kept) -> Path:
    """Write a measurement into its file, in place of an older one; return the file."""
    folder().mkdir(exist_ok=True)
    path = folder() / f"{kept.claim}.{kept.kind}.json"
    path.write_text(json.dumps(asdict(kept), indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return path


def check(study: Study, claim_id: str, kind: str) -> None:
    """Refuse to keep what is measured in another way than as published or at rest.

    Raises
    ------
    InvalidArgument
        Naming the ways of the claim that can be kept.
    """
    if kind not in KINDS or kind not in study.ways(claim_id):
        known = ", ".join(kind for kind in KINDS if kind in study.ways(claim_id)) or "none"
        raise InvalidArgument(f"only what is measured as published or at rest is kept: {known}")


def measured(
    study: Study,
    claim_id: str,
    kind: str,
    found: Outcome,
    settings: Mapping[str, Any],
    *,
    first_seed: int,
    seconds: float,
    code: str,
) -> Kept:
    """Return what was found as it is kept; ``code`` is its digest from before it was measured.

    Raises
    ------
    InvalidArgument
        If the models were to be at rest and were not.
    """
    if found.at_rest is not None and not found.at_rest.all():
        raise InvalidArgument(f"of the models of {claim_id} not all are at rest: nothing is kept")

    def counted(outcomes) -> tuple[int, int]:
        return int(outcomes.sum()), len(outcomes)

    shown, of = counted(found.shown)
    return Kept(
        claim=claim_id,
        kind=kind,
        shown=shown,
        of=of,
        weaker=None if found.weaker is None else counted(found.weaker),
        measured=dict(found.measured),
        procedure=study.ways(claim_id)[kind].told,
        settings=dict(settings),
        first_seed=first_seed,
        seconds=round(seconds),
        made={**versions("torch", "superpos"), "machine": machine()},
        code=code,
    )


def folder() -> Path:
    """Return where measurements are kept: ``measured/`` beside the registry."""
    return registry_file().with_name("measured")


def load(path: Path) -> Kept:
    """Return what a file holds.

    Raises
    ------
    InvalidArgument
        If it is none that `keep` wrote.
    """
    try:
        entry = json.loads(path.read_text("utf-8"))
        if entry["weaker"] is not None:
            entry["weaker"] = tuple(entry["weaker"])
        return Kept(**entry)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"{path.name} is no kept measurement: {error}") from None


def fresh(study: Study, claim_id: str) -> dict[str, Kept]:
    """Return a claim's kept measurements, by kind, that today's code would make again."""
    found = {kept.kind: kept for kept in map(load, registry.measured(claim_id))}
    return {
        kind: found[kind]
        for kind in KINDS
        if kind in found and kind in study.ways(claim_id) and _counts(found[kind], study)
    }


def _counts(kept: Kept, study: Study) -> bool:
    comparable = digests.is_of_this_python(kept.made.get("digest", kept.made["python"]))
    return not comparable or kept.code == code(study, kept.claim, kept.kind)


def stale(study_of: Callable[[str], Study]) -> Iterator[str]:
    """Yield the names of files whose code has changed, or whose claim is gone.

    Parameters
    ----------
    study_of
        The study of a chapter, by its name: `superpos.studies.retest.load_study`.
    """
    known = registry.load_registry()
    for path in sorted(folder().glob("*.json")):
        kept = load(path)
        claim = known.get(kept.claim)
        if claim is None or kept.kind not in fresh(study_of(claim.chapter), kept.claim):
            yield path.name
