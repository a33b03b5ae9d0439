"""What is handed to others: the source distribution, and the wheel that is built from it."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from safetensors.torch import save_file

CHECKOUT = Path(__file__).parent.parent
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"


def python(code: str, *arguments: object, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=folder, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def tracked() -> list[str]:
    """The checkout's files, but for those that git leaves out."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(listing, cwd=CHECKOUT, capture_output=True, text=True)
    if found.returncode:
        pytest.skip("this is no git checkout")
    return [name for name in found.stdout.split("\0") if name and (CHECKOUT / name).exists()]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """An unpacked source distribution, built in a copy: building leaves things behind."""
    folder = tmp_path_factory.mktemp("source")
    for name in tracked():
        (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, folder / "checkout" / name)
    python(BUILD.format("sdist"), folder, folder=folder / "checkout")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def installed(source, tmp_path_factory) -> Path:
    """An unpacked wheel, built from the source distribution."""
    folder = tmp_path_factory.mktemp("wheel")
    python(BUILD.format("wheel"), folder, folder=source)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "unpacked")
    return folder / "unpacked"


def test_the_source_distribution_is_the_whole_checkout(source):
    there = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    assert set(tracked()) - there == set()
    assert not [name for name in there if name.endswith((".pyc", ".ipynb"))]


def test_the_wheel_holds_the_package_and_the_registry_alone(installed):
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"superpos"}
    package = {name.removeprefix("src/") for name in tracked() if name.startswith("src/superpos/")}
    registry = {f"superpos/registry/{name}": name for name in tracked() if in_registry(name)}
    there = {path.relative_to(installed).as_posix() for path in installed.rglob("superpos/**/*")}
    files = {name for name in there if (installed / name).is_file()}
    assert files == package | registry.keys()
    for copy, name in registry.items():
        assert (installed / copy).read_bytes() == (CHECKOUT / name).read_bytes()
        assert not (CHECKOUT / "src" / copy).exists()  # one truth in git
    kept = ("py.typed", "live/instrument.js", "studies/uniform_models.safetensors")
    for name in (*kept, "zoo/models.safetensors", "zoo/certificates.json"):
        assert f"superpos/{name}" in files


def in_registry(name: str) -> bool:
    """Whether a retest, or a verdict with what was measured once, needs a file of the checkout."""
    folder, _, file = name.rpartition("/")
    kinds = {"": "_toc.yml", "notebooks": "*.md", "book": "*.yml"}
    kinds |= {"book/measured": "*.json", "book/robustness": "*.json"}
    return folder in kinds and fnmatch(file, kinds[folder])


def test_the_wheel_says_under_which_licences_and_what_it_needs(installed):
    (about,) = installed.glob("superpos-*.dist-info")
    for name in ("LICENSE", "LICENSE-TEXT"):
        assert (about / "licenses" / name).read_bytes() == (CHECKOUT / name).read_bytes()
    told = email.message_from_string((about / "METADATA").read_text("utf-8"))
    always = [each for each in map(Requirement, told.get_all("Requires-Dist")) if not each.marker]
    core = {"torch", "numpy", "scipy", "safetensors", "tqdm", "pyyaml"}
    assert {each.name.lower() for each in always} == core
    extras = {"studies", "plot", "live", "book", "lab", "cluster", "pdf", "test", "release"}
    assert set(told.get_all("Provides-Extra")) == extras


RECORD = """
import pathlib, sys, torch, superpos
from superpos import claims
from superpos.claims.registry import load_registry

assert pathlib.Path(superpos.__file__).is_relative_to(sys.argv[1]), superpos.__file__
claims.show_claims("loss_anatomy")
claims.show_deviations("loss_anatomy")
registry = load_registry().values()
sampled = next(claim.id for claim in registry if not claim.complete and not claim.new)
verdict = claims.record(sampled, torch.ones(20, dtype=torch.bool))
print(verdict.verdict, verdict.evidence)
"""


def test_outside_of_a_checkout_claims_are_shown_and_verdicts_recorded(installed, tmp_path):
    told = python(RECORD, installed, folder=tmp_path, PYTHONPATH=str(installed))
    assert "reproduced shown by 20 of 20 (100%" in told
    assert list(tmp_path.iterdir()) == []


def test_inside_of_a_checkout_its_own_registry_counts(installed, book):
    code = "from superpos.claims.registry import load_registry; print(*load_registry())"
    told = python(code, folder=book / "notebooks", PYTHONPATH=str(installed))
    assert told.split() == ["alpha-rises", "beta-rests"]


@pytest.mark.parametrize(
    "command", ["list", "run loss_anatomy", "build", "status", "claims", "serve", "clean"]
)
def test_outside_of_a_checkout_the_command_line_says_so_in_a_sentence(command, installed, tmp_path):
    told = cli(command, installed, tmp_path, code=2)
    assert told.startswith("superpos: no book found at or above ")
    assert told.count("\n") == 1


def cli(command: str, installed: Path, folder: Path, *, code: int = 0) -> str:
    """What a command of the unpacked wheel prints, on either stream."""
    done = subprocess.run(
        [sys.executable, "-m", "superpos.cli", *command.split()], cwd=folder,
        env=os.environ | {"PYTHONPATH": str(installed)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_outside_of_a_checkout_the_command_line_measures_weights(installed, tmp_path):
    save_file({"W": torch.eye(3, 6)[:, [0, 1, 2, 0, 1, 2]]}, tmp_path / "toy.safetensors")
    assert re.search(
        r"\b6 features in 3 dimensions", cli("measure toy.safetensors", installed, tmp_path)
    )
    assert cli("--version", installed, tmp_path) == f"superpos {version('superpos')}\n"


def test_outside_of_a_checkout_the_zoo_is_there(installed, tmp_path):
    code = "from superpos import zoo; print(len(zoo.names()), *zoo.load('pentagon').W.shape)"
    told = python(code, folder=tmp_path, PYTHONPATH=str(installed)).split()
    assert int(told[0]) >= 30
    assert told[1:] == ["2", "5"]


def test_outside_of_a_checkout_a_claim_is_measured_again(installed, tmp_path):
    told = cli("retest tegum-domain", installed, tmp_path)
    assert "against the book: the same" in told
    assert list(tmp_path.iterdir()) == []
    kept = cli("retest tegum-domain --keep", installed, tmp_path, code=2)
    assert kept.startswith("superpos: no book found at or above ")


def test_what_building_leaves_is_no_change_for_git():
    left = ["build/lib/x.py", "dist/x.whl", "src/superpos.egg-info/SOURCES.txt"]
    found = subprocess.run(
        ["git", "check-ignore", *left], cwd=CHECKOUT, capture_output=True, text=True
    )
    if found.returncode == 128:
        pytest.skip("this is no git checkout")
    assert found.stdout.split() == left
