"""Numbers in the text come from what the notebook recorded, or the chapter is refused."""

from __future__ import annotations

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from superpos.book.chapters import Chapter
from superpos.book.failures import BuildFailed
from superpos.book.filling import badges, counted, fill
from superpos.book.parameters import Parameter
from superpos.claims.registry import MIME_TYPE

VERDICT = {
    "id": "line-rises",
    "verdict": "reproduced",
    "measured": {"Slope": "0.5 [0.4, 0.6]"},
    "rate": "9 of 10",
    "weaker_rate": "10 of 10",
}
PARAMETERS = (
    Parameter("n_points", "int", 5, "number of points [2, inf)"),
    Parameter("colour", "str", "green", "of the line {green, blue}"),
)


def chapter(tmp_path) -> Chapter:
    return Chapter("lines", tmp_path / "lines.md", "", "Lines", None, None, {}, PARAMETERS)


def filled(tmp_path, *texts, others=()):
    figure = {"name": "a-line", "alt": "…", "caption": "It has {told}`a-line: length`.",
              "numbers": {"length": "7 %"}}  # fmt: skip
    outputs = [
        new_output("display_data", {MIME_TYPE: VERDICT, "text/html": "…"}),
        new_output("display_data", {"image/svg+xml": "…"}, metadata={"superpos": figure}),
        *others,
    ]
    notebook = new_notebook(
        cells=[*map(new_markdown_cell, texts), new_code_cell("1 + 1", outputs=outputs)]
    )
    fill(notebook, chapter(tmp_path), {"n_points": 3, "colour": "blue"})
    return notebook


def text(tmp_path, source) -> str:
    return filled(tmp_path, source).cells[0].source


def test_rates_values_and_numbers_of_figures_stand_where_the_text_asks_for_them(tmp_path):
    told = text(
        tmp_path,
        "In {told}`line-rises` runs, weakly in {told}`line-rises: weaker`, by "
        "{told}`line-rises:\nSlope`; the line is {told}`a-line: length` long.",
    )
    assert told == "In 9 of 10 runs, weakly in 10 of 10, by 0.5 [0.4, 0.6]; the line is 7 % long."


def test_captions_and_markdown_outputs_are_filled_too(tmp_path):
    table = new_output("display_data", {"text/markdown": "| {told}`line-rises` |"})
    cells = filled(tmp_path, others=[table]).cells
    assert cells[0].outputs[1].metadata["superpos"]["caption"] == "It has 7 %."
    assert cells[0].outputs[2].data["text/markdown"] == "| 9 of 10 |"


def test_what_was_not_recorded_is_refused_with_what_was(tmp_path):
    with pytest.raises(BuildFailed, match=r"chapter lines: its text asks for 'line-falls'") as told:
        text(tmp_path, "{told}`line-falls`")
    assert "line-rises: Slope" in str(told.value)


def test_the_parameters_are_a_table_with_the_values_used(tmp_path):
    told = text(tmp_path, "{told}`parameters`").splitlines()
    assert "| `n_points` | 3 | number of points [2,\N{NO-BREAK SPACE}inf) |" in told
    assert "| `colour` | blue | of the line {green, blue} |" in told
    assert "superpos run lines -p n_points 5" in told


def test_the_list_of_claims_gets_the_verdicts(tmp_path):
    claims = [["line-rises", "The line rises & D_i falls."], ["line-ends", "The line ends."]]
    listed = new_output(
        "display_data", {"text/html": "…"}, metadata={"superpos": {"claims": claims}}
    )
    html = filled(tmp_path, others=[listed]).cells[0].outputs[2].data["text/html"]
    assert 'superpos-verdict-reproduced" href="#claim-line-rises">reproduced</a>' in html
    assert "The line rises &amp; <var>D</var><sub><var>i</var></sub> falls." in html
    assert ">2 claims: 1 reproduced, 1 untested. <a" in html
    assert 'superpos-verdict-untested" href="#claim-line-ends">untested</a>' in html
    assert html.index("line-rises") < html.index("line-ends")


@pytest.mark.parametrize(("held", "label"), [("holds", "new: held"), ("fails", "new: failed")])
def test_a_badge_of_something_new_says_whether_it_held(held, label):
    recorded = {"line-rises": {"verdict": "new", "held": held}}
    html = badges([("line-rises", "It rises.")], recorded)
    assert f'superpos-verdict-new" href="#claim-line-rises">{label}</a>' in html


def test_the_count_above_the_list_tells_what_held_of_what_is_new_and_leaves_out_what_is_not_there():
    held, failed = ({"verdict": "new", "held": held} for held in ("holds", "fails"))
    told = counted([failed, {"verdict": "untested"}, held, {"verdict": "reproduced"}, held])
    assert told == "5 claims: 1 reproduced, 3 new (2 held, 1 failed), 1 untested"
    assert counted([held, held]) == "2 claims: 2 new (held)"
    assert counted([{"verdict": "new"}]) == "1 claim: 1 new"
