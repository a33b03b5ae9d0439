"""What the core does without: it is not imported needlessly, and what misses it is told."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import superpos
from superpos.cli import main
from superpos.errors import MissingExtra, need

PACKAGE = Path(superpos.__file__).parent
PROJECT = tomllib.loads((PACKAGE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
CORE = {"torch", "numpy", "scipy", "safetensors", "tqdm", "pyyaml"}

# Code that results are stored by stays as it is. torch brings networkx; of Dask it says so itself.
AS_IT_IS = {("geometry.py", "networkx"), ("compute/executors.py", "distributed")}
ASKED_ELSEWHERE = "book"  # the command line asks, before it opens this room: `check_tools`


def python(code: str, folder: Path | None = None) -> str:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded(code: str, before: str = "") -> set[str]:
    """The modules that code loads, but for those of Python's own library."""
    told = "print(*{m for m in {*sys.modules} - before if m.split('.')[0] not in own})"
    start = f"import sys\n{before}\nbefore, own = {{*sys.modules}}, sys.stdlib_module_names"
    return set(python(f"{start}\n{code}\n{told}").split())


# The dependencies


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(each).name) for each in requirements}


def test_installing_the_package_alone_brings_the_core():
    assert names(PROJECT["dependencies"]) == CORE


def test_no_extra_brings_what_the_core_brings():
    for extra, requirements in EXTRAS.items():
        assert not names(requirements) & CORE, extra


def imported(tree: ast.AST) -> set[str]:
    """The topmost packages that a source imports, but those for types only."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) not in for_types and isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif id(node) not in for_types and isinstance(node, ast.ImportFrom) and not node.level:
            found.add(str(node.module).partition(".")[0])
    return found - sys.stdlib_module_names - {"superpos"}


def needed(tree: ast.AST) -> dict[str, str]:
    """What a source asks for, by `need`: packages, and the extra that it names."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "need":
            extra, *packages = (ast.literal_eval(argument) for argument in node.args)
            found |= dict.fromkeys(packages, extra)
    return found


def sources() -> dict[str, ast.Module]:
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }


@pytest.fixture(scope="module")
def homes() -> dict[str, set[str]]:
    """The distributions that bring a module, by its name, as canonical names."""
    return {
        module: {canonicalize_name(name) for name in found}
        for module, found in packages_distributions().items()
    }


def test_what_the_core_lacks_is_asked_for_before_it_is_imported(homes):
    trees, missing = sources(), []
    for path, tree in trees.items():
        room = path.partition("/")[0]
        asked = needed(tree) | needed(trees.get(f"{room}/__init__.py", ast.Module([], [])))
        for package in imported(tree):
            have = CORE.union(*(homes.get(name, {name}) for name in asked))
            if not (homes.get(package, {package}) & have or room == ASKED_ELSEWHERE):
                missing.append((path, package))
    assert set(missing) == AS_IT_IS


def test_what_studies_use_of_the_book_comes_with_theirs(homes):
    trees = sources()
    used = {
        str(node.module).removeprefix("superpos.").replace(".", "/") + ".py"
        for path, tree in trees.items()
        if path.startswith("studies/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("superpos.book.")
    }
    have = CORE.union(*(homes[name] for name in needed(trees["studies/__init__.py"])))
    assert {"book/chapters.py", "book/parameters.py"} <= used
    for path in used:
        for package in imported(trees[path]) - {"nbformat"}:  # which both notebook tools bring
            assert homes[package] & have, f"{path} imports {package}"


def test_an_extra_that_is_named_brings_what_is_asked_for(homes):
    for path, tree in sources().items():
        for package, extra in needed(tree).items():
            told = f"{path} names {extra} for {package}"
            brings = brought(extra)
            # traitlets comes with anywidget, which is nothing without it
            assert homes.get(package, {package}) & brings or package == "traitlets", told


def brought(extra: str) -> set[str]:
    """The distributions that an extra brings, with those of the extras that it brings."""
    found = set()
    for each in map(Requirement, EXTRAS[extra]):
        found.add(canonicalize_name(each.name))
        for inner in each.extras if each.name == "superpos" else ():
            found |= brought(inner)
    return found


# What is told where something is missing


def test_a_missing_package_is_told_with_the_command_that_installs_it(monkeypatch):
    for name in ("xarray", "sympy"):
        monkeypatch.setitem(sys.modules, name, None)
    need("studies", "json")
    with pytest.raises(MissingExtra, match=r"^sympy is missing") as one:
        need("studies", "json", "sympy")
    with pytest.raises(MissingExtra, match=r"^xarray, sympy are missing"):
        need("studies", "xarray", "sympy")
    assert str(one.value).endswith('install it with pip install "superpos[studies]"')
    assert one.value.name == "sympy"


@pytest.mark.parametrize(
    ("package", "extra", "code"),
    [
        ("matplotlib", "plot", "from superpos.figures.plane import plane"),
        ("matplotlib", "plot", "superpos.figures"),
        ("xarray", "studies", "superpos.sweep"),
        ("cloudpickle", "studies", "from superpos.compute.sweeps import sweep"),
        ("sklearn", "studies", "import superpos.studies.tegum_loss"),
        (
            "sklearn",
            "studies",
            "import torch; from superpos.bundles.planes import sparse_subspaces as found\n"
            "found(torch.eye(2), 1)",
        ),
        ("ipywidgets", "live", "import superpos.figures.explorers"),
        ("anywidget", "live", "from superpos.live import Toy"),
        ("IPython", "live", "from superpos.compute.display import display; display({})"),
        ("papermill", "book", "from superpos.book.execution import check_tools; check_tools()"),
    ],
)
def test_a_missing_extra_is_named(package, extra, code):
    told = python(f"""
import sys
sys.modules[{package!r}] = None
import superpos
try:
    exec({code!r})
except ImportError as error:
    print(type(error).__name__, error)
""")
    assert re.match(rf"MissingExtra .*\b{package} is missing from .*\[{extra}\]", told), told


def test_the_command_line_tells_it_in_a_sentence(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.startswith("superpos.studies")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "xarray", None)
    assert main(["retest", "--list"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r'superpos: xarray is missing from .*"superpos\[studies\]"\n', err)


# What importing brings


def test_importing_the_package_loads_nothing_else():
    assert loaded("import superpos") == {"superpos"}
    assert loaded("import superpos; dir(superpos); superpos.__version__") == {"superpos"}


def test_importing_what_trains_loads_torch_and_no_room_that_it_does_not_use():
    found = loaded("from superpos import train", before="import torch")
    assert {name.partition(".")[0] for name in found} == {"superpos"}
    rooms = {name.split(".")[1] for name in found if "." in name}
    above = {"bundles", "codes", "learning", "neurons", "optima", "tegum"}  # of what trains
    above |= {"book", "claims", "figures", "live", "measure", "studies"}
    assert "training" in rooms
    assert not above & rooms
    # sweeps, their store and who computes them come with the first sweep
    assert not {"superpos.compute.sweeps", "superpos.compute.executors"} & found


@pytest.mark.parametrize("command", ["--help", "--version", "measure --help"])
def test_the_command_line_answers_without_what_computes(command):
    ask = "import contextlib, io\nfrom superpos.cli import main\n"
    ask += f"with contextlib.redirect_stdout(io.StringIO()): main({command.split()})"
    assert {name.partition(".")[0] for name in loaded(ask)} == {"superpos"}
