"""What has to agree before anything is released, told from copies in which it does not."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("release", CHECKOUT / ".ci" / "release.py")
release = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(release)

VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
DATE = str(yaml.safe_load((CHECKOUT / "CITATION.cff").read_text("utf-8"))["date-released"])
OURS, OTHER = f'version = "{VERSION}"', 'version = "99.0.0"'
FILES = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md", "codemeta.json", "_config.yml")


@pytest.fixture
def copy(tmp_path) -> Path:
    """What releases are told by, in a clone of its own."""
    for name in FILES:
        shutil.copy(CHECKOUT / name, tmp_path)
    git(tmp_path, "init", "-q")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    known = ["-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", folder, *known, *arguments], check=True)


def commit(folder: Path) -> None:
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "Change")


def test_the_files_of_this_checkout_agree():
    assert release.disagreements(CHECKOUT) == []


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("pyproject.toml", OURS, OTHER, "CITATION.cff has version"),
        ("pyproject.toml", OURS, OTHER, f"CHANGELOG.md has {VERSION} as its last version"),
        ("CITATION.cff", DATE, "2001-01-01", f"CHANGELOG.md has {DATE} as the date of {VERSION}"),
        ("CITATION.cff", "- superposition\n", "- toy models\n", "codemeta.json is not what"),
    ],
)
def test_what_does_not_agree_is_named(copy, edit, name, before, after, told):
    edit(copy / name, before, after)
    assert any(each.startswith(told) for each in release.disagreements(copy))


def test_what_is_not_released_is_no_release(copy, edit):
    (copy / "CHANGELOG.md").write_text(
        f"# Changes\n\n## Unreleased\n\n- More.\n\n## {VERSION} ({DATE})\n"
    )
    found = release.unreleased(copy)
    assert any("unreleased entries" in each for each in found)
    assert any("uncommitted" in each for each in found)
    (copy / "CHANGELOG.md").write_text(
        f"# Changes\n\n## Unreleased\n\n## {VERSION} ({DATE})\n\n- All.\n"
    )
    commit(copy)
    assert release.unreleased(copy) == []
    git(copy, "tag", f"v{VERSION}")
    assert release.unreleased(copy) == []
    commit(copy)
    assert release.unreleased(copy) == [
        f"the tag v{VERSION} is on another commit: choose another version"
    ]


def test_what_only_people_can_do_is_listed_until_it_is_done(copy, edit):
    before = release.for_people(copy)
    edit(copy / "_config.yml", 'contact: ""', "contact: a@lines.org")
    after = release.for_people(copy)
    assert [each for each in before if each not in after] == [
        "name a contact: superpos: contact, in _config.yml"
    ]
    assert after[-1].startswith("set the tag")


def printed(path: Path, text: str) -> None:
    """Write a PDF whose first page says something."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = PdfWriter()
    page = writer.add_blank_page(595, 842)
    name = NameObject
    font = {name("/Type"): name("/Font"), name("/Subtype"): name("/Type1")}
    font[name("/BaseFont")] = name("/Helvetica")
    fonts = DictionaryObject({name("/F"): DictionaryObject(font)})
    page[name("/Resources")] = DictionaryObject({name("/Font"): fonts})
    drawn = DecodedStreamObject()
    drawn.set_data(f"BT /F 12 Tf 50 700 Td ({text}) Tj ET".encode())
    page[name("/Contents")] = writer._add_object(drawn)
    writer.write(path)


def test_a_release_has_the_book_in_print_made_of_the_site_that_is_built(copy):
    pdf = copy / "_build" / "superpos.pdf"
    assert release.unprinted(copy, pdf) == ["the book is not printed: make book, then make pdf"]
    pdf.parent.mkdir()
    (copy / "_build" / "published").write_text("a digest")
    printed(pdf, f"Version {VERSION}, {DATE}")
    assert release.unprinted(copy, pdf) == []
    printed(pdf, "Version 0.0.1, 2001-01-01")
    assert release.unprinted(copy, pdf) == [f"superpos.pdf is not of version {VERSION}: make pdf"]
    printed(pdf, f"Version {VERSION}, {DATE}")
    os.utime(pdf, (0, 0))
    assert release.unprinted(copy, pdf) == ["the book is not printed: make book, then make pdf"]
