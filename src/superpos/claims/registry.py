"""The registry of claims, ``book/claims.yml``: what each claim is, and what would count for it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from superpos.claims.amendments import Amendment, Response, amendments, responses
from superpos.claims.typeset import typeset
from superpos.compute import yamls
from superpos.errors import InvalidArgument
from superpos.project import registry_file

VERDICTS = ("reproduced", "qualified", "contradicted", "new", "untested")
MIME_TYPE = "application/vnd.superpos.verdict+json"  # of a verdict in a notebook's outputs

# A threshold in the words of the registry: {name}, or {name:FORM} with a form of `in_words`. What
# follows a _ or a ^ is a formula's.
_PLACE = re.compile(
    r"(?<![_^])\{([a-z][A-Za-z0-9_]*)(?::(%|word|times|tenths|fraction|power|e))?\}"
)
_WORDS = {
    0.1: "a tenth", 0.25: "a quarter", 0.5: "half", 1: "one", 2: "two", 3: "three", 4: "four",
    5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven", 12: "twelve",
}  # fmt: skip

# An address that a page can link to as it stands: no spaces, quotes or angle brackets.
_ADDRESS = re.compile(r"https://[\w-]+(\.[\w-]+)+(/[^\s\"'<>]*)?")

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

LOWER = 0.3  # the lower mark, where an entry names no other

_REQUIRED = ("id", "chapter", "source", "statement", "setting", "share", "counts", "expected")
_OF_A_TEST = {"share", "lower", "trials", "thresholds", "thresholds_of", "counts", "qualified"}
_REQUIRED_OF_SOURCE = ("key", "section", "place", "address")


@dataclass(frozen=True)
class Claim:
    """One entry of the registry; the fields are explained at the top of ``book/claims.yml``."""

    id: str
    chapter: str
    source_key: str
    source_section: str
    source_place: str
    source_address: str
    statement: str
    setting: str
    share: float
    counts: str
    qualified: str | None
    expected: str
    deviations: tuple[Mapping[str, str], ...]
    trials: str = "seeds"
    new: bool = False
    complete: bool = False
    lower: float = LOWER
    training: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)
    no_weaker: str | None = None
    known: bool = False
    not_at_rest: str | None = None
    amends: str | None = None
    amendment: Mapping[str, Any] = field(default_factory=dict)
    amended_by: str | None = None
    amendments: tuple[Amendment, ...] = ()
    responses: tuple[Response, ...] = ()
    moved: str | None = None
    unmeasured: str | None = None


def load_registry(path: str | Path | None = None) -> dict[str, Claim]:
    """Return all claims by id, in the order of the registry.

    Parameters
    ----------
    path
        A registry; by default the book's, see `superpos.project.registry_file`. Deviations are
        looked up in ``deviations.yml`` beside it.

    Raises
    ------
    InvalidArgument
        If an entry lacks a field, repeats an id, names an unknown verdict, deviation or threshold,
        has a threshold that its words do not tell, or a source without a place that one can find:
        in words, and at an address that begins with https.
        has a threshold that its words do not tell, or an amendment or response that is incomplete;
        or is unmeasured and has a test, expects a verdict, or does not say why.
    """
    path = registry_file() if path is None else Path(path)
    beside = path.with_name("deviations.yml")
    return dict(_parsed(path.name, path.read_text("utf-8"), beside.read_text("utf-8")))


@functools.lru_cache(maxsize=4)  # YAML takes a quarter of a second, and every verdict asks
def _parsed(file: str, entries: str, deviations_entries: str) -> dict[str, Claim]:
    deviations = yamls.load(deviations_entries) or {}
    registry: dict[str, Claim] = {}
    for entry in yamls.load(entries) or []:
        name = entry.get("id", "without an id")
        if "unmeasured" in entry:
            entry = _without_test(entry, where=f"{file}: claim {name}")
        if missing := [field for field in _REQUIRED if field not in entry]:
            raise InvalidArgument(f"{file}: claim {name} lacks {', '.join(missing)}")
        if name in registry:
            raise InvalidArgument(f"{file}: claim {name} is there twice")
        if entry["expected"] not in VERDICTS:
            raise InvalidArgument(
                f"{file}: claim {name} expects {entry['expected']!r}, "
                f"which is none of {', '.join(VERDICTS)}"
            )
        if not isinstance(entry["share"], float | int) or not 0 <= entry["share"] < 1:
            raise InvalidArgument(
                f"{file}: claim {name} has a share of {entry['share']!r}: a rate of at least "
                "0 and less than 1 is needed"
            )
        lower = entry.get("lower", min(LOWER, entry["share"]))
        if not isinstance(lower, float | int) or not 0 <= lower <= entry["share"]:
            raise InvalidArgument(
                f"{file}: claim {name} has a lower mark of {lower!r}: a rate from 0 to "
                f"its share of {entry['share']:g} is needed"
            )
        if entry.get("training", "decides") != "decides":
            raise InvalidArgument(
                f"{file}: claim {name} has training {entry['training']!r}: it `decides`, or the "
                "field is left out"
            )
        if entry["expected"] == "new" and entry.get("new") is not True:
            raise InvalidArgument(f"{file}: claim {name} expects 'new', but is not marked new")
        source = _source(entry["source"], where=f"{file}: claim {name}")
        if unknown := set(entry.get("deviations", ())) - set(deviations):
            raise InvalidArgument(
                f"{file}: claim {name} names deviations that deviations.yml lacks: "
                f"{', '.join(sorted(unknown))}"
            )
        own = entry.get("thresholds", {})
        others = _of_others(entry, registry, where=f"{file}: claim {name}")
        thresholds = {**others, **own}
        texts = {
            reading: _filled(entry.get(reading), thresholds, where=f"{file}: claim {name}")
            for reading in ("setting", "counts", "qualified")
        }
        told = {place for text in texts.values() for place in text[1]}
        if unused := set(own) - told:
            listed = ", ".join(sorted(unused))
            raise InvalidArgument(f"{file}: claim {name} does not tell its thresholds {listed}")
        registry[name] = Claim(
            id=name,
            chapter=entry["chapter"],
            source_key=source["key"],
            source_section=source["section"],
            source_place=source["place"],
            source_address=source["address"],
            statement=entry["statement"],
            setting=texts["setting"][0] or "",
            share=float(entry["share"]),
            counts=texts["counts"][0] or "",
            qualified=texts["qualified"][0],
            expected=entry["expected"],
            deviations=tuple(deviations[key] for key in entry.get("deviations", ())),
            trials=entry.get("trials", "seeds"),
            new=entry.get("new", False) is True,
            complete=entry.get("complete", False) is True,
            lower=float(lower),
            training=entry.get("training") == "decides",
            thresholds=dict(thresholds),
            no_weaker=_no_weaker(entry, where=f"{file}: claim {name}"),
            known=(entry.get("known") or (entry.get("amendment") or {}).get("known")) is True,
            not_at_rest=entry.get("not_at_rest"),
            amends=entry.get("amends"),
            amendment=_amendment(entry, registry, where=f"{file}: claim {name}"),
            amendments=amendments(
                entry.get("amendments", ()), VERDICTS, where=f"{file}: claim {name}"
            ),
            responses=responses(entry.get("responses", ()), where=f"{file}: claim {name}"),
            moved=entry.get("moved"),
            unmeasured=entry.get("unmeasured"),
        )
        if older := registry[name].amends:
            registry[older] = replace(registry[older], amended_by=name)
    return registry


def _without_test(entry: Mapping[str, Any], *, where: str) -> Mapping[str, Any]:
    """Return an entry without a test, which says why, with marks and words that count for none."""
    if of_test := sorted(_OF_A_TEST & entry.keys()):
        raise InvalidArgument(f"{where} is unmeasured, and has {', '.join(of_test)}")
    if not isinstance(entry["unmeasured"], str) or not entry["unmeasured"].strip():
        raise InvalidArgument(f"{where} does not say why it is unmeasured: words are needed")
    if entry.get("expected") != "untested":
        raise InvalidArgument(f"{where} is unmeasured, and so expects 'untested' alone")
    return {**entry, "share": 0.5, "counts": ""}


def _no_weaker(entry: Mapping[str, Any], *, where: str) -> str | None:
    """Return why an entry has no weaker reading, where it says so."""
    if "no_weaker" in entry and "qualified" in entry:
        raise InvalidArgument(f"{where} has a weaker reading, and says why it has none")
    return entry.get("no_weaker")


def _amendment(
    entry: Mapping[str, Any], registry: Mapping[str, Claim], *, where: str
) -> dict[str, Any]:
    """Return when and why an entry was put in another's place, and what was known then."""
    older, told = entry.get("amends"), entry.get("amendment")
    if (older is None) is not (told is None):
        raise InvalidArgument(
            f"{where} has one of amends and amendment: both or neither are needed"
        )
    if older is None or told is None:
        return {}
    known = registry.get(older)
    if known is None or known.chapter != entry["chapter"] or known.amended_by:
        raise InvalidArgument(
            f"{where} amends {older}: that must be a claim of its chapter, further up, that no "
            "other amends"
        )
    if (
        set(told) != {"date", "known", "why"}
        or not isinstance(told["date"], date)
        or not isinstance(told["known"], bool)
        or not isinstance(told["why"], str)
    ):
        raise InvalidArgument(
            f"{where} has the amendment {told!r}: a date, whether the outcome was known (known: "
            "true or false) and why are needed"
        )
    return {**told, "date": told["date"].isoformat()}


