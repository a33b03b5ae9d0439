"""Made-up git clones, for the tests of the audit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

ENTRY = """\
- id: {id}
  chapter: coins
  source: {{key: k, section: s}}
  statement: {statement}
  setting: n = 5
  share: {share}
  thresholds: {thresholds}
  counts: {counts}
  expected: {expected}
"""
STUDY = '''\
"""Coins."""


def least(heads):
    """The fewest."""
    return heads.amin(0)


@study.test("heads-fall")
def heads_fall(heads, *, enough):
    """Heads are many."""
    return Outcome({decides}, measured={{"Fewest": least(heads)}})
'''
NOTEBOOK = """\
# Coins

```{code-cell}
:tags: [hide-input]
heads = throw(n)
shown = heads > 3
claims.record("heads-fall", shown, quick=quick)
```
"""


def entry(id: str = "heads-fall", **changed: object) -> str:
    """An entry of a registry, as its text."""
    fields = {
        "statement": "Heads fall.",
        "share": 0.5,
        "thresholds": "{enough: 3}",
        "counts": "More than {enough} heads.",
        "expected": "untested",
    }
    return ENTRY.format(id=id, **(fields | changed))


def study(decides: str = "heads > enough") -> str:
    """A study with one test, as its text."""
    return STUDY.format(decides=decides)


class Book:
    """A clone whose commits are a minute apart, whoever and wherever one is."""

    def __init__(self, root: Path) -> None:
        self.root, self._minute = root, 0
        root.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        when = f"2026-11-21T10:{self._minute:02}:00+00:00"
        someone = {f"GIT_{who}_{what}": "nobody" for who in ("AUTHOR", "COMMITTER")
                   for what in ("NAME", "EMAIL")}  # fmt: skip
        dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        return subprocess.run(
            ["git", "-C", str(self.root), "-c", "commit.gpgsign=false", *arguments],
            env={**os.environ, **someone, **dates, **alone},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def commit(self, files: Mapping[str, str | None], subject: str = "change") -> str:
        """Commit files by path, None to remove one; return the commit."""
        for path, text in files.items():
            if text is None:
                (self.root / path).unlink()
            else:
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self.root / path).write_text(text, "utf-8")
        self._minute += 1
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")
