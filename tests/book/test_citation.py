from __future__ import annotations

from pathlib import Path

import pytest
from pybtex.database import parse_string

from superpos.book.citation import edition, escaped, sources
from superpos.book.ledger import collect, registry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def row(book):
    return collect(registry(book), {})[0]


def test_the_edition_is_that_of_the_citation_file(book):
    told = edition(book)
    assert told.authors == ("The authors of lines", "Ann Ruler")
    assert (told.title, told.version, told.year) == ("lines: a book & more", "1.2.3", 2031)
    assert told.site == ""


def test_a_claim_is_cited_in_words(book, row):
    told = edition(book).in_words(row | {"verdict": "new", "held": "fails"})
    assert told == (
        "The authors of lines, Ann Ruler (2031). Claim alpha-rises: The line rises, so that $n > "
        "1$. In: lines: a book & more, version 1.2.3. Verdict: new: failed."
    )


def test_a_claim_is_cited_in_bibtex_that_reads_its_words_as_they_are(book, row):
    row |= {"statement": "10 % of W_i & more\n} #1 $5, ~x^2 \\ D*"}
    (key,) = (entries := parse_string(edition(book).as_bibtex(row), "bibtex").entries)
    assert key == "superpos-alpha-rises"
    entry = entries[key]
    assert [str(person) for person in entry.persons["author"]] == [
        "{The authors of lines}",
        "{Ann Ruler}",
    ]
    assert entry.fields["title"] == (
        r"{Claim alpha-rises: 10 \% of W\_i \& more \textbraceright{} \#1 \$5, "
        r"\textasciitilde{}x\textasciicircum{}2 \textbackslash{} D*}"
    )
    assert entry.fields["howpublished"] == r"lines: a book \& more, version 1.2.3"
    assert entry.fields["year"] == "2031"
    assert "url" not in entry.fields


def test_the_address_of_a_claim_is_cited_where_the_sites_is_known(book, row, edit):
    edit(book / "_config.yml", "html:\n", "html:\n  baseurl: https://lines.org/book/\n")
    told = edition(book)
    address = "https://lines.org/book/claims/alpha-rises.html"
    assert told.in_words(row).endswith(f" {address}")
    entries = parse_string(told.as_bibtex(row), "bibtex").entries
    assert entries["superpos-alpha-rises"].fields["url"] == address


def test_what_bibtex_reads_otherwise_is_escaped():
    assert escaped("‖W‖² ≥ 1/2, D* = 0.5") == "‖W‖² ≥ 1/2, D* = 0.5"
    for sign in "&%$#_":
        assert escaped(sign) == f"\\{sign}"


def test_every_source_of_the_book_is_told_by_author_year_and_title():
    told = sources(ROOT)
    assert told["elhage2022toy"] == "Elhage et al. 2022, Toy Models of Superposition"
    assert told["gorton2025adversarial"].startswith("Gorton and Lewis 2025, Adversarial")
    assert told["hanni2024mathematical"].startswith("Hänni et al. 2024, ")
    assert told["failure2023optimization"] == "Optimization Failure (2023)"
    for claim in registry(ROOT).values():
        assert not set("{}\\") & set(told[claim.source_key]), claim.source_key
