from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from clones import NOTEBOOK, Book, entry, study

from superpos.claims import past
from superpos.claims.audit import PREDICATE, REGISTRY, audit, summary, told, unamended
from superpos.claims.clone import NoHistory, history

REGISTRY_FILE, STUDY_FILE = "book/claims.yml", "src/superpos/studies/coins.py"


@pytest.fixture
def book(tmp_path, monkeypatch) -> Book:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))  # wherever that lies
    return Book(tmp_path / "coins")


def one(book: Book):
    (record,) = audit(book.root).records
    return record


def short(changes) -> list[tuple[str, str, tuple[str, ...], str]]:
    return [(each.commit.id, each.of, each.parts, each.phase) for each in changes]


def test_a_claim_is_registered_then_recorded_then_judged(book):
    first = book.commit({"README.md": "# Coins"})
    registered = book.commit({REGISTRY_FILE: entry()})
    recorded = book.commit({STUDY_FILE: study()})
    verdict = book.commit({REGISTRY_FILE: entry(expected="reproduced")}, "Expect what was found")
    record = one(book)
    assert record.registered.id == registered != first
    assert record.recorded.id == recorded
    assert record.verdict.id == verdict
    assert record.verdict.subject == "Expect what was found"
    assert record.registered.date == "2026-11-21 10:02"
    assert (record.order, record.changes) == ("before", ())


def test_the_order_of_registering_and_recording_is_told(book):
    book.commit({STUDY_FILE: study()})
    book.commit({REGISTRY_FILE: entry()})
    assert one(book).order == "after"


def test_what_comes_in_one_commit_is_not_registered_before(book):
    book.commit({REGISTRY_FILE: entry(expected="reproduced"), STUDY_FILE: study()})
    assert one(book).order == "same"
    assert one(book).verdict == one(book).registered


def test_a_verdict_that_is_expected_before_there_is_code_is_none(book):
    book.commit({REGISTRY_FILE: entry(expected="reproduced")})
    assert one(book).verdict is None
    recorded = book.commit({STUDY_FILE: study()})
    assert one(book).verdict.id == recorded


@pytest.mark.parametrize(
    ("changed", "parts"),
    [
        ({"share": 0.6}, ("share",)),
        ({"thresholds": "{enough: 4}"}, ("thresholds", "counts")),
        ({"statement": "Heads rise."}, ("statement",)),
        ({"counts": "At least {enough} heads.\n  qualified: One."}, ("counts", "qualified")),
    ],
)
def test_a_changed_field_is_named_with_what_it_was(book, changed, parts):
    book.commit({REGISTRY_FILE: entry()})
    book.commit({STUDY_FILE: study()})
    book.commit({REGISTRY_FILE: entry(expected="reproduced")})
    commit = book.commit({REGISTRY_FILE: entry(**{"expected": "reproduced"} | changed)})
    record = one(book)
    assert short(record.changes) == [(commit, REGISTRY, parts, "judged")]
    change = record.changes[0]
    assert change.before.keys() == change.after.keys() == set(parts)
    assert all(change.before[name] != change.after[name] for name in parts)
    assert unamended([record]) == ["heads-fall"]
    assert "Changed without an amendment: heads-fall." in summary([record])


def test_a_change_is_early_or_late(book):
    book.commit({REGISTRY_FILE: entry()})
    drafted = book.commit({REGISTRY_FILE: entry(share=0.6)})
    book.commit({STUDY_FILE: study()})
    measured = book.commit({REGISTRY_FILE: entry(share=0.7)})
    judged = book.commit({REGISTRY_FILE: entry(share=0.8, expected="reproduced")})
    assert [(each.commit.id, each.phase) for each in one(book).changes] == [
        (drafted, "drafted"),
        (measured, "measured"),
        (judged, "judged"),
    ]
    assert len(one(book).changed(REGISTRY)) == 1


def test_an_amendment_of_that_day_accounts_for_a_change(book):
    book.commit({REGISTRY_FILE: entry(), STUDY_FILE: study()})
    book.commit({REGISTRY_FILE: entry(expected="reproduced")})
    told = "\n  amendments: [{date: DATE, what: w, why: w, measured: after}]"
    for date, silent in (("2026-11-20", ["heads-fall"]), ("2026-11-21", [])):
        amended = "reproduced" + told.replace("DATE", date)
        book.commit({REGISTRY_FILE: entry(expected=amended, share=0.9)})
        record = one(book)
        assert unamended([record]) == silent
        assert record.amended == (date,)


