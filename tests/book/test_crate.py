"""The site as a research object, by the validator of RO-Crates; no network is asked."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

from superpos.book.building import read_executed

CONTEXT = (files("rocrate") / "data" / "ro-crate.jsonld").read_text("utf-8")


class Bundled:
    """What the crates' host would answer: their vocabulary, as another package brings it."""

    status_code = 200
    headers = {"Content-Type": "application/ld+json"}  # noqa: RUF012

    def json(self) -> dict:
        return json.loads(CONTEXT)


@pytest.fixture
def problems(monkeypatch):
    """Return what is wrong with a folder as a crate, by the profile of process runs."""

    def get(self, address, **_):
        assert address == "https://w3id.org/ro/crate/1.1/context"
        return Bundled()

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)

    def of(folder) -> list[str]:
        found = services.validate({
            "rocrate_uri": str(folder), "profile_identifier": "process-run-crate",
            "requirement_severity": "REQUIRED", "offline": True,
        })  # fmt: skip
        return [issue.message for issue in found.get_issues()]

    return of


@pytest.fixture
def crate(built_book) -> dict:
    path = built_book / "_build" / "html" / "ro-crate-metadata.json"
    return json.loads(path.read_text("utf-8"))


def nodes(crate: dict) -> dict[str, dict]:
    return {node["@id"]: node for node in crate["@graph"]}


def test_the_site_is_a_crate(problems, built_book):
    assert problems(built_book / "_build" / "html") == []


def test_a_run_without_what_it_ran_is_none(problems, crate, tmp_path):
    for node in crate["@graph"]:
        node.pop("instrument", None)
    (tmp_path / "ro-crate-metadata.json").write_text(json.dumps(crate), "utf-8")
    assert any("instrument" in message for message in problems(tmp_path))


def test_every_file_that_it_names_is_in_the_site(crate, built_book):
    site = built_book / "_build" / "html"
    named = [node["@id"] for node in crate["@graph"] if node["@type"] == "File"]
    assert len(named) == len(set(named)) == 9
    assert [name for name in named if not (site / name).exists()] == []
    parts = [part["@id"] for part in nodes(crate)["./"]["hasPart"]]
    assert sorted(parts) == sorted(named)


def test_a_run_has_its_parameters_and_no_time(crate, built_book):
    known = nodes(crate)
    run = known["#run-alpha"]
    record = read_executed(built_book / "book/executed/alpha.ipynb").metadata["superpos"]
    source, *parameters = (known[part["@id"]] for part in run["object"])
    assert source["@id"] == "_sources/notebooks/alpha.md"
    assert {part["name"]: part["value"] for part in parameters} == record["parameters"]
    assert not {"startTime", "endTime"} & {*run}  # two builds of one commit are equal
