"""From source to what a reader sees, in a book so small that it builds in seconds."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest

from superpos.book import site
from superpos.cli import main

PAGES = ("book/index.html", "book/executed/alpha.html", "book/executed/beta.html")
PAGES += ("book/scoreboard.html", "claims/alpha-rises.html", "claims/beta-rests.html")
PAGES += ("book/robustness.html", "book/audit.html", "book/corrections.html")
PAGES += ("book/glossary.html",)


class Links(HTMLParser):
    """What a page loads, and where it leads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded, self.led = [], []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "a":
            self.led.append(found.get("href") or "")
        else:
            self.loaded += [found[name] for name in ("src", "href") if found.get(name)]


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_page_loads_only_what_the_site_serves(built_book):
    html = built_book / "_build" / "html"
    for page in (html / "index.html", *map(html.joinpath, PAGES), html / "search.html"):
        for link in Links(page).loaded:
            if link.startswith("data:"):
                continue
            assert "//" not in link, f"{page} loads {link}"
            target = page.parent / re.split("[?#]", link)[0]
            assert target.exists(), f"{page} loads {link}"
    for style in html.rglob("*.css"):
        text = style.read_text("utf-8")
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", text), style


def test_every_link_leads_somewhere(built_book):
    html = built_book / "_build" / "html"
    for page in map(html.joinpath, PAGES):
        for link in Links(page).led:
            path, _, anchor = re.sub(r"\?[^#]*", "", link).partition("#")
            target = (page.parent / path) if path else page
            if path.startswith(("http://", "https://", "mailto:")):
                continue
            assert target.exists(), f"{page} leads to {link}"
            if anchor and target.suffix == ".html":
                assert f'id="{anchor}"' in target.read_text("utf-8"), f"{page} leads to {link}"


def served(html: Path) -> nbformat.NotebookNode:
    """The executed notebook of the first chapter, as a reader downloads it."""
    path = html / "_sources" / "book" / "executed" / "alpha.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def test_the_address_of_the_package_reaches_what_is_downloaded_and_no_page(copied_book, edit):
    edit(copied_book / "_config.yml", 'install: ""', 'install: "superpos @ git+https://host/name"')
    assert main(["build"]) == 0
    html = copied_book / "_build" / "html"
    assert "'superpos @ git+https://host/name'" in served(html).cells[0].source
    assert "git+https" not in (html / PAGES[1]).read_text("utf-8")
    assert "git+https" not in (copied_book / "_build" / "source" / "_config.yml").read_text("utf-8")


def test_the_ledger_and_the_executed_notebooks_are_in_the_site(built_book):
    html = built_book / "_build" / "html"
    rows = json.loads((html / "claims.json").read_text("utf-8"))["claims"]
    assert [(row["id"], row["verdict"]) for row in rows] == [
        ("alpha-rises", "reproduced"),
        ("beta-rests", "untested"),
    ]
    set_up, *cells = served(html).cells
    assert "pip install" in set_up.source
    executed = nbformat.read(built_book / "book/executed/alpha.ipynb", as_version=4)
    code = [cell.source for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.source for cell in cells if cell.cell_type == "code"] == code
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert "Elhage and Olah 2022" in text
    assert "Fig. 1.1 shows $n$ of them" in " ".join(text.split())
    assert not re.search(r"\{[a-z]+\}`|```\{|:::", text)
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert [o["data"]["text/markdown"] for o in shown if "text/markdown" in o.get("data", {})] == [
        "**Fig. 1.1** The *line*.", "**Fig. 1.2** The other, $n = 2$.",
    ]  # fmt: skip
    folded = [cell.source[:11] for cell in cells if "jupyter" in cell.metadata]
    assert folded == ["from IPython"[:11]]  # it is tagged hide-input
    assert "superpos is missing" not in (html / PAGES[1]).read_text("utf-8")
    source = html / "_sources" / "notebooks" / "alpha.md"
    assert source.read_text("utf-8") == (built_book / "notebooks/alpha.md").read_text("utf-8")


def test_a_second_build_does_nothing(copied_book, capsys, monkeypatch):
    monkeypatch.setattr(site, "_sphinx", lambda *_: pytest.fail("Sphinx ran"))
    executed = files(copied_book / "book" / "executed")
    for path in copied_book.rglob("*.md"):
        path.touch()
    assert main(["build"]) == 0
    told = capsys.readouterr()
    assert told.out == "nothing changed: _build/html/index.html\n"
    assert told.err == ""
    assert files(copied_book / "book" / "executed") == executed


