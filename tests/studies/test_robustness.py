"""Specification curves, computed for a study so small that it trains nothing."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import superpos.studies
from superpos.claims.registry import load_registry
from superpos.claims.specifications import LEAST
from superpos.cli import main
from superpos.errors import InvalidArgument
from superpos.studies import cells, grids, recheck, robustness
from superpos.studies.cells import FIRST_SEED
from superpos.studies.retest import load_study, retest
from superpos.training.procedures import Procedure

ROOT = Path(__file__).parents[2]

STUDY = '''
"""Coins: heads of all seeds below a bound that the procedure moves."""

import time
from pathlib import Path

import torch

from superpos.errors import InvalidArgument
from superpos.studies.study import Outcome, Study, Way
from superpos.training.procedures import Procedure


def ours(steps, **changes):
    return Procedure(**{"steps": steps, "learning_rate": 0.1, "batch_size": 10, **changes})


study = Study("coins", {"ours": Way("softly", ours), "hard": Way("hard", lambda steps: ours(2))})


@study.experiment
def throws(seeds, weight, steps, procedure):
    made = procedure(steps)
    with Path("log").open("a") as log:
        log.write(f"{weight} {made.learning_rate:g} {made.batch_size} {made.steps}\\n")
    if Path("wait").exists():
        time.sleep(30)
    return {"heads": torch.tensor([s % 10 < made.batch_size * weight for s in seeds])}


@study.experiment
def unused(seeds):
    return None


@study.test("heads-fall")
def heads_fall(throws, weight, *, least, tries):
    if weight > 0.85 and least > 0.6:
        raise InvalidArgument("there is none to look at")
    heads = throws["heads"]
    return Outcome(heads & (weight >= least), heads.unflatten(0, (-1, tries)).any(1))


@study.test("coins-rise")
def coins_rise(throws):
    return Outcome(~throws["heads"])
'''

NOTEBOOK = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
---

# Coins

```{code-cell}
:tags: [parameters]
n_seeds: int = 1000  # coins [10, 10000]
n_seeds_other: int = 5  # of something else [1, 10]
weight: float = 0.5  # on one side [0, 1]
steps: int = 3  # of the hand [1, 100]
quick: bool = False  # a small run
```
"""

CLAIMS = """
- {id: heads-fall, chapter: coins, source: {key: k, section: x, place: y, address: https://a.org},
   statement: Heads fall.,
   setting: "at {least}", share: 0.5, thresholds: {least: 0.5, tries: 5}, counts: "Heads.",
   qualified: "The best of {tries}.", expected: untested}
- {id: coins-rise, chapter: coins, source: {key: k, section: x, place: y, address: https://a.org},
   statement: Coins rise.,
   setting: "", share: 0.5, counts: "Tails.", expected: untested}
"""

GRID = """
- pool: coins
  chapter: coins
  claims: [heads-fall, coins-rise]
  why: The source says neither how heavy the coins are nor how hard they are thrown.
  seconds: 1
  settings: {n_seeds: 20}
  factors:
    weight:
      light: {weight: 0.2}
      even: {weight: 0.6}
      heavy: {weight: 0.9}
    force:
      soft: {}
      strong: {procedure.learning_rate: 0.3}
    batch:
      as it is: {}
      half: {times.batch_size: 0.5}
    patience:
      short: {steps: 3}
      long: {steps: 30}
  thresholds:
    heads-fall:
      least: {values: [0.5, 0.8], range: [0.3, 0.9]}
      best_of: {values: [1, 5], range: [1, 10]}
"""


@pytest.fixture
def coins(tmp_path, monkeypatch):
    """A tiny book with one study and a grid; it is the working folder."""
    root, code = tmp_path / "book-of-coins", tmp_path / "studies"
    for folder in (root / "notebooks", root / "book", code):
        folder.mkdir(parents=True)
    (root / "_toc.yml").write_text("root: book/index\nchapters:\n  - file: book/executed/coins\n")
    (root / "notebooks" / "coins.md").write_text(NOTEBOOK)
    (root / "book" / "claims.yml").write_text(CLAIMS)
    (root / "book" / "deviations.yml").write_text("")
    (root / "book" / "specifications.yml").write_text(GRID)
    (code / "coins.py").write_text(STUDY)
    monkeypatch.setattr(superpos.studies, "__path__", [*superpos.studies.__path__, str(code)])
    monkeypatch.chdir(root)
    yield root
    forget()


