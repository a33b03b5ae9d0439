"""Checkpoints of a run: safetensors files, written aside and renamed, never unpickled."""

from __future__ import annotations

import dataclasses
import hashlib
import os
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

    def part(self, number: int) -> Checkpoint:
        """Return the place of one part of the run."""
        return Checkpoint(
            self.path / f"part-{number:04d}.safetensors", self.produced_by | {"part": number}
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
                key = (file.metadata() or {}).get("key")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            warnings.warn(
                f"checkpoint {self.path} is damaged and is not used: {error}", stacklevel=2
            )
            return None
        if key != self.key:
            raise InvalidArgument(
                f"checkpoint {self.path} was saved by a run with other settings: "
                "remove it or name another folder"
            )
        return tensors

    def save(self, tensors: dict[str, Tensor]) -> None:
        """Write the tensors; the file is either the old one or the new one, never half of it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            aside = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
            save_file(
                {name: tensor.contiguous() for name, tensor in tensors.items()},
                aside,
                metadata={"key": self.key},
            )
            os.replace(aside, self.path)
        except OSError as error:
            raise InvalidArgument(f"checkpoint {self.path} cannot be written: {error}") from None


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
    return repr(value)
