"""Reports: text of 80 columns, JSON, one page without scripts; and the command that makes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from superpos import measure
from superpos.cli import main
from superpos.figures.dictionary import pictures
from superpos.measure import report

W = torch.randn(6, 20, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def found() -> measure.Measurement:
    pairs = torch.cat([W[:, :10], -W[:, :10], torch.zeros(6, 1)], 1)
    return measure.measure(pairs, b=torch.zeros(21), probability=0.1)


def test_text_fits_80_columns_and_says_what_is_unusual_and_what_is_not(found):
    told = report.as_text(found, source="own.npy", read=["W is 'W' (6, 21): as told. " * 5])
    assert max(map(len, told.splitlines())) <= 80
    assert told.count("Closest: ") == 1
    for part in ("Unusual: mean cosine with antipode is -1.0000, below", "Not unusual: ",
                 "1 more has no direction", "D* = ", "Expected loss"):  # fmt: skip
        assert part in told


def test_a_report_says_up_to_which_length_features_were_left_out():
    short = torch.cat([W, 0.01 * W[:, :2]], 1)
    told = report.as_text(measure.measure(short, replicates=5, shortest=0.1), source="", read=[])
    assert "2 more are at most 0.1 times as long as the longest, and are left out" in " ".join(
        told.split()
    )
    told = report.as_text(measure.measure(W, replicates=5, shortest=0.1), source="", read=[])
    assert "None is left out: all are over 0.1 times as long" in " ".join(told.split())
    assert "left out" not in report.as_text(measure.measure(W, replicates=5), source="", read=[])


def test_json_is_json_and_has_every_statistic(found):
    told = json.loads(json.dumps(report.as_json(found, source="own.npy", read=[]), allow_nan=False))
    assert told["statistics"]["antipode"]["verdict"] == "below"
    assert set(told["statistics"]["antipode"]["nulls"]) == {
        "random directions", "same spectrum", "optimised code",
    }  # fmt: skip
    assert told["features_without_direction"] == 1
    one = measure.measure(torch.ones(3, 1), replicates=5)
    json.dumps(report.as_json(one, source="", read=[]), allow_nan=False)
    assert "There is no pair" in report.as_text(one, source="", read=[])


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags, self.addresses = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [v for k, v in attrs if k in ("src", "href", "xlink:href")]


@pytest.mark.parametrize("features", [21, 1])
def test_the_page_needs_nothing_else_and_escapes_what_it_is_given(found, features):
    of = found if features > 1 else measure.measure(torch.ones(3, 1), replicates=5)
    page = report.as_page(of, source="<b>.npy", read=["a & b"], pictures=pictures(of))
    seen = Seen()
    seen.feed(page)
    assert "script" not in seen.tags
    assert seen.tags.count("svg") == seen.tags.count("figure") == (3 if features > 1 else 2)
    assert all(address.startswith("#") for address in seen.addresses)
    assert "&lt;b&gt;.npy" in page
    assert "a &amp; b" in page
    assert "currentColor" in page
    assert "prefers-color-scheme: dark" in page


def test_the_command_measures_a_file_anywhere(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", W=np.stack([W.T.numpy()] * 2), b_final=np.zeros((2, 20)))
    assert main(["measure", "own.npz", "--instance", "1", "--html", "own.html"]) == 0
    assert "Of 2 models, number 1 is measured." in capsys.readouterr().out.replace("\n  ", " ")
    assert (tmp_path / "own.html").read_text("utf-8").startswith("<!doctype html>")
    assert main(["measure", "own.npz", "--instance", "0", "--json", "--probability", "0.1"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"][0] > 0
    assert main(["measure", "own.npz", "--instance", "0", "--json", "--shortest", "0.9"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["shortest"] == 0.9
    assert 0 < told["features_without_direction"] == 20 - told["features"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [("own.npz", "say which by --instance, 0 to 1"), ("own.npz --instance 2", "instance is 2"),
     ("own.npz --instance -1", "instance is -1"), ("absent.npy", "there is no file absent.npy"),
     ("own.npz --layout wide", "layout is 'wide'"), ("own.npz --name V", "name is 'V'"),
     ("own.npz --instance 0 --html absent/own.html", "there is no folder absent"),
     ("own.npz --instance 0 --html own.npz", "the name of a page"),
     ("own.npz --instance 0 --shortest 1", "shortest is 1.0"),
     ("own.npz --instance 0 --probability 2", "probability is 2"), ("", "required: FILE")],
)  # fmt: skip
def test_bad_input_gets_one_sentence(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    np.savez("own.npz", W=np.ones((2, 7, 3)))
    assert main(["measure", *arguments.split()]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["own.npz"]


def test_measuring_draws_nothing_unless_a_page_is_asked_for(tmp_path):
    np.save(tmp_path / "own.npy", W.numpy())
    code = "import sys; from superpos.cli import main; assert not main(['measure', sys.argv[1]])"
    code += "; assert 'matplotlib' not in sys.modules"
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}  # which has no dash, and no matter
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "own.npy")],
        cwd=tmp_path, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