def forget() -> None:
    sys.modules.pop("superpos.studies.coins", None)
    if hasattr(superpos.studies, "coins"):
        del superpos.studies.coins
    importlib.invalidate_caches()


def edit_study(root: Path, old: str, new: str) -> None:
    path = root.parent / "studies" / "coins.py"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)
    forget()


def thrown(root: Path) -> list[str]:
    log = root / "log"
    return log.read_text().splitlines() if log.exists() else []


def compute(root: Path) -> list[str]:
    said = []
    robustness.compute(grids.states(root, load_study), root, say=said.append)
    return said


def curve(claim):
    return grids.curves_of(Path.cwd(), load_study).get(claim)


def test_every_combination_is_measured_once_for_all_claims_and_thresholds(coins):
    said = compute(coins)
    assert len(said) == len(thrown(coins)) == 24
    assert "cell 1 of 24 (weight light; force soft; batch as it is; patience short)" in said[0]
    assert said[-1].endswith("about 0 s left")
    assert thrown(coins)[0] == "0.2 0.1 10 3"
    assert "0.9 0.3 5 30" in thrown(coins)
    heads, tails = (curve(claim) for claim in ("heads-fall", "coins-rise"))
    assert (heads.of, tails.of) == (96, 24)
    assert heads.specifications[0].options == {
        "weight": "light", "force": "soft", "batch": "as it is", "patience": "short",
        "least": "0.5", "what counts": "each run",
    }  # fmt: skip


def test_a_specification_holds_where_the_rate_of_its_trials_is_above_the_share(coins):
    compute(coins)
    found = {tuple(each.options.values()): each for each in specifications("heads-fall")}

    def at(*options):
        each = found[options]
        return each.shown, each.of, each.holds

    assert at("even", "soft", "as it is", "short", "0.5", "each run") == (12, 20, True)
    assert at("even", "soft", "half", "short", "0.5", "each run") == (6, 20, False)
    assert at("even", "soft", "half", "short", "0.8", "each run") == (0, 20, False)
    assert at("even", "soft", "half", "short", "0.5", "the best of five runs") == (2, 4, False)
    assert at("even", "strong", "as it is", "long", "0.8", "the best of five runs") == (4, 4, True)
    assert found["even", "soft", "half", "short", "0.5", "each run"].weaker == 2
    assert found["even", "soft", "half", "short", "0.5", "the best of five runs"].weaker is None


def specifications(claim):
    return curve(claim).specifications


def test_a_cell_is_what_a_retest_with_its_settings_and_seeds_finds(coins):
    compute(coins)
    even = {"weight": 0.6, "steps": 3, "n_seeds": 20}
    found = retest(coins, "heads-fall", even, first_seed=FIRST_SEED)
    chosen = ("even", "soft", "as it is", "short", "0.5", "each run")
    (cell,) = [s for s in specifications("heads-fall") if tuple(s.options.values()) == chosen]
    assert found.verdict.rate == f"{cell.shown} of {cell.of}"
    assert found.verdict.weaker_rate == f"{cell.weaker} of {cell.weaker_of}"


def test_where_nothing_can_be_counted_that_is_kept_and_does_not_hold(coins):
    compute(coins)
    (none, *_) = [each for each in specifications("heads-fall") if each.why]
    assert none.why == "there is none to look at"
    assert (none.shown, none.of, none.holds, none.rate) == (0, 0, False, 0)
    assert len(specifications("heads-fall")) == 96


