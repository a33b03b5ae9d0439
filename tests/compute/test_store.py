from __future__ import annotations

import contextlib
import io
import os
import pickle
import shutil
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from tqdm import tqdm

from superpos import (
    LINEAR,
    AnticorrelatedSets,
    CorrelatedSets,
    IndependentFeatures,
    InvalidArgument,
    Model,
    Procedure,
    train,
)
from superpos.compute.store import Checkpoint
from superpos.training import descent
from superpos.training import train as training

SHORT = Procedure(steps=45, warmup=5, batch_size=4, weight_decay=0.1)
PROBABILITY = torch.tensor([[0.9], [0.05]])
BLOCKS, PIECES = 3, 4
TENSORS = {"W": torch.arange(6.0).reshape(2, 3), "done": torch.tensor(20)}
OTHER = {"W": torch.zeros(400), "done": torch.tensor(40)}


def short(**settings):
    """A run of three blocks; each of two seeds and two settings is a piece by itself."""
    features = settings.pop("features", None) or IndependentFeatures(4, PROBABILITY)
    n_hidden = settings.pop("n_hidden", 2)
    return train(features, n_hidden, **{"procedure": SHORT, "seeds": 2} | settings)


@pytest.fixture(autouse=True)
def _in_small_pieces(monkeypatch):
    cut_at(monkeypatch, 1)


def cut_at(monkeypatch, entries: int) -> None:
    monkeypatch.setattr(training, "_FEWEST_ENTRIES", entries)
    monkeypatch.setattr(training, "_MOST_ENTRIES", entries)


def assert_same(run, other):
    assert run.parameters.keys() == other.parameters.keys()
    for name, value in run.parameters.items():
        assert torch.equal(value, other.parameters[name]), name
        assert torch.equal(run.trajectory[name], other.trajectory[name]), name
    assert torch.equal(run.loss_history, other.loss_history)


class Killed(Exception):
    pass


class Blocks:
    """The blocks that are trained; the run dies where there would be more than the limit."""

    def __init__(self) -> None:
        self.trained, self.limit = [], None

    def train(self, piece) -> int:
        if self.limit is not None and len(self.trained) >= self.limit:
            raise Killed
        self.trained.append(piece)
        return self.plain(piece)

    plain = staticmethod(descent.Descent.block)


@pytest.fixture
def blocks(monkeypatch) -> Blocks:
    counted = Blocks()
    monkeypatch.setattr(descent.Descent, "block", lambda piece: counted.train(piece))
    return counted


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and the folder of its checkpoints, which is not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        cut_at(patch, 1)
        return short(checkpoint=folder), folder


@pytest.fixture
def run(finished, tmp_path):
    """A finished run and a copy of its checkpoints."""
    whole, folder = finished
    shutil.copytree(folder, tmp_path / "run")
    return whole, tmp_path / "run"


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def saved(folder) -> Checkpoint:
    checkpoint = Checkpoint(folder, {"m": 2}).part(0)
    checkpoint.save(TENSORS)
    return checkpoint


def assert_holds(checkpoint, tensors):
    found = checkpoint.load()
    assert found.keys() == tensors.keys()
    for name, value in tensors.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name], value)


# Going on


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"model": LINEAR},
        {"model": Model("untied", tied=False)},
        {"procedure": replace(SHORT, integrate=False)},
        {"features": CorrelatedSets(2, 2, PROBABILITY)},
        {"snapshots": [0, 7, 20, 21, 45]},
        {"start": {"W": torch.eye(2, 4), "b": torch.zeros(4)}},
    ],
    ids=["ReLU", "linear", "untied", "sampled", "correlated", "course kept", "given start"],
)
def test_a_killed_run_goes_on_to_the_last_bit_and_repeats_nothing(
    tmp_path, monkeypatch, blocks, changed
):
    monkeypatch.setattr(descent, "_SECONDS_BETWEEN_CHECKPOINTS", -1)
    whole = short(**changed)
    assert len(blocks.trained) == BLOCKS * PIECES
    blocks.trained.clear()
    blocks.limit = BLOCKS * PIECES // 2
    with pytest.raises(Killed):
        short(checkpoint=tmp_path, **changed)
    blocks.limit = None
    assert_same(short(checkpoint=tmp_path, **changed), whole)
    assert len(blocks.trained) == BLOCKS * PIECES


def test_saving_changes_nothing_and_a_finished_run_is_not_trained_again(run, blocks):
    whole, folder = run
    assert_same(short(), whole)
    blocks.limit = 0
    assert_same(short(checkpoint=folder), whole)


def test_the_folder_is_made_and_holds_one_file_a_piece_and_nothing_else(tmp_path):
    short(checkpoint=tmp_path / "runs" / "one")
    names = {f"part-{number:04d}.safetensors" for number in range(PIECES)}
    assert set(contents(tmp_path / "runs" / "one")) == names


