"""The ledger as a page: what was claimed, what was found."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any

from superpos.claims.amendments import Amendment, Response
from superpos.claims.registry import VERDICTS, deviation_text, one_line
from superpos.claims.wording import LABELS, label

if TYPE_CHECKING:
    from superpos.book.building import Status

MEANING = {
    "reproduced": "holds as stated",
    "qualified": "holds with a stated change, or sometimes",
    "contradicted": "does not hold here",
    "new: held": "goes beyond the sources, and what we expected held",
    "new: sometimes": "goes beyond the sources, and what we expected holds sometimes",
    "new: failed": "goes beyond the sources, and what we expected failed",
    "untested": "not decided yet",
}


def as_markdown(
    ledger: Iterable[Mapping[str, Any]],
    titles: Mapping[str, str],
    chapters: Iterable[Status] = (),
) -> str:
    """Return the scoreboard as a MyST page.

    Parameters
    ----------
    ledger
        What `superpos.book.ledger.collect` returns.
    titles
        The title of each chapter, by name, in reading order.
    chapters
        What each chapter took, for the list of time and memory.
    """
    place = {chapter: number for number, chapter in enumerate(titles)}
    ledger = sorted(ledger, key=lambda row: place.get(row["chapter"], len(place)))
    before = {row["id"]: row for row in ledger if row["amended_by"]}
    ledger = [row for row in ledger if not row["amended_by"]]
    counts = Counter(map(_label, ledger))
    lines = [
        "# Scoreboard",
        "",
        f"{plural(len(ledger), 'claim')} of the sources, each tested by an experiment of this "
        "book, or with the reason why not. The same list for programs: "
        '<a href="../claims.json">claims.json</a>. When each was registered, and what changed '
        "since, is in the [audit](audit); amendments, and verdicts that moved, are among the "
        "[corrections](corrections).",
        "",
        *(f"- {badge(shown)} **{counts[shown]}** {MEANING[shown]}" for shown in LABELS),
        "",
    ]
    of_chapters = {
        titles.get(chapter, chapter): list(rows)
        for chapter, rows in groupby(ledger, key=lambda row: row["chapter"])
    }
    if len(of_chapters) > 1:
        lines += [*_counts(of_chapters), ""]
    for title, rows in of_chapters.items():
        lines += [f"## {title}", ""]
        for row in rows:
            lines += [*_claim(row, before.get(row["amends"])), ""]
    if chapters:
        lines += [*_resources(chapters), ""]
    if ledger:
        lines += ["## Sources", "", "```{bibliography}", ":filter: docname in docnames", "```", ""]
    return "\n".join(lines)


def _counts(of_chapters: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
    """Return a table of how many claims of each chapter have each verdict."""
    lines = [
        f"| Chapter | {' | '.join(VERDICTS)} |",
        f"|---|{'--:|' * len(VERDICTS)}",
    ]
    for title, rows in of_chapters.items():
        counts = Counter(row["verdict"] for row in rows)
        lines.append(f"| {title} | {' | '.join(str(counts[v] or '') for v in VERDICTS)} |")
    return lines


def _resources(chapters: Iterable[Status]) -> list[str]:
    """Return a table of what each chapter took, and what it may take."""
    lines = [
        "## Time and memory",
        "",
        "What it took to execute each chapter for these pages, and what it is planned to take; "
        "memory is that of its largest process.",
        "",
        "| Chapter | Time | of | Memory | of |",
        "|---|--:|--:|--:|--:|",
    ]
    for status in chapters:
        chapter = status.chapter
        cells = [
            f"{status.seconds:.0f} s" if status.seconds is not None else "?",
            f"{chapter.budget_seconds:g} s" if chapter.budget_seconds else "",
            f"{status.mebibytes:.0f} MiB" if status.mebibytes else "?",
            f"{chapter.budget_mebibytes:g} MiB" if chapter.budget_mebibytes else "",
        ]
        lines.append(f"| {chapter.title} | {' | '.join(cells)} |")
    return lines


def _claim(row: Mapping[str, Any], before: Mapping[str, Any] | None) -> list[str]:
    source = row["source"]
    place = f"[{one_line(source['place'])}](<{source['address']}>)"
    lines = [
        f"(claim-{row['id']})=",
        "::::{div} superpos-claim",
        f"{badge(_label(row))} {one_line(row['statement'])}",
        "",
        f"{{cite}}`{source['key']}`, {one_line(source['section'])}: {place}{_links(row)}",
        "",
    ]
    if row["unmeasured"]:
        return [*lines, f"- Not measured: {one_line(row['unmeasured'])}", "::::"]
    lines += [f"- {one_line(row['mark'])}"]
    if row["evidence"]:
        lines += [f"- Evidence: {one_line(row['evidence'])}"]
        lines += [f"- Why: {one_line(row['why'])}"] if row["why"] else []
        lines += [f"- {name}: {one_line(text)}" for name, text in row["measured"].items()]
    if curve := row["curve"]:
        told = f"holds in {curve['holds']} of {curve['of']} specifications"
        lines += [f'- Robustness: <a href="robustness.html#curve-{row["id"]}">{told}</a>']
    if told := _said_since(row):
        lines += told
    lines += ["", ":::{dropdown} What counts"]
    lines += [one_line(row["counts"]), ""]
    lines += [f"Setting: {one_line(row['setting'])}", ""]
    if row["command"]:
        lines += [f"Run it again: `{row['command']}`", ""]
    for deviation in row["deviations"]:
        lines += [f"- {deviation_text(deviation)}"]
    lines += [":::"]
    if before:
        lines += _before(row, before)
    return [*lines, "::::"]


def _before(row: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Return a claim's test that proved wrong, with what it had found."""
    known = "knowing" if row["amendment"]["known"] else "not knowing"
    return [
        f":::{{dropdown}} Amended on {row['amendment']['date']}, {known} the outcome",
        f"{one_line(row['amendment']['why'])}",
        "",
        f"The test before, {before['id']}: {badge(_label(before))} "
        f"{one_line(before['evidence'] or 'not measured')}",
        "",
        f"{one_line(before['counts'])} {one_line(before['mark'])}",
        ":::",
    ]