def _source(source: Mapping[str, Any], *, where: str) -> Mapping[str, str]:
    """Return where a claim is made, once a reader can find it."""
    if missing := [part for part in _REQUIRED_OF_SOURCE if part not in source]:
        raise InvalidArgument(f"{where} lacks its source's {', '.join(missing)}")
    for part in _REQUIRED_OF_SOURCE:
        if not isinstance(source[part], str) or not source[part].strip():
            raise InvalidArgument(
                f"{where} has the {part} {source[part]!r} of its source: words are needed"
            )
    if not _ADDRESS.fullmatch(source["address"]):
        raise InvalidArgument(
            f"{where} has the address {source['address']!r} of its source: "
            "one like https://host.org/page.html#section is needed"
        )
    return source


def measured(claim_id: str) -> list[Path]:
    """Return the files of what was measured of a claim once and is kept (`superpos.studies.kept`).

    They lie in ``measured/`` beside the registry.
    """
    return sorted(registry_file().with_name("measured").glob(f"{claim_id}.*.json"))


def thresholds(claim_id: str, *names: str) -> Mapping[str, Any]:
    """Return thresholds of one of the book's claims, where something else builds on what it says.

    Parameters
    ----------
    claim_id
        As in the registry.
    *names
        Which; by default all.

    Examples
    --------
    >>> sorted(thresholds("demo-90-pentagon", "narrow", "wide"))
    ['narrow', 'wide']
    """
    known = load_registry()[claim_id].thresholds
    return MappingProxyType({name: known[name] for name in names or known})


