"""Files and arguments as nobody should write them: each is told in one sentence, and nothing is."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from superpos.book import building, stored
from superpos.book.building import run, statuses
from superpos.book.chapters import load_chapter
from superpos.book.ledger import registry
from superpos.cli import main
from superpos.errors import InvalidArgument

ODD = ["a: [", "text", "- text", "- {id: [a]}", "a: b", "3", "- 3", "\0", "!!python/name:os.x"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="files as Linux has them")


def sentence(capsys, *arguments: str, code: int = 2) -> str:
    """Run a command that is to be refused; return what it says, which is one line."""
    assert main(arguments) == code
    told = capsys.readouterr().err
    assert re.fullmatch(r"superpos: [^\n]+\n", told), told
    return told


# The registry


@pytest.mark.parametrize("text", ODD)
def test_a_registry_that_is_none_is_one_sentence(book, capsys, text):
    (book / "book" / "claims.yml").write_text(text)
    assert "claims.yml" in sentence(capsys, "claims")


@pytest.mark.parametrize(
    "command",
    [["status"], ["build"], ["claims", "--audit"], ["retest", "--list"], ["retest", "alpha-rises"],
     ["robustness", "--list"], ["run", "alpha"]],
)  # fmt: skip
def test_every_command_tells_what_is_wrong_with_the_registry(book, capsys, command):
    (book / "book" / "claims.yml").write_text("- text")
    assert "claims.yml: entry 1 is 'text', and no claim" in sentence(capsys, *command)


@pytest.mark.parametrize("text", [*(odd for odd in ODD if odd != "a: b"), "steps: null"])
def test_deviations_that_are_none_are_one_sentence(book, capsys, text):
    (book / "book" / "deviations.yml").write_text(text)
    assert "deviations.yml" in sentence(capsys, "claims")


@pytest.mark.parametrize("name", ["claims.yml", "deviations.yml"])
@pytest.mark.parametrize("fault", ["folder", "bytes", "missing"])
def test_a_file_of_the_registry_that_cannot_be_read_is_named(book, capsys, name, fault):
    path = book / "book" / name
    path.unlink()
    if fault == "folder":
        path.mkdir()
    elif fault == "bytes":
        path.write_bytes(b"\xff\xfe")
    alone = fault == "missing" and name == "claims.yml"  # the system's word, not a bad entry
    assert name in sentence(capsys, "claims", code=1 if alone else 2)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("deviations: [steps]", "deviations: null", "deviations None: a list of names"),
        ("deviations: [steps]", "deviations: steps", "deviations 'steps': a list of names"),
        ("deviations: [steps]", "deviations: [[1]]", "a list of names"),
        ("share: 0.5", "share: false", "share False: a rate"),
        ("share: 0.5", "lower: true\n  share: 0.5", "lower True: a rate"),
        ("chapter: alpha", "chapter: gamma", "of the chapter 'gamma'; known: alpha, beta"),
        ("chapter: alpha", "chapter: 3", "chapter 3: words"),
        ("id: alpha-rises", "id: ../../etc", "has the id '../../etc'"),
        ("id: alpha-rises", 'id: "<b>"', "has the id '<b>'"),
        ("setting: n = 5", "setting: [1]", r"setting [1]: words"),
        ("setting: n = 5", "setting: n = 5\n  new: yess", "new 'yess': true or false"),
        ("setting: n = 5", "setting: n = 5\n  thresholds: 3", "thresholds 3: fields by name"),
        ("setting: n = 5", "setting: n = 5\n  thresholds: {a: x}", "the threshold 'a' 'x'"),
    ],
)
def test_a_field_of_another_kind_is_refused_with_its_claim(book, capsys, edit, old, new, told):
    path = book / "book" / "claims.yml"
    first, second = path.read_text("utf-8").split("- id: beta-rests")
    assert old in first
    path.write_text(f"{first.replace(old, new)}- id: beta-rests{second}", "utf-8")
    assert told in sentence(capsys, "claims")


@pytest.mark.parametrize(
    "entry",
    ["{}", "{setting: S., source: S.}", "{setting: S., source: S., ours: O., depends: 3}",
     "{setting: S., source: S., ours: O., depends: D., more: M.}", "[a]"],
)  # fmt: skip
def test_a_deviation_without_its_fields_is_refused(book, capsys, entry):
    (book / "book" / "deviations.yml").write_text(f"steps: {entry}")
    assert "deviations.yml: steps" in sentence(capsys, "claims")


def test_the_books_own_registry_has_the_form():
    root = Path(__file__).parents[2]
    assert len(registry(root)) > 100


TAG = "<script>alert(1)</script>"


def test_what_the_registry_and_a_chapter_say_reaches_pages_as_text(copied_book, edit):
    path = copied_book / "book" / "claims.yml"
    said = path.read_text("utf-8")
    for field in ("statement: The", "setting: n", "counts: The", "section: Intro", "place: the f"):
        assert field in said
        said = said.replace(field, f"{field.partition(' ')[0]} {TAG} {field.partition(' ')[2]}", 1)
    path.write_text(said, "utf-8")
    fields = ", ".join(f"{name}: '{TAG} S.'" for name in ("setting", "source", "ours", "depends"))
    (copied_book / "book" / "deviations.yml").write_text(f"steps: {{{fields}}}")
    source = copied_book / "notebooks" / "alpha.md"
    edit(source, '"measured": {"slope": "0.5"}', f'"measured": {{"{TAG}": "{TAG}"}}')
    edit(source, '"evidence": "20 of 20"', f'"evidence": "20 of 20 {TAG}"')
    assert main(["build"]) == 0
    pages = list((copied_book / "_build" / "html").rglob("*.html"))
    assert [page.name for page in pages if TAG in page.read_text("utf-8")] == []
    shown = [page.name for page in pages if "alert(1)" in page.read_text("utf-8")]
    assert {"alpha-rises.html", "scoreboard.html", "corrections.html"} <= {*shown}


# Other files of the book


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(("_toc.yml", odd) for odd in ODD if odd not in ("a: b",)),
        *(("_config.yml", odd) for odd in ODD if odd not in ("a: b",)),
        *(("CITATION.cff", odd) for odd in ODD),
        *(("book/glossary.yml", odd) for odd in ODD),
        *(("book/judgements.yml", odd) for odd in ODD),
        *(("book/figures.yml", odd) for odd in ODD if odd != "a: b"),
    ],
)
def test_a_file_of_the_book_that_is_none_is_one_sentence(copied_book, capsys, name, text):
    (copied_book / name).write_text(text)
    assert Path(name).name in sentence(capsys, "build")


HEAD = "superpos:\n  budget_seconds: 30\n  quick: {n_points: 3}\n"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("superpos:\n", "superpos is None"),
        ("superpos: [a]\n", r"superpos is ['a']"),
        ("superpos: {quick: text}\n", "quick is 'text'"),
        ("superpos: {quick: {3: 4}}\n", "quick is {3: 4}"),
        ("superpos: {quick: {n_points: [1]}}\n", "what quick sets"),
        *((f"superpos: {{budget_seconds: {odd}}}\n", "budget_seconds is")
          for odd in ("fast", ".nan", ".inf", "-3", "0", "true", "null")),
        ("superpos: {budget_mebibytes: big}\n", "budget_mebibytes is 'big'"),
        ("superpos: {budget_secs: 3}\n", "superpos has budget_secs; known: budget_seconds"),
        ("superpos: {\n", "is not valid YAML"),
    ],
)  # fmt: skip
def test_front_matter_that_is_none_is_one_sentence(book, capsys, edit, settings, told):
    edit(book / "notebooks" / "alpha.md", HEAD, settings)
    said = sentence(capsys, "list")
    assert "notebooks/alpha.md" in said
    assert told in said


@pytest.mark.parametrize("fault", ["folder", "bytes", "pipe"])
def test_a_chapters_source_that_is_no_text_is_one_sentence(book, capsys, fault):
    source = book / "notebooks" / "alpha.md"
    source.unlink()
    if fault == "folder":
        source.mkdir()
    elif fault == "bytes":
        source.write_bytes(b"\xff\xfe\0")
    else:
        os.mkfifo(source)
    assert "notebooks/alpha.md" in sentence(capsys, "list")


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["metadata"].update(superpos={"key": 1}),
        lambda found: found["metadata"].update(superpos=["key"]),
        lambda found: found["metadata"]["superpos"].update(run=3),
        lambda found: found["metadata"]["superpos"].update(run={"seconds": "long"}),
        lambda found: found["metadata"]["superpos"].update(provenance={}),
        lambda found: found["metadata"]["superpos"].update(parts={}),
        lambda found: found["metadata"]["superpos"].update(parameters=None),
        lambda found: found["metadata"]["superpos"].update(pieces=[1]),
        lambda found: found["metadata"]["superpos"].update(pieces=3),
        lambda found: found.update(cells=7),
    ],
)
def test_an_executed_notebook_that_is_not_ours_counts_as_missing(copied_book, capsys, change):
    path = copied_book / "book" / "executed" / "alpha.ipynb"
    found = json.loads(path.read_text("utf-8"))
    change(found)
    path.write_text(json.dumps(found))
    assert main(["status"]) == 0
    assert re.search(r"alpha .*stale: missing", capsys.readouterr().out)
    assert main(["claims"]) == 0


def test_an_executed_notebook_with_damaged_cells_is_one_sentence(copied_book, capsys):
    path = copied_book / "book" / "executed" / "alpha.ipynb"
    found = json.loads(path.read_text("utf-8"))
    found["cells"] = [3]
    path.write_text(json.dumps(found))
    assert "alpha.ipynb is damaged" in sentence(capsys, "claims")


@pytest.mark.parametrize("place", ["book/executed", "_build"])
def test_a_file_in_the_place_of_a_folder_is_told_and_can_be_removed(book, capsys, place):
    (book / place).write_text("x")
    assert main(["build"]) in (1, 2)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("superpos: ")
    assert place in told
    assert main(["clean", "--all"]) == 0
    assert not (book / place).is_file()


# Names and numbers on the command line


@pytest.mark.parametrize("name", ["a" * 5000, "a\0b", "..", "/", "alpha\n", "", "ä" * 300])
def test_a_chapters_name_that_no_file_has_is_unknown(book, capsys, name):
    said = sentence(capsys, "run", name) if "\n" not in name else ""
    assert len(said) < 200
    with pytest.raises(InvalidArgument, match="the book has no chapter"):
        load_chapter(book, name)


@pytest.mark.parametrize("value", ["٣", "1_0", "0x3", "3.0", "", " ", "--", "1e1", "9" * 5000])
def test_a_whole_number_is_digits(book, capsys, value):
    said = sentence(capsys, "run", "alpha", "-p", "n_points", value)
    assert len(said) < 300


@pytest.mark.parametrize("value", ["٠.٥", "0_0.5", "0.5_0", ".", "", "e3", "0x1p-1", "-inf", "nan"])
def test_a_number_is_digits_a_point_and_an_exponent(book, capsys, value):
    sentence(capsys, "run", "alpha", "-p", "slope", value)


@pytest.mark.parametrize(("value", "read"), [("5e-1", 0.5), (".5", 0.5), ("1.", 1.0), ("1E0", 1.0)])
def test_numbers_are_taken_as_they_are_written_everywhere(book, value, read):
    (parameter,) = (p for p in load_chapter(book, "alpha").parameters if p.name == "slope")
    assert parameter.read(value) == read


@pytest.mark.parametrize("value", ["-1e3", "-1", "-.5", "-inf", "-1E-3"])
def test_a_negative_number_is_a_value_and_no_option(book, capsys, value):
    assert "parameter slope must be a number in (0, 1]" in sentence(
        capsys, "run", "alpha", "-p", "slope", value
    )


@pytest.mark.parametrize(
    "scheduler",
    ["processes:99999999999999999999", "processes:٣", "processes:-1", "processes:0", "://",
     "tcp://", "processes:1_0", "processes:5000", "tcp://a b", "x" * 500, "processes:1:2"],
)  # fmt: skip
def test_a_scheduler_that_can_be_none_is_refused(book, capsys, scheduler):
    assert len(sentence(capsys, "build", "--scheduler", scheduler)) < 260


@pytest.mark.parametrize(
    "option",
    [["build", "--jobs", "1_0"], ["build", "--jobs", "٣"], ["serve", "--port", "8_0"],
     ["build", "--patience", "nan"], ["build", "--patience", "0"], ["build", "--patience", "-2"]],
)  # fmt: skip
def test_an_option_that_is_no_number_is_refused(book, capsys, option):
    sentence(capsys, *option)


# Outputs


def test_the_books_own_files_are_not_replaced_by_an_output(book, capsys):
    before = {path: path.read_bytes() for path in book.rglob("*") if path.is_file()}
    for name in ("notebooks/alpha.md", "_toc.yml", "book/claims.yml", "x", "x.ipynb.md"):
        assert "is no name of a notebook" in sentence(capsys, "run", "alpha", "-o", name)
    assert {path: path.read_bytes() for path in book.rglob("*") if path.is_file()} == before


@linux
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_replaced_by_an_output(book, capsys, kind):
    path = book / "x.ipynb"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/full")
    else:
        path.mkdir()
    assert "is not a file, and is left as it is" in sentence(
        capsys, "run", "alpha", "-o", "x.ipynb"
    )
    assert path.is_fifo() or path.is_symlink() or path.is_dir()
    assert [each.name for each in book.glob("*.ipynb")] == ["x.ipynb"]


def test_a_name_that_is_too_long_is_one_sentence(book, capsys):
    said = sentence(capsys, "run", "alpha", "-o", f"{'a' * 250}.ipynb")
    assert "cannot be written: File name too long" in said
    assert not list(book.glob("*.ipynb"))


def test_a_file_that_is_named_as_a_partial_one_stays(book, monkeypatch):
    def execute(notebook, *, partial, **_):
        import nbformat

        nbformat.write(notebook, partial)
        return notebook

    monkeypatch.setattr(building, "execute", execute)
    (book / "x.partial.ipynb").write_text("mine")
    run(book, load_chapter(book, "alpha"), {}, output=book / "x.ipynb")
    assert (book / "x.partial.ipynb").read_text() == "mine"
    assert sorted(path.name for path in book.glob("*.ipynb")) == ["x.ipynb", "x.partial.ipynb"]


def test_two_runs_into_one_output_have_files_of_their_own(book):
    first = building._reserved(book, book / "x.ipynb")
    second = building._reserved(book, book / "x.ipynb")
    assert first != second
    assert {first.exists(), second.exists()} == {True}


# Where things are printed and kept


def superpos(*arguments: str, **settings) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "superpos", *arguments]
    settings = {"capture_output": True, "text": True} | settings
    return subprocess.run(command, check=False, **settings)


def test_the_package_runs_as_a_module(book):
    assert superpos("--version").stdout.startswith("superpos ")


@linux
@pytest.mark.parametrize("command", [["list"], ["claims", "--json"]])
def test_a_full_disk_where_it_prints_is_one_sentence(book, command):
    with open("/dev/full", "w") as full:
        done = superpos(*command, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == "superpos: No space left on device\n"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_what_an_encoding_lacks_is_replaced_and_json_is_ascii(book, encoding, edit):
    edit(book / "book" / "claims.yml", "Nothing moves.", "Nothing moves, ⟨Wᵀ⟩ → 0.")
    edit(book / "notebooks" / "alpha.md", "# The first chapter", "# ⟨The first⟩")
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    for command in (["list"], ["claims"], ["status"]):
        done = superpos(*command, env=environment, text=False)
        assert done.returncode == 0, done.stderr
        assert b"?" in done.stdout or command == ["status"]
    done = superpos("claims", "--json", env=environment, text=False)
    assert json.loads(done.stdout.decode("ascii"))["claims"][1]["statement"].endswith("⟩ → 0.")


@linux
def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    command = f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -m superpos list'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "superpos: No such file or directory\n"


class Terminal(io.StringIO):
    """A terminal that somebody looks at."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "value", "coloured"),
    [("TERM", "xterm", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)],
)
def test_colours_are_for_terminals_that_want_them(book, monkeypatch, name, value, coloured):
    def failing(*_, **__):
        trace = "\x1b[31mtrace\x1b[0m"
        raise building.NotebookFailed("alpha", 1, "x", "ValueError", "no", trace, book)

    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr(building, "run", failing)
    monkeypatch.setattr("sys.stderr", screen)
    assert main(["run", "alpha"]) == 1
    assert ("\x1b" in screen.getvalue()) is coloured