def test_a_number_that_gets_a_name_is_the_same_number(book):
    plain = entry(counts="More than 3 heads.", thresholds="{}")
    book.commit({REGISTRY_FILE: plain})
    book.commit({REGISTRY_FILE: entry()})
    book.commit({REGISTRY_FILE: entry(counts="More than {least} heads.", thresholds="{least: 3}")})
    assert one(book).changes == ()


def test_line_breaks_source_places_and_what_is_expected_are_no_changes(book):
    book.commit({REGISTRY_FILE: entry()})
    folded = entry(
        counts="|-\n    More than\n    {enough} heads.", expected="new\n  deviations: []"
    )
    book.commit({REGISTRY_FILE: folded.replace("section: s", "section: s, place: here")})
    assert one(book).changes == ()
    section = folded.replace("section: s", "section: t, place: here")
    moved = book.commit({REGISTRY_FILE: section})
    assert short(one(book).changes) == [(moved, REGISTRY, ("source.section",), "drafted")]
    assert not one(book).changes[0].decides


def test_a_verdict_that_moves_is_told(book):
    book.commit({REGISTRY_FILE: entry(), STUDY_FILE: study()})
    book.commit({REGISTRY_FILE: entry(expected="reproduced")})
    moved = book.commit({REGISTRY_FILE: entry(expected="qualified")})
    (change,) = one(book).changes
    assert (change.commit.id, change.decides) == (moved, False)
    assert change.told == "registry: expected, reproduced → qualified"
    assert unamended([one(book)]) == []


def test_the_thresholds_of_another_claim_are_followed(book):
    other = entry(
        "tails-fall", counts="As heads-fall.", thresholds="{}\n  thresholds_of: [heads-fall]"
    )
    book.commit({REGISTRY_FILE: entry() + other})
    commit = book.commit({REGISTRY_FILE: entry(thresholds="{enough: 4}") + other})
    assert short(audit(book.root).records[1].changes) == [
        (commit, REGISTRY, ("thresholds",), "drafted")
    ]


def test_code_that_decides_is_followed_and_its_form_is_not(book):
    book.commit({REGISTRY_FILE: entry(), STUDY_FILE: study()})
    book.commit({REGISTRY_FILE: entry(expected="reproduced")})
    reformatted = (
        study().replace("Heads are many.", "Many.").replace("heads > enough", "(heads>enough)")
    )
    book.commit({STUDY_FILE: "# a comment\n" + reformatted.replace('"Fewest"', '"Least"')})
    assert one(book).changes == ()
    test = book.commit({STUDY_FILE: study("heads >= enough")})
    helper = book.commit({STUDY_FILE: study("least(heads) >= enough")})
    below = study("least(heads) >= enough").replace("amin", "amax")
    inside = book.commit({STUDY_FILE: below})
    assert short(one(book).changes) == [
        (test, PREDICATE, ("test",), "judged"),
        (helper, PREDICATE, ("test", "least"), "judged"),
        (inside, PREDICATE, ("least",), "judged"),
    ]
    assert unamended([one(book)]) == []  # the registry has not changed


def test_renamed_files_and_moved_functions_are_followed(book):
    book.commit({REGISTRY_FILE: entry(), STUDY_FILE: study()})
    book.commit({REGISTRY_FILE: None, "ledger/registry.yml": entry()})
    book.commit({STUDY_FILE: None, "src/superpos/tests_of/throws.py": study()})
    assert one(book).changes == ()
    assert one(book).order == "same"
    share = book.commit({"ledger/registry.yml": entry(share=0.7)})
    code = book.commit({"src/superpos/tests_of/throws.py": study("heads < enough")})
    assert [each.commit.id for each in one(book).changes] == [share, code]


