"""Are two builds of one commit equal? ``make twice`` builds the site twice, from nothing.

The first build uses one core and the second two, in folders of different names: what depends on
cores, on time, on memory or on a path differs. ``build.json``, which has what a build took, is not
compared. With two folders, those sites are compared, and nothing is built.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from superpos.book import took

ROOT = Path(__file__).parent.parent
NOT_COMPARED = {took.PATH}
AROUND = 60  # bytes of a difference that are shown


def differences(first: Path, second: Path) -> list[str]:
    """Return a line for each file that is not the same in both sites."""
    here, there = _files(first), _files(second)
    found = [f"{path}: only in {first}" for path in here - there]
    found += [f"{path}: only in {second}" for path in there - here]
    for path in here & there:
        one, other = (first / path).read_bytes(), (second / path).read_bytes()
        if one != other:
            found.append(f"{path}: {_where(one, other)}")
    return sorted(found)


def _files(site: Path) -> set[str]:
    found = {p.relative_to(site).as_posix() for p in site.rglob("*") if not p.is_dir()}
    return found - NOT_COMPARED


def _where(one: bytes, other: bytes) -> str:
    """Return where two files begin to differ, and what they have there."""
    same = min(len(one), len(other))
    place = next((k for k in range(same) if one[k] != other[k]), same)
    begin = max(0, place - AROUND // 2)
    shown = [repr(each[begin : begin + AROUND])[1:] for each in (one, other)]
    return f"from byte {place} of {len(one)} and {len(other)}: {shown[0]} and {shown[1]}"


def build(folder: Path, *, quick: bool, cores: int) -> Path:
    """Build what is committed in a clone of its own, and return its site."""
    clone = ["git", "clone", "--quiet", "--no-local", str(ROOT), str(folder)]
    subprocess.run(clone, check=True)
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "SUPERPOS_CORES": str(cores)}
    for name in ("SUPERPOS_STORE", "SUPERPOS_SCHEDULER"):  # nothing is taken from elsewhere
        environment.pop(name, None)
    command = [sys.executable, "-m", "superpos", "build", *(["--quick"] if quick else [])]
    begin = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True)
    print(f"built on {cores} of the cores in {time.monotonic() - begin:.0f} s: {folder}")
    return folder / "_build" / ("quick" if quick else "") / "html"


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare two builds of the book, byte for byte.")
    parser.add_argument("sites", nargs="*", type=Path, metavar="SITE", help="two built sites")
    parser.add_argument("--quick", action="store_true", help="build from quick runs")
    parser.add_argument(
        "--keep", action="store_true", help="keep the builds, if they are equal too"
    )
    asked = parser.parse_args()
    if len(asked.sites) not in (0, 2) or not all(site.is_dir() for site in asked.sites):
        parser.error("two folders are needed, or none")
    scratch = None
    if not asked.sites:
        scratch = Path(tempfile.mkdtemp(prefix="superpos-twice-"))
        if _git("status", "--porcelain"):
            print("there are uncommitted changes: they are not in what is built")
        print(f"building {_git('rev-parse', '--short=12', 'HEAD')} twice in {scratch}", flush=True)
        asked.sites = [
            build(scratch / name, quick=asked.quick, cores=cores)
            for name, cores in (("one", 1), ("the-other", 2))
        ]
    found = differences(*asked.sites)
    print("\n".join(found) or f"equal, byte for byte: {len(_files(asked.sites[0]))} files")
    if scratch and not found and not asked.keep:
        shutil.rmtree(scratch)
    return bool(found)


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