def _of_others(entry: Mapping, registry: Mapping[str, Claim], *, where: str) -> dict[str, float]:
    """Return the thresholds of the claims whose tests an entry applies: it names them in words."""
    found: dict[str, float] = {}
    for other in entry.get("thresholds_of", ()):
        if other not in registry or other not in entry["counts"]:
            raise InvalidArgument(
                f"{where} has the thresholds of {other}: that must be a claim further up, and "
                "its counts must name it"
            )
        for name, value in registry[other].thresholds.items():
            if found.setdefault(name, value) != value:
                raise InvalidArgument(f"{where} has a threshold {name} from two claims")
    return found


def _filled(
    text: str | None, thresholds: Mapping[str, float], *, where: str
) -> tuple[str | None, set[str]]:
    """Return a text with its thresholds in place, and the names of those."""
    if text is None:
        return None, set()
    found = {place.group(1) for place in _PLACE.finditer(text)}
    if unknown := found - set(thresholds):
        raise InvalidArgument(
            f"{where} tells of {', '.join(sorted(unknown))}, which its thresholds lack"
        )
    return filled(text, thresholds), found


def filled(text: str, thresholds: Mapping[str, float]) -> str:
    """Return a text of the registry with the thresholds that are known in their places.

    Examples
    --------
    >>> filled("A correlation of {least} or less, {often:times}.", {"least": -0.95})
    'A correlation of −0.95 or less, {often:times}.'
    """

    def told(place: re.Match[str]) -> str:
        return in_words(thresholds[place[1]], place[2]) if place[1] in thresholds else place[0]

    return _PLACE.sub(told, text)


