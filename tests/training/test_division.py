"""Pieces divided among more cores: the same models to the last bit, sooner."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from superpos import RELU_HIDDEN, IndependentFeatures, Model, Procedure, train
from superpos.compute.processes import on_one_core
from superpos.training import division
from superpos.training import train as training
from superpos.training.division import divided, exact, parts_of_each

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


@pytest.fixture
def _eager(monkeypatch):
    """Divide whatever can be, however little work it is."""
    monkeypatch.setattr(training, "_FEW_ENTRIES", 0)
    monkeypatch.setattr(division, "_BEGINNING", 0)
    monkeypatch.setattr(division, "_OVERHEAD", 0)


def trained(monkeypatch, cores: int, *, n=200, settings=30, batch=32, **changes):
    """A run on so many cores, and how many pieces it was done in."""
    done = []

    def noted(work, pieces, **how):
        done.append(len(pieces))
        return in_parallel(work, pieces, **how)

    in_parallel = training.in_parallel
    monkeypatch.setenv("SUPERPOS_CORES", str(cores))
    with monkeypatch.context() as patched:
        patched.setattr(training, "in_parallel", noted)
        p = torch.logspace(0, -1.3, settings)[:, None]
        procedure = Procedure(steps=60, batch_size=batch)
        run = train(
            IndependentFeatures(n, p), 20, seeds=1, procedure=procedure, progress=False, **changes
        )
    return run, done[0]


def assert_same_bits(run, other):
    for name, value in run.parameters.items():
        assert torch.equal(value, other.parameters[name]), name
    assert torch.equal(run.loss_history, other.loss_history)


@linux
@pytest.mark.usefixtures("_eager")
def test_models_are_the_same_to_the_last_bit_on_any_number_of_cores(monkeypatch):
    alone, _ = trained(monkeypatch, 1)
    for cores, least in ((2, 2), (3, 3), (16, 16)):
        run, pieces = trained(monkeypatch, cores)
        assert pieces >= least
        assert_same_bits(run, alone)


@linux
@pytest.mark.usefixtures("_eager")
@pytest.mark.parametrize("model", [RELU_HIDDEN, Model("untied", tied=False)], ids=lambda m: m.name)
def test_so_are_other_models(monkeypatch, model):
    sizes = {"n": 100, "settings": 20, "batch": 64, "model": model}
    (alone, whole), (run, pieces) = (trained(monkeypatch, cores, **sizes) for cores in (1, 4))
    assert pieces > whole
    assert_same_bits(run, alone)


def neighbourly(z: torch.Tensor) -> torch.Tensor:
    """A layer that is another one for another number of models beside each other."""
    return z * (1 + z.shape[-3] / 1000)


@linux
@pytest.mark.usefixtures("_eager")
def test_what_would_have_other_numbers_in_parts_stays_whole(monkeypatch):
    sizes = {
        "n": 100,
        "settings": 20,
        "batch": 64,
        "model": Model("neighbourly", hidden=neighbourly),
    }
    (alone, whole), (run, pieces) = (trained(monkeypatch, cores, **sizes) for cores in (1, 8))
    assert pieces == whole == 2
    assert_same_bits(run, alone)


@linux
@pytest.mark.usefixtures("_eager")
def test_what_is_saved_on_many_cores_goes_on_on_two(monkeypatch, tmp_path):
    many, _ = trained(monkeypatch, 16, checkpoint=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    two, _ = trained(monkeypatch, 2, checkpoint=tmp_path)
    assert_same_bits(two, many)


def test_a_piece_that_diverges_at_once_is_not_divided():
    def diverges(_):
        raise division.Diverged("the loss is not finite", last_good={})

    whole = slice(0, 1), slice(0, 4)
    assert not exact(whole, divided(whole, 2, 8), diverges)


@linux
def test_within_a_piece_of_work_nothing_is_divided(monkeypatch):
    monkeypatch.setenv("SUPERPOS_CORES", "16")
    assert training.at_once() == 16
    with on_one_core():
        assert training.at_once() == 1


@given(st.integers(1, 40), st.integers(1, 300_000), st.integers(1, 10**5), st.integers(1, 64))
def test_dividing_is_for_a_gain(pieces, entries, steps, cores):
    parts = parts_of_each(pieces, entries, steps, cores)
    assert 1 <= parts <= cores
    if cores % pieces == 0:
        assert parts <= cores // pieces  # each core has one: more would only cost
    if cores <= max(2, pieces):
        assert parts == 1  # cut for two, or none is idle


def test_two_cores_keep_two_pieces_and_many_cores_all_work_for_long_runs():
    assert parts_of_each(2, 200_000, 10_000, 2) == 1
    assert parts_of_each(1, 80_000, 10_000, 2) == 1
    assert parts_of_each(1, 80_000, 10_000, 4) == 4
    assert [2 * parts_of_each(2, 200_000, 10_000, cores) for cores in (4, 8, 16)] == [4, 8, 16]


side = st.tuples(st.integers(0, 5), st.integers(1, 30))  # the first, and how many


@given(side, side, st.integers(1, 20), st.integers(1, 250))
def test_parts_hold_every_model_of_the_piece_once_and_begin_at_a_register(
    seeds, settings, parts, n
):
    piece = tuple(slice(first, first + count) for first, count in (seeds, settings))
    times = torch.zeros(sum(seeds) + 1, sum(settings) + 1)
    found = divided(piece, parts, n)
    for part in found:
        times[part] += 1
        firsts = [own.start - side.start for own, side in zip(part, piece, strict=True)]
        for seed in range(part[0].stop - part[0].start):
            of_piece = ((firsts[0] + seed) * settings[1] + firsts[1]) * n
            of_part = seed * (part[1].stop - part[1].start) * n
            assert of_piece % 8 == of_part % 8
        assert ((firsts[0] * settings[1] + firsts[1]) * n) % 8 == 0
    assert len(found) < 2 * parts
    inside = torch.zeros_like(times)
    inside[piece] = 1
    assert torch.equal(times, inside)