def test_what_is_stored_is_the_same_to_the_byte_however_often_and_names_no_place(coins):
    compute(coins)
    path = coins / "book" / "robustness" / "coins.json"
    first = path.read_bytes()
    assert compute(coins) == []
    path.unlink()
    compute(coins)
    assert path.read_bytes() == first
    text = first.decode()
    assert json.loads(text)["made"][0]["torch"]
    assert str(coins) not in text
    assert os.uname().nodename not in text
    assert not list(path.parent.glob("*.partial"))
    assert max(map(len, text.splitlines())) <= 170


def test_curves_are_missing_until_the_last_cell_is_there(coins):
    compute(coins)
    path = coins / "book" / "robustness" / "coins.json"
    found = json.loads(path.read_text())
    del found["cells"][3]
    path.write_text(json.dumps(found))
    assert curve("heads-fall") is None
    (state,) = grids.states(coins, load_study)
    assert "missing: 1 of 24 cells" in state.told()
    before = len(thrown(coins))
    compute(coins)
    assert len(thrown(coins)) == before + 1
    assert curve("heads-fall").of == 96


@pytest.mark.parametrize(
    ("old", "new", "stale"),
    [
        ("weight >= least", "weight > least", {"heads-fall"}),
        ("~throws", "throws", {"coins-rise"}),
        ("% 10 <", "% 10 <=", {"heads-fall", "coins-rise"}),
        ('"learning_rate": 0.1', '"learning_rate": 0.2', {"heads-fall", "coins-rise"}),
        ("return None", "return 1", set()),
        ('lambda steps: ours(2)', 'lambda steps: ours(3)', set()),
        ('"""Coins: heads', '"""Coins: the heads', set()),
    ],
)  # fmt: skip
def test_a_curve_whose_code_changed_is_stale_and_computed_again(coins, old, new, stale):
    compute(coins)
    edit_study(coins, old, new)
    found = {claim: curve(claim) for claim in ("heads-fall", "coins-rise")}
    assert {claim for claim, curve in found.items() if curve.stale} == stale
    (state,) = grids.states(coins, load_study)
    assert ("stale" in state.told()) is bool(stale)
    assert len(compute(coins)) == (24 if stale else 0)
    assert not curve("heads-fall").stale


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("book/claims.yml", "tries: 5}", "tries: 4}"),
        ("book/claims.yml", "share: 0.5, thresholds", "share: 0.6, thresholds"),
        ("book/specifications.yml", "n_seeds: 20", "n_seeds: 40"),
        ("book/specifications.yml", "weight: 0.6", "weight: 0.7"),
    ],
)  # fmt: skip
def test_a_curve_whose_thresholds_share_or_grid_changed_is_stale(coins, edit, file, old, new):
    compute(coins)
    edit(coins / file, old, new)
    assert curve("heads-fall").stale


def test_what_another_python_has_computed_counts_and_says_that_it_is_not_compared(coins):
    compute(coins)
    path = coins / "book" / "robustness" / "coins.json"
    found = json.loads(path.read_text())
    found["keys"]["heads-fall"] = "another"
    path.write_text(json.dumps(found))
    assert curve("heads-fall").stale
    found["made"][0]["python"] = "3.9"
    path.write_text(json.dumps(found))
    assert not curve("heads-fall").stale
    (state,) = grids.states(coins, load_study)
    assert "fresh, as far as code of Python 3.9 can be compared" in state.told()


def test_a_key_is_the_same_in_another_process(coins):
    (state,) = grids.states(coins, load_study)
    code = (
        "import superpos.studies, sys; superpos.studies.__path__.append(sys.argv[1]);"
        "from superpos.studies import grids;"
        "from superpos.studies.retest import load_study; from pathlib import Path;"
        "import json; print(json.dumps(dict(grids.states(Path.cwd(), load_study)[0].keys)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(coins.parent / "studies")],
        capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "7"},
    )  # fmt: skip
    assert json.loads(done.stdout) == state.keys


