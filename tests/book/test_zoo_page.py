"""The zoo's page: a row for each model, made from its certificate."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from superpos import zoo as models
from superpos.book import prose, zoo

ROOT = Path(__file__).parents[2]
PAGE = zoo.as_markdown()


def rows() -> dict[str, list[str]]:
    lines = [line.strip("|").split(" | ") for line in PAGE.splitlines() if "<span id=" in line]
    return {re.findall(r'id="([^"]+)"', line[1])[0]: line for line in lines}


def test_each_model_has_a_row_with_its_loss_and_shape():
    found = rows()
    assert list(found) == models.names()
    assert all(len(cells) == 4 for cells in found.values())
    assert "0.00890359" in found["pentagon"][2]
    assert "none lower known" in found["pentagon"][2]
    assert "99% above the lowest known" in found["stuck-cross"][2]
    assert "none lower possible" in found["linear"][2]
    assert "not compared" in found["memorised"][2]
    assert "0.0017 above the lowest possible" in found["anticorrelated-stuck"][2]
    assert found["cube"][3].startswith("cube<br><small>saddle, curvature −0.02")
    assert "gradient" in found["trained-p-0.2"][3]
    assert "gradient" not in found["pentagon"][3]
    assert "minimum or not: not told" in found["two-forties"][3]


def test_what_a_group_shares_is_told_once_and_the_rest_with_each():
    assert PAGE.count("from the unit vectors") < PAGE.count("Second-order descent")
    before, _, after = PAGE.partition("## As training leaves them")
    assert after.split("::::")[0].count("notebook") == 1
    assert rows()["planted-bundles"][1].endswith("(superpos.optima.ladder).</small>")
    assert "from the unit vectors" in before.split("::::")[0]


def test_no_number_is_written_for_computers():
    assert not re.search(r"\de-0|\d[eE]-\d", re.sub(r"<svg.*?</svg>", "", PAGE))


@pytest.mark.parametrize("name", models.names())
def test_pictures_are_small_svgs_in_their_frame(name: str):
    one = models.load(name)
    drawn = zoo.picture(one)
    if one.n == 80:
        assert drawn == ""
        return
    svg = ET.fromstring(drawn)
    assert svg.get("aria-hidden") == "true"  # the shape is told beside it
    assert len(drawn) < 8000
    assert max(float(svg.get("width", 0)), float(svg.get("height", 0))) == 56


def test_arrows_are_the_features_and_squares_their_products():
    pair = models.load("digon")
    assert zoo.picture(pair).count("l") > 1
    lines = re.findall(r"M1 1l(\S+) (\S+?)(?=M|\")", zoo.picture(pair))
    assert [abs(float(x)) for x, _ in lines] == [0.95, 0.95]
    three = replace(pair, parameters={"W": torch.eye(3), "b": torch.zeros(3)})
    assert re.findall(r"M(\d) (\d)h", zoo.picture(three)) == [("0", "0"), ("1", "1"), ("2", "2")]


def test_what_a_free_decoder_gets_wrong_hides_nothing_that_it_reads():
    drawn = zoo.picture(models.load("free-decoder"))
    (full,) = re.findall(r'class="above" fill-opacity="1" d="([^"]+)"', drawn)
    assert {(x, y) for x, y in re.findall(r"M(\d) (\d)h", full)} & {
        (str(k), str(k)) for k in range(5)
    }


def test_the_page_has_the_table_where_it_asks_for_it():
    text = (ROOT / "book" / "zoo.md").read_text("utf-8")
    assert zoo.MARK in text
    page = prose.placed("book/zoo.md", text, {}, [], {})["book/zoo.md"].decode()
    assert zoo.MARK not in page
    assert "`rectified-5-cell`" in page


def test_the_code_on_the_page_runs(capsys):
    text = (ROOT / "book" / "zoo.md").read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    names: dict = {}
    for block in blocks:
        exec(block, names)
    told = capsys.readouterr().out
    assert "pentagon: 5 features in 2 dimensions" in told
    loss = names["pentagon"].certificate.loss
    assert names["error"].item() == pytest.approx(loss, rel=0.5)
    for layout in models.LAYOUTS:
        assert f'`"{layout}"`' in text