def test_a_test_that_moves_from_a_notebook_into_a_study_is_told_apart(book):
    book.commit({REGISTRY_FILE: entry()})
    recorded = book.commit({"notebooks/coins.md": NOTEBOOK})
    tells = NOTEBOOK.replace("quick=quick", 'measured={"Fewest": "2"}')
    book.commit({"notebooks/coins.md": tells, REGISTRY_FILE: entry(expected="reproduced")})
    stricter = book.commit({"notebooks/coins.md": tells.replace("heads > 3", "heads > 4")})
    thin = "```{code-cell}\nrun.record('heads-fall')\n```\n"
    moved = book.commit({"notebooks/coins.md": thin, STUDY_FILE: study()})
    record = one(book)
    assert record.recorded.id == recorded
    assert [(each.commit.id, each.rewritten) for each in record.changes] == [
        (stricter, False),
        (moved, True),
    ]
    assert [each.commit.id for each in record.changed(PREDICATE)] == [stricter]
    assert "the code in 1, in form or in substance, beside 1 that moved" in summary([record])


def test_a_merge_changes_nothing_that_a_parent_has(book):
    book.commit({REGISTRY_FILE: entry(), STUDY_FILE: study()})
    book.git("checkout", "-q", "-b", "side")
    counts = "At least {enough} heads."
    side = book.commit({REGISTRY_FILE: entry(counts=counts), STUDY_FILE: study("heads >= enough")})
    book.git("checkout", "-q", "main")
    main = book.commit({REGISTRY_FILE: entry(statement="Heads rise.")})
    book.git("merge", "-q", "--no-edit", "side")
    assert short(one(book).changes) == [
        (side, REGISTRY, ("counts",), "measured"),
        (side, PREDICATE, ("test",), "measured"),
        (main, REGISTRY, ("statement",), "measured"),
    ]


def test_a_merge_that_decides_anew_is_a_change(book):
    book.commit({REGISTRY_FILE: entry(), STUDY_FILE: study()})
    book.git("checkout", "-q", "-b", "side")
    book.commit({STUDY_FILE: study("heads >= enough")})
    book.git("checkout", "-q", "main")
    book.commit({"README.md": "# Coins"})
    book.git("merge", "-q", "--no-commit", "side")
    merge = book.commit({STUDY_FILE: study("heads == enough")})
    assert one(book).changes[-1].commit.id == merge


def test_claims_registered_beside_their_code_are_not_registered_before_it(book):
    book.commit({"README.md": "# Coins"})
    book.git("checkout", "-q", "-b", "side")
    book.commit({REGISTRY_FILE: entry()})
    book.git("checkout", "-q", "main")
    book.commit({STUDY_FILE: study()})
    book.git("merge", "-q", "--no-edit", "side")
    assert one(book).order == "apart"


def test_a_claim_that_was_taken_out_stays_in_the_audit(book):
    book.commit({REGISTRY_FILE: entry() + entry("tails-fall"), STUDY_FILE: study()})
    removed = book.commit({REGISTRY_FILE: entry("tails-fall")})
    tails, heads = audit(book.root).records
    assert (tails.removed, heads.id, heads.removed.id) == (None, "heads-fall", removed)
    assert "Taken out of the registry: heads-fall." in summary([tails, heads])
    assert f"removed {removed[:9]}" in told(audit(book.root))


def test_what_tests_and_drafts_say_is_no_claim(book):
    book.commit({"tests/claims.yml": entry(), "tests/test_coins.py": study()})
    book.commit({REGISTRY_FILE: "- id: [", STUDY_FILE: "def broken(:"})
    assert audit(book.root).records == ()
    assert summary(()).startswith("0 claims: none registered.")


@pytest.mark.parametrize(
    "draft",
    [
        entry(thresholds=""),
        entry(thresholds="{enough: many}", counts="'{enough:%}'"),
        entry(expected="new\n  amendments: [soon]"),
        entry(expected="new\n  thresholds_of: 3"),
        entry("[a, b]"),
        "id: statement:",
    ],
)
def test_a_draft_that_no_registry_would_take_is_passed_over(book, draft):
    book.commit({REGISTRY_FILE: draft, STUDY_FILE: "\0record("})
    registered = book.commit({REGISTRY_FILE: entry()})
    assert one(book).registered.id == registered