def test_a_key_of_the_book_is_the_same_in_another_checkout(tmp_path):
    copy = tmp_path / "superpos"
    shutil.copytree(Path(superpos.__file__).parent, copy, ignore=shutil.ignore_patterns("__pyc*"))
    code = (
        "from pathlib import Path; import superpos; from superpos.studies import grids;"
        "from superpos.studies.retest import load_study;"
        "import scipy.stats, matplotlib.pyplot;"
        f"assert superpos.__file__.startswith({str(tmp_path)!r});"
        "import json; (state,) = grids.states(Path.cwd(), load_study, ['corr-local-basis-2']);"
        "print(json.dumps(dict(state.keys)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": "3"},
    )  # fmt: skip
    (state,) = grids.states(ROOT, load_study, ["corr-local-basis-2"])
    assert json.loads(done.stdout) == state.keys


def test_a_run_that_is_killed_goes_on_where_it_was(coins):
    compute(coins)
    path = coins / "book" / "robustness" / "coins.json"
    whole, text = path.read_bytes(), json.loads(path.read_text())
    text["cells"] = text["cells"][:22]
    path.write_text(json.dumps(text))
    (coins / "wait").touch()
    code = (
        "import superpos.studies, sys; superpos.studies.__path__.append(sys.argv[1]);"
        "from superpos.cli import main; main(['robustness', '--scheduler', 'processes:1'])"
    )
    before = len(thrown(coins))
    run = subprocess.Popen([sys.executable, "-c", code, str(coins.parent / "studies")])
    try:
        waited_for(lambda: len(thrown(coins)) > before)
    finally:
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert len(json.loads(path.read_text())["cells"]) == 22
    (coins / "wait").unlink()
    compute(coins)
    assert len(thrown(coins)) == before + 3  # the one that was killed, and the two that were left
    assert path.read_bytes() == whole


def waited_for(condition) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


# Computed again


def test_counts_that_are_computed_again_are_the_stored_ones(coins, capsys):
    compute(coins)
    said = []
    assert recheck.check(coins, "a commit", say=said.append) == []
    assert len(said) == 3
    assert all("agrees, to the last count" in line for line in said)
    assert main(["robustness", "--check", "--commit", "abc", "--scheduler", "processes:1"]) == 0


def test_another_commit_draws_other_cells(coins):
    compute(coins)

    def drawn(text):
        said = []
        recheck.check(coins, text, say=said.append)
        return [line.partition(" computed")[0] for line in said]

    assert drawn("one") == drawn("one")
    assert len({tuple(drawn(text)) for text in ("one", "two", "three")}) > 1


def changed_counts(coins, count, **made):
    """Change every count of a claim in what is stored, and where it comes from."""
    path = coins / "book" / "robustness" / "coins.json"
    found = json.loads(path.read_text())
    found["made"][0].update(made)
    for cell in found["cells"]:
        for each in cell["claims"]["coins-rise"]:
            each["shown"] = count(each["shown"])
            each["holds"] = each["shown"] / each["of"] > 0.5
    path.write_text(json.dumps(found))


def test_a_count_that_differs_fails_the_check_on_the_same_processor(coins, capsys):
    compute(coins)
    changed_counts(coins, lambda shown: shown - 1 if shown else 1)
    assert main(["robustness", "--check", "--scheduler", "processes:1"]) == 1
    told = capsys.readouterr().err
    assert "3 counts are not as stored:" in told
    assert "coins-rise, weight " in told


def test_elsewhere_counts_may_differ_as_samples_of_one_rate_do(coins):
    compute(coins)
    changed_counts(coins, lambda shown: shown - 1 if shown else 1, processor="abacus")
    assert recheck.check(coins, "a commit", say=print) == []
    changed_counts(coins, lambda shown: 0 if shown > 10 else 20)
    assert len(recheck.check(coins, "a commit", say=print)) == 3


def test_nothing_is_drawn_where_no_curve_is_fresh_or_cells_take_long(coins, edit):
    said = []
    assert recheck.check(coins, "a commit", say=said.append) == []
    compute(coins)
    edit(coins / "book" / "specifications.yml", "seconds: 1", "seconds: 61")
    recheck.check(coins, "a commit", say=said.append)
    assert said == ["no curve is complete and fresh: there is nothing to compute again"] * 2


