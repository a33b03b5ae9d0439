"""A release, as far as a machine can go: ``make release``. It publishes nothing, and sets no tag.

Version and date must agree wherever they stand, and the changelog must have no entry that is not
yet released. Then wheel and source distribution are built, checked, and tried in an empty
environment. What is left for a person is said at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

from superpos.book.codemeta import as_codemeta
from superpos.book.pdf import default_output
from superpos.book.portable import CONFIG

ROOT = Path(__file__).parent.parent
HEADING = re.compile(
    r"^## (?:(?P<version>\d+\.\d+\.\d+\S*) \((?P<date>[\d-]+)\)|Unreleased)$", re.M
)
TRIES = """
import torch, superpos
from superpos import IndependentFeatures, Procedure, train
W = train(IndependentFeatures(3, 0.1), 2, seeds=1, procedure=Procedure(steps=5)).W
assert W.shape[-2:] == (2, 3) and torch.isfinite(W).all()
assert "site-packages" in superpos.__file__, superpos.__file__
print("trained a model with", superpos.__file__)
"""


def disagreements(root: Path) -> list[str]:
    """Return what does not agree about the last release: versions, dates, codemeta.json."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    released = [found for found in _headings(root) if found["version"]]
    wrong = []
    if cited["version"] != version:
        wrong.append(f"CITATION.cff has version {cited['version']}, pyproject.toml {version}")
    if not released or released[0]["version"] != version:
        last = released[0]["version"] if released else "none"
        wrong.append(f"CHANGELOG.md has {last} as its last version, pyproject.toml {version}")
    elif released[0]["date"] != str(cited["date-released"]):
        wrong.append(
            f"CHANGELOG.md has {released[0]['date']} as the date of {version}, CITATION.cff "
            f"{cited['date-released']}"
        )
    if json.loads((root / "codemeta.json").read_text("utf-8")) != as_codemeta(root):
        wrong.append("codemeta.json is not what CITATION.cff says: run .ci/release.py --codemeta")
    return wrong


def unreleased(root: Path) -> list[str]:
    """Return what keeps the checkout from being a release: entries, changes, another tag."""
    wrong = []
    text = (root / "CHANGELOG.md").read_text("utf-8")
    first = next(iter(HEADING.finditer(text)), None)
    if first and not first["version"]:
        rest = text[first.end() :]
        end = HEADING.search(rest)
        if re.search(r"^- ", rest[: end.start()] if end else rest, re.M):
            wrong.append("CHANGELOG.md has unreleased entries: give them a version and a date")
    if _git(root, "status", "--porcelain"):
        wrong.append("there are uncommitted changes")
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    tagged = _git(root, "tag", "--list", f"v{version}")
    if tagged and _git(root, "rev-parse", f"v{version}^{{commit}}") != _git(
        root, "rev-parse", "HEAD"
    ):
        wrong.append(f"the tag v{version} is on another commit: choose another version")
    return wrong


def unprinted(root: Path, pdf: Path) -> list[str]:
    """Return what keeps a PDF from being that of the last release, of the site that is built."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    site = root / "_build" / "published"
    if not site.exists() or not pdf.exists() or pdf.stat().st_mtime < site.stat().st_mtime:
        return ["the book is not printed: make book, then make pdf"]
    from pypdf import PdfReader

    if f"Version {version}," not in " ".join(PdfReader(pdf).pages[0].extract_text().split()):
        return [f"{pdf.name} is not of version {version}: make pdf"]
    return []


def for_people(root: Path) -> list[str]:
    """Return what a person has to do, or to name, that no machine can."""
    config = yaml.safe_load((root / "_config.yml").read_text("utf-8"))
    cited = yaml.safe_load((root / "CITATION.cff").read_text("utf-8"))
    left = []
    if not config[CONFIG].get("contact"):
        left.append(f"name a contact: {CONFIG}: contact, in _config.yml")
    if not config["repository"]["url"]:
        left.append("name the repository: repository: url, in _config.yml")
    if not (config.get("html") or {}).get("baseurl"):
        left.append("name the site: html: baseurl, in _config.yml")
    if not any("family-names" in each for each in cited["authors"]):
        left.append("name the authors, in CITATION.cff")
    if "doi" not in cited and "identifiers" not in cited:
        left.append("get a DOI from an archive, and write it into CITATION.cff")
    return [
        *left,
        "set the tag, push it, upload dist/ to the package index, the PDF to the archive",
    ]


def distribute(folder: Path) -> None:
    """Build what is committed, check it, and try it in an environment that has nothing else."""
    for old in folder.glob("superpos-*"):
        old.unlink()
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        _run("git", "-C", ROOT, "archive", "-o", place / "tree.tar", "HEAD")
        (place / "tree").mkdir()
        _run("tar", "-xf", place / "tree.tar", "-C", place / "tree")
        _run(sys.executable, "-m", "build", "--quiet", "--outdir", folder, place / "tree")
        built = sorted(folder.glob("superpos-*"))
        (wheel,) = (path for path in built if path.suffix == ".whl")
        _run(sys.executable, "-m", "twine", "check", "--strict", *built)
        _run(sys.executable, "-m", "check_wheel_contents", wheel)
        _run(sys.executable, "-m", "venv", place / "empty")
        python = place / "empty" / "bin" / "python"
        _run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
        _run(python, "-c", TRIES, folder=place)
        _run(place / "empty" / "bin" / "superpos", "--version", folder=place)


def _headings(root: Path) -> list[re.Match[str]]:
    return list(HEADING.finditer((root / "CHANGELOG.md").read_text("utf-8")))


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def _run(*command: object, folder: Path | None = None) -> None:
    print("+", *command, flush=True)
    alone = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([str(part) for part in command], check=True, cwd=folder, env=alone)


def main() -> int:
    """Say what keeps this from being a release; build, check and try what would be released."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dist", action="store_true", help="build, check and try alone")
    parser.add_argument("--codemeta", action="store_true", help="write codemeta.json anew")
    arguments = parser.parse_args()
    if arguments.codemeta:
        told = json.dumps(as_codemeta(ROOT), indent=2, ensure_ascii=False)
        (ROOT / "codemeta.json").write_text(f"{told}\n", "utf-8")
        return 0
    wrong = []
    if not arguments.dist:
        wrong = disagreements(ROOT) + unreleased(ROOT) + unprinted(ROOT, default_output(ROOT))
    for each in wrong:
        print(f"not yet: {each}")
    try:
        distribute(ROOT / "dist")
    except subprocess.CalledProcessError as failure:
        print(f"failed: {' '.join(map(str, failure.cmd))}", file=sys.stderr)
        return 1
    for each in for_people(ROOT):
        print(f"for a person: {each}")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
