"""The chapters and tutorials as they are written, before any of them is executed."""

from __future__ import annotations

import ast
import inspect
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from statistics import median

import jupytext
import nbformat
import pytest
import yaml

import superpos
from superpos.book.tutorials import tutorials
from superpos.claims.registry import load_registry
from superpos.studies.study import Study

ROOT = Path(__file__).parent.parent
PACKAGE = Path(superpos.__file__).parent
SOURCES = {path.stem: path.read_text("utf-8") for path in (ROOT / "notebooks").glob("*.md")}
TUTORIALS = tutorials(ROOT)
CHAPTERS = [name for name in SOURCES if name not in TUTORIALS]
CLAIMS = load_registry(ROOT / "book" / "claims.yml")


def measured_of(chapter: str) -> list[str]:
    """Return the claims of a chapter that have a test."""
    return [
        claim.id for claim in CLAIMS.values() if claim.chapter == chapter and not claim.unmeasured
    ]


each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)
each_notebook = pytest.mark.parametrize("chapter", SOURCES)


@cache
def notebook(chapter: str) -> nbformat.NotebookNode:
    return jupytext.reads(SOURCES[chapter], fmt="md:myst")


def cells(chapter: str, kind: str) -> list[str]:
    return [cell.source for cell in notebook(chapter).cells if cell.cell_type == kind]


@cache
def code(chapter: str) -> ast.Module:
    return ast.parse("\n\n".join(cells(chapter, "code")))


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """All calls of a method of that name."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == name
        ):
            yield node


def text_of(node: ast.expr | None) -> str:
    assert isinstance(node, ast.Constant), "not written out where it is used"
    assert isinstance(node.value, str)
    return node.value


# Text and code


def test_there_are_chapters_and_tutorials():
    assert len(CHAPTERS) >= 2
    assert len(TUTORIALS) >= 3
    assert set(TUTORIALS) <= set(SOURCES)


@each_notebook
def test_it_comes_back_from_a_notebook_unchanged(chapter):
    source = SOURCES[chapter]
    assert jupytext.writes(jupytext.reads(source, fmt="md:myst"), fmt="md:myst") == source


@each_notebook
def test_every_cell_parses(chapter):
    for source in cells(chapter, "code"):
        ast.parse(source)


@each_notebook
def test_the_code_passes_ruff(chapter):
    # as a notebook: ruff knows that imports may stand at the top of any cell
    file = f"--stdin-filename=notebooks/{chapter}.ipynb"
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "--output-format=concise", file, "-"],
        input=jupytext.writes(notebook(chapter), fmt="ipynb"),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# Claims


def strings_for(name: str, target: ast.expr, values: ast.expr) -> list[str] | None:
    """The texts that a loop over written-out values gives to a name; None if it sets another."""
    if isinstance(target, ast.Name):
        if target.id != name:
            return None
        assert isinstance(values, ast.List | ast.Tuple), f"the values of {name} are not written out"
        return [text_of(value) for value in values.elts]
    assert isinstance(target, ast.Tuple)
    if isinstance(values, ast.Call) and isinstance(values.func, ast.Name):
        columns = {"enumerate": [None, *values.args], "zip": values.args}[values.func.id]
    else:
        assert isinstance(values, ast.List | ast.Tuple)
        rows = [row.elts for row in values.elts]
        columns = [ast.List(list(column)) for column in zip(*rows, strict=True)]
    for part, column in zip(target.elts, columns, strict=False):
        if column is not None and (found := strings_for(name, part, column)) is not None:
            return found
    return None


def records(tree: ast.Module) -> Iterator[tuple[ast.Call, list[str]]]:
    """Each call that records claims, with the ids, from the loop around it where there is one."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
    for call in calls(tree, "record"):
        if call in list(run_calls(tree, "record")):
            continue
        given = call.args[0]
        if isinstance(given, ast.Name):
            around = [loop for loop in loops if call in ast.walk(loop)]
            found = [strings_for(given.id, loop.target, loop.iter) for loop in around]
            (names,) = [names for names in found if names is not None]
            yield call, names
        else:
            yield call, [text_of(given)]


