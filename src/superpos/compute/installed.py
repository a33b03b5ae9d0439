"""Which modules are installed, and in what version."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

_INSTALLED = frozenset({"site-packages", "dist-packages"})  # folders that hold what is installed


def release(module: str) -> str | None:
    """Return the name and version of what a module is installed with: a distribution, or Python.

    None if it is not there, or not installed so that a version tells what it does: a file of
    one's own, wherever it lies, or a checkout that is installed to be edited.

    Examples
    --------
    >>> release("numpy.linalg") == f"numpy {__import__('numpy').__version__}"
    True
    >>> release("math").startswith("python 3"), release("__main__")
    (True, None)
    """
    top = module.partition(".")[0]
    if top == "__main__":
        return None
    return _release(top, _file(module) or _file(top))


@functools.cache
def _release(top: str, file: str | None) -> str | None:
    place = None if file is None else Path(file).resolve()
    is_pythons = top in sys.builtin_module_names or top in sys.stdlib_module_names
    if is_pythons and (place is None or _is_pythons(place)):
        return f"python {platform.python_version()}"
    if place is None:
        return None
    for name in _distributions(top):
        found = distribution(name)
        home = Path(str(found.locate_file(""))).resolve()
        # building a wheel leaves a distribution's description beside its sources for a while
        if home.name in _INSTALLED and place.is_relative_to(home):
            return f"{name} {found.version}"
    return None


def _file(module: str) -> str | None:
    """Return the file of a module, or a folder of a package without a file, if it has either."""
    loaded = sys.modules.get(module)
    if loaded is None and "." not in module:  # a part of a package could not be found unloaded
        with contextlib.suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(module)
            return spec.origin if spec and spec.has_location else None
    return getattr(loaded, "__file__", None) or next(iter(getattr(loaded, "__path__", ())), None)


def _is_pythons(path: Path) -> bool:
    """Return whether a file lies in Python's own library, and not where others are installed."""
    folders = {Path(sysconfig.get_path(kind)).resolve() for kind in ("stdlib", "platstdlib")}
    inside = any(path.is_relative_to(folder) for folder in folders)
    return inside and _INSTALLED.isdisjoint(path.parts)


def _distributions(top: str) -> list[str]:
    try:
        distribution(top)
    except (PackageNotFoundError, ValueError):
        return _by_package().get(top, [])  # it is named otherwise, as scikit-learn is
    return [top]


@functools.cache
def _by_package() -> dict[str, list[str]]:
    return dict(packages_distributions())
