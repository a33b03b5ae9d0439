"""Stored counts of specification curves, some of them computed again: what CI runs."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from superpos.book.provenance import commit
from superpos.stats import chance_of_difference
from superpos.studies.cells import measured
from superpos.studies.grids import Job, states
from superpos.studies.retest import load_study
from superpos.studies.robustness import here

DRAWN, LONGEST = 3, 60.0  # cells that a check computes again, and seconds that each may take
SAME = 1e-4  # the probability below which two counts are no samples of one rate


def check(
    root: Path, drawn_by: str, *, scheduler: str = "", say: Callable[[str], None] = print
) -> list[str]:
    """Compute a few stored cells again; return a sentence for each count that differs.

    Of the cells of fresh, complete curves that are planned to take at most a minute, `DRAWN` are
    drawn, and computed without stored models. On the same kind of processor, with the same torch,
    counts must be the same. Elsewhere sums are rounded otherwise and a seed may end differently:
    there two counts differ if Fisher's exact test gives them, as samples of one rate, a probability
    below `SAME`.

    Parameters
    ----------
    root
        The checkout.
    drawn_by
        A text that decides which cells are drawn, such as the hash of a commit.
    scheduler, say
        As for `compute`.
    """
    fresh = [
        (each, job)
        for each in states(root, load_study)
        if each.pool.seconds <= LONGEST and not each.missing
        for job in each.jobs
    ]
    if not fresh:
        say("no curve is complete and fresh: there is nothing to compute again")
        return []
    drawn = random.Random(drawn_by).sample(fresh, min(DRAWN, len(fresh)))
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for (each, job), counted in measured(drawn, scheduler, folder):
            stored = each.stored[job.number]
            made = each.made[stored["made"]]
            exact = all(made[name] == here()[name] for name in ("processor", "torch"))
            found = differences(job, stored["claims"], counted["claims"], exact=exact)
            how = "to the last count" if exact else "as a rate: other processor or torch"
            say(
                f"{job.pool}: cell {job.number + 1} computed again in {counted['seconds']:.0f} s: "
                f"{'differs' if found else 'agrees'}, {how}"
            )
            wrong += found
    return wrong


def differences(
    job: Job, stored: Mapping[str, Any], again: Mapping[str, Any], *, exact: bool
) -> list[str]:
    """Return a sentence for each specification of a cell whose counts differ: see `check`."""
    found = []
    for claim, before in stored.items():
        for old, new in zip(before, again[claim], strict=True):
            same = old == new if exact else _alike(old, new)
            if not same:
                chosen = {**job.options, **old["options"]}
                told = "; ".join(f"{factor} {option}" for factor, option in chosen.items())
                found.append(
                    f"{claim}, {told}: {_in_words(old)} stored, {_in_words(new)} computed again"
                )
    return found


def _in_words(counted: Mapping[str, Any]) -> str:
    text = f"{counted['shown']} of {counted['of']}"
    if "weaker" in counted:
        text += f" (weaker {counted['weaker']} of {counted['weaker_of']})"
    return text


def _alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether both counts may be samples of one rate, and so those of the weaker reading."""
    pairs = [("shown", "of"), ("weaker", "weaker_of")]
    for shown, of in pairs:
        if shown not in old or shown not in new:
            continue
        if chance_of_difference(*((each[shown], each[of]) for each in (old, new))) < SAME:
            return False
    return True


def head_hash(root: Path) -> str:
    """Return the hash by which a check draws its cells: that of the checkout's commit."""
    return re.split(r"\s", commit(root))[0]