@pytest.mark.parametrize(
    "text",
    [
        "# Claims\n\n- id: a\n  statement: >-\n    One\n    - two\n\n# aside\n- id: b\n",
        "- id: a\n  list:\n  - 1\n  - 2\n-  id: b\n",
        "- &one {id: a}\n- *one\n",  # which cannot be read alone
        "- id: a\n  thresholds: &t {k: 1}\n- id: b\n  thresholds: *t\n",
        "- id: a\n---\n- id: b\n",
        "  - id: a\n  - id: b\n",
        "- id: a\n - id: b\n",
        " x\n- id: a\n",
        "- id: a",
        "id: a\n",
        "- [\n",
        "",
    ],
)
def test_entries_read_one_by_one_are_those_of_the_file(text):
    try:
        listed = yaml.safe_load(text)
    except yaml.YAMLError:
        listed = None
    assert past._entries(text.encode()) == (listed if isinstance(listed, list) else [])


def test_the_rule_is_followed(book):
    rule = "def judge(claim, shown):\n    return shown.mean() > claim.share\n"
    first = book.commit({"src/superpos/claims.py": rule})
    book.commit({"src/superpos/claims.py": None, "src/superpos/claims/verdicts.py": rule})
    second = book.commit({"src/superpos/claims/verdicts.py": rule.replace(">", ">=")})
    assert [commit.id for commit in audit(book.root).rule] == [first, second]


def test_it_is_told_in_a_table_and_for_programs(book):
    book.commit({REGISTRY_FILE: entry()})
    book.commit({STUDY_FILE: study()})
    commit = book.commit({REGISTRY_FILE: entry(share=0.7, expected="reproduced")})
    found = audit(book.root)
    lines = told(found).splitlines()
    assert lines[1].startswith("heads-fall  ")
    assert lines[1].endswith("  before")
    assert lines[2].strip() == (
        f"{commit[:9]} 2026-11-21 10:03  registry: share (with the first verdict or later)"
    )
    assert lines[-1].startswith("1 claims: 1 registered before the code that decides them.")
    whole = json.loads(json.dumps(found.as_json()))
    assert whole["unamended"] == ["heads-fall"]
    (change,) = whole["claims"][0]["changes"]
    assert (change["before"], change["after"]) == ({"share": 0.5}, {"share": 0.7})
    assert change["commit"]["id"] == commit


# What cannot be audited


def test_a_shallow_clone_is_refused_with_what_to_do(book, tmp_path):
    book.commit({REGISTRY_FILE: entry()})
    book.commit({STUDY_FILE: study()})
    shallow = tmp_path / "shallow"
    command = ["git", "clone", "-q", "--depth", "1", f"file://{book.root}", str(shallow)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(NoHistory, match=r"shallow clone.*run `git fetch --unshallow` first"):
        audit(shallow)


def test_a_folder_without_a_history_of_its_own_is_refused(book, tmp_path):
    with pytest.raises(NoHistory, match="is not a git clone with commits"):
        audit(tmp_path)
    with pytest.raises(NoHistory, match="is not a git clone with commits"):
        audit(book.root)
    book.commit({"book/index.md": "# Coins"})
    with pytest.raises(NoHistory, match="lies within the git clone"):
        audit(book.root / "book")


def test_without_git_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoHistory, match="git is not installed"):
        audit(tmp_path)


def test_a_clone_gives_commits_parents_first_and_what_files_held(book):
    first = book.commit({"a.md": "ä\n", "b/c.md": "1\n"})
    second = book.commit({"a.md": "a\n"}, "Write plainly")
    with history(book.root) as clone:
        commits = clone.commits()
        assert [commit.id for commit in commits] == [first, second]
        assert [commit.parents for commit in commits] == [(), (first,)]
        before, after = (clone.files(commit.tree) for commit in commits)
        assert set(before) == set(after) == {"a.md", "b/c.md"}
        assert before["b/c.md"] == after["b/c.md"]
        assert (clone.read(before["a.md"]), clone.read(after["a.md"])) == ("ä\n".encode(), b"a\n")
        with pytest.raises(NoHistory, match="no object"):
            clone.read("0" * 40)


# The book's own


@pytest.mark.slow  # seconds: every version of every notebook and study is read
def test_the_book_registers_before_it_measures_and_changes_fields_with_an_amendment_only():
    root = Path(__file__).parents[2]
    try:
        found = audit(root)
    except NoHistory as problem:
        pytest.skip(str(problem))
    assert unamended(found.records) == []
    assert {record.order for record in found.records} <= {"before", "same", "unrecorded"}
