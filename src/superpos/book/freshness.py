"""The key under which an executed notebook may be used again.

A key is a digest over *parts*, each of which can change a result. The parts
themselves are kept in the executed notebook, so that a stale one can say which
of them changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from superpos.book.chapters import Chapter, read_notebook, without_budgets
from superpos.book.execution import THREADS
from superpos.book.provenance import device
from superpos.book.reached import module_digests
from superpos.claims.curves import path_of
from superpos.claims.registry import Claim, load_registry, measured
from superpos.claims.specifications import load_pools
from superpos.compute.fingerprint import PACKAGE, digest, versions
from superpos.project import registry_file

ALWAYS = "from superpos.book import execution, filling"  # run every notebook, fill its text


def key_parts(
    chapter: Chapter,
    values: Mapping[str, Any],
    claims: Iterable[Claim],
    *,
    package: Path | None = None,
) -> dict[str, Any]:
    """Return what the outputs of ``chapter`` depend on.

    Parameters
    ----------
    chapter
        The chapter.
    values
        All its parameters' values.
    claims
        The registry's claims that belong to it.
    package
        The folder of the package's source; by default the one that runs.
    """
    code = [cell.source for cell in read_notebook(chapter.source).cells if cell.cell_type == "code"]
    entries = []
    for claim in claims:
        entry = asdict(claim)
        for name in ("expected", "moved"):  # what we expect changes no measurement
            del entry[name]
        entries.append(entry)
        entries += [digest(path.read_bytes()) for path in measured(claim.id)]
    for pool in load_pools(registry_file().parent, load_registry()).values():
        if pool.chapter == chapter.name:
            stored = path_of(registry_file().parent, pool.name)
            entries += [repr(pool), digest(stored.read_bytes() if stored.exists() else b"")]
    return {
        "source": digest(without_budgets(chapter.source)),
        "parameters": dict(values),
        "modules": module_digests([*code, ALWAYS], package or PACKAGE),
        "claims": digest(json.dumps(entries, sort_keys=True, default=str)),
        "versions": versions(),
        "device": device(values),
        "threads": THREADS,
    }


def key(parts: Mapping[str, Any]) -> str:
    """Return the digest of all parts."""
    return digest(json.dumps(parts, sort_keys=True))


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say which parts differ, in words; an empty list means fresh."""
    reasons = []
    if before["source"] != now["source"]:
        reasons.append("source changed")
    if modules := _differing(before["modules"], now["modules"]):
        reasons.append(f"package changed: {', '.join(modules)}")
    if names := _differing(before["parameters"], now["parameters"]):
        reasons.append(f"parameters changed: {', '.join(names)}")
    if names := _differing(before["versions"], now["versions"]):
        moved = [
            f"{name} {before['versions'].get(name)} -> {now['versions'].get(name)}"
            for name in names
        ]
        reasons.append(f"versions changed: {', '.join(moved)}")
    if before["claims"] != now["claims"]:
        reasons.append("its entries in the claims registry changed")
    for name in ("device", "threads"):
        if before[name] != now[name]:
            reasons.append(f"{name} changed: {before[name]} -> {now[name]}")
    return reasons


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*before, *now}) if before.get(name, ...) != now.get(name, ...)]
