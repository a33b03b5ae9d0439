"""The ledger as linked data: ``claims.jsonld``, for those who collect replications.

A claim of a source is targeted by a study, our test as it is registered; the study has an outcome,
which the run of its chapter generated. The outcome *confirms*, *qualifies* or *disputes* the claim,
in the words of the Citation Typing Ontology. Study and outcome have the types of FORRT's
nanopublications, runs those of PROV. All of it is in ``claims.json``, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from superpos.book.chapters import EXECUTED
from superpos.book.citation import Edition
from superpos.book.evidence import field
from superpos.claims.wording import KEPT, label

PATH = "claims.jsonld"  # in the site
# What a verdict says of a claim. What goes beyond the sources, and what is open, says nothing.
CITES = {
    "reproduced": "cito:confirms",
    "qualified": "cito:qualifies",
    "contradicted": "cito:disputes",
}
VOCABULARIES = {
    "cito": "http://purl.org/spar/cito/",
    "forrt": "https://w3id.org/sciencelive/o/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "schema": "http://schema.org/",
}
SOFTWARE = "#superpos"


def as_jsonld(
    ledger: Mapping[str, Any],
    sources: Mapping[str, str],
    addresses: Mapping[str, str],
    edition: Edition,
) -> dict[str, Any]:
    """Return the ledger as a JSON-LD document, whose addresses are relative to the site's.

    Parameters
    ----------
    ledger
        What `superpos.book.envelope.enveloped` returns.
    sources, addresses
        Each source in words, and where it is if it has an address, by its key:
        `superpos.book.citation.sources` and `addresses`.
    edition
        Of the book.
    """
    context = {"@base": edition.site} if edition.site else {}
    keys = dict.fromkeys(row["source"]["key"] for row in ledger["claims"])
    software = {
        "@id": SOFTWARE,
        "@type": ["prov:SoftwareAgent", "schema:SoftwareApplication"],
        "schema:name": edition.title,
        "schema:softwareVersion": edition.version,
    }
    return {
        "@context": context | VOCABULARIES,
        "@graph": [
            software,
            *(_source(key, sources.get(key, key), addresses.get(key)) for key in keys),
            *(_run(name, run) for name, run in ledger["chapters"].items()),
            *(node for row in ledger["claims"] for node in _of_claim(row)),
        ],
    }


def _source(key: str, words: str, address: str | None) -> dict[str, Any]:
    node = {"@id": f"#source-{key}", "@type": "schema:CreativeWork", "schema:name": words}
    return node | ({"schema:url": {"@id": address}} if address else {})


def _run(chapter: str, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the execution of a chapter: what was run, and what with."""
    made = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return {
        "@id": f"#run-{chapter}",
        "@type": "prov:Activity",
        "schema:name": f"Execution of the chapter {chapter}",
        "schema:description": f"Commit {run['commit']}; {made}; {run['device']}",
        "prov:used": {"@id": f"_sources/notebooks/{chapter}.md"},
        "prov:generated": {"@id": f"_sources/{EXECUTED}/{chapter}.ipynb"},
        "prov:wasAssociatedWith": {"@id": SOFTWARE},
    }


def _of_claim(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a claim, the study that tests it, and its outcome if there is one."""
    page = row["permalink"]
    claim, study = {"@id": f"{page}#claim"}, {"@id": f"{page}#study"}
    source = f"#source-{row['source']['key']}"
    yield claim | {
        "@type": "schema:Claim",
        "schema:identifier": row["id"],
        "schema:text": _line(row["statement"]),
        "schema:isBasedOn" if row["new"] else "schema:appearance": {"@id": source},
        "schema:url": {"@id": row["source"]["address"]},
    }
    if row["unmeasured"]:
        return
    yield study | {
        "@type": ["forrt:FORRT-Replication-Study", "prov:Plan"],
        "schema:name": f"Test of {row['id']}",
        "schema:url": {"@id": page},
        "forrt:targetsClaim": claim,
        "forrt:hasScopeDescription": _line(row["setting"]),
        "forrt:hasMethodologyDescription": f"{_line(row['counts'])} {row['mark']}",
        **_deviations(row),
        **({"prov:wasRevisionOf": _other(row, "amends", "study")} if row["amends"] else {}),
    }
    if row["evidence"]:
        yield _outcome(row, claim, study)


def _outcome(
    row: Mapping[str, Any], claim: Mapping[str, str], study: Mapping[str, str]
) -> dict[str, Any]:
    found = row["evidence"]
    shown = label(row["verdict"], row["held"])
    why = f" {_line(row['why'])}" if row["why"] else ""
    rates = [_rate("in the chapter", row["trials"], found)]
    for kind, words in KEPT.items():
        if kept := found[field(kind)]:
            rates.append(_rate(words.lower(), row["trials"], kept))
    if curve := row["curve"]:
        rates.append(_rate("of its curve", "specifications", curve | {"shown": curve["holds"]}))
    node = {
        "@id": f"{row['permalink']}#outcome",
        "@type": ["forrt:FORRT-Replication-Outcome", "prov:Entity", "schema:Observation"],
        "schema:name": f"{row['id']}: {shown}",
        "forrt:isOutcomeOf": study,
        "forrt:hasConclusionDescription": f"{shown.capitalize()}: {found['told']}.{why}",
        "prov:wasGeneratedBy": {"@id": f"#run-{row['chapter']}"},
        "schema:variableMeasured": rates,
    }
    if row["responses"]:
        node["schema:comment"] = [_response(each) for each in row["responses"]]
    if row["amended_by"]:  # its test is not in force: the other's outcome says what holds
        return node
    return node | ({CITES[row["verdict"]]: claim} if row["verdict"] in CITES else {})


def _rate(where: str, trials: str, count: Mapping[str, Any]) -> dict[str, Any]:
    low, high = count.get("interval") or (None, None)
    node = {
        "@type": "schema:PropertyValue",
        "schema:name": f"rate {where}",
        "schema:value": count["shown"] / count["of"] if count["of"] else None,
        "schema:minValue": low,
        "schema:maxValue": high,
        "schema:description": f"{count['shown']} of {count['of']} {trials}",
        "schema:measurementTechnique": count.get("procedure"),
    }
    return {name: value for name, value in node.items() if value is not None}


def _deviations(row: Mapping[str, Any]) -> dict[str, str]:
    told = [f"{each['setting']}: {_line(each['ours'])}" for each in row["deviations"]]
    return {"forrt:hasDeviationDescription": " ".join(told)} if told else {}


def _other(row: Mapping[str, Any], link: str, part: str) -> dict[str, str]:
    folder = row["permalink"].rpartition("/")[0]
    return {"@id": f"{folder}/{row[link]}.html#{part}"}


def _response(told: Mapping[str, str]) -> dict[str, Any]:
    return {
        "@type": "schema:Comment",
        "schema:author": {"@type": "schema:Person", "schema:name": told["who"]},
        "schema:dateCreated": told["date"],
        "schema:text": _line(told["text"]),
        "schema:url": {"@id": told["address"]},
    }


def _line(text: str) -> str:
    return " ".join(text.split())
