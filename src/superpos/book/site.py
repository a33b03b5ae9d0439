"""Staging, Sphinx, publishing: the site that readers see is replaced whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from superpos.book import (
    absent,
    accessible,
    audited,
    card,
    cards,
    citation,
    claim_pages,
    codemeta,
    corrections,
    counterparts,
    crate,
    envelope,
    freshness,
    glossary,
    head,
    launch,
    linked,
    live,
    named,
    prose,
    provenance,
    reference,
    scoreboard,
    took,
    weight,
)
from superpos.book.building import Status
from superpos.book.chapters import EXECUTED
from superpos.book.failures import NotPublishable
from superpos.book.ledger import registry
from superpos.book.pages import as_page
from superpos.book.portable import CONFIG, install_from, portable
from superpos.book.reached import module_digests
from superpos.book.readable import library
from superpos.book.reading import yaml_of
from superpos.book.tutorials import tutorials
from superpos.claims.amendments import rules
from superpos.claims.specifications import FILE as GRIDS
from superpos.errors import InvalidArgument

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from superpos.claims.audit import Audit

QUICK_BANNER = (
    "Quick run: fewer seeds and shorter training than the book's. "
    "Nothing on these pages counts as a result."
)
# What renders a page; another version renders another site.
RENDERERS = (
    "superpos",
    "jupyter-book",
    "sphinx",
    "myst-nb",
    "sphinx-book-theme",
    "sphinx-mathjax-offline",
    "matplotlib",
    "fonttools",
)
PUBLISHES = "from superpos.book import site"  # with all that it reaches: other code, another site


def site_folder(root: Path, *, quick: bool = False) -> Path:
    """Return where the finished site is."""
    return root / "_build" / ("quick" if quick else "") / "html"


def publish(
    root: Path,
    statuses: Sequence[Status],
    notebooks: Mapping[str, NotebookNode],
    ledger: Sequence[Mapping[str, Any]],
    *,
    quick: bool = False,
    say: Callable[[str], None] = print,
    extra: Mapping[str, bytes] = MappingProxyType({}),
) -> bool:
    """Build the site and put it in place; return whether anything was to be done.

    Parameters
    ----------
    root
        The book.
    statuses
        Every chapter's, all fresh.
    notebooks
        Every chapter's executed notebook.
    ledger
        The claims with their verdicts.
    quick
        Whether this is the site of a quick run, which is kept apart.
    say
        Told what is done.
    extra
        Further files that Sphinx is to read, by path.

    Raises
    ------
    NotPublishable
        If Sphinx warns, a figure has no alternative text, or a widget no still image.
    """
    site = site_folder(root, quick=quick)
    install = install_from(root)
    titles = {status.chapter.name: status.chapter.title for status in statuses}
    known = library(root, titles)
    history = audited.history(root)
    edition = known.edition
    picture, words = card.words(ledger), glossary.terms(root)
    staged = _staged_files(root, statuses, notebooks, ledger, titles, history, quick=quick)
    staged |= extra
    styles = [path for path in staged if path.startswith("_static/") and path.endswith(".css")]
    beside = {
        envelope.SCHEMA: envelope.schema(),
        **claim_pages.as_pages(
            ledger,
            titles,
            known.sources,
            edition,
            styles,
            audited.registered(history),
        ),
        absent.PATH: absent.as_page(titles, edition, styles).encode(),
        **_kept(root),
        **live.files(),
        **{
            f"_sources/{EXECUTED}/{name}.ipynb": _served(
                took.without(portable(notebook, name, known, install))
            )
            for name, notebook in notebooks.items()
        },
        **{
            f"_sources/notebooks/{status.chapter.name}.md": status.chapter.source.encode()
            for status in statuses
        },
    }
    if picture:
        beside[card.PATH] = card.drawn(picture, edition.title)
    if (grids := root / "book" / GRIDS).exists():
        beside[f"_sources/book/{GRIDS}"] = grids.read_bytes()
    stamp = site.parent / "published"
    digest = _digest({**staged, **beside, envelope.PATH: _json(ledger)})
    if (site / "index.html").exists() and stamp.exists() and stamp.read_text() == digest:
        return False
    say("building the site")
    # These name the commit that publishes: another one alone is no reason to publish anew.
    beside |= _data(root, ledger, notebooks, known.sources, edition, quick=quick)
    source, output = site.parent / "source", site.parent / "sphinx"
    # Sphinx would write anew only what has changed itself. But every page has the contents of all
    # beside it and names its styles by a checksum, and the search forgets pages that stay.
    shutil.rmtree(output, ignore_errors=True)
    _write(source, staged)
    built = _sphinx(source, output)
    new = site.with_name("html.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(built, new, ignore=weight.unused(built))
    weight.slim(new, built)
    for path, content in beside.items():
        (new / path).parent.mkdir(parents=True, exist_ok=True)
        (new / path).write_bytes(content)
    front = new / "index.html"  # jupyter-book's leads on to the first page, and says nothing
    to = _first_page(root)
    front.write_text(head.forwarding(to, (new / to).read_text("utf-8"), edition.title), "utf-8")
    known_names = named.places(built / "objects.inv") if _has_reference(root) else {}
    for page in new.rglob("*.html"):
        path = page.relative_to(new).as_posix()
        text = _mended(page.read_text("utf-8"), path, words)
        text = named.linked(text, path, _code(notebooks, path), known_names)
        page.write_text(head.introduced(text, path, edition, " ".join(picture)), "utf-8")
    if edition.site:
        paths = [path.relative_to(new).as_posix() for path in new.rglob("*.html")]
        (new / "sitemap.xml").write_text(head.sitemap(paths, edition), "utf-8")
    stamp.unlink(missing_ok=True)
    _replace_folder(new, site)
    stamp.write_text(digest)
    return True


def _staged_files(
    root: Path,
    statuses: Sequence[Status],
    notebooks: Mapping[str, NotebookNode],
    ledger: Sequence[Mapping[str, Any]],
    titles: Mapping[str, str],
    history: Audit | None,
    *,
    quick: bool,
) -> dict[str, bytes]:
    """Return what Sphinx is to read, by path: prose, pages made from notebooks, scoreboard."""
    import nbformat
    import yaml

    config = yaml_of(root / "_config.yml", dict, "a configuration, by names")
    config.pop(CONFIG, None)  # jupyter-book need not know it
    if quick:
        config.setdefault("html", {})["announcement"] = QUICK_BANNER
    files = {
        "_config.yml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(),
        "_toc.yml": (root / "_toc.yml").read_bytes(),
    }
    for path, content in _existing(root / "book").items():
        if path.startswith("_static/"):
            files[path] = content  # jupyter-book links the styles and scripts it finds there
        if path.startswith("executed/"):
            continue
        if path.endswith(".md") and "/" not in path:
            text = live.placed(content.decode(), up="..")
            files |= prose.placed(f"book/{path}", text, notebooks, ledger, titles)
        else:
            files[f"book/{path}"] = content
    claims, sources = registry(root), citation.sources(root)
    drawn = cards.as_published(claims, notebooks, ledger, audited.registered(history))
    theirs = counterparts.counterparts(root, claims)
    compared = counterparts.in_captions(theirs.figures, sources)
    apart, places = tutorials(root), launch.launch(root)
    for status in statuses:
        name = status.chapter.name
        page = as_page(
            notebooks[name],
            chapter=name,
            cards=drawn,
            compared=compared,
            numbered=name not in apart,
        )
        up = "../../_sources"  # from the page to the files that `publish` puts beside it
        page.cells[-1].source = provenance.as_markdown(
            notebooks[name].metadata["superpos"],
            links=f'Download: <a href="{up}/{EXECUTED}/{name}.ipynb" download>executed notebook</a>'
            f' · <a href="{up}/notebooks/{name}.md" download>its source</a>',
        )
        if buttons := places.buttons(name):
            # below the title's cell, whose first paragraph is what the page says of itself
            page.cells.insert(1, nbformat.v4.new_markdown_cell(buttons, id="launch"))
        files[f"{EXECUTED}/{name}.ipynb"] = nbformat.writes(page).encode()
    files["book/scoreboard.md"] = scoreboard.as_markdown(ledger, titles, statuses, sources).encode()
    if theirs:
        ours = {name: notebook for name, notebook in notebooks.items() if name not in apart}
        files[f"{counterparts.PAGE}.md"] = counterparts.as_markdown(
            theirs, ours, ledger, titles, sources, citation.addresses(root)
        ).encode()
    if words := glossary.terms(root):
        files[f"{glossary.PAGE}.md"] = glossary.as_markdown(words, titles).encode()
    if _has_reference(root):
        files |= reference.as_files()
    files["book/audit.md"] = audited.as_markdown(history, ledger, titles).encode()
    files["book/corrections.md"] = corrections.as_markdown(
        ledger, corrections.first_edition(root), rules(root / "book" / "rules.yml")
    ).encode()
    return files


def _data(
    root: Path,
    ledger: Sequence[Mapping[str, Any]],
    notebooks: Mapping[str, NotebookNode],
    sources: Mapping[str, str],
    edition: citation.Edition,
    *,
    quick: bool,
) -> dict[str, bytes]:
    """Return the site as data: the ledger, the same linked, what made it, the package."""
    told = envelope.enveloped(ledger, notebooks, root, quick=quick)
    what = {
        envelope.PATH: "The ledger: every claim with its verdict and its evidence",
        envelope.SCHEMA: "The JSON Schema of the ledger",
        linked.PATH: "The ledger as linked data",
        codemeta.PATH: "The package, for catalogues of software",
        took.PATH: "When each chapter was executed for this site, in which time and memory",
    }
    records = {name: notebook.metadata["superpos"] for name, notebook in notebooks.items()}
    return {
        envelope.PATH: _json(told),
        linked.PATH: _json(linked.as_jsonld(told, sources, citation.addresses(root), edition)),
        codemeta.PATH: _json(codemeta.as_codemeta(root)),
        crate.PATH: _json(crate.as_crate(records, what, edition)),
        took.PATH: _json(took.as_json(notebooks)),
    }


def _kept(root: Path) -> dict[str, bytes]:
    """Return the ledger of the first edition, where there is one."""
    path = root / "book" / corrections.FIRST_EDITION
    return {path.name: path.read_bytes()} if path.exists() else {}


def _served(notebook: NotebookNode) -> bytes:
    import nbformat

    return nbformat.writes(notebook).encode()


def _sphinx(source: Path, output: Path) -> Path:
    """Run jupyter-book, which executes nothing; return the folder of pages."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(source), "--path-output", str(output), "-W", "--keep-going", "-q"]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        # Pages that were read once do not warn again, so the next build must start afresh.
        shutil.rmtree(output, ignore_errors=True)
        raise NotPublishable(
            f"Sphinx refused the pages, and the site is as it was:\n{done.stdout.strip()}"
        )
    return output / "_build" / "html"


