"""A claim measured alone and in its chapter gives the same verdict, to the digit.

Slow: `make test` leaves these out. `make retest` measures every claim; CI one in three of each
chapter, drawn by the commit (`SUPERPOS_ONE_IN`), so that all have their turn.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import nbformat
import pytest
import torch

from superpos.book.building import run
from superpos.book.chapters import chapter_names, load_chapter
from superpos.book.execution import THREADS
from superpos.book.ledger import recorded
from superpos.claims.registry import load_registry
from superpos.studies.recheck import head_hash
from superpos.studies.retest import retest

ROOT = Path(__file__).parent.parent
STUDIED = [
    name for name in chapter_names(ROOT)
    if (ROOT / "src" / "superpos" / "studies" / f"{name}.py").exists()
]  # fmt: skip


@pytest.fixture
def _threads():
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.usefixtures("_threads")
@pytest.mark.parametrize("chapter", STUDIED)
def test_a_retest_gives_the_chapters_verdict(chapter, tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERPOS_SCHEDULER", "processes")
    path, _ = run(ROOT, load_chapter(ROOT, chapter), {}, output=tmp_path / "it.ipynb", quick=True)
    verdicts = {found["id"]: found for found in recorded(nbformat.read(path, as_version=4))}
    assert list(verdicts)
    assert sorted(verdicts) == sorted(
        claim.id
        for claim in load_registry().values()
        if claim.chapter == chapter and not claim.unmeasured
    )
    for name in drawn(sorted(verdicts), one_in=int(os.environ.get("SUPERPOS_ONE_IN", "1"))):
        assert vars(retest(ROOT, name, quick=True).verdict) == verdicts[name], name


def drawn(names: list[str], *, one_in: int) -> list[str]:
    """Some of the names, at least one, by the checkout's commit."""
    return random.Random(head_hash(ROOT)).sample(names, -(-len(names) // one_in))
