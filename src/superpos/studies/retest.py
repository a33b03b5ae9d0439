"""One claim measured again, alone, with settings of the reader's: what ``superpos retest`` runs.

Nothing here changes the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from superpos.book.chapters import Chapter, load_chapter
from superpos.book.parameters import Parameter, unknown
from superpos.claims.registry import Claim, load_registry
from superpos.claims.verdicts import Verdict, conclude
from superpos.claims.wording import label
from superpos.errors import InvalidArgument
from superpos.studies import kept
from superpos.studies.study import OURS, Study, Way


@dataclass(frozen=True)
class Retest:
    """What a retest found, and how it differs from the book.

    Attributes
    ----------
    verdict
        The verdict, with its evidence and what else was measured.
    procedure
        How models were trained, in a sentence; empty where none were.
    settings
        The parameters that the claim depends on, with the values used.
    changed
        Those that are not the book's: from what to what, by name.
    cut
        What of that ``--quick`` did, seeds first.
    expected
        The book's verdict.
    seconds
        How long it took.
    """

    verdict: Verdict
    procedure: str
    settings: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]
    cut: Sequence[str]
    expected: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return asdict(self) | {"changed": {k: list(v) for k, v in self.changed.items()}}

    def told(self) -> str:
        """Return it as a person reads it."""
        found = self.verdict
        shown = label(found.verdict, found.held)
        shown += " (quick: does not count)" if found.quick else ""
        lines = [f"{found.id}: {shown}", f"  {found.evidence}"]
        lines += [f"  {name}: {text}" for name, text in found.measured.items()]
        same = "the same"
        if found.verdict != self.expected:
            more = ", with its curve and what is kept as published and at rest"
            same = f"there {self.expected}{'' if found.quick else more}"
        changed = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in self.changed.items())
        lines += [f"against the book: {same}; settings: {changed or 'the same'}"]
        if self.procedure:
            lines += [f"procedure: {self.procedure}"]
        if self.cut:
            lines += [f"quick cut {', '.join(self.cut)}"]
        return "\n".join([*lines, f"took {self.seconds:.1f} s"])


def load_study(chapter: str) -> Study:
    """Return the study of a chapter.

    Raises
    ------
    InvalidArgument
        If it has none.
    """
    if find_spec(f"superpos.studies.{chapter}") is None:
        raise InvalidArgument(
            f"the claims of {chapter} are measured in its notebook alone: superpos run {chapter}"
        )
    return import_module(f"superpos.studies.{chapter}").study


def retest(
    root: Path,
    claim_id: str,
    given: Mapping[str, Any] | None = None,
    *,
    procedure: str = OURS,
    seeds: int | None = None,
    first_seed: int = 0,
    quick: bool = False,
    keep: bool = False,
) -> Retest:
    """Measure a claim with its study's experiments and its test, and return what came out.

    Parameters
    ----------
    root
        The checkout.
    claim_id
        As in the registry.
    given
        Parameters of the chapter, by name, as text or typed.
    procedure
        One of the study's ways to train: ``"ours"``, ``"published"``, …
    seeds
        How many of each kind of seeds the claim counts; the book's number by default.
    first_seed
        From where they are counted: fresh seeds begin where the book's end.
    quick
        Whether to cut the seeds, then sizes and steps, to what a quick run of the chapter has.
    keep
        Whether to keep what comes out in ``book/measured/``, as the claim's measurement as
        published or at rest.

    Raises
    ------
    InvalidArgument
        If the claim is unknown or has no study, or if a setting is none that it depends on.
    """
    claim, chapter, study = _found(root, claim_id)
    if keep and quick:
        raise InvalidArgument("what a quick run measures is not kept: it does not count")
    way = study.way(claim_id, procedure)
    if keep:
        kept.check(study, claim_id, procedure)
    # before anything is computed: features keep what they have made of draws
    code = kept.code(study, claim_id, procedure) if keep else ""
    parameters = {
        parameter.name: parameter
        for parameter in chapter.parameters
        if parameter.name in study.parameters(claim_id)
    }
    book = {name: parameter.default for name, parameter in parameters.items()}
    chosen, cut = _settings(parameters, chapter, way, given or {}, seeds=seeds, quick=quick)
    run = study.run({**chosen, "quick": quick}, way=way, first_seed=first_seed)
    started = time.perf_counter()
    found = run.outcome(claim_id)
    verdict = conclude(
        claim,
        found.shown,
        weaker=found.weaker,
        measured=found.measured,
        at_rest=found.at_rest,
        quick=quick,
        command=study.command(claim_id),
    )
    seconds = time.perf_counter() - started
    if keep:
        made = kept.measured(
            study,
            claim_id,
            procedure,
            found,
            chosen,
            first_seed=first_seed,
            seconds=seconds,
            code=code,
        )
        kept.keep(made)
    changed = {name: (book[name], chosen[name]) for name in book if chosen[name] != book[name]}
    if first_seed:
        changed["first_seed"] = (0, first_seed)
    return Retest(
        verdict=verdict,
        procedure="" if way is None else way.told,
        settings=chosen,
        changed=changed,
        cut=cut,
        expected=claim.expected,
        seconds=seconds,
    )


def listed(root: Path) -> str:
    """Return every claim that can be measured alone, with its settings and their ranges."""
    lines = []
    for claim in load_registry().values():
        if claim.unmeasured or find_spec(f"superpos.studies.{claim.chapter}") is None:
            continue
        _, chapter, study = _found(root, claim.id)
        lines.append(f"{claim.id}  ({claim.chapter}, {claim.expected})")
        for name, way in study.ways(claim.id).items():
            lines.append(f"    --procedure {name}: {way.told}")
        needed = study.parameters(claim.id)
        for parameter in chapter.parameters:
            if parameter.name in needed:
                shown = f"{parameter.name}: {parameter.type} = {parameter.default!r}"
                lines.append(f"    {shown}  {parameter.help}")
    return "\n".join(lines)


def counts_seeds(root: Path, claim_id: str) -> bool:
    """Return whether a claim is counted over seeds, of whatever kind.

    Raises
    ------
    InvalidArgument
        If the claim is unknown, or nothing is measured of it.
    """
    _, _, study = _found(root, claim_id)
    return bool(_seeds(study.parameters(claim_id)))


def _seeds(parameters: Iterable[str]) -> list[str]:
    return [name for name in parameters if name.startswith("n_seeds")]


def _found(root: Path, claim_id: str) -> tuple[Claim, Chapter, Study]:
    registry = load_registry()
    if claim_id not in registry:
        raise InvalidArgument(unknown("claim", claim_id, registry, owner="the book"))
    claim = registry[claim_id]
    if claim.unmeasured:
        raise InvalidArgument(f"nothing is measured of {claim_id}: {claim.unmeasured}")
    return claim, load_chapter(root, claim.chapter), load_study(claim.chapter)


def _settings(
    parameters: Mapping[str, Parameter],
    chapter: Chapter,
    way: Way | None,
    given: Mapping[str, Any],
    *,
    seeds: int | None,
    quick: bool,
) -> tuple[dict[str, Any], list[str]]:
    """Return the value of each parameter, and what quick cut."""
    for name in given:
        if name not in parameters:
            raise InvalidArgument(unknown("parameter", name, parameters, owner="the claim"))
    chosen = {name: parameter.default for name, parameter in parameters.items()}
    if way is not None:
        chosen |= {name: value for name, value in way.settings.items() if name in parameters}
    asked = {name: parameters[name].read(value) for name, value in given.items()}
    counted = _seeds(parameters)
    if seeds is not None:
        if not counted:
            raise InvalidArgument("the claim counts no seeds: nothing is drawn at random")
        asked = {name: parameters[name].read(seeds) for name in counted} | asked
    cut = []
    if quick:
        fewer = {**chapter.quick, **({} if way is None else way.quick)}
        free = [name for name in parameters if name in fewer and name not in asked]
        for name in sorted(free, key=lambda name: name not in counted):  # seeds first
            cut.append(f"{name} {chosen[name]} -> {fewer[name]}")
            chosen[name] = fewer[name]
    return chosen | asked, cut
