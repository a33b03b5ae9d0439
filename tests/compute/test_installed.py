from __future__ import annotations

import json
import platform
import sys
import sysconfig
import types
from pathlib import Path

import numpy
import pytest
import torch

from superpos.compute.installed import release

PYTHON = f"python {platform.python_version()}"


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("sys", PYTHON),
        ("json.decoder", PYTHON),
        ("numpy.linalg", f"numpy {numpy.__version__}"),
        ("torch.nn.functional", f"torch {torch.__version__}"),
        ("sklearn", "scikit-learn "),
        ("yaml", "PyYAML "),
        ("__main__", None),
        ("superpos.geometry", None),  # in a checkout
        ("nothing_of_this_name", None),
    ],
)
def test_a_module_is_told_by_what_it_was_installed_with(module, told):
    found = release(module)
    assert found is None if told is None else found.startswith(told)


@pytest.mark.parametrize("place", ["", "site-packages", "dist-packages"])
def test_a_file_of_ones_own_is_not_pythons_because_it_has_its_name(place, tmp_path, monkeypatch):
    own = types.ModuleType("json")
    folder = Path(sysconfig.get_path("stdlib")) / place if place else tmp_path
    own.__file__ = str(folder / "json.py")
    monkeypatch.setitem(sys.modules, "json", own)
    assert release("json") is None
    monkeypatch.setitem(sys.modules, "json", json)
    assert release("json") == PYTHON


def test_a_checkout_that_was_installed_to_be_edited_has_no_version(tmp_path, monkeypatch):
    own = types.ModuleType("numpy")  # of which a distribution is known, elsewhere
    own.__file__ = str(tmp_path / "numpy" / "__init__.py")
    monkeypatch.setitem(sys.modules, "numpy", own)
    assert release("numpy") is None


def test_what_building_a_wheel_leaves_beside_the_sources_installs_nothing(tmp_path, monkeypatch):
    (tmp_path / "built_here.py").write_text("ONE = 1\n")
    about = tmp_path / "built_here.egg-info"
    about.mkdir()
    (about / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: built_here\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert release("built_here") is None
