"""What is computed anew after a line of this package has changed, and what is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import superpos

# Sweeps with each copy of the package: which pieces they need
SWEEPS = """
import json, os, sys
from pathlib import Path
import torch

def pieces(copy, store):
    for name in [name for name in sys.modules if name.partition(".")[0] == "superpos"]:
        del sys.modules[name]
    sys.path.insert(0, str(copy))
    from superpos import geometry, losses, sweep
    from superpos.studies import uniform_superposition as study
    assert Path(study.__file__).is_relative_to(copy)

    def exact(p):  # a reader's own, which trains nothing
        W = torch.ones(len(p), 2, 3)
        loss = losses.exact_loss(W, torch.zeros(3), torch.tensor(p)[:, None])
        return {"loss": loss, "norm": geometry.squared_norms(W)}

    def models(procedure):
        study.models(5, 2, 10, inverse_p, seeds=range(2), procedure=procedure)

    inverse_p = torch.tensor([1.0, 10.0])
    runs = {
        "ours": lambda: models(study.ours),
        "theirs": lambda: models(study.study.procedures["published"].procedure),
        "exact": lambda: sweep(exact, {"p": [0.1, 0.2]}),
    }
    found = {}
    for name, run in runs.items():
        os.environ["SUPERPOS_PIECES"] = str(copy / name)
        run()
        found[name] = (copy / name).read_text().split()
    sys.path.remove(str(copy))
    return found

os.environ["SUPERPOS_STORE"] = sys.argv[1]
copies = sorted(Path(sys.argv[2]).iterdir())
print(json.dumps({copy.name: pieces(copy, sys.argv[1]) for copy in copies}))
"""

# a module, a line of it, another in its place, and which sweeps are then computed anew
ALL = {"ours", "theirs", "exact"}
CHANGES = {
    "nothing": ("errors.py", "class ", "class ", set()),
    "colour": ("figures/palette.py", '"#b5472f"', '"#123456"', set()),
    "predicate": (
        "studies/uniform_superposition.py", "(total - 1).abs() <= ", "(total - 1).abs() < ", set(),
    ),
    "constant of predicates": (
        "studies/uniform_superposition.py", "[2.5, 4.0, 10.0, 100.0]", "[2.5, 4.0]", set(),
    ),
    "other study": ("studies/sets.py", "import torch\n", "import torch\n\nNEW = 1\n", set()),
    "documentation": ("losses/ramps.py", "\"\"\"Integrals of", "\"\"\"The integrals of", set()),
    "comment": ("training/descent.py", "steps whose inputs are drawn together", "steps", set()),
    "verdict": ("claims/verdicts.py", "import torch\n", "import torch\n\nNEW = 1\n", set()),
    "experiments": ("compute/sweeps.py", ".cpu().contiguous()", ".contiguous().cpu()", ALL),
    "gathering": ("compute/gathering.py", "MOST_DEATHS = 3", "MOST_DEATHS = 4", set()),
    "progress": ("compute/progress.py", "leave=False", "leave=True", set()),
    "name table": ("__init__.py", "_HOME = {", '_HOME = {"InputError": "superpos.errors",', set()),
    "other function": ("geometry.py", "import torch\n", "import torch\n\nNEW = 1\n", set()),
    "procedure of a study": (
        "studies/uniform_superposition.py", "min(0.03, 2 / n)", "min(0.02, 2 / n)", {"ours"},
    ),
    "experiment of a study": (
        "studies/uniform_superposition.py", "1 / inverse_p[:, None]", "1.0 / inverse_p[:, None]",
        {"ours", "theirs"},
    ),
    "procedure": ("training/procedures.py", "weight_decay=0.01,", "weight_decay=0.02,", {"theirs"}),
    "training": ("training/descent.py", "BLOCK = 20", "BLOCK = 10", {"ours", "theirs"}),
    "loss": ("losses/ramps.py", "= torch.arange(2**n)", "= torch.arange(0 + 2**n)", {"exact"}),
    "geometry": ("geometry.py", "W.square().sum(", "(W * W).sum(", {"exact"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict[str, dict[str, list[str]]]:
    """The pieces that each sweep needs, after each change."""
    folder, store = (tmp_path_factory.mktemp(name) for name in ("copies", "store"))
    for change, (name, old, new, _) in CHANGES.items():
        package = folder / change / "superpos"
        shutil.copytree(
            Path(superpos.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__")
        )
        text = (package / name).read_text("utf-8")
        assert old in text, f"{name} has no {old!r} any more"
        (package / name).write_text(text.replace(old, new, 1), "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SWEEPS, str(store), str(folder)], capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_line_computes_anew_what_uses_it_and_nothing_else(change, found):
    before, after = found["nothing"], found[change]
    anew = {name for name in before if not set(before[name]) & set(after[name])}
    same = {name for name in before if before[name] == after[name]}
    assert anew == CHANGES[change][-1]
    assert same == {*before} - anew
