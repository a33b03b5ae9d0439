"""Every verdict with other seeds: what ``superpos retest --all --seed-offset K`` runs.

A verdict that depends on which seeds were drawn is none. Each claim that counts seeds is measured
alone, by its own test, once with the book's seeds and once with others, and the two verdicts are
compared. Both are by these runs alone, without the curves and what is kept, which share no seeds.
Sweeps are stored, so that what was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from superpos.claims.registry import load_registry
from superpos.claims.verdicts import Verdict
from superpos.claims.wording import label
from superpos.errors import InvalidArgument
from superpos.studies.retest import counts_seeds, retest

GOAL = 0.95  # of the verdicts, at least, are the same with other seeds


@dataclass(frozen=True)
class Reseeded:
    """A claim's verdict with the book's seeds, and with others.

    Attributes
    ----------
    id
        The claim's.
    book, other
        What came of each.
    """

    id: str
    book: Verdict
    other: Verdict

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the same."""
        return _shown(self.book) == _shown(self.other)

    def told(self) -> str:
        """Return it as a person reads it."""
        if self.agrees:
            return f"{self.id}: {_shown(self.book)} with both ({self.other.evidence})"
        return (
            f"{self.id}: {_shown(self.book)} ({self.book.evidence}), but with other seeds "
            f"{_shown(self.other)} ({self.other.evidence})"
        )


def _shown(verdict: Verdict) -> str:
    return label(verdict.verdict, verdict.held)


def of_all(
    root: Path,
    first_seed: int,
    *,
    seeds: int | None = None,
    quick: bool = False,
    claims: Iterable[str] = (),
    say: Callable[[str], object] = lambda _: None,
) -> tuple[list[Reseeded], dict[str, str]]:
    """Measure claims with the book's seeds and with others.

    Parameters
    ----------
    root
        The checkout.
    first_seed
        From where the other seeds are counted, at least 1. Seeds that both have in common say
        nothing: it is best as large as the book's largest number of seeds, or larger.
    seeds
        How many of each kind; the book's number by default.
    quick
        Whether to measure as quick runs do: a trial of this, and no more.
    claims
        Which; by default all that are not amended by another.
    say
        Told of each as it is done.

    Returns
    -------
    tuple
        What was found; and by claim why nothing was, such as where no seeds are counted.

    Raises
    ------
    InvalidArgument
        If there are no other seeds, or a claim is unknown.
    """
    if first_seed < 1:
        raise InvalidArgument(f"first_seed is {first_seed}: those of the book begin at 0")
    registry = load_registry()
    chosen = list(claims) or [each.id for each in registry.values() if not each.amended_by]
    if unknown := [name for name in chosen if name not in registry]:
        raise InvalidArgument(f"the book has no claim {unknown[0]}")
    found: list[Reseeded] = []
    left: dict[str, str] = {}
    for number, name in enumerate(chosen, 1):
        try:
            if not counts_seeds(root, name):
                raise InvalidArgument("it counts no seeds: nothing is drawn at random")
            both = [
                retest(root, name, first_seed=first, seeds=seeds, quick=quick)
                for first in (0, first_seed)
            ]
        except InvalidArgument as problem:  # nothing is measured of it, or nothing with fewer seeds
            left[name] = str(problem)
            say(f"{number} of {len(chosen)}  {name}: left out: {problem}")
            continue
        found.append(Reseeded(name, both[0].verdict, both[1].verdict))
        say(f"{number} of {len(chosen)}  {found[-1].told()}")
    return found, left


def summary(found: Sequence[Reseeded]) -> str:
    """Return how many verdicts agree, and which do not, in words."""
    if not found:
        return "no claim was measured with other seeds"
    same = sum(each.agrees for each in found)
    share = same / len(found)
    reached = "reached" if share >= GOAL else "missed"
    quick = " Quick runs: none of this counts." if any(each.other.quick for each in found) else ""
    first = (
        f"{same} of {len(found)} verdicts are the same with other seeds "
        f"({share:.0%}; the goal of {GOAL:.0%} is {reached}).{quick}"
    )
    return "\n  ".join([first, *(each.told() for each in found if not each.agrees)])


def as_json(found: Sequence[Reseeded], left: dict[str, str], first_seed: int) -> dict[str, Any]:
    """Return it as values that JSON knows."""
    return {
        "first_seed": first_seed,
        "goal": GOAL,
        "agree": sum(each.agrees for each in found),
        "of": len(found),
        "claims": [asdict(each) | {"agrees": each.agrees} for each in found],
        "left_out": left,
    }