def test_the_bar_of_a_run_that_goes_on_begins_where_it_was(run, blocks, monkeypatch):
    _, folder = run
    (folder / "part-0000.safetensors").unlink()
    bar = tqdm(file=io.StringIO())
    monkeypatch.setattr(training, "progress_bar", lambda *_: contextlib.nullcontext(bar))
    short(checkpoint=folder)
    assert len(blocks.trained) == BLOCKS
    assert bar.n == PIECES * SHORT.steps


def test_checkpoints_are_about_a_minute_apart(tmp_path, monkeypatch):
    clock = iter(range(0, 10_000, 25))  # seconds from one look at it to the next
    monkeypatch.setattr(descent, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    saves = []
    monkeypatch.setattr(Checkpoint, "save", lambda _, state: saves.append(int(state["done"])))
    alone = {"seeds": 1, "features": IndependentFeatures(4, 0.3)}
    short(checkpoint=tmp_path, procedure=replace(SHORT, steps=200), **alone)
    assert saves == [60, 120, 180, 200]  # of 200 steps, in blocks of 20


def test_tensors_come_back_as_they_were_whatever_their_layout(tmp_path):
    checkpoint = saved(tmp_path / "a folder" / "to be made")
    assert_holds(checkpoint, TENSORS)
    odd = {"turned": TENSORS["W"].mT, "whole": torch.arange(3), "double": torch.rand(2).double()}
    checkpoint.save(odd)
    assert_holds(checkpoint, odd)


def test_where_nothing_was_saved_there_is_nothing_to_go_on_from(tmp_path):
    assert Checkpoint(tmp_path / "none", {}).part(0).load() is None


# Damage


@pytest.mark.parametrize("left", [0, 7, 0.3, 0.9, -1])
def test_a_truncated_file_is_told_and_its_piece_starts_anew(run, blocks, left):
    whole, folder = run
    path = folder / "part-0002.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(left * len(data)) if isinstance(left, float) else left])
    with pytest.warns(UserWarning, match=r"part-0002.safetensors is damaged and is not used: "):
        assert_same(short(checkpoint=folder), whole)
    assert len(blocks.trained) == BLOCKS
    assert_same(short(checkpoint=folder), whole)
    assert len(blocks.trained) == BLOCKS  # the file was good again


@pytest.mark.filterwarnings("ignore:checkpoint")
@pytest.mark.parametrize("place", ["header", "tensors"])
def test_an_altered_file_is_not_used(tmp_path, place):
    checkpoint = saved(tmp_path)
    data = bytearray(checkpoint.path.read_bytes())
    data[12 if place == "header" else -1] ^= 1
    checkpoint.path.write_bytes(data)
    with contextlib.suppress(InvalidArgument):
        assert checkpoint.load() is None


class Harmful:
    def __reduce__(self):
        return os.mkdir, (Harmful.folder,)


def test_nothing_is_ever_unpickled(tmp_path):
    Harmful.folder = str(tmp_path / "harm")
    checkpoint = saved(tmp_path)
    pickled = pickle.dumps(Harmful())
    torch.save({"W": Harmful()}, checkpoint.path)
    for content in (checkpoint.path.read_bytes(), pickled):
        checkpoint.path.write_bytes(content)
        with pytest.warns(UserWarning, match="is damaged and is not used"):
            assert checkpoint.load() is None
    assert not (tmp_path / "harm").exists()
    pickle.loads(pickled)
    assert (tmp_path / "harm").exists()  # so it would have been noticed


# Writing


@contextlib.contextmanager
def full_disk(room: int):
    """No file can become longer than ``room`` bytes, not even by root's hand."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_save_that_fails_leaves_the_old_checkpoint(tmp_path):
    checkpoint = saved(tmp_path)
    with full_disk(500), pytest.raises((InvalidArgument, SafetensorError)):
        checkpoint.save(OTHER)
    assert_holds(checkpoint, TENSORS)
    assert list(contents(tmp_path)) == [checkpoint.path.name]
    checkpoint.save(OTHER)
    assert_holds(checkpoint, OTHER)


def test_a_full_disk_is_told_in_one_sentence(tmp_path):
    checkpoint = saved(tmp_path)
    told = rf"^checkpoint {checkpoint.path} cannot be written: [^\n]+$"
    with full_disk(500), pytest.raises(InvalidArgument, match=told):
        checkpoint.save(OTHER)


def test_a_save_that_is_killed_before_its_end_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    checkpoint = saved(tmp_path)

    def killed(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            checkpoint.save(OTHER)
    assert_holds(checkpoint, TENSORS)
    checkpoint.save(OTHER)
    assert_holds(checkpoint, OTHER)
    assert list(contents(tmp_path)) == [checkpoint.path.name]  # nothing is left lying about


def test_a_folder_that_cannot_be_is_refused_by_name(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(InvalidArgument, match=r"^checkpoint .*taken.* cannot be written: "):
        Checkpoint(tmp_path / "taken", {}).part(0).save(TENSORS)
    assert (tmp_path / "taken").read_text() == "a file"


def test_training_refuses_such_a_folder_before_any_work(tmp_path, blocks):
    (tmp_path / "taken").write_text("a file")
    blocks.limit = 0  # work would end in Killed
    with pytest.raises(InvalidArgument, match="taken"):
        short(checkpoint=tmp_path / "taken")


# Other runs

REFUSED = "checkpoint .* was saved by a run with other settings or other code: remove it or name"


@pytest.mark.parametrize(
    "changed",
    [
        {"model": LINEAR},
        {"n_hidden": 3},
        {"seeds": [0, 2]},
        {"seeds": 3},
        {"importance": torch.tensor([1.0, 1, 1, 0.999])},
        {"features": IndependentFeatures(4, torch.tensor([[0.9], [0.05001]]))},
        {"features": IndependentFeatures(5, PROBABILITY)},
        {"features": CorrelatedSets(2, 2, PROBABILITY)},
        *({"procedure": replace(SHORT, **{name: value})} for name, value in {
            "steps": 60, "batch_size": 5, "learning_rate": 0.02, "warmup": 6, "cosine": False,
            "weight_decay": 0.0, "initial_scale": 2.0, "integrate": False, "skip_silent": True,
        }.items()),
        {"snapshots": [45]},
    ],
    ids=lambda changed: " ".join(changed),
)  # fmt: skip
def test_another_runs_checkpoints_are_refused_and_kept(run, blocks, changed):
    _, folder = run
    before = contents(folder)
    blocks.limit = 0
    with pytest.raises(InvalidArgument, match=REFUSED):
        short(checkpoint=folder, **changed)
    assert contents(folder) == before


def test_sets_that_are_correlated_are_not_taken_for_sets_that_are_anticorrelated(tmp_path):
    short(checkpoint=tmp_path, features=CorrelatedSets(2, 2, PROBABILITY))
    with pytest.raises(InvalidArgument, match=REFUSED):
        short(checkpoint=tmp_path, features=AnticorrelatedSets(2, 2, PROBABILITY))


def test_models_are_told_apart_by_what_they_are_and_not_by_name_alone(tmp_path):
    short(checkpoint=tmp_path, model=Model("mine"))
    with pytest.raises(InvalidArgument, match=REFUSED):
        short(checkpoint=tmp_path, model=Model("mine", output=torch.tanh))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda z: z.clamp(max=1), lambda z: z.clamp(max=2)),
        (partial(torch.clamp, max=1), partial(torch.clamp, max=2)),
    ],
    ids=["lambda", "partial"],
)
def test_functions_without_names_are_told_apart_by_what_they_do(tmp_path, one, other):
    short(checkpoint=tmp_path, model=Model("mine", output=one))
    with pytest.raises(InvalidArgument, match=REFUSED):
        short(checkpoint=tmp_path, model=Model("mine", output=other))


class Consumed:
    def __init__(self):
        self.left = (number for number in range(3))

    def __call__(self, z):
        return z


def test_functions_that_cannot_be_told_apart_are_refused_before_any_work(tmp_path, blocks):
    blocks.limit = 0
    told = r"^checkpoint: model\.output\.left \(.*\) cannot be told .*; train without a checkpoint$"
    with pytest.raises(InvalidArgument, match=told):
        short(checkpoint=tmp_path, model=Model("mine", output=Consumed()))


def test_a_run_that_was_cut_otherwise_is_not_spread_over_the_new_pieces(run, monkeypatch):
    whole, folder = run
    cut_at(monkeypatch, 10**6)  # as another version of the package may cut
    with contextlib.suppress(InvalidArgument):
        assert torch.allclose(short(checkpoint=folder).W, whole.W, atol=1e-5)


def test_a_piece_is_not_taken_for_another(run):
    _, folder = run
    shutil.copy(folder / "part-0001.safetensors", folder / "part-0002.safetensors")
    with pytest.raises(InvalidArgument, match=r"part-0002\.safetensors was saved by a run with"):
        short(checkpoint=folder)


def test_the_same_settings_in_other_words_are_the_same_run(run, blocks):
    whole, folder = run
    blocks.limit = 0
    same = short(
        checkpoint=str(folder),
        seeds=[0, 1],
        importance=torch.ones(2, 4),
        features=IndependentFeatures(4, PROBABILITY.expand(2, 4)),
        procedure=replace(SHORT),
    )
    assert_same(same, whole)


@dataclass(frozen=True)
class One:
    size: object


@dataclass(frozen=True)
class Two:
    size: object


DIFFERENT = [
    {"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, {"a": 1.5}, {"a": None}, {"a": [1]}, {"a": [1, 2]},
    {"a": {"b": 1}}, {"a": One(1)}, {"a": Two(1)}, {"a": One(torch.ones(1))}, {"a": One({"b": 1})},
    {"a": torch.ones(2)}, {"a": torch.ones(1, 2)}, {"a": torch.tensor([1.0, 1 + 2**-23])}, {},
]  # fmt: skip


def test_what_differs_has_another_key_and_order_is_no_difference(tmp_path):
    keys = [Checkpoint(tmp_path, made_of).key for made_of in DIFFERENT]
    assert len(set(keys)) == len(DIFFERENT)
    one, other = {"a": 1, "b": torch.ones(2)}, {"b": torch.ones(2), "a": 1}
    assert Checkpoint(tmp_path, one).key == Checkpoint(tmp_path, other).key
