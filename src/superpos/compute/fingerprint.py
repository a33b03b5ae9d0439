"""What a result depends on beside the code: versions, machine, torch's settings."""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
NAME = PACKAGE.name
PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "networkx", "superpos")


def versions(*packages: str) -> dict[str, str]:
    """Return Python's version and those of packages; by default of all that change a figure."""
    found = {"python": platform.python_version()}
    for package in packages or PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def digest(data: str | bytes) -> str:
    """Return the SHA-256 of text or bytes, in hexadecimal."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def machine() -> str:
    """Return what kind of machine this is, as far as it changes a result's last digits."""
    import torch

    kinds = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    if torch.cuda.is_available():
        kinds.append(torch.cuda.get_device_name())
    return " ".join(kinds)


def defaults() -> str:
    """Return what torch does where nothing is said: type, device and precision of products."""
    import torch

    precision = torch.get_float32_matmul_precision()
    return f"{torch.get_default_dtype()} {torch.get_default_device()} {precision}"