def test_other_code_that_publishes_publishes_anew(copied_book, package, capsys):
    for again in (False, True):
        (package / "book" / "site.py").write_text(f"from superpos.book import head  # {again}\n")
        (package / "book" / "head.py").write_text("ICON = 'b'\n")
        assert main(["build"]) == 0
        told = capsys.readouterr()
        assert told.out == "site built: _build/html/index.html\n"
        assert "executed" not in told.err
    assert main(["build"]) == 0
    assert capsys.readouterr().out == "nothing changed: _build/html/index.html\n"


def test_a_style_that_alone_has_changed_is_published(copied_book):
    path = "_static/superpos.css"
    for style in ("a { color: red; }", "a { color: blue; }"):
        (copied_book / "book" / path).write_text(style)
        assert main(["build"]) == 0
        assert (copied_book / "_build" / "html" / path).read_text() == style


def test_a_failing_chapter_stops_the_build_and_leaves_the_site(copied_book, capsys, edit):
    before = files(copied_book / "_build" / "html")
    executed = files(copied_book / "book" / "executed")
    edit(copied_book / "notebooks" / "alpha.md", "print(", "1 / 0\nprint(")
    edit(copied_book / "notebooks" / "beta.md", "The second", "Another")
    assert main(["build"]) == 1
    told = capsys.readouterr().err
    assert "alpha: to execute (source changed)" in told
    assert "chapter alpha failed in code cell 2" in told
    assert "ZeroDivisionError: division by zero" in told
    assert "Traceback" in told
    assert "beta: executed" not in told
    assert files(copied_book / "_build" / "html") == before
    after = files(copied_book / "book" / "executed")
    assert "ZeroDivisionError" in after.pop("partial/alpha.ipynb").decode()
    assert after == executed


def test_only_what_changed_is_executed_and_published(copied_book, capsys, edit):
    before = files(copied_book / "book" / "executed")
    edit(copied_book / "notebooks" / "beta.md", "The second", "Another")
    assert main(["build"]) == 0
    told = capsys.readouterr().err
    assert "beta: executed" in told
    assert "alpha" not in told
    after = files(copied_book / "book" / "executed")
    assert after["alpha.ipynb"] == before["alpha.ipynb"]
    assert after["beta.ipynb"] != before["beta.ipynb"]
    html = copied_book / "_build" / "html"
    assert "Another chapter" in (html / PAGES[2]).read_text("utf-8")
    assert b"<svg" in (html / "_sources/book/executed/beta.ipynb").read_bytes()


def test_a_site_built_step_by_step_is_that_of_a_build_from_nothing(copied_book, edit):
    (copied_book / "book" / "_static" / "superpos.css").write_text("a { color: red; }")
    assert main(["build"]) == 0
    edit(copied_book / "notebooks" / "beta.md", "The second", "Another")
    edit(copied_book / "_toc.yml", "caption: Lines", "caption: Curves")
    (copied_book / "book" / "_static" / "superpos.css").write_text("a { color: blue; }")
    assert main(["build"]) == 0
    step_by_step = files(copied_book / "_build" / "html")
    beside = step_by_step["book/glossary.html"].decode().partition("<article")[0]
    assert "Another chapter" in beside
    assert "Curves</" in beside
    assert "Lines</" not in beside
    shutil.rmtree(copied_book / "_build")
    assert main(["build"]) == 0
    assert files(copied_book / "_build" / "html") == step_by_step


def test_a_page_that_sphinx_refuses_leaves_the_site_however_often_it_is_built(
    copied_book, capsys, edit
):
    before = files(copied_book / "_build" / "html")
    edit(copied_book / "book" / "index.md", "a scoreboard", "[a scoreboard](absent.md)")
    for _ in range(2):
        assert main(["build"]) == 1
        assert "absent.md" in capsys.readouterr().err
        assert files(copied_book / "_build" / "html") == before