def test_the_store_that_one_has_named_is_the_one_that_is_used_and_left_alone(
    copied_book, capsys, monkeypatch, tmp_path
):
    shared = tmp_path / "shared"
    (shared / "experiment").mkdir(parents=True)
    others = [shared / "experiment" / "a.safetensors", shared / "experiment" / "letter.txt"]
    for path in (*others, shared / "letter.txt"):
        path.write_text("x")
    monkeypatch.setenv("SUPERPOS_STORE", str(shared))
    assert stored.store(copied_book) == shared
    assert main(["status"]) == 0
    assert "sweeps: 1 stored pieces, 1 bytes" in capsys.readouterr().out
    assert "clean removes nothing of it" in sentence(capsys, "clean")
    assert len(list(shared.rglob("*.*"))) == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_clean_in_a_read_only_checkout_is_one_sentence(copied_book, capsys):
    os.chmod(copied_book / "_build", 0o500)
    try:
        sentence(capsys, "clean", "--all", code=1)
    finally:
        os.chmod(copied_book / "_build", 0o700)


def test_a_failure_of_the_system_is_one_sentence(copied_book, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "/book/_build/x")

    monkeypatch.setattr("superpos.book.site.publish", full)
    assert "/book/_build/x: No space left" in sentence(capsys, "build", code=1)
    assert statuses(copied_book)
