"""Which modules a notebook reaches: what makes its chapter stale."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import superpos
from superpos.book import freshness
from superpos.book.chapters import load_chapters, read_notebook
from superpos.book.reached import module_digests
from superpos.book.tutorials import tutorials

CHECKOUT = Path(__file__).parents[2]
PACKAGE = Path(superpos.__file__).parent


def needed(code: str | list[str], package: Path) -> set[str]:
    found = module_digests([code] if isinstance(code, str) else code, package)
    return {name.removeprefix("superpos.") for name in found if name != "superpos"}


GEOMETRY = {"geometry", "errors"}
LOSSES = {"losses", *GEOMETRY}
CLAIMS = {"claims", "claims.verdicts"}
LAZY = {
    "__init__.py": """
from importlib import import_module
_HOME = {"norm": "superpos.geometry", "judge": "superpos.claims.verdicts"}
_MODULES = ("superpos.losses", "superpos.cli")
RATE = 0.1
def __getattr__(name):
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    return import_module(f"superpos.{name}")
""",
    "claims/__init__.py": """
_NAMES = ("judge", "record")
def __getattr__(name):
    from importlib import import_module
    if name in _NAMES:
        return getattr(import_module("superpos.claims.verdicts"), name)
    raise AttributeError(name)
""",
    "claims/verdicts.py": "def judge(): pass\n",
    "claims/registry.py": "def load(): pass\n",
    "typed.py": """
from typing import TYPE_CHECKING
import typing
if TYPE_CHECKING:
    from superpos import losses
else:
    from superpos import errors
if typing.TYPE_CHECKING:
    import superpos.losses
