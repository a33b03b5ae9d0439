"""Tensors on disk: safetensors files, written aside and renamed, never unpickled."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import stat
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from superpos.compute.content import described
from superpos.compute.fingerprint import digest
from superpos.errors import InvalidArgument

PARTIAL = ".partial"  # the end of a file's name while it is written


@dataclass(frozen=True)
class Checkpoint:
    """A run's place on disk.

    Parameters
    ----------
    path
        A folder; its parts are files in it.
    produced_by
        What the run is made of. A file made of anything else is refused, not continued.
    kind
        What messages call it.
    """

    path: Path
    produced_by: dict
    kind: str = "checkpoint"

    def prepare(self) -> None:
        """Make the folder, so that what cannot be saved is known before any work.

        Raises
        ------
        InvalidArgument
            If the folder cannot be written, or the run cannot be told from others.
        """
        try:
            described(self.produced_by)
        except InvalidArgument as problem:
            raise InvalidArgument(
                f"{self.kind}: {problem}, so that its file could be taken for another's; "
                f"train without a {self.kind}"
            ) from None
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
            self.kind,
        )

    @functools.cached_property
    def key(self) -> str:
        """A digest of what the run is made of, in any order."""
        return digest(described(dict(sorted(self.produced_by.items()))))

    def load(self) -> dict[str, Tensor] | None:
        """Return the saved tensors, or None where there are none to go on from."""
        found = self.load_described()
        return None if found is None else found[0]

    def load_described(self) -> tuple[dict[str, Tensor], dict] | None:
        """Return the saved tensors and their description, or None where there are none.

        Raises
        ------
        InvalidArgument
            If the file belongs to a run with other settings, or a folder stands in its place.
        """
        from safetensors import SafetensorError, safe_open

        try:
            mode = self.path.stat().st_mode
            if stat.S_ISDIR(mode):
                raise self._unwritable("a folder stands in its place")
            if not stat.S_ISREG(mode):  # a pipe would be waited for
                return self._damaged("it is not a file")
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._damaged(error)
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            return self._damaged(error)
        if metadata.get("key") != self.key:
            raise InvalidArgument(
                f"{self.kind} {self.path} was saved by a run with other settings or other code: "
                "remove it or name another folder"
            )
        text = metadata.get("description", "")
        if metadata.get("checksum") != _checksum(tensors, text):
            return self._damaged("its checksum is wrong")
        description = json.loads(text)
        return tensors, description

    def save(self, tensors: dict[str, Tensor], description: dict | None = None) -> None:
        """Write the tensors; the file is either the old one or the new one, never half of it.

        The description is kept in the file's header, as JSON.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save

        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        text = json.dumps(description or {}, sort_keys=True)
        mine = f"{platform.node()}-{os.getpid()}"  # others may write it too, from anywhere
        aside = self.path.with_name(f"{self.path.name}.{mine}{PARTIAL}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            header = {"key": self.key, "checksum": _checksum(tensors, text), "description": text}
            aside.write_bytes(save(tensors, header))  # with the mode that files have here
            os.replace(aside, self.path)
        except (OSError, SafetensorError) as error:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise self._unwritable(error) from None

    def _damaged(self, why: object) -> None:
        warnings.warn(f"{self.kind} {self.path} is damaged and is not used: {why}", stacklevel=3)

    def _unwritable(self, why: object) -> InvalidArgument:
        return InvalidArgument(f"{self.kind} {self.path} cannot be written: {why}")


def _checksum(tensors: dict[str, Tensor], description: str) -> str:
    """Return a digest of the tensors' names, types, shapes and bytes, and of their description."""
    digest = hashlib.sha256(description.encode())
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