# What is refused


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{weight: 0.2}", "{wait: 0.2}", "weight changes wait, on which heads-fall does not"),
        ("{weight: 0.2}", "{weight: 2}", "parameter weight must be a number in"),
        ("{n_seeds: 20}", "{n_seeds_other: 2}", "it has no parameter n_seeds_other; did you"),
        ("procedure.learning_rate", "procedure.learning_rat", "a procedure has no field learning"),
        ("strong: {procedure.learning_rate: 0.3}", "strong: {way: sly}", "no procedure sly"),
        ("learning_rate: 0.3", "learning_rate: 0", "learning_rate is 0: it must be a finite"),
    ],
)
def test_what_the_study_has_no_place_for_is_refused(coins, edit, old, new, message):
    edit(coins / "book" / "specifications.yml", old, new)
    with pytest.raises(InvalidArgument, match=f"pool coins: .*{message}"):
        grids.pools(coins, load_study)


def test_a_claim_without_a_grid_is_refused_by_name(coins, capsys):
    assert main(["robustness", "heads-fal"]) == 2
    assert "has no grid of the claim heads-fal; did you mean heads-fall?" in capsys.readouterr().err
    assert main(["robustness", "--check", "heads-fall"]) == 2


# The command


def test_the_list_and_the_dry_run_compute_nothing(coins, capsys):
    assert main(["robustness", "--list"]) == 0
    told = capsys.readouterr().out
    assert "coins: 24 cells of about 1 s, 24 s of one core" in told
    assert "weight: light | even | heavy" in told
    assert "heads-fall: 96 specifications" in told
    assert main(["robustness", "coins-rise", "--dry-run"]) == 0
    assert capsys.readouterr().out == "coins  missing, about 24 s of one core\n"
    assert thrown(coins) == []


def test_the_command_computes_on_processes_and_status_says_what_is_stale(coins, capsys):
    assert main(["robustness", "--scheduler", "processes:2"]) == 0
    assert capsys.readouterr().out.count("took") == 24
    assert len(thrown(coins)) == 24
    edit_study(coins, "weight >= least", "weight > least")
    assert main(["status"]) == 0
    assert "robustness: coins  stale: heads-fall: its code" in capsys.readouterr().out


def test_any_executor_that_an_address_stands_for_will_do(coins, monkeypatch):
    asked = []

    @contextlib.contextmanager
    def connected(address):
        asked.append(address)
        with ThreadPoolExecutor(1) as pool:
            yield pool

    monkeypatch.setattr(cells, "connected", connected)
    found = grids.states(coins, load_study)
    robustness.compute(found, coins, scheduler="tcp://host:8786", say=lambda line: None)
    assert asked == ["tcp://host:8786"]
    assert curve("heads-fall").of == 96


# The book's own


def test_the_grids_of_the_book_have_enough_specifications_of_every_claim():
    found = grids.pools(ROOT, load_study)
    assert len(found) >= 6
    registry = load_registry(ROOT / "book" / "claims.yml")
    for pool in found.values():
        for claim in pool.claims:
            assert pool.count(claim) >= LEAST
            assert registry[claim].chapter == pool.chapter


def test_the_stored_curves_of_the_book_can_be_read():
    for curve in grids.curves_of(ROOT, load_study).values():
        assert curve.of >= LEAST
        assert curve.holds <= curve.of


def test_a_field_of_a_way_with_fields_of_its_own_is_that_ways():
    from superpos.studies.cells import changed
    from superpos.studies.optimization_failure import study

    way = changed(study.procedures["ours"], {"scales": [0.3], "centred": False}, {})
    assert way.procedure.scales == (0.3,)
    assert way.procedure.rates == study.procedures["ours"].procedure.rates
    assert way.procedure(20, 5, 100) == Procedure.fast(20, 5, steps=100, centred=False)
