"""The package for catalogues of software: ``codemeta.json``, made from ``CITATION.cff``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from superpos.book import citation
from superpos.book.crate import LICENCES
from superpos.book.reading import yaml_of

PATH = "codemeta.json"  # in the checkout, and in the site
CONTEXT = "https://w3id.org/codemeta/3.0"


def as_codemeta(root: Path) -> dict[str, Any]:
    """Return what a catalogue needs to know of the package, in the terms of CodeMeta 3.0.

    Parameters
    ----------
    root
        The checkout, whose citation file and configuration count.
    """
    edition = citation.edition(root)
    told = yaml_of(root / "CITATION.cff", dict, "a citation, by fields")
    found = {
        "@context": CONTEXT,
        "@type": "SoftwareSourceCode",
        "name": edition.title.partition(":")[0],
        "description": " ".join(told.get("abstract", edition.title).split()),
        "version": edition.version,
        "datePublished": edition.date,
        "author": [
            {
                "@type": "Person",
                "givenName": each["given-names"],
                "familyName": each["family-names"],
            }
            if "family-names" in each
            else {"@type": "Organization", "name": each["name"]}
            for each in told["authors"]
        ],
        "license": list(LICENCES),
        "keywords": told.get("keywords", []),
        "programmingLanguage": "Python",
        "developmentStatus": "active",
        "readme": "README.md",
        "codeRepository": edition.repository,
        "url": edition.site,
    }
    return {name: value for name, value in found.items() if value}
