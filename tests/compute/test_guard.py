"""A script that sweeps over processes, on a system where processes are begun anew."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from types import SimpleNamespace

from superpos import sweep
from superpos.compute import executors, processes

# another system, where processes are begun anew, and run the script again
executors.sys = processes.sys = SimpleNamespace(platform="darwin", modules=sys.modules)


def squares(a):
    return {"x": [value**2 for value in a]}

"""
CALL = "print(int(sweep(squares, {'a': range(4)}, store=False, executor='processes:2').x.sum()))\n"
GUARD = 'if __name__ == "__main__":\n    '


def run(folder, text: str) -> subprocess.CompletedProcess:
    path = folder / "script.py"
    path.write_text(text)
    command = [sys.executable, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="pretends to be another system")
def test_a_script_without_a_guard_is_told_so(tmp_path):
    done = run(tmp_path, SCRIPT + CALL)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("superpos.errors.InvalidArgument: ")
    assert f"{tmp_path}/script.py starts processes" in last
    assert 'must stand under `if __name__ == "__main__":`' in last


@pytest.mark.skipif(sys.platform != "linux", reason="pretends to be another system")
def test_a_script_with_one_sweeps(tmp_path):
    assert run(tmp_path, SCRIPT + GUARD + CALL).stdout == "14\n"
