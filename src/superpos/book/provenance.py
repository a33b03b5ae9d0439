"""Where a result comes from: commit and its date, versions, device, parameters."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def device(parameters: Mapping[str, Any]) -> str:
    """Return the device that ``parameters`` ask for, by what it is."""
    name = str(parameters.get("device", "cpu"))
    if name.startswith("cuda"):
        import torch  # seconds to import: only where its answer is needed

        return f"{name} ({torch.cuda.get_device_name(name) if torch.cuda.is_available() else '?'})"
    return f"{name} ({platform.machine()})"


def commit(root: Path, *paths: str) -> str:
    """Return the checkout's commit, with a note if files differ from it.

    Parameters
    ----------
    root
        The checkout.
    *paths
        The files and folders in it that are looked at; by default all.
    """
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", *paths)
    except (OSError, subprocess.CalledProcessError):
        return "not in a git checkout"
    return f"{head} with uncommitted changes" if changed else head


def date(root: Path) -> str:
    """Return when the checkout's commit was made; empty where there is none.

    A page carries this date, and not that of the build: two builds of one commit are equal.
    """
    form = "--date=format-local:%Y-%m-%d %H:%M UTC"
    try:
        return _git(root, "log", "-1", "--format=%cd", form, TZ="UTC")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(root: Path, *arguments: str, **environment: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments],
        capture_output=True, text=True, check=True, env=os.environ | environment,
    ).stdout.strip()  # fmt: skip


def peak_memory() -> int | None:
    """Return the most memory, in bytes, that any ended child process held; None if unknown."""
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def as_markdown(record: Mapping[str, Any], *, links: str = "") -> str:
    """Return the note that ends a page, as a folded MyST admonition.

    Parameters
    ----------
    record
        What `superpos.book.building` puts into an executed notebook's metadata.
    links
        A line of links that only make sense on the page.
    """
    facts = record["provenance"]
    shown = ", ".join(f"{name} = {value!r}" for name, value in record["parameters"].items())
    rows = {
        "Commit": facts["commit"] + (f", of {facts['date']}" if facts["date"] else ""),
        "Seed": record["parameters"].get("seed", "set in the text"),
        "Parameters": f"`{shown}`" if shown else "none",
        "Device": record["parts"]["device"],
        "Threads of an operation": record["parts"]["threads"],
        "Versions": ", ".join(
            f"{name} {what}" for name, what in record["parts"]["versions"].items()
        ),
    }
    lines = [f"- **{name}:** {value}" for name, value in rows.items()]
    return "\n".join(
        [
            ":::{admonition} Where these results come from",
            ":class: note dropdown superpos-provenance",
            *(["Quick run: too few seeds or steps to count.", ""] if record["quick"] else []),
            *lines,
            *(["", links] if links else []),
            ":::",
        ]
    )
