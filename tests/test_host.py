"""What the package leaves as it is in the program that imports it, and what it does without."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import textwrap

import pytest

# Besides torch and numpy: imported where something is drawn, swept, solved or claimed.
ELSEWHERE = (
    "IPython", "cloudpickle", "ipywidgets", "matplotlib", "networkx", "safetensors", "scipy",
    "sklearn", "tqdm", "xarray", "yaml",
)  # fmt: skip

TRAIN = """
import torch
from superpos import IndependentFeatures, Procedure, geometry, losses, train
from superpos.training import train as training

if spread:
    training._FEWEST_ENTRIES, training._FEW_ENTRIES = 100, 0
features = IndependentFeatures(4, torch.tensor([[0.5], [0.1]]))
run = train(features, 2, seeds=3, procedure=Procedure(steps=60, warmup=5))
"""

# Settings of the host, all other than they come.
HOST = """
import locale, logging, multiprocessing, os, random, signal, sys, threading, warnings
import matplotlib as mpl, numpy, torch

mpl.rcParams.update({"font.size": 23, "axes.spines.top": False, "svg.hashsalt": "mine"})
torch.set_num_threads(3)
torch.set_default_dtype(torch.float64)
torch.set_printoptions(precision=3)
numpy.set_printoptions(precision=2)
warnings.filterwarnings("ignore", "none of yours")
signal.signal(signal.SIGTERM, lambda *_: None)
os.environ["OMP_NUM_THREADS"] = "3"
for library in (random.seed, numpy.random.seed, torch.manual_seed):
    library(5)


def state():
    threads = []
    fresh = threading.Thread(target=lambda: threads.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    return {
        "rcParams": dict(mpl.rcParams),
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads of torch": torch.get_num_threads(),
        "threads of torch in a new thread": threads,
        "threads": threading.active_count(),
        "printing": (repr(torch.tensor(1 / 3)), numpy.get_printoptions(), numpy.geterr()),
        "filters": list(warnings.filters),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "torch at random": torch.get_rng_state().tolist(),
        "numpy at random": [part.tolist() if hasattr(part, "tolist") else part
                            for part in numpy.random.get_state()],
        "random": random.getstate(),
        "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook),
        "logging": (logging.root.level, list(logging.root.handlers)),
        "start method": multiprocessing.get_start_method(allow_none=True),
        "place": (os.getcwd(), list(sys.path), locale.setlocale(locale.LC_ALL)),
        "recursion": sys.getrecursionlimit(),
    }


before = state()
"""

UNCHANGED = """
after = state()
print({name: (before[name], after[name]) for name in before if before[name] != after[name]})
"""


def python(*parts: str) -> str:
    """What a fresh interpreter prints."""
    code = "".join(map(textwrap.dedent, parts))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("spread", [False, True])
def test_training_and_drawing_leave_the_host_as_it_was(spread):
    draw = """
    from superpos.figures import style
    from superpos.figures.plane import plane

    fig, ax = style.figure()
    plane(ax, run.W[0, 0])
    ax.set_title("a title")
    style.svg(fig)
    """
    assert python(HOST, f"spread = {spread}", TRAIN, draw, UNCHANGED) == "{}"


@pytest.mark.parametrize("spread", [False, True])
def test_so_does_training_that_fails(spread):
    fails = """
    import contextlib
    from superpos import Diverged

    with contextlib.suppress(Diverged):
        train(features, 2, seeds=3, procedure=Procedure(steps=60, warmup=5, learning_rate=1e200))
        print("trained")
    """
    assert python(HOST, f"spread = {spread}", TRAIN, fails, UNCHANGED) == "{}"


def test_a_change_would_be_seen():
    assert "'font.size': 7" in python(HOST, 'mpl.rcParams["font.size"] = 7', UNCHANGED)
    assert "threads of torch" in python(HOST, "torch.set_num_threads(1)", UNCHANGED)


def test_importing_everything_leaves_the_host_as_it_was():
    load = """
    import importlib, pkgutil, superpos

    for module in pkgutil.walk_packages(superpos.__path__, "superpos."):
        importlib.import_module(module.name)
    """
    assert python(HOST, load, UNCHANGED) == "{}"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="of the GNU library")
@pytest.mark.parametrize("spread", [False, True])
def test_memory_is_kept_by_processes_of_our_own_alone(spread):
    count = """
    import ctypes

    class Memory(ctypes.Structure):
        _fields_ = [(name, ctypes.c_size_t) for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost")]

    c = ctypes.CDLL(None)
    c.mallinfo2.restype, c.malloc.restype = Memory, ctypes.c_void_p

    def mapped():
        '''Whether a large piece of memory is one that goes back to the system once it is freed.'''
        before = c.mallinfo2().hblks
        c.malloc(ctypes.c_size_t(31 << 20))
        return c.mallinfo2().hblks > before
    """
    if spread:
        code = "from superpos.compute.processes import in_parallel\n"
        code += "print(mapped(), in_parallel(lambda _: mapped(), range(2)), mapped())"
        found = python("import os; os.environ['SUPERPOS_CORES'] = '2'\n", count, code)
        assert found == "True [False, False] True"
    else:
        assert python(count, "spread = False", TRAIN, "print(mapped())") == "True"


def test_science_needs_torch_and_numpy_alone():
    block = f"""
    import sys

    spread = False
    for name in {ELSEWHERE}:
        sys.modules[name] = None
    """
    use = """
    loss = losses.exact_loss(run.W, run.b, features.probability)
    sampled, error = losses.expected_loss(run.W, run.b, features.probability, samples=100, seed=0)
    print(geometry.feature_dimensionality(run.W).shape, loss.shape, sampled.shape)

    from superpos import (adversarial, bundles, codes, drift, learning, models, neurons, optima,
                          stats, tegum, weights)
    """
    assert python(block, TRAIN, use).startswith("torch.Size([3, 2, 4])")


@pytest.mark.parametrize("command", ["--help", "list", "claims"])
def test_the_command_line_looks_things_up_without_torch(command):
    code = f"""
    import sys

    sys.modules["torch"] = None
    from superpos.cli import main
    sys.exit(main(["{command}"]))
    """
    assert python(code)
