"""The set-up, and what the README promises of it, in step with each other."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from safetensors.torch import save_file

import superpos
from superpos import cli
from superpos.book.chapters import load_chapter

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
NAMED = [*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra)]
DIRECT = sorted(each for each in {*NAMED} if Requirement(each).name != PROJECT["name"])
PROSE = ("README.md", "CONTRIBUTING.md")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def pins() -> dict[str, str]:
    """The versions of constraints.txt, by canonical name."""
    found: dict[str, str] = {}
    for line in text("constraints.txt").splitlines():
        if line and not line.startswith("#"):
            name, equals, pinned = line.partition("==")
            assert equals, f"{line!r} is no exact version"
            assert canonicalize_name(name) not in found, f"{name} is there twice"
            found[canonicalize_name(name)] = pinned
    return found


# Versions


@pytest.mark.parametrize("requirement", DIRECT)
def test_a_dependency_is_pinned_to_a_version_it_accepts(requirement):
    wanted = Requirement(requirement)
    pinned = pins().get(canonicalize_name(wanted.name))
    assert pinned is not None, f"constraints.txt lacks {wanted.name}"
    assert pinned in wanted.specifier


def test_a_pin_names_no_single_build():
    assert [pinned for pinned in pins().values() if Version(pinned).local] == []


def test_everything_installed_for_the_book_is_pinned_and_of_that_version():
    constraints, wrong = pins(), []
    waiting = [Requirement(f"superpos[{','.join(EXTRAS)}]")]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) in seen:
            continue
        seen.add((name, frozenset(wanted.extras)))
        try:
            found = distribution(name)
        except PackageNotFoundError:  # of the extra lab, which the tests do without
            continue
        if name != "superpos" and Version(found.version).public != constraints.get(name):
            wrong.append(f"{name} {found.version}, pinned: {constraints.get(name)}")
        for each in map(Requirement, found.requires or []):
            marker = each.marker
            if not marker or any(marker.evaluate({"extra": e}) for e in ("", *wanted.extras)):
                waiting.append(each)
    assert len(seen) > len(DIRECT)
    assert wrong == []


def make_installs() -> set[str]:
    """The extras that the Makefile installs for those who read, run and change the book."""
    assert "pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)" in text("Makefile")
    assert "CONSTRAINTS ?= constraints.txt" in text("Makefile")
    found = re.findall(r'\$\(INSTALL\) -e "\.\[([\w,]+)\]"', text("Makefile"))
    assert len(found) == 3  # with JupyterLab, to release, and with neither
    return {extra for extras in found for extra in extras.split(",")} - {"release"}


def with_theirs(extras: set[str]) -> set[str]:
    """The extras with those that they bring."""
    found = {
        inner
        for extra in extras
        for each in map(Requirement, EXTRAS[extra])
        if each.name == PROJECT["name"]
        for inner in each.extras
    }
    return extras if found <= extras else with_theirs(extras | found)


def test_an_extra_brings_extras_that_there_are():
    assert with_theirs({"book"}) == {"book", "studies", "plot", "live"}
    assert with_theirs(set(EXTRAS)) == set(EXTRAS)


def test_conda_installs_what_make_installs():
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["name"] == PROJECT["name"]
    conda = [each for each in environment["dependencies"] if isinstance(each, str)]
    (pip,) = [each["pip"] for each in environment["dependencies"] if isinstance(each, dict)]
    assert sorted(each.partition("=")[0] for each in conda) == ["pip", "python"]
    constraints, package = pip
    assert constraints == "-c constraints.txt"
    assert set(re.fullmatch(r"-e \.\[([\w,]+)\]", package).group(1).split(",")) == make_installs()
    assert with_theirs(make_installs()) == set(EXTRAS) - {"release"}


def test_one_oldest_python_everywhere():
    oldest = re.fullmatch(r">=(3\.\d+)", PROJECT["requires-python"]).group(1)
    minor = oldest.partition(".")[2]
    ruff = tomllib.loads(text("pyproject.toml"))["tool"]["ruff"]
    assert ruff["target-version"] == f"py3{minor}"
    assert f"- python={oldest}\n" in text("environment.yml")
    assert f"Resolved with Python {oldest}." in text("constraints.txt")
    assert f"v >= (3, {minor})" in text("Makefile")
    for name in ("Makefile", "README.md"):
        assert set(re.findall(r"Python (3\.\d+) or newer", text(name))) == {oldest}
    assert f'python-version: "{oldest}"' in text(".github/workflows/book.yml")


def test_one_version_everywhere():
    top = re.search(r"^## (\S+) \((.+)\)$", text("CHANGELOG.md"), re.MULTILINE)
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == PROJECT["version"]
    assert superpos.__version__ == PROJECT["version"]
    assert version("superpos") == PROJECT["version"]
    assert top.groups() == (PROJECT["version"], citation["date-released"])


# The Makefile


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with what the Makefile reads, and a finished environment that only pretends."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    executable(tmp_path / ".venv" / "bin" / "python", "exit 0")
    (tmp_path / ".venv" / "ready").write_text(f"{tmp_path}\n")
    for variable in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # when make runs these tests
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], capture_output=True, text=True, check=False)


def planned(target: str) -> str:
    """What make would do."""
    done = make("-n", target)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_make
def test_make_uses_a_finished_environment(checkout):
    assert planned("book").split("\n") == [".venv/bin/superpos build --jobs 1", ""]
    assert "pytest" in planned("test")
    assert "pip install" not in planned("test")


@needs_make
def test_make_adds_what_a_changed_dependency_needs(checkout):
    for name in ("pyproject.toml", "constraints.txt"):
        os.utime(checkout / ".venv" / "ready", (1e9, 1e9))
        os.utime(checkout / "pyproject.toml", (1, 1))
        os.utime(checkout / "constraints.txt", (1, 1))
        assert "pip install" not in planned("book")
        os.utime(checkout / name, (2e9, 2e9))
        assert "pip install" in planned("book")
        assert "venv --clear" not in planned("book")


@needs_make
@pytest.mark.parametrize("leftover", ["unfinished", "from another folder", "without its Python"])
def test_make_does_not_trust_what_is_left_of_an_environment(checkout, leftover):
    if leftover == "unfinished":
        (checkout / ".venv" / "ready").unlink()
    elif leftover == "from another folder":
        (checkout / ".venv" / "ready").write_text("/elsewhere\n")
    else:
        executable(checkout / ".venv" / "bin" / "python", "exit 1")
    for target in ("book", "test", "lab"):
        assert "venv --clear .venv" in planned(target)


@needs_make
def test_make_refuses_an_old_python_in_one_sentence(checkout):
    shutil.rmtree(checkout / ".venv")
    pretend = "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[2])"
    executable(checkout / "python3.9", f"exec '{sys.executable}' -c '{pretend}' \"$@\"")
    done = make("book", f"PYTHON={checkout}/python3.9")
    assert done.returncode
    assert done.stderr.startswith(
        f"superpos needs Python 3.11 or newer, and {checkout}/python3.9 is 3.9: "
    )
    assert "Traceback" not in done.stderr
    assert not (checkout / ".venv").exists()

    done = make("test", "PYTHON=python-of-tomorrow")
    assert done.returncode
    assert "there is no python-of-tomorrow: superpos needs Python 3.11 or newer" in done.stderr


# Continuous integration


@pytest.fixture
def ci(tmp_path, monkeypatch):
    """Run .ci/run where make and superpos only pretend; what they do can be overwritten."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.delenv("SUPERPOS_REQUIRE_BROWSER", raising=False)
    executable(tmp_path / "bin" / "chromium", "exit 1")
    executable(tmp_path / "claims", "echo checked the claims")
    executable(
        tmp_path / "bin" / "make",
        'echo "make $1, with a browser: $SUPERPOS_REQUIRE_BROWSER"\n'
        "mkdir -p .venv/bin && cp superpos .venv/bin\n"
        '[ "$1" != test ] || [ ! -e _build ] || echo "left over"\n'
        '[ ! -e fails ] || [ "$(cat fails)" != "$1" ]',
    )
    executable(
        tmp_path / "superpos",
        '[ "$1" = status ] || exec ./claims "$@"\n'
        'printf "alpha  70 s of 60 s  fresh\\nbeta   5 s of 60 s  fresh\\n"',
    )

    def run() -> tuple[int, str]:
        command = ["bash", str(tmp_path / ".ci" / "run")]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        return done.returncode, done.stdout

    return tmp_path, run


