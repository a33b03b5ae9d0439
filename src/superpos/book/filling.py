"""What was measured, put into the text around it: no number is typed into prose.

The text says ``{told}`NAME``` or ``{told}`NAME: ENTRY```, where NAME is a claim's id (alone: how
many trials showed it; ENTRY: one of the values measured beside it, or ``weaker``) or the name of
a figure or table (ENTRY: one of its numbers). A paragraph ``{told}`parameters``` becomes the table
of the chapter's parameters, with the command that runs it again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from superpos.book.failures import BuildFailed
from superpos.book.parameters import Parameter
from superpos.claims.registry import MIME_TYPE, VERDICTS
from superpos.claims.typeset import typeset
from superpos.claims.wording import LABELS, label, plural

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from superpos.book.chapters import Chapter

PLACE = re.compile(r"\{told\}`([^`]+)`")
RANGE = re.compile(r"([\[(]\S+), (\S+[\])])$")
PARAMETERS = "parameters"


def fill(notebook: NotebookNode, chapter: Chapter, values: Mapping[str, Any]) -> None:
    """Put what a notebook has recorded into its text, and the verdicts beside its list of claims.

    Parameters
    ----------
    notebook
        Executed; it is changed.
    chapter
        What it was made of.
    values
        The values of all its parameters.

    Raises
    ------
    BuildFailed
        If the text asks for what was not recorded.
    """
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    known = {**numbers(outputs), PARAMETERS: _parameters(chapter, values)}

    def told(place: re.Match[str]) -> str:
        name = " ".join(place[1].split())
        if name not in known:
            raise BuildFailed(
                f"chapter {chapter.name}: its text asks for {name!r}, which was not recorded; "
                f"known: {', '.join(sorted(known))}"
            )
        return known[name]

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = PLACE.sub(told, cell.source)
    verdicts = {verdict["id"]: verdict for verdict in _recorded(outputs)}
    for output in outputs:
        data = output.get("data", {})
        if "text/markdown" in data:
            data["text/markdown"] = PLACE.sub(told, data["text/markdown"])
        told_of = output.get("metadata", {}).get("superpos", {})
        if "caption" in told_of:
            told_of["caption"] = PLACE.sub(told, told_of["caption"])
        if claims := told_of.get("claims"):
            data["text/html"] = badges(claims, verdicts)


def numbers(outputs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return everything that outputs have recorded, as the text may ask for it."""
    outputs = list(outputs)
    known = {}
    for verdict in _recorded(outputs):
        known[verdict["id"]] = verdict["rate"]
        if verdict.get("weaker_rate"):
            known[f"{verdict['id']}: weaker"] = verdict["weaker_rate"]
        known |= {f"{verdict['id']}: {name}": text for name, text in verdict["measured"].items()}
    for output in outputs:
        told = output.get("metadata", {}).get("superpos", {})
        known |= {f"{told.get('name')}: {k}": text for k, text in told.get("numbers", {}).items()}
    return known


def badges(claims: Iterable[tuple[str, str]], recorded: Mapping[str, Mapping[str, Any]]) -> str:
    """Return claims, ids and statements, as a list with each one's verdict, linked to its card."""
    found = {name: recorded.get(name, {"verdict": "untested"}) for name, _ in claims}
    items = []
    for name, statement in claims:
        verdict = found[name]["verdict"]
        items.append(
            f'<li><a class="superpos-verdict superpos-verdict-{verdict}" href="#claim-{name}">'
            f"{label(verdict, found[name].get('held'))}</a> <span>{typeset(statement)}</span></li>"
        )
    return (
        f'<p class="superpos-count">{counted(found.values())}. '
        '<a href="../scoreboard.html">What the verdicts mean</a></p>'
        f'<ul class="superpos-claims">{"".join(items)}</ul>'
    )


def counted(verdicts: Iterable[Mapping[str, Any]]) -> str:
    """Return how many of the verdicts say what.

    Examples
    --------
    >>> counted([{"verdict": "new", "held": "holds"}, {"verdict": "untested"}])
    '2 claims: 1 new (held), 1 untested'
    """
    shown = [label(each["verdict"], each.get("held")) for each in verdicts]
    outcomes = Counter(each.partition(":")[0] for each in shown)
    of_new = {
        each.removeprefix("new: "): shown.count(each)
        for each in LABELS
        if each.startswith("new: ") and each in shown
    }
    how = ", ".join(f"{n} {came}" if len(of_new) > 1 else came for came, n in of_new.items())
    told = [
        f"{outcomes[verdict]} {verdict}" + (f" ({how})" if verdict == "new" and how else "")
        for verdict in VERDICTS
        if outcomes[verdict]
    ]
    return f"{plural(len(shown), 'claim')}: {', '.join(told)}"


def _recorded(outputs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [output["data"][MIME_TYPE] for output in outputs if MIME_TYPE in output.get("data", {})]


def _parameters(chapter: Chapter, values: Mapping[str, Any]) -> str:
    lines = ["| Parameter | Here | What it is |", "|---|---|---|"]
    lines += [_row(parameter, values[parameter.name]) for parameter in chapter.parameters]
    example = chapter.parameters[0] if chapter.parameters else None
    changed = f" -p {example.name} {example.default}" if example else ""
    lines += ["", f"```\nsuperpos run {chapter.name}{changed}\n```"]
    return "\n".join(lines)


def _row(parameter: Parameter, value: Any) -> str:
    whole = RANGE.sub("\\1,\N{NO-BREAK SPACE}\\2", parameter.help)  # its range stays on one line
    return f"| `{parameter.name}` | {value} | {whole.replace('|', chr(92) + '|')} |"
