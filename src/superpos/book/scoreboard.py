"""The ledger as a page: what was claimed, what was found.

A table with a line a claim. Each line opens to all that is known of the claim. It can be read as it
is; ``book/_static/scoreboard.js`` sorts it, filters it and opens the line that an address names.
"""

from __future__ import annotations

import html
import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from superpos.book.facts import as_list, facts, rate
from superpos.claims.typeset import typeset
from superpos.claims.wording import LABELS, label, plural

if TYPE_CHECKING:
    from superpos.book.building import Status

FOLDER = "book"  # of this page, in the site
MEANING = {
    "reproduced": "holds as stated",
    "qualified": "holds with a stated change, or sometimes",
    "contradicted": "does not hold here",
    "new: held": "goes beyond the sources, and what we expected held",
    "new: sometimes": "goes beyond the sources, and what we expected holds sometimes",
    "new: failed": "goes beyond the sources, and what we expected failed",
    "untested": "not decided yet",
}
# What became of a claim, and how that is called where it is a source's and where it is ours.
OUTCOMES = {
    "held": ("reproduced", "new: held"),
    "in part": ("qualified", "new: sometimes"),
    "failed": ("contradicted", "new: failed"),
    "open": ("untested", "untested"),
}
WORDS = {  # of cards
    "as published": "by the source's own procedure and at its own size, as far as it states them; "
    "what takes too long for the book is measured once and kept",
    "at rest": "on models that no further training would change, or on exact optima",
    "mark": "the share of trials that must show a claim; where trials are a sample, the whole 95 % "
    "interval has to lie above it",
    "weaker reading": "the claim with one change, which is named: if that holds and the claim does "
    "not, it is qualified",
    "specification": "one combination of what somebody could reasonably have chosen where the "
    "source is silent; a claim's curve shows in how many of them it holds",
}
KINDS = {"sources": "The sources' claims", "ours": "Ours, beyond them"}
_COLUMNS = ("Verdict", "Claim", "Source", "Chapter", "Rate")


