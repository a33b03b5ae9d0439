"""What programs get: ``claims.json`` against its schema, and what it says of its own making."""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from superpos.book.building import read_executed
from superpos.book.envelope import enveloped, schema
from superpos.book.evidence import counted
from superpos.book.ledger import collect, registry
from superpos.claims.registry import VERDICTS

CHECKOUT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(json.loads(schema()), format_checker=FormatChecker())


@pytest.fixture(scope="module")
def told(built_book) -> dict:
    return json.loads((built_book / "_build" / "html" / "claims.json").read_text("utf-8"))


def test_the_schema_is_one_and_stands_beside_the_ledger(built_book, told):
    Draft202012Validator.check_schema(json.loads(schema()))
    beside = built_book / "_build" / "html" / told["$schema"]
    assert beside.read_bytes() == schema()


def test_what_is_published_is_as_the_schema_says(told):
    VALIDATOR.validate(told)


def test_every_claim_of_this_book_is_as_the_schema_says():
    """As far as the registry goes: verdicts are the notebooks'."""
    VALIDATOR.validate(json.loads(json.dumps(
        enveloped(collect(registry(CHECKOUT), {}), {}, CHECKOUT)
    )))  # fmt: skip


def test_the_schema_knows_the_verdicts_that_there_are():
    claim = json.loads(schema())["$defs"]["claim"]["properties"]
    assert tuple(claim["verdict"]["enum"]) == tuple(claim["expected"]["enum"]) == VERDICTS


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema_version",), "0.9"),
        (("commit",), None),
        (("chapters", "alpha", "versions"), {}),
        (("claims", 0, "verdict"), "proved"),
        (("claims", 0, "evidence", "shown"), "20 of 20"),
        (("claims", 0, "evidence", "interval"), [0.8, 1.2]),
        (("claims", 0, "evidence", "as_published"), counted(1, 2)),
        (("claims", 0, "source", "address"), None),
        (("claims", 0, "surprise"), 1),
    ],
)
def test_the_schema_refuses_what_no_program_expects(told, place, value):
    wrong = deepcopy(told)
    *way, last = place
    part = wrong
    for step in way:
        part = part[step]
    part[last] = value
    with pytest.raises(ValidationError):
        VALIDATOR.validate(wrong)


def test_it_says_which_edition_which_commit_and_what_executed_each_chapter(told, built_book):
    assert (told["title"], told["version"]) == ("lines: a book & more", "1.2.3")
    assert told["site"] is None
    record = read_executed(built_book / "book/executed/alpha.ipynb").metadata["superpos"]
    assert told["chapters"]["alpha"] == {
        "commit": record["provenance"]["commit"],
        "versions": record["parts"]["versions"],
        "device": record["parts"]["device"],
        "threads": record["parts"]["threads"],
        "parameters": record["parameters"],
    }
    assert told["versions"]["python"] == record["parts"]["versions"]["python"]


def test_its_commit_is_the_checkouts(book):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Begin"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    commit = enveloped([], {}, book)["commit"]
    assert head.stdout.startswith(commit)
    assert len(commit) == 12
