"""The site as a research object: ``ro-crate-metadata.json``, by the profile *Process Run Crate*.

It says which executed notebook was made by which run: of which source, with which parameters and
versions. When that was, and how long it took, is in ``build.json`` (`superpos.book.took`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from superpos.book.chapters import EXECUTED
from superpos.book.citation import Edition

PATH = "ro-crate-metadata.json"  # in the site
CONTEXT = "https://w3id.org/ro/crate/1.1/context"
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
LICENCES = {
    "https://spdx.org/licenses/MIT": "MIT licence, of the code",
    "https://spdx.org/licenses/CC-BY-4.0": "Creative Commons Attribution 4.0, of text and figures",
}
TYPES = {".json": "application/json", ".jsonld": "application/ld+json"}
SOFTWARE = "#superpos"


def as_crate(
    records: Mapping[str, Mapping[str, Any]],
    files: Mapping[str, str],
    edition: Edition,
) -> dict[str, Any]:
    """Return what the site is made of, and how that was made.

    Parameters
    ----------
    records
        What `superpos.book.building` puts into an executed notebook's metadata, by chapter.
    files
        What each of the site's data files is, by path.
    edition
        Of the book.
    """
    licences = [{"@id": address} for address in LICENCES]
    notebooks = {name: f"_sources/{EXECUTED}/{name}.ipynb" for name in records}
    sources = {name: f"_sources/notebooks/{name}.md" for name in records}
    authors = [
        {"@id": f"#author-{number}", "@type": "Organization", "name": name}
        for number, name in enumerate(edition.authors, 1)
    ]
    software = _software(edition)
    graph = [
        {
            "@id": PATH,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": CRATE},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": edition.title,
            "description": "Claims of Toy Models of Superposition and its follow-ups, each with an "
            "experiment and its verdict: the pages, the executed notebooks, the ledger.",
            "version": edition.version,
            "datePublished": edition.date,
            "conformsTo": {"@id": PROFILE},
            "license": licences,
            "author": _one_or_all([{"@id": each["@id"]} for each in authors]),
            "hasPart": [{"@id": path} for path in (*files, *notebooks.values(), *sources.values())],
            "mentions": [{"@id": f"#run-{name}"} for name in records],
        },
        {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        *(
            {"@id": address, "@type": "CreativeWork", "name": name, "description": name}
            for address, name in LICENCES.items()
        ),
        *authors,
        software,
        *(_file(path, what, TYPES[path[path.rindex(".") :]]) for path, what in files.items()),
    ]
    for name, record in records.items():
        graph += [
            _file(sources[name], f"The chapter {name}, its source", "text/markdown"),
            _file(notebooks[name], f"The chapter {name}, executed", "application/x-ipynb+json"),
            *_action(name, record, sources[name], notebooks[name], software["@id"]),
        ]
    return {"@context": CONTEXT, "@graph": graph}


def _one_or_all(nodes: list[Any]) -> Any:
    """Return a list's only entry, or else the list: RO-Crates write one value without brackets."""
    return nodes[0] if len(nodes) == 1 else nodes


def _software(edition: Edition) -> dict[str, Any]:
    node = {
        "@id": edition.repository or SOFTWARE,
        "@type": "SoftwareApplication",
        "name": edition.title.partition(":")[0],
        "softwareVersion": edition.version,
    }
    return node | ({"url": edition.repository} if edition.repository else {})


def _file(path: str, what: str, kind: str) -> dict[str, Any]:
    return {"@id": path, "@type": "File", "name": what, "encodingFormat": kind}


def _action(
    name: str, record: Mapping[str, Any], source: str, executed: str, software: str
) -> list[dict[str, Any]]:
    """Return the run of a chapter, and what it was run with."""
    facts = record["provenance"]
    parameters = [
        {
            "@id": f"#run-{name}-{key}",
            "@type": "PropertyValue",
            "name": key,
            "value": value if isinstance(value, bool | int | float | str) else repr(value),
        }
        for key, value in record["parameters"].items()
    ]
    made = ", ".join(f"{what} {version}" for what, version in record["parts"]["versions"].items())
    quick = " A quick run, which does not count." if record["quick"] else ""
    action = {
        "@id": f"#run-{name}",
        "@type": "CreateAction",
        "name": f"Execution of the chapter {name}",
        "description": f"By papermill, at commit {facts['commit']}, on "
        f"{record['parts']['device']}, with {made}.{quick}",
        "instrument": {"@id": software},
        "object": [{"@id": source}, *({"@id": each["@id"]} for each in parameters)],
        "result": {"@id": executed},
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    return [action, *parameters]
