"""Checkpoints of a run: safetensors files, written aside and renamed, never unpickled."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from superpos.errors import InvalidArgument


@dataclass(frozen=True)
class Checkpoint:
    """A run's place on disk.

    Parameters
    ----------
    path
        A folder; its parts are files in it.
    produced_by
        What the run is made of. A file made of anything else is refused, not continued.
    """

    path: Path
    produced_by: dict

    def prepare(self) -> None:
        """Make the folder, so that what cannot be saved is known before any work.

        Raises
        ------
        InvalidArgument
            If the folder cannot be written, or the run cannot be told from others.
        """
        _described(self.produced_by)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise self._unwritable(error) from None

    def part(self, number: int, holds: object = None) -> Checkpoint:
        """Return the place of one part of the run, which ``holds`` some of its models."""
        return Checkpoint(
            self.path / f"part-{number:04d}.safetensors",
            self.produced_by | {"part": number, "holds": holds},
        )

    @property
    def key(self) -> str:
        """A digest of what the run is made of."""
        return hashlib.sha256(_described(self.produced_by).encode()).hexdigest()

    def load(self) -> dict[str, Tensor] | None:
        """Return the saved tensors, or None where there are none to go on from.

        Raises
        ------
        InvalidArgument
            If the file belongs to a run with other settings.
        """
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            return self._damaged(error)
        if metadata.get("key") != self.key:
            raise InvalidArgument(
                f"checkpoint {self.path} was saved by a run with other settings: "
                "remove it or name another folder"
            )
        if metadata.get("checksum") != _checksum(tensors):
            return self._damaged("its checksum is wrong")
        return tensors

    def save(self, tensors: dict[str, Tensor]) -> None:
        """Write the tensors; the file is either the old one or the new one, never half of it."""
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_file(tensors, aside, {"key": self.key, "checksum": _checksum(tensors)})
            os.replace(aside, self.path)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise self._unwritable(error) from None

    def _damaged(self, why: object) -> None:
        warnings.warn(f"checkpoint {self.path} is damaged and is not used: {why}", stacklevel=3)

    def _unwritable(self, why: object) -> InvalidArgument:
        return InvalidArgument(f"checkpoint {self.path} cannot be written: {why}")


def _checksum(tensors: dict[str, Tensor]) -> str:
    """Return a digest of the tensors' names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _described(value: object) -> str:
    """Return a text that differs when the value does."""
    if isinstance(value, Tensor):
        data = value.detach().to("cpu", torch.float64).contiguous().numpy().tobytes()
        return f"tensor{tuple(value.shape)}{hashlib.sha256(data).hexdigest()}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_described(value[key])}" for key in sorted(value)) + "}"
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return type(value).__name__ + _described(fields)
    if callable(value):
        name = getattr(value, "__qualname__", "<unnamed>")
        if "<" in name:  # a lambda, a function inside another, a partial
            raise InvalidArgument(
                f"a run with {value!r} cannot be told from others: for a checkpoint, its functions "
                "need names at the top of a module"
            )
        return f"{value.__module__}.{name}"
    return repr(value)
