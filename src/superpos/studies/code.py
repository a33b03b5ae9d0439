"""All the code that measures a claim, as a digest: what is kept counts while that is unchanged."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from superpos.claims.registry import load_registry
from superpos.compute.content import described
from superpos.compute.fingerprint import digest

if TYPE_CHECKING:
    from superpos.studies.study import Study

_BETWEEN_QUOTES = re.compile(r"(?<=')[^']+(?=')")  # and between one text and the next
PYTHON = ".".join(platform.python_version_tuple()[:2])


def of(study: Study, claim_id: str, ways: Iterable[Any]) -> str:
    """Return a digest of all the code that measures a claim: it differs when that does.

    Covered are the claim's test, the experiments that it needs, the ways to train and all that they
    call, in this package by what it does and outside by name (`superpos.compute.content`), and the
    thresholds of every claim that is named there. It is the same in every checkout; not so in
    another minor version of Python, whose bytecode is another (`is_of_this_python`).

    Parameters
    ----------
    study, claim_id
        Whose test.
    ways
        What the models are trained by, in order.

    Raises
    ------
    InvalidArgument
        If something that the claim uses cannot be told from others.
    """
    used = [study.test_of(claim_id), *study.experiments_of(claim_id)]
    text = described((used, *ways), anywhere=True)
    named = {claim_id, *_BETWEEN_QUOTES.findall(text)}
    thresholds = {
        other.id: dict(other.thresholds) for other in load_registry().values() if other.id in named
    }
    return digest(described((text, thresholds)))


def is_of_this_python(version: str) -> bool:
    """Return whether a digest that was made by a version of Python can be compared with one of now.

    What cannot be compared counts: it was measured, and the versions stand beside it.

    >>> is_of_this_python(platform.python_version()), is_of_this_python("3.9.1")
    (True, False)
    """
    return version.split(".")[:2] == PYTHON.split(".")