def _mended(text: str, path: str, words: Sequence[glossary.Term]) -> str:
    """Return a page of the site as readers get it: what Sphinx made of it, mended."""
    text = accessible.mended(weight.without_scripts(text, search=path == "search.html"))
    return glossary.linked(text, path, words) if path.startswith(f"{EXECUTED}/") else text


def _has_reference(root: Path) -> bool:
    return reference.FOLDER in (root / "_toc.yml").read_text("utf-8")


def _code(notebooks: Mapping[str, NotebookNode], path: str) -> list[str]:
    """Return the code of the notebook that a page was made of, if it was."""
    name = path.removeprefix(f"{EXECUTED}/").removesuffix(".html")
    cells = notebooks[name].cells if name in notebooks else []
    return [cell.source for cell in cells if cell.cell_type == "code"]


def _first_page(root: Path) -> str:
    """Return where in the site the page is that ``_toc.yml`` puts first."""
    contents = yaml_of(root / "_toc.yml", dict, "a table of contents")
    if not isinstance(contents.get("root"), str):
        raise InvalidArgument("_toc.yml has no root: the page that comes first is needed")
    return f"{contents['root']}.html"


def _existing(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make ``folder`` hold exactly ``files``."""
    shutil.rmtree(folder, ignore_errors=True)
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _replace_folder(new: Path, old: Path) -> None:
    """Put ``new`` where ``old`` is."""
    aside = old.with_name(f"{old.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    if old.exists():
        os.replace(old, aside)
    os.replace(new, old)
    shutil.rmtree(aside, ignore_errors=True)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()


def _digest(files: Mapping[str, bytes]) -> str:
    code = module_digests([PUBLISHES], freshness.PACKAGE)
    digest = hashlib.sha256(" ".join(map(version, RENDERERS)).encode() + _json(code))
    for path in sorted(files):
        digest.update(f"\n{path}\n".encode())
        digest.update(files[path])
    return digest.hexdigest()