def recorded(tree: ast.Module) -> list[str]:
    by_run = [text_of(given) for call in run_calls(tree, "record") for given in call.args]
    return by_run + [name for _, names in records(tree) for name in names]


def run_calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """All calls of a method of the chapter's ``run``."""
    for call in calls(tree, name):
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "run":
            yield call


def has_study(chapter: str) -> bool:
    return (PACKAGE / "studies" / f"{chapter}.py").exists()


def study_of(chapter: str) -> Study:
    return import_module(f"superpos.studies.{chapter}").study


with_study = pytest.mark.parametrize("chapter", [name for name in SOURCES if has_study(name)])


@pytest.mark.parametrize(
    "written",
    [
        'claims.record("a", x)\nclaims.record("b", x)',
        'for name in ["a", "b"]:\n    claims.record(name, x)',
        'for k, name in enumerate(("a", "b")):\n    claims.record(name, x[k])',
        'for name, y in (("a", x), ("b", x)):\n    for k in y:\n        claims.record(name, y)',
        'for name, y in zip(["a", "b"], x, strict=True):\n    claims.record(name, y)',
        'for k, (y, name) in enumerate([(x, "a"), (x, "b")]):\n    claims.record(name, y)',
    ],
)
def test_records_are_found_however_they_are_written(written):
    assert recorded(ast.parse(written)) == ["a", "b"]


@each_chapter
def test_each_claim_of_a_chapter_is_recorded_in_it_once_and_no_other_is(chapter):
    registered = measured_of(chapter)
    assert registered
    assert sorted(recorded(code(chapter))) == sorted(registered)


@each_chapter
def test_a_weaker_reading_is_measured_where_and_only_where_one_is_registered(chapter):
    for call, names in records(code(chapter)):
        measured = any(keyword.arg == "weaker" for keyword in call.keywords)
        assert {CLAIMS[name].qualified is not None for name in names} == {measured}, names


@each_chapter
def test_every_verdict_knows_whether_the_run_is_quick(chapter):
    for call, _ in records(code(chapter)):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("quick") == "quick", ast.unparse(call.args[0])


@each_chapter
def test_claims_and_deviations_shown_are_the_chapters_own(chapter):
    tree = code(chapter)
    for name in ("show_claims", "show_deviations"):
        named = {text_of(call.args[0]) for call in calls(tree, name) if call.args}
        assert named <= {chapter}
    assert len(list(calls(tree, "show_claims"))) == 1


@with_study
def test_a_study_is_of_its_chapter_and_tests_its_claims(chapter):
    study = study_of(chapter)
    assert study.chapter == chapter
    registered = measured_of(chapter)
    assert sorted(study.tests) == sorted(registered)
    listed = parameters(chapter)
    for claim_id, test in study.tests.items():
        assert [name for name in study.parameters(claim_id) if name not in listed] == []
        keywords = inspect.getfullargspec(test).kwonlyargs
        assert sorted(keywords) == sorted(CLAIMS[claim_id].thresholds), claim_id


@with_study
def test_what_a_chapter_draws_exists_and_asks_for_what_the_study_has(chapter):
    study, drawings = study_of(chapter), import_module(f"superpos.figures.{chapter}")
    for call in run_calls(code(chapter), "show"):
        assert ast.unparse(call.args[0]).startswith("draw.")
        drawing = getattr(drawings, ast.unparse(call.args[0]).removeprefix("draw."))
        study.run(dict.fromkeys(parameters(chapter), 1)).check(drawing)