def in_words(value: float, form: str | None = None) -> str:
    """Return a threshold as the registry's texts tell it.

    Parameters
    ----------
    value
        A number.
    form
        None for the number as it is, ``%`` for per cent, ``word`` for one to twelve and a few
        fractions, ``times`` for once, twice, three times, …, ``tenths`` for nine of ten,
        ``fraction`` for 3/8, ``power`` for 10⁻⁹, ``e`` for 1e-4, where the plain number is 0.0001.

    Examples
    --------
    >>> in_words(-0.95), in_words(0.9, "%"), in_words(10, "word"), in_words(2, "times")
    ('−0.95', '90 %', 'ten', 'twice')
    >>> in_words(0.9, "tenths"), in_words(0.375, "fraction"), in_words(1e-9, "power")
    ('nine of ten', '3/8', '10⁻⁹')
    >>> in_words(1e-9), in_words(1.5e-5), in_words(0.0001), in_words(0.0001, "e")
    ('1e-9', '1.5e-5', '0.0001', '1e-4')
    """
    if form == "%":
        return f"{100 * value:g} %".replace("-", "−")
    if form == "times":
        return {1.0: "once", 2.0: "twice"}.get(value, f"{in_words(value, 'word')} times")
    if form == "tenths":
        return f"{in_words(round(10 * value), 'word')} of ten"
    if form == "fraction":
        return str(Fraction(value).limit_denominator(100))
    if form == "word" and value in _WORDS:
        return _WORDS[value]
    if form == "power":
        return "10" + str(round(math.log10(value))).translate(_RAISED)
    if form == "e":
        return f"1e{round(math.log10(value))}"
    plain = repr(value).replace("e-0", "e-")  # 1.0 where the registry says 1.0
    return plain if "e-" in plain else plain.replace("-", "−")


def one_line(text: str) -> str:
    """Return a text of the registry as one line of Markdown, in which D* is no emphasis.

    Examples
    --------
    >>> print(one_line("D* falls"))
    D\\* falls
    """
    return " ".join(text.split()).replace("*", "\\*")


def deviations_of(claim: Claim) -> list[Mapping[str, str]]:
    """Return a claim's deviations, each with what was found of it in the claim's chapter."""
    return [
        {**each, "depends": _in_chapter(each["depends"], claim.chapter)}
        for each in claim.deviations
    ]


def _in_chapter(depends: str | Mapping[str, str], chapter: str) -> str:
    return depends if isinstance(depends, str) else depends[chapter]


def deviation_text(deviation: Mapping[str, str]) -> str:
    """Return one deviation of the registry as a line of Markdown."""
    told = {name: typeset(text).replace("*", "\\*") for name, text in deviation.items()}
    return (
        f"**{told['setting']}.** Source: {told['source']} Ours: {told['ours']} "
        f"Does a verdict depend on it? {told['depends']}"
    )
