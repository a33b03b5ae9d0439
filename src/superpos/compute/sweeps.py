"""Sweeps: an experiment mapped over a grid, piece by piece, wherever there are cores.

What is computed is fixed by the experiment, the grid and its pieces alone; where and in which order
the pieces are computed changes nothing. Every finished piece is stored.
"""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from superpos import checks
from superpos.compute import executors, fingerprint, processes
from superpos.compute.content import described
from superpos.compute.cutting import cut
from superpos.compute.gathering import MOST_DEATHS, gather
from superpos.compute.installed import release
from superpos.compute.progress import progress_bar
from superpos.compute.settings import STORE, USED, cores
from superpos.compute.store import Checkpoint
from superpos.errors import InvalidArgument, need
from superpos.project import find_root

if TYPE_CHECKING:
    import xarray

need("studies", "cloudpickle", "xarray")  # here, once, and not in a function: its code is told

_PIECES = 32  # into which a grid is cut, where nobody asks for another number

Found = dict[str, tuple[tuple[str, ...], Tensor]]  # by name: names of axes, values


def sweep(
    experiment: Callable[..., Mapping[str, Any]],
    grid: Mapping[str, Sequence | Tensor],
    *,
    cells_at_once: int | None = None,
    executor: Executor | str | None = None,
    store: str | Path | bool = True,
    progress: bool | None = None,
) -> xarray.Dataset:
    """Run an experiment at every point of a grid; return labelled arrays.

    The experiment is a function of some values along each axis of the grid, which it is given by
    name, and computes all their combinations, usually as one ensemble. It returns arrays by name,
    whose first axes are the grid's, in order.

    Parameters
    ----------
    experiment
        Called with a part of each axis: slices of what ``grid`` holds. Returns a mapping of names
        to arrays ``(*lengths, ...)``; or, to name the axes that follow, to pairs of
        their names and the array.
    grid
        The values along each axis, by name.
    cells_at_once
        How many points of the grid a piece has at most; by default a 32nd of all. It is part of
        what is computed: an ensemble's last digits depend on how large it is.
    executor
        Where to compute: any executor of `concurrent.futures`; an address (see
        `superpos.compute.executors.connected`); by default what ``SUPERPOS_SCHEDULER`` names, or
        else this process, piece by piece.
    store
        The folder that keeps finished pieces, or whether they are kept where `default_store` says.
        What is found there is not computed again: unless the experiment changed, anything that it
        uses (see `superpos.compute.content`), a version, torch's default type or the machine.
    progress
        Whether to show a bar, with the time left; by default on a terminal and in a
        notebook being used.

    Returns
    -------
    xarray.Dataset
        A variable for each array; its dimensions have the grid's names, with coordinates.

    Raises
    ------
    InvalidArgument
        If the grid is empty or not for this experiment, if results do not fit it, if the store
        cannot be written, or the experiment uses what cannot be told apart from others, say a lock:
        then only ``store=False`` runs it. Before any work, where that can be known.

    Examples
    --------
    >>> from superpos import IndependentFeatures, Procedure, train
    >>> def trained(seed, probability):
    ...     features = IndependentFeatures(5, probability[:, None])
    ...     run = train(features, 2, seeds=seed, procedure=Procedure(steps=10))
    ...     norms = run.W.norm(dim=-2)
    ...     return {"loss": run.expected_loss(samples=100)[0], "norm": (["feature"], norms)}
    >>> grid = {"seed": range(4), "probability": torch.tensor([1, 0.1])}
    >>> found = sweep(trained, grid, store=False)
    >>> dict(found.sizes)
    {'seed': 4, 'probability': 2, 'feature': 5}
    """
    axes = _axes(experiment, grid)
    shape = [len(values) for values in axes.values()]
    if cells_at_once is None:
        cells_at_once = -(-int(np.prod(shape)) // _PIECES)
    cells_at_once = checks.whole_number("cells_at_once", cells_at_once)
    pieces = [
        _Piece(place, {name: axes[name][part] for name, part in zip(axes, place, strict=True)})
        for place in cut(shape, cells_at_once)
    ]
    places = _places(experiment, pieces, store)
    results = _Results(axes)
    with progress_bar(len(pieces), "sweep", progress) as bar:

        def finish(number: int, found: Found, *, keep: bool) -> None:
            if keep and places is not None:
                arrays = {name: values for name, (_, values) in found.items()}
                places[number].save(arrays, {"axes": {name: a for name, (a, _) in found.items()}})
            results.add(pieces[number], found)
            bar.update()

        missing = []
        for number in range(len(pieces)):
            kept = None if places is None else places[number].load_described()
            if kept is None:
                missing.append(number)
                continue
            arrays, about = kept
            found = {name: (tuple(about["axes"][name]), arrays[name]) for name in about["axes"]}
            finish(number, found, keep=False)

        def done(number: int, found: Found) -> None:
            finish(number, found, keep=True)

        if missing:
            _compute(experiment, pieces, missing, executor, done)
    return results.dataset()


def tensors(found: xarray.Dataset) -> SimpleNamespace:
    """Return a sweep's arrays as tensors, by name, its axes among them.

    Examples
    --------
    >>> tensors(sweep(lambda a: {"square": a**2}, {"a": torch.arange(3)}, store=False)).square
    tensor([0, 1, 4])
    """
    return SimpleNamespace(
        **{str(name): torch.tensor(found[name].values) for name in found.variables}
    )


def default_store() -> Path | None:
    """Return where finished pieces are kept: ``SUPERPOS_STORE``, or in the checkout's ``_build``.

    None where there is neither.
    """
    if asked := os.environ.get(STORE):
        return Path(asked)
    try:
        return find_root() / "_build" / "sweeps"
    except InvalidArgument:
        return None


@dataclass(frozen=True)
class _Piece:
    """A part of the grid: where it lies, and the values along each axis there."""

    place: tuple[slice, ...]
    at: dict[str, Sequence | Tensor]


def _axes(experiment: Callable, grid: Mapping[str, Any]) -> dict[str, Sequence | Tensor]:
    """Return the grid's axes, checked against what the experiment takes."""
    if not isinstance(grid, Mapping) or not grid:
        raise InvalidArgument("grid is empty: it needs an axis, that is, a name and its values")
    axes = {}
    for name, values in grid.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise InvalidArgument(f"grid has {values!r} for {name}: a list of values is needed")
        if getattr(values, "ndim", 1) != 1 or not len(values):
            shape = tuple(getattr(values, "shape", (0,)))
            raise InvalidArgument(f"grid has {name} of shape {shape}: a list of values is needed")
        axes[name] = values
    try:
        inspect.signature(experiment).bind(**axes)
    except TypeError as problem:
        raise InvalidArgument(
            f"grid has {', '.join(axes)}, but the experiment: {problem}"
        ) from None
    return axes


def _places(
    experiment: Callable, pieces: Sequence[_Piece], store: str | Path | bool
) -> list[Checkpoint] | None:
    """Return where each piece is stored, or None if none is; the folder is there and writable."""
    folder = default_store() if store is True else store
    if folder is False or folder is None:
        return None
    try:
        made_by = {
            "experiment": fingerprint.digest(described((experiment, _run))),
            "versions": fingerprint.versions("torch", "numpy"),
            "machine": fingerprint.machine(),
            "defaults": fingerprint.defaults(),
        }
        keys = [fingerprint.digest(described(made_by | {"at": piece.at})) for piece in pieces]
    except InvalidArgument as problem:
        raise InvalidArgument(
            f"the experiment cannot be stored, for a change of it could not be seen: {problem}; "
            "sweep(..., store=False) runs it and keeps nothing"
        ) from None
    name = "".join(c if c.isalnum() else "-" for c in getattr(experiment, "__name__", "sweep"))
    folder = Path(folder) / name.strip("-")
    Checkpoint(folder, {}, "store").prepare()
    places = [
        Checkpoint(folder / f"{key[:32]}.safetensors", {"key": key}, "stored piece") for key in keys
    ]
    if used := os.environ.get(USED):
        with open(used, "a", encoding="utf-8") as file:
            file.writelines(f"{folder.name}/{place.path.name}\n" for place in places)
    return places


def _compute(
    experiment: Callable,
    pieces: Sequence[_Piece],
    missing: list[int],
    executor: Executor | str | None,
    done: Callable[[int, Found], None],
) -> None:
    """Compute the missing pieces, and hand each to ``done`` as it finishes."""
    where = executors.scheduler() if executor is None else executor
    # with fewer pieces than cores, training uses them better; and a forked process cannot use
    # the GPU that its parent uses
    if where == "processes" and (len(missing) < cores() or torch.cuda.is_initialized()):
        where = ""
    if where == "":
        for number in missing:
            done(number, _run(experiment, pieces[number].at))
        return
    task, ats = _Task.of(experiment), [piece.at for piece in pieces]

    def finish(number: int, found: Mapping[str, Any]) -> None:
        done(number, {name: (axes, torch.from_numpy(v)) for name, (axes, v) in found.items()})

    if not isinstance(where, str):
        gather(where, task, ats, set(missing), finish)
        return
    left, deaths = set(missing), 0
    while left:
        before = len(left)
        try:
            with executors.connected(where) as pool:
                gather(pool, task, ats, left, finish)
        except BrokenProcessPool:  # one was killed; what it had begun is left
            deaths = deaths + 1 if len(left) == before else 1
            if deaths == MOST_DEATHS:
                raise InvalidArgument(
                    f"sweep: its processes were killed {deaths} times in a row; is there enough "
                    "memory? A smaller cells_at_once needs less"
                ) from None


@dataclass(frozen=True)
class _Task:
    """An experiment on its way to another process, as bytes: it may be defined in a notebook.

    With it goes torch's default type: what is computed must not depend on where.
    """

    pickled: bytes
    dtype: torch.dtype

    @staticmethod
    def of(experiment: Callable) -> _Task:
        import cloudpickle

        module = inspect.getmodule(experiment)
        with contextlib.ExitStack() as stack:
            if module is not None and not _is_everywhere(module.__name__):
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
            return _Task(cloudpickle.dumps(experiment), torch.get_default_dtype())

    def __call__(self, at: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        import cloudpickle

        with processes.on_one_core(), _default(self.dtype):
            found = _run(cloudpickle.loads(self.pickled), at)
        # arrays go back as bytes; tensors would go as open files
        return {name: (axes, values.numpy()) for name, (axes, values) in found.items()}


def _is_everywhere(module: str) -> bool:
    """Return whether another process has a module too; or none has, as with a notebook's."""
    top = module.partition(".")[0]
    return top in ("__main__", fingerprint.NAME) or release(module) is not None


@contextlib.contextmanager
def _default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    if before == dtype:
        yield
        return
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _run(experiment: Callable, at: dict[str, Any]) -> Found:
    """Run the experiment on a piece; return its arrays, checked and with all axes named."""
    results = experiment(**at)
    if not isinstance(results, Mapping) or not results:
        raise InvalidArgument(
            f"the experiment gave {type(results).__name__}: arrays by name are needed"
        )
    lengths = tuple(len(values) for values in at.values())
    found = {}
    for name, result in results.items():
        extra, values = result if isinstance(result, tuple) else (None, result)
        values = torch.as_tensor(values).detach().cpu().contiguous()
        if values.shape[: len(lengths)] != lengths:
            told = ", ".join(f"{axis} has {len(given)} values" for axis, given in at.items())
            raise InvalidArgument(
                f"the experiment gave {name} of shape {tuple(values.shape)}, but {told}: these "
                "axes come first, in this order"
            )
        more = values.ndim - len(lengths)
        extra = [f"{name}_{k}" for k in range(more)] if extra is None else list(extra)
        if len(extra) != more or {*extra} & {*at}:
            raise InvalidArgument(
                f"the experiment gave {name} the axes {extra}: {more} new names are needed"
            )
        found[name] = ((*at, *extra), values)
    return found


class _Results:
    """The arrays of the whole grid, filled piece by piece."""

    def __init__(self, axes: Mapping[str, Sequence | Tensor]) -> None:
        self.axes = axes
        self.names: dict[str, tuple[str, ...]] = {}
        self.arrays: dict[str, np.ndarray] = {}

    def add(self, piece: _Piece, found: Found) -> None:
        own = len(self.axes)
        if not self.arrays:
            lengths = [len(values) for values in self.axes.values()]
            for name, (axes, values) in found.items():
                self.names[name] = axes
                values = values.numpy()
                self.arrays[name] = np.empty((*lengths, *values.shape[own:]), values.dtype)
        for name, whole in self.arrays.items():
            axes, values = found.get(name, ((), torch.empty(0)))
            if axes != self.names[name] or values.shape[own:] != whole.shape[own:]:
                raise InvalidArgument(f"the experiment gave {name} other axes in another piece")
            whole[piece.place] = values.numpy()

    def dataset(self) -> xarray.Dataset:
        import xarray

        return xarray.Dataset(
            {name: (self.names[name], values) for name, values in self.arrays.items()},
            {name: np.asarray(values) for name, values in self.axes.items()},
        )