@with_study
def test_ways_to_train_are_told_and_set_what_the_chapter_has(chapter):
    study, listed = study_of(chapter), parameters(chapter)
    trained = [claim_id for claim_id in study.tests if study.ways(claim_id)]
    # so the registry says that training decides
    assert trained == [claim_id for claim_id in study.tests if CLAIMS[claim_id].training]
    for claim_id in trained:
        ways = study.ways(claim_id)
        assert {"ours", "published"} <= set(ways), claim_id
        for way in ways.values():
            assert len(way.told) > 20
            assert {*way.settings, *way.quick} <= set(listed)


# Figures and references


def shown(chapter: str) -> Iterator[tuple[str, dict[str, ast.expr]]]:
    """The figures of a chapter, explorers included: names, and what else is said of them."""
    tree = code(chapter)
    by_run = list(run_calls(tree, "show"))
    for call in by_run:
        yield text_of(call.args[1]), drawing_of(chapter, call)
    for call in calls(tree, "show"):
        if call in by_run:
            continue
        said = {keyword.arg: keyword.value for keyword in call.keywords}
        yield text_of(said.get("name")), said


@cache
def drawings(chapter: str) -> ast.Module:
    """The module that draws a chapter's pictures."""
    return ast.parse((PACKAGE / "figures" / f"{chapter}.py").read_text("utf-8"))


def drawing_of(chapter: str, call: ast.Call) -> dict[str, ast.expr]:
    """The texts that a drawing gives its picture, read from its source."""
    name = ast.unparse(call.args[0]).removeprefix("draw.")
    (function,) = [
        node for node in drawings(chapter).body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]  # fmt: skip
    for made in ast.walk(function):
        if not isinstance(made, ast.Call):
            continue
        kind = ast.unparse(made.func)
        said = {keyword.arg: keyword.value for keyword in made.keywords}
        if kind == "Picture" or (kind.endswith("picture") and "Explorer" not in kind):
            texts = dict(zip(("figure", "alt", "caption"), made.args, strict=False))
            return {**texts, **said}
        if kind == "Table" or kind.endswith("_table"):
            return {"table": made, "alt": made, "caption": made}
    return {"caption": call}  # an explorer, which writes its own alternative text