""",
    "inner.py": "def f():\n    from superpos import geometry\n",
    "passed.py": "from superpos import claims\n",
    "studies/__init__.py": "",
    "studies/first.py": "from superpos import norm\n",
    "studies/second.py": "from superpos.studies import first\n",
    "retest.py": "from importlib import import_module\n"
    "def f(name):\n    import_module(f'superpos.studies.{name}')\n",
    "anything.py": "from importlib import import_module\ndef f(n):\n    import_module(n)\n",
}


@pytest.fixture
def lazy(package):
    """The tiny package, which finds its names when it is asked for them."""
    for name, source in LAZY.items():
        (package / name).parent.mkdir(exist_ok=True)
        (package / name).write_text(source)
    return package


ALL = "all"


@pytest.mark.parametrize(
    ("code", "modules"),
    [
        ("import numpy", set()),
        ("from superpos.errors import Wrong", {"errors"}),
        ("from superpos import losses", LOSSES),
        ("import superpos.losses", LOSSES),
        ("import superpos as sp\nsp.geometry.norm(1)", GEOMETRY),
        ("import superpos\nf = superpos.geometry", GEOMETRY),
        ("def later():\n    from superpos import errors", {"errors"}),
        ("import superpos.lazy", {"lazy", *LOSSES}),
        # names that are found when they are asked for
        ("import superpos", set()),
        ("import superpos\nsuperpos.norm(1)", GEOMETRY),
        ("from superpos import norm, errors", GEOMETRY),
        ("import superpos\nsuperpos.__file__, superpos.RATE", set()),
        ("import superpos\nsuperpos.unknown", ALL),
        ("from superpos import norm as f", GEOMETRY),
        ("from superpos import judge", CLAIMS),
        ("import superpos\nsuperpos.judge()", CLAIMS),
        ("from superpos import claims", {"claims"}),
        ("from superpos import claims\nclaims.judge()", CLAIMS),
        ("from superpos.claims import record", CLAIMS),
        ("import superpos\nsuperpos.claims.record()", CLAIMS),
        ("from superpos.claims import registry", {"claims", "claims.registry"}),
        ("from superpos import claims\nclaims.registry.load()", {"claims", "claims.registry"}),
        ("from superpos import passed\npassed.claims.judge()", {"passed", *CLAIMS}),
        ("from superpos import passed as p\nfrom superpos import errors as p\np.claims.judge()",
         {"passed", "errors", *CLAIMS}),
        # for type checkers only, inside functions, by name
        ("import superpos.typed", {"typed", "errors"}),
        ("from superpos import inner", {"inner", *GEOMETRY}),
        ("import importlib\nimportlib.import_module('superpos.losses')", LOSSES),
        ("__import__('superpos.losses')", LOSSES),
        ("from superpos import retest",
         {"retest", "studies", "studies.first", "studies.second", *GEOMETRY}),
        # what may be anything
        ("import superpos\nname = 'geometry'\ngetattr(superpos, name)", ALL),
        ("import superpos as sp\ntools = [sp]", ALL),
        ("import superpos\nuse = superpos", ALL),
        ("from superpos import *", ALL),
        ("import superpos.anything", ALL),
        ("import importlib\nimportlib.import_module(name)", ALL),
        ("from importlib import import_module as load\nload(name)", ALL),
        ("import importlib\nimportlib.import_module('.losses', 'superpos')", ALL),
        ("eval('superpos.losses')", ALL),
        ("x = = 1", ALL),
        ("import superpos.studies\nf(superpos.studies)",
         {"studies", "studies.first", "studies.second", *GEOMETRY}),
        ("from superpos.studies import *",
         {"studies", "studies.first", "studies.second", *GEOMETRY}),
        # cells
        ("%matplotlib inline\nfrom superpos import geometry", GEOMETRY),
        ("%time from superpos import geometry", GEOMETRY),
        ("if 1:\n    %cd ..\nfrom superpos import geometry", GEOMETRY),
        ("!ls\nfrom superpos import geometry", GEOMETRY),
        ("%%time\nfrom superpos import geometry", GEOMETRY),
        ("%%bash\nfrom superpos import geometry", set()),
        ("files = !ls", ALL),
        (["import superpos as sp", "sp.geometry.norm(1)"], GEOMETRY),
    ],
)  # fmt: skip
def test_a_notebook_reaches_what_it_imports_and_what_that_imports(code, modules, lazy):
    everything = needed("import superpos\nf(superpos)", lazy)
    assert {"cli", "book.execution", "claims.registry"} <= everything
    assert needed(code, lazy) == (everything if modules is ALL else modules)


def test_relative_imports_and_data_files_count(package):
    assert needed("from superpos.plotting import colours", package) == {
        *("plotting", "plotting.colours", "geometry", "errors"),
        "superpos/plotting/style.mplstyle",
    }


# The real package


def digests(package: Path) -> dict[str, dict[str, str]]:
    """What each chapter reaches, tutorials apart."""
    found, apart = {}, tutorials(CHECKOUT)
    for chapter in load_chapters(CHECKOUT):
        if chapter.name in apart:
            continue
        cells = read_notebook(chapter.source).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        found[chapter.name] = module_digests([*code, freshness.ALWAYS], package)
    return found


@pytest.fixture(scope="module")
def chapters() -> dict[str, dict[str, str]]:
    return digests(PACKAGE)


def test_a_changed_colour_makes_every_chapter_stale(chapters, tmp_path, edit):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "superpos", ignore=ignored)
    edit(tmp_path / "superpos" / "figures" / "palette.py", "#b5472f", "#123456")
    for name, now in digests(tmp_path / "superpos").items():
        before = chapters[name]
        assert {each for each in {*before, *now} if before.get(each) != now.get(each)} == {
            "superpos.figures.palette"
        }


def reaching(chapters: dict[str, dict[str, str]], module: str) -> set[str]:
    return {name for name, found in chapters.items() if f"superpos.{module}" in found}


def test_a_study_and_its_drawings_belong_to_their_own_chapter_alone(chapters):
    own = [
        f"{room}.{path.stem}"
        for room in ("studies", "figures")
        for path in (PACKAGE / room).glob("*.py")
        if path.stem in chapters
    ]
    assert own
    for module in own:
        assert reaching(chapters, module) == {module.rpartition(".")[2]}


def test_a_chapter_reaches_what_it_uses_and_not_the_whole_package(chapters):
    for module in ("cli", "book.site", "book.building", "studies.retest"):
        assert reaching(chapters, module) == set()
    for module in ("book.execution", "claims.verdicts", "compute.sweeps"):
        assert reaching(chapters, module) == {*chapters}
    assert "tegum_loss" in reaching(chapters, "tegum")
    assert "uniform_superposition" not in reaching(chapters, "tegum")
    assert "uniform_superposition" in reaching(chapters, "training.train")
    assert "memorization" in reaching(chapters, "learning.memorization")
    assert max(map(len, chapters.values())) < 80 * len(list(PACKAGE.rglob("*.py"))) / 100
