"""The package for catalogues of software."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from superpos.book.codemeta import as_codemeta

CHECKOUT = Path(__file__).parents[2]
OWN = {"developmentStatus", "readme", "@context", "@type"}  # CodeMeta's own terms, and JSON-LD's
KINDS = {"SoftwareSourceCode", "CreativeWork", "Thing"}


def test_the_file_of_the_checkout_is_up_to_date():
    kept = json.loads((CHECKOUT / "codemeta.json").read_text("utf-8"))
    assert kept == as_codemeta(CHECKOUT)


def test_its_terms_are_those_of_software_in_the_vocabulary():
    vocabulary = json.loads((files("rocrate") / "data" / "schema.jsonld").read_text("utf-8"))
    known = set()
    for node in vocabulary["@graph"]:
        domains = node.get("schema:domainIncludes", [])
        domains = domains if isinstance(domains, list) else [domains]
        if KINDS & {domain["@id"].removeprefix("schema:") for domain in domains}:
            known.add(node["@id"].removeprefix("schema:"))
    assert as_codemeta(CHECKOUT).keys() - OWN <= known


def test_what_is_not_configured_is_not_said(book, edit):
    assert "codeRepository" not in as_codemeta(book)
    edit(book / "_config.yml", 'url: ""', "url: https://lines.org/code")
    told = as_codemeta(book)
    assert told["codeRepository"] == "https://lines.org/code"
    assert told["author"] == [
        {"@type": "Organization", "name": "The authors of lines"},
        {"@type": "Person", "givenName": "Ann", "familyName": "Ruler"},
    ]
    assert (told["name"], told["version"], told["datePublished"]) == (
        "lines", "1.2.3", "2031-05-06",
    )  # fmt: skip