def prose(chapter: str) -> str:
    """All text of a chapter: between its cells, and in what its code says."""
    trees = [code(chapter)]
    if has_study(chapter):
        trees.append(drawings(chapter))
    texts = [
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    return "\n\n".join([*cells(chapter, "markdown"), *texts])


FIGURES = [name for chapter in SOURCES for name, _ in shown(chapter)]


def test_every_figure_of_the_book_has_a_name_of_its_own_that_a_link_can_carry():
    assert FIGURES
    assert [name for name, count in Counter(FIGURES).items() if count > 1] == []
    assert [name for name in FIGURES if not re.fullmatch(r"[a-z][a-z0-9-]*", name)] == []


@each_chapter
def test_a_chapter_has_an_explorer_and_figures_with_captions(chapter):
    figures = dict(shown(chapter))
    assert all("caption" in said for said in figures.values())
    assert sum("alt" not in said for said in figures.values()) == 1  # an explorer writes its own


@each_chapter
def test_the_alternative_text_of_a_figure_tells_numbers(chapter):
    for name, said in shown(chapter):
        if "alt" in said:
            measured = any(isinstance(node, ast.Name) for node in ast.walk(said["alt"]))
            assert measured, f"the alternative text of {name} has nothing that was measured"


def role(name: str, text: str) -> list[str]:
    """What the text refers to with a role, as ``{role}`target``` or ``{role}`words <target>```."""
    found = re.findall(rf"\{{{name}\}}`([^`]+)`", text)
    return [re.sub(r".*<(.+)>$", r"\1", target, flags=re.DOTALL).strip() for target in found]


@each_notebook
def test_every_figure_referred_to_exists(chapter):
    assert [name for name in role("numref", prose(chapter)) if name not in FIGURES] == []


@each_notebook
def test_every_equation_referred_to_exists(chapter):
    text = prose(chapter)
    labels = re.findall(r"^\$\$ \(([\w-]+)\)$", text, re.MULTILINE)
    assert len(set(labels)) == len(labels)
    assert [name for name in role("eq", text) if name not in labels] == []


def test_labels_of_equations_are_unique_in_the_book():
    labels = [
        label
        for source in SOURCES.values()
        for label in re.findall(r"^\$\$ \(([\w-]+)\)$", source, re.MULTILINE)
    ]
    assert len(set(labels)) == len(labels)


def test_roles_are_read_with_and_without_words():
    text = "{numref}`a-b` and {numref}`Figure %s <c-d>`, {cite}`e2022, f2023`"
    assert role("numref", text) == ["a-b", "c-d"]
    assert role("cite", text) == ["e2022, f2023"]


@pytest.mark.parametrize("page", [*CHAPTERS, "index"])
def test_everything_cited_is_in_the_bibliography(page):
    text = prose(page) if page in CHAPTERS else (ROOT / "book" / "index.md").read_text("utf-8")
    bibliography = (ROOT / "book" / "references.bib").read_text("utf-8")
    known = re.findall(r"^@\w+\{(\S+),$", bibliography, re.MULTILINE)
    assert len(set(known)) == len(known)
    cited = [
        key.strip()
        for kind in ("cite", "cite:p", "cite:t")
        for keys in role(kind, text)
        for key in keys.split(",")
    ]
    assert cited
    assert [key for key in cited if key not in known] == []
    assert "```{bibliography}" in text


def test_what_the_registry_cites_is_in_the_bibliography():
    bibliography = (ROOT / "book" / "references.bib").read_text("utf-8")
    for claim in CLAIMS.values():
        assert f"{{{claim.source_key}," in bibliography, claim.id


# The beginning


def beginning(chapter: str) -> list[str]:
    """The paragraphs before a chapter's first cell, each as one line."""
    first = cells(chapter, "markdown")[0]
    return [" ".join(paragraph.split()) for paragraph in first.split("\n\n")]


def sentences(text: str) -> int:
    return len(re.findall(r"[.?!](?= |$)", text))


@each_chapter
def test_a_chapter_begins_with_its_question_and_the_answer_in_three_sentences(chapter):
    title, question, answer = beginning(chapter)
    assert title.startswith("# ")
    assert re.fullmatch(r"\*\*.+\?\*\*", question)
    assert sentences(question.strip("*")) == 1
    assert 1 <= sentences(answer) <= 3


# Parameters


def parameters(chapter: str) -> dict[str, tuple[str, str]]:
    """Types and comments of the lines of the parameters cell, by name."""
    (cell,) = [
        cell for cell in notebook(chapter).cells if "parameters" in cell.metadata.get("tags", [])
    ]
    comments = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(cell.source).readline)
        if token.type == tokenize.COMMENT
    }
    found = {}
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign), f"{ast.unparse(statement)} has no type"
        assert statement.value is not None, f"{ast.unparse(statement)} has no value"
        name, kind = ast.unparse(statement.target), ast.unparse(statement.annotation)
        assert name not in found
        found[name] = kind, comments.get(statement.lineno, "")
    return found


def front_matter(chapter: str) -> dict:
    return yaml.safe_load(SOURCES[chapter].split("---\n")[1])["superpos"]


@each_chapter
def test_every_parameter_has_a_type_and_a_comment_that_papermill_can_read(chapter):
    listed = parameters(chapter)
    assert len(listed) > 2
    for name, (kind, comment) in listed.items():
        assert kind in ("int", "float", "str", "bool", "list[int]", "list[float]"), name
        assert comment, f"{name} has no comment"
        assert "=" not in comment, f"papermill cannot read {name}: its comment has an ="
        if kind.strip("list[]") in ("int", "float"):
            assert re.search(r"[\[(].+, .+[\])]$", comment), f"{name} has no range"