def as_markdown(
    ledger: Iterable[Mapping[str, Any]],
    titles: Mapping[str, str],
    chapters: Iterable[Status] = (),
    sources: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return the scoreboard as a MyST page.

    Parameters
    ----------
    ledger
        What `superpos.book.ledger.collect` returns.
    titles
        The title of each chapter, by name, in reading order.
    chapters
        The chapters, for the list of the time and memory that they may take.
    sources
        Each source in words, by its key: `superpos.book.citation.sources`.
    """
    place = {chapter: number for number, chapter in enumerate(titles)}
    ledger = sorted(ledger, key=lambda row: place.get(row["chapter"], len(place)))
    rows = [row for row in ledger if not row["amended_by"]]
    ours = sum(row["new"] for row in rows)
    lines = [
        "# Scoreboard",
        "",
        f"{plural(len(rows) - ours, 'claim')} of the sources and {ours} of ours that go beyond "
        "them, each tested by an experiment of this book, or with the reason why not. A line opens "
        "to what was measured, what counts, and how to run it again. For programs: "
        '<a href="../claims.json">claims.json</a>, with its '
        '<a href="../claims.schema.json">schema</a>. '
        "When each claim was registered, and what changed since, is in the [audit](audit); amended "
        "tests, and verdicts that moved, are among the [corrections](corrections).",
        "",
        *_counts(rows),
        "",
        *_words(),
        "",
        *(_board(ledger, titles, sources) if ledger else []),
        "",
    ]
    if chapters:
        lines += [*_resources(chapters), ""]
    if ledger:
        cited = ", ".join(f"{{cite}}`{key}`" for key in _keys(ledger))
        lines += ["## Sources", "", f"The claims are from {cited}.", ""]
        lines += ["```{bibliography}", ":filter: docname in docnames", "```", ""]
    return "\n".join(lines)


def _counts(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a table of what became of the sources' claims, and of ours."""
    counts = Counter((row["new"], _label(row)) for row in rows)
    total = {new: sum(n for (of, _), n in counts.items() if of is new) for new in (False, True)}
    lines = [
        f"|  | {' | '.join(KINDS.values())} |",
        "|---|---|---|",
    ]
    for outcome, shown in OUTCOMES.items():
        cells = [
            f"**{counts[new, each]}** {_badge_to(each, kind)} {_in_short(each)}"
            for kind, new, each in zip(KINDS, (False, True), shown, strict=True)
        ]
        lines.append(f"| {outcome} | {' | '.join(cells)} |")
    return [*lines, f"| in all | **{total[False]}** | **{total[True]}** |"]


def _words() -> list[str]:
    """Return what the words on cards mean, folded."""
    told = "".join(f"<dt>{word}</dt><dd>{means}</dd>" for word, means in WORDS.items())
    return [f"<details><summary>The words on the cards</summary><dl>{told}</dl></details>"]


def _in_short(shown: str) -> str:
    """Return what a label means where it is plain which claims go beyond the sources."""
    return MEANING[shown].removeprefix("goes beyond the sources, and ")


def _badge_to(shown: str, kind: str) -> str:
    """Return a label that leads to the claims of its kind that have it."""
    verdict = shown.partition(":")[0]
    address = f"scoreboard.html?verdict={shown.replace(' ', '+')}&amp;source={kind}#board"
    return f'<a class="superpos-verdict superpos-verdict-{verdict}" href="{address}">{shown}</a>'


def _keys(ledger: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(row["source"]["key"] for row in ledger))


def _board(
    ledger: list[Mapping[str, Any]], titles: Mapping[str, str], sources: Mapping[str, str]
) -> list[str]:
    """Return the table, without an empty line: it is one block of HTML."""
    who = {key: sources.get(key, key).partition(",")[0] for key in _keys(ledger)}
    heads = "".join(f'<th scope="col">{name}</th>' for name in _COLUMNS)
    of_chapters = list(dict.fromkeys(row["chapter"] for row in ledger))
    lines = [
        '<div class="superpos-board full-width" id="board">',
        *_filters(who, {name: titles.get(name, name) for name in of_chapters}),
        "<table>",
        f"<thead><tr>{heads}</tr></thead>",
        "<tbody>",
        *(_line(row, titles, sources, who, of_chapters.index(row["chapter"])) for row in ledger),
        "</tbody>",
        "</table>",
        "</div>",
    ]
    return "\n".join(lines).replace("\n\n", "\n").splitlines()


def _filters(who: Mapping[str, str], chapters: Mapping[str, str]) -> list[str]:
    """Return what the script shows: choices, a search, how many claims are left."""
    of_kinds = {"sources": "all of the sources", "ours": "ours, beyond them"}
    choices = {
        "verdict": dict.fromkeys(LABELS),
        "source": {**of_kinds, **who},
        "chapter": chapters,
    }
    lines = ['<form role="search" aria-label="Claims" hidden>']
    for name, options in choices.items():
        listed = "".join(
            f'<option value="{html.escape(value)}">{html.escape(shown or value)}</option>'
            for value, shown in options.items()
        )
        lines.append(
            f'<label>{name.capitalize()} <select name="{name}"><option value="">all</option>'
            f"{listed}</select></label>"
        )
    return [
        *lines,
        '<label>Words <input name="q" type="search" autocomplete="off"></label>',
        '<label class="superpos-switch"><input name="superseded" type="checkbox" value="1"> '
        "Superseded tests too</label>",
        '<button type="reset">Show all</button>',
        '<p role="status"></p>',
        "</form>",
    ]


def _line(
    row: Mapping[str, Any],
    titles: Mapping[str, str],
    sources: Mapping[str, str],
    who: Mapping[str, str],
    place: int,
) -> str:
    """Return a claim as a line of the table, which opens."""
    shown, found, key = _label(row), rate(row), row["source"]["key"]
    title = html.escape(titles.get(row["chapter"], row["chapter"]))
    card = f"#claim-{row['id']}" if row["evidence"] else ""
    own = html.escape(posixpath.relpath(row["permalink"], FOLDER))
    told = {
        "Name": f'<code>{row["id"]}</code> (<a href="{own}">its own page</a>, to cite)',
        **facts(row, sources, folder=FOLDER),
    }
    kind = "ours" if row["new"] else "sources"
    old = ' class="superpos-superseded"' if row["amended_by"] else ""
    superseded = " <br><small>superseded</small>" if old else ""
    chapter = f'<a href="{_to(row["page"])}{card}">{title}</a>' if row["page"] else title
    rated = "" if found is None else f"{found.percent}<br><small>{found.shown} of {found.of}"
    rated += f" <br>{found.by}</small>" if found and found.by else "</small>" if found else ""
    of_source = (
        f"{html.escape(who[key])}"
        if kind == "sources"
        else (f"ours, beyond {html.escape(who[key])}" if key != "superpos" else "ours")
    )
    return (
        f'<tr id="claim-{row["id"]}"{old} data-verdict="{shown}" data-source="{kind} {key}" '
        f'data-chapter="{row["chapter"]}">'
        f'<td data-order="{LABELS.index(shown)}">'
        f'<span class="superpos-verdict superpos-verdict-{row["verdict"]}">{shown}</span>'
        f"{superseded}</td>"
        f'<th scope="row"><details><summary>{typeset(row["statement"])}</summary>\n'
        f"{as_list(told)}</details></th>"
        f'<td>{of_source}</td><td data-order="{place}">{chapter}</td>'
        f'<td data-order="{found.share if found else -1:.6f}">{rated}</td></tr>'
    )


def _to(path: str) -> str:
    return html.escape(posixpath.relpath(path, FOLDER))


def _resources(chapters: Iterable[Status]) -> list[str]:
    """Return a table of what each chapter and tutorial may take."""
    lines = [
        "## Time and memory",
        "",
        "What is planned for each chapter and tutorial, on two cores; memory is that of its "
        'largest process. What it took for these pages is in <a href="../build.json">build.json'
        "</a>: alone of this site, that differs between two builds of one commit.",
        "",
        "| Chapter | Time | Memory |",
        "|---|--:|--:|",
    ]
    for status in chapters:
        chapter = status.chapter
        cells = [
            f"{chapter.budget_seconds:g} s" if chapter.budget_seconds else "",
            f"{chapter.budget_mebibytes:g} MiB" if chapter.budget_mebibytes else "",
        ]
        lines.append(f"| {chapter.title} | {' | '.join(cells)} |")
    return lines


def _label(row: Mapping[str, Any]) -> str:
    return label(row["verdict"], row["held"])


def badge(shown: str) -> str:
    """Return a label as `superpos.claims.wording.label` gives it, in its verdict's colour."""
    return f"[{shown}]{{.superpos-verdict .superpos-verdict-{shown.partition(':')[0]}}}"