def test_ci_runs_the_tests_then_the_book_then_the_claims(ci):
    folder, run = ci
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "left over").touch()
    code, told = run()
    assert code == 0, told
    order = ["make test, with a browser: 1", "make book, with a browser: 1", "checked the claims"]
    order.append("make retest, with a browser: 1")
    assert sorted(order, key=told.index) == order
    assert "together 75 s" in told
    assert re.search(r"^total +\d+ s of 3600 s$", told, re.MULTILINE)
    assert "!!!" not in told
    assert not (folder / ".venv" / "left over").exists()


def test_ci_names_a_chapter_that_takes_too_long_but_does_not_fail(ci):
    folder, run = ci
    with (folder / "bin" / "make").open("a") as script:
        script.write('\n[ "$1" = test ] || echo "alpha: executed in 70 s, over its budget of 60 s"')
    code, told = run()
    assert code == 0
    assert told.partition("!!! SLOWER")[2].endswith("executed in 70 s, over its budget of 60 s\n")


@pytest.mark.parametrize("step", ["test", "book", "claims"])
def test_ci_fails_with_any_of_its_steps(ci, step):
    folder, run = ci
    (folder / "fails").write_text(step)
    if step == "claims":
        executable(folder / "claims", "exit 1")
    code, told = run()
    assert code == 1
    assert "FAILED" in told
    assert ("make book" in told) == (step != "test")