def _links(row: Mapping[str, Any]) -> str:
    """Return links to where the verdict was earned and to the claim's page, which Sphinx has not.

    The card is raw HTML in the chapter's page, and the claim's page is not one of Sphinx's.
    """
    links = [f' · <a href="{posixpath.relpath(row["permalink"], "book")}">cite</a>']
    if row["page"] and not row["unmeasured"]:
        anchor = f"#claim-{row['id']}" if row["evidence"] else ""
        address = posixpath.relpath(row["page"], "book") + anchor
        links.insert(0, f' · <a href="{address}">experiment</a>')
    return "".join(links)


def _label(row: Mapping[str, Any]) -> str:
    return label(row["verdict"], row["held"])


def badge(shown: str) -> str:
    """Return a label as `superpos.claims.wording.label` gives it, in its verdict's colour."""
    return f"[{shown}]{{.superpos-verdict .superpos-verdict-{shown.partition(':')[0]}}}"


def _said_since(row: Mapping[str, Any]) -> list[str]:
    """Return what was changed of a claim after it was registered, and what people replied."""
    amendments = [Amendment(**each).told() for each in row["amendments"]]
    replies = [Response(**each) for each in row["responses"]]
    return [f"- Amended {one_line(text)}" for text in amendments] + [
        f"- Response of {one_line(each.who)}, {each.date}: “{one_line(each.text)}” "
        f"([in full]({each.address}))"
        for each in replies
    ]


def plural(number: int, noun: str) -> str:
    """Return a number of things in words.

    >>> plural(1, "claim"), plural(0, "claim")
    ('1 claim', '0 claims')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