def test_a_verdict_of_no_registered_claim_is_not_published(copied_book, capsys, edit):
    before = files(copied_book / "_build" / "html")
    edit(copied_book / "book" / "executed" / "beta.ipynb", '"text/plain"', '"text/x"')
    edit(
        copied_book / "book" / "executed" / "beta.ipynb",
        '"text/x"',
        '"application/vnd.superpos.verdict+json": {"id": "made-up", "verdict": "new"}, "text/x"',
    )
    assert main(["build"]) == 1
    assert "chapter beta records a verdict on made-up" in capsys.readouterr().err
    assert files(copied_book / "_build" / "html") == before


def test_a_quick_build_says_so_and_goes_elsewhere(copied_book, capsys):
    before = files(copied_book / "_build" / "html")
    executed = files(copied_book / "book" / "executed")
    assert main(["build", "--quick", "--jobs", "2"]) == 0
    assert "site built: _build/quick/html/index.html" in capsys.readouterr().out
    quick = copied_book / "_build" / "quick" / "html"
    assert "Quick run" in (quick / PAGES[1]).read_text("utf-8")
    assert "A line through 3 points" in (quick / PAGES[1]).read_text("utf-8")
    ledger = json.loads((quick / "claims.json").read_text("utf-8"))
    assert ledger["quick"] is True
    assert [row["verdict"] for row in ledger["claims"]] == ["untested", "untested"]
    assert files(copied_book / "_build" / "html") == before
    after = files(copied_book / "book" / "executed")
    assert executed == {name: what for name, what in after.items() if "quick/" not in name}


@pytest.mark.parametrize("width", [390, 1280])
def test_a_reader_without_a_network_sees_the_whole_page(built_book, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 844}, offline=True)
    page = context.new_page()
    wrong: list[str] = []
    aborted = "ERR_ABORTED"  # left behind when the reader goes on to the next page
    page.on("console", lambda told: told.type == "error" and wrong.append(told.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda asked: aborted not in asked.failure and wrong.append(asked.url))
    page.on("request", lambda asked: asked.url.startswith("http") and wrong.append(asked.url))

    def open_page(name: str) -> None:
        page.goto((built_book / "_build" / "html" / name).as_uri(), wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name

    open_page("book/executed/alpha.html")
    page.wait_for_selector("mjx-container")
    figure = page.locator("figure#alpha-line")
    assert figure.locator("img").get_attribute("alt") == "A line through 5 points"
    assert figure.locator("img").evaluate("image => image.complete && image.naturalWidth") == 600
    assert figure.locator("figcaption").inner_text().startswith("Fig. 1.1 The line.")
    assert page.locator("figure img").count() == 2
    assert page.get_by_text("shown below").count() == 0
    card = page.locator("#claim-alpha-rises")  # drawn anew, with what only the site knows
    assert card.locator(".superpos-verdict").inner_text() == "reproduced"
    assert card.locator("a").first.get_attribute("href") == "../../claims/alpha-rises.html"
    assert page.get_by_role("link", name="Fig. 1.1").is_visible()
    page.get_by_text("Where these results come from").click()
    assert page.get_by_text("Threads of an operation").is_visible()
    assert page.get_by_role("link", name="executed notebook").is_visible()

    open_page("book/executed/beta.html")
    assert page.locator("figure#beta-explorer img").get_attribute("alt") == "An explorer, at rest"

    open_page("book/scoreboard.html")
    claim = page.locator("#claim-alpha-rises")
    assert claim.locator(".superpos-verdict-reproduced").inner_text() == "reproduced"
    assert "20 of 20" in claim.inner_text()
    claim.locator("summary").click()
    claim.get_by_role("link", name="its own page").click()
    assert page.url.endswith("claims/alpha-rises.html")
    page.go_back()
    claim.get_by_role("link", name="The first chapter").click()
    assert page.url.endswith("book/executed/alpha.html#claim-alpha-rises")

    page.get_by_role("link", name="alpha-rises").click()
    assert page.url.endswith("claims/alpha-rises.html")

    open_page("claims/alpha-rises.html")
    assert page.locator(".superpos-verdict-reproduced").inner_text() == "reproduced"
    assert page.get_by_role("link", name="the first figure").is_visible()
    page.get_by_text("What the source leaves open").click()
    assert page.get_by_text("Number of steps.").is_visible()
    page.get_by_role("link", name="Scoreboard").click()
    assert page.url.endswith("book/scoreboard.html#claim-alpha-rises")

    open_page("book/index.html")
    assert wrong == []
    context.close()