# What README and CONTRIBUTING say


def test_the_examples_of_the_readme_run(capsys, tmp_path, monkeypatch):
    training, computing, reading = re.findall(r"```python\n(.*?)```", text("README.md"), re.DOTALL)
    exec(compile(training, "README.md", "exec"), {})
    shape, kept, _ = capsys.readouterr().out.splitlines()
    assert shape == "torch.Size([20, 3, 2, 5])"
    dense, _, sparse = (float(part) for part in re.findall(r"\d\.\d+", kept))
    assert dense <= 2 < sparse
    exec(compile(computing, "README.md", "exec"), {})
    assert f"# {capsys.readouterr().out}" in computing
    monkeypatch.chdir(tmp_path)
    pairs = torch.tensor([[[1.0], [-1.0]], [[1.0], [0.0]]])  # two models, as the authors have them
    save_file({"W": pairs, "b_final": torch.zeros(2, 2)}, "toy.safetensors")
    exec(compile(reading, "README.md", "exec"), {})
    *read, dimensions = capsys.readouterr().out.splitlines()
    assert "features-first" in read[0]
    assert dimensions == "tensor([0.5000, 1.0000])"
    assert "<svg" in Path("graph.svg").read_text("utf-8")


def shell_lines() -> list[list[str]]:
    blocks = "".join(re.findall(r"```sh\n(.*?)```", text("README.md"), re.DOTALL))
    commands = blocks.replace("\\\n", " ").replace("|", "\n").splitlines()
    return [shlex.split(line, comments=True) for line in commands]


def test_the_commands_of_the_readme_are_accepted():
    used = [line[1:] for line in shell_lines() if line[0] == "superpos"]
    assert {arguments[0] for arguments in used} >= {"run", "build", "serve"}
    for arguments in used:
        cli._parser().parse_args(arguments)
    given = [
        {
            name: value
            for flag, name, value in zip(line, line[1:], line[2:], strict=False)
            if flag == "-p"
        }
        for line in shell_lines()
    ]
    assert sum(map(bool, given)) == 3  # superpos retest, run, papermill
    for parameters in given:
        assert load_chapter(ROOT, "uniform_superposition").values(parameters) is not None


def test_the_table_of_the_command_line_is_complete(capsys):
    rows = dict(re.findall(r"^\| `superpos (\w+)(.*?)` \|", text("README.md"), re.MULTILINE))
    assert cli.main(["--help"]) == 0
    listed = re.findall(r"^    (\w+)(?: |$)", capsys.readouterr().out, re.MULTILINE)
    assert list(rows) == listed
    for command, shown in rows.items():
        assert cli.main([command, "--help"]) == 0
        options = re.findall(r"^  (?:-\w.*, )?(--?\w[\w-]*)", capsys.readouterr().out, re.MULTILINE)
        short = {"--output": "-o", "--parameter": "-p", "--help": None}
        expected = {short.get(option, option) for option in options} - {None}
        assert set(re.findall(r"(?<!\w)--?[a-z][a-z-]*", shown)) == expected - {"-h"}


@pytest.mark.parametrize("name", PROSE)
def test_the_targets_named_exist(name):
    targets = set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", text(name)))
    named |= {line[1] for line in shell_lines() if line[0] == "make"}
    assert named
    assert named <= targets


@pytest.mark.parametrize("name", PROSE)
def test_the_files_named_exist(name):
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", text(name))
    quoted = re.findall(r"`((?:[\w.]+/)+[\w.]*|[\w.]+\.(?:md|yml|toml|txt|cff))`", text(name))
    made = ("book/executed", "_build", ".venv")
    needed = [each for each in (*linked, *quoted) if not each.startswith(made)]
    assert len(needed) > 4
    assert [each for each in needed if not (ROOT / each).exists()] == []