@each_chapter
def test_what_quick_sets_exists_and_quick_itself_is_off(chapter):
    listed, quick = parameters(chapter), front_matter(chapter)["quick"]
    assert quick
    assert [name for name in quick if name not in listed] == []
    assert "quick" not in quick
    assert listed["quick"][0] == "bool"
    assert "\nquick: bool = False  #" in SOURCES[chapter]


@each_chapter
def test_every_parameter_is_used(chapter):
    used = set()
    if has_study(chapter):
        study = study_of(chapter)
        drawings = import_module(f"superpos.figures.{chapter}")
        functions = [*study.experiments.values(), *study.tests.values()]
        for call in run_calls(code(chapter), "show"):
            functions.append(getattr(drawings, ast.unparse(call.args[0]).removeprefix("draw.")))
        asked = {name for function in functions for name in inspect.signature(function).parameters}
        used = asked | {f"n_{name}" for name in asked} | {"quick"}
    used |= {
        node.id
        for node in ast.walk(code(chapter))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    assert [name for name in parameters(chapter) if name not in used] == []


@each_chapter
def test_a_quick_run_is_a_smaller_one(chapter):
    values = {
        ast.unparse(node.target): ast.literal_eval(node.value)
        for node in code(chapter).body
        if isinstance(node, ast.AnnAssign)
    }
    for name, value in front_matter(chapter)["quick"].items():
        assert value < values[name], name


@each_notebook
def test_the_budget_is_stated_in_seconds(chapter):
    assert 0 < front_matter(chapter)["budget_seconds"] <= 600


# Tutorials: how the package is used


each_tutorial = pytest.mark.parametrize("tutorial", TUTORIALS)


@each_tutorial
def test_a_tutorial_tests_no_claims_and_takes_seconds(tutorial):
    tree = code(tutorial)
    assert [*run_calls(tree, "record"), *calls(tree, "show_claims")] == []
    assert [claim.id for claim in CLAIMS.values() if claim.chapter == tutorial] == []
    assert front_matter(tutorial)["budget_seconds"] <= 20


@each_tutorial
def test_a_tutorial_needs_nothing_but_itself_and_leaves_nothing_behind(tutorial):
    assert list(parameters(tutorial)) == ["quick"]
    written = [
        ast.unparse(call) for name in ("write_text", "save") for call in calls(code(tutorial), name)
    ]
    assert [each for each in written if "folder /" not in each and "book /" not in each] == []
    holds = next(iter(calls(code(tutorial), "mkdtemp")), None)
    assert bool(written) is bool(holds)


@each_tutorial
def test_a_tutorial_begins_with_its_title_and_who_it_is_for(tutorial):
    title, first = beginning(tutorial)
    assert title.startswith("# ")
    assert 2 <= sentences(first) <= 4


# Shape: prose carries the page


def test_prose_carries_the_book(capsys):
    spec = spec_from_file_location("chapters", ROOT / "benchmarks" / "chapters.py")
    chapters = module_from_spec(spec)
    sys.modules["chapters"] = chapters
    spec.loader.exec_module(chapters)
    chapters.main()
    print(capsys.readouterr().out)
    shapes = {name: chapters.shape(SOURCES[name]) for name in CHAPTERS}
    assert {name: each.share for name, each in shapes.items() if each.share < 0.45} == {}
    assert {name: max(each.cells) for name, each in shapes.items() if max(each.cells) > 40} == {}
    assert median(lines for each in shapes.values() for lines in each.cells) <= 10
    assert sum(each.code for each in shapes.values()) <= 8081 / 2  # half of the first edition's
    # the first edition's fifteen, a chapter's share of them for each one since, and a few sentences
    # for each claim since
    added = 23_077 * (len(shapes) - 15) / 15
    since = sum(not claim.unmeasured for claim in CLAIMS.values()) - 113
    assert sum(each.words for each in shapes.values()) <= 23_077 + added + 60 * since
