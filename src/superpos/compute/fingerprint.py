"""What a result depends on: settings, source code, versions, machine."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import dis
import functools
import hashlib
import platform
import sys
import sysconfig
import types
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from superpos.errors import InvalidArgument

PACKAGE = Path(__file__).parent.parent
NAME = PACKAGE.name
PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "networkx", "superpos")


def versions() -> dict[str, str]:
    """Return the versions that can change a result."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
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


def described(value: object, modules: set[str] | None = None) -> str:
    """Return a text that differs when the value does.

    Functions are told apart by their bytecode, with the values that they use from around them;
    those of installed packages by their names.

    Parameters
    ----------
    value
        Numbers, texts, tensors, arrays, dataclasses, functions, and collections of these.
    modules
        Where to add the names of the modules of this package that functions use.

    Raises
    ------
    InvalidArgument
        If there is a value that cannot be told from others of its kind.

    Examples
    --------
    >>> described({"n": 5, "p": (0.1, None)})
    "{'n':5,'p':(0.1,None,)}"
    >>> described(lambda x: x + 1) == described(lambda x: x + 2)
    False
    """
    return _Description(set() if modules is None else modules).of(value)


class _Description:
    """A description being made; functions that are being described are not entered again."""

    def __init__(self, modules: set[str]) -> None:
        self.modules = modules
        self.open: list[object] = []

    def of(self, value: object) -> str:
        if value is None or isinstance(value, str | int | float | complex | bytes | range | Path):
            return repr(value)
        if isinstance(value, Mapping):
            inside = (f"{self.of(key)}:{self.of(value[key])}" for key in sorted(value, key=repr))
            return "{" + ",".join(inside) + "}"
        if isinstance(value, list | tuple):
            return "(" + "".join(f"{self.of(item)}," for item in value) + ")"
        if isinstance(value, set | frozenset):
            return "{" + ",".join(sorted(map(self.of, value))) + "}"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return self.of(type(value)) + self.of(fields)
        if isinstance(value, functools.partial):
            return "partial" + self.of((value.func, value.args, value.keywords))
        if isinstance(value, types.ModuleType):
            return self.named(value.__name__, "")
        if isinstance(value, types.MethodType):
            return self.of((value.__func__, value.__self__))
        if isinstance(value, types.CodeType):
            used = [const for const in value.co_consts if isinstance(const, types.CodeType)]
            rest = [const for const in value.co_consts if const not in used]
            own = (value.co_code, value.co_names, value.co_varnames, rest)
            return self.of((digest(self.of(own)), used))
        if isinstance(value, type | types.FunctionType):
            if is_installed(value.__module__) and "<" not in value.__qualname__:
                return self.named(value.__module__, value.__qualname__)
            return self.entered(value)
        if hasattr(value, "dtype") and hasattr(value, "shape"):
            return _array(value)
        if callable(value) and (
            name := getattr(value, "__qualname__", getattr(value, "__name__", ""))
        ):
            return self.named(getattr(value, "__module__", None) or "", name)
        if value is ... or isinstance(value, slice) or type(value).__module__ == "torch":
            return repr(value)  # of torch: a device, a type
        # others may leave out of what they print what makes them differ
        raise InvalidArgument(f"{value!r} cannot be told from others of its kind")

    def named(self, module: str, name: str) -> str:
        if module.partition(".")[0] == NAME:
            self.modules.add(module)
        return f"{module}.{name}"

    def entered(self, value: type | types.FunctionType) -> str:
        if value in self.open:
            return f"<{value.__qualname__}>"
        self.open.append(value)
        try:
            if isinstance(value, type):
                own = {name: what for name, what in vars(value).items() if callable(what)}
                return value.__qualname__ + self.of((value.__bases__, own))
            return self.of((value.__code__, value.__defaults__, value.__kwdefaults__, used(value)))
        finally:
            self.open.pop()


def used(function: types.FunctionType) -> dict[str, object]:
    """Return the values that a function uses from around it, by name."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not bound yet
            found[name] = cell.cell_contents
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        waiting += [const for const in code.co_consts if isinstance(const, types.CodeType)]
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME") and name in function.__globals__:
                found[name] = function.__globals__[name]
    return found


def _array(value) -> str:
    """Return a text for an array of numpy's, or a tensor of whatever class and type."""
    kind = f"{value.dtype}{tuple(value.shape)}"
    if hasattr(value, "detach"):
        import torch

        value = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    elif not hasattr(value, "tobytes") or value.dtype.hasobject:
        raise InvalidArgument(f"{value!r} cannot be told from others of its kind")
    return kind + digest(value.tobytes())


@functools.cache
def is_installed(module: str | None) -> bool:
    """Return whether a module belongs to this package or an installed one, or to Python."""
    top = (module or "").partition(".")[0]
    if top == NAME or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return top != "__main__"
    path = getattr(sys.modules.get(module or ""), "__file__", None)
    folders = {sysconfig.get_path(kind) for kind in ("purelib", "platlib")}
    return path is not None and any(Path(path).is_relative_to(folder) for folder in folders)


def module_digests(code: Iterable[str], package: Path) -> dict[str, str]:
    """Return the digest of every module of the package that ``code`` needs, by module name.

    Imports are followed through the source, without running it. Importing a
    module runs its parent packages, so those belong to it, and so do the data
    files that lie beside a module.
    """
    modules = {_module_name(path, package): path for path in package.rglob("*.py")}
    waiting = [name for cell in code for name in _imported(_without_magics(cell), modules, "")]
    needed: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        source = modules[name].read_bytes()
        needed[name] = digest(source)
        here = name if modules[name].name == "__init__.py" else name.rpartition(".")[0]
        waiting += _imported(source.decode(), modules, here)
    for folder in {modules[name].parent for name in needed}:
        for path in folder.iterdir():
            if path.is_file() and path.suffix not in (".py", ".pyc", ".pyi", ".typed"):
                needed[path.relative_to(package.parent).as_posix()] = digest(path.read_bytes())
    return dict(sorted(needed.items()))


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _without_magics(cell: str) -> str:
    """Blank IPython's own lines, which are not Python."""
    if cell.startswith("%%"):
        return ""
    return "\n".join("" if line.lstrip()[:1] in ("%", "!") else line for line in cell.splitlines())


def _imported(source: str, modules: Mapping[str, Path], here: str) -> Iterator[str]:
    """Yield the package's modules that ``source`` imports; ``here`` is its own package."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # the run will say so better
        return
    names: list[str] = []
    aliases: dict[str, str] = {}  # a name in the source that is bound to a module
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.append(alias.name)
                top = alias.name.partition(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = here.split(".")[: len(here.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            for alias in node.names:
                names += [base, f"{base}.{alias.name}"]
                aliases[alias.asname or alias.name] = f"{base}.{alias.name}"
                if alias.name == "*":
                    names += [name for name in modules if name.rpartition(".")[0] == base]
    # `import superpos as sp; sp.geometry.f()` needs superpos.geometry, however it gets loaded
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (dotted := _dotted(node)):
            first, _, rest = dotted.partition(".")
            names.append(f"{aliases.get(first, '')}.{rest}")
        elif isinstance(node, ast.Constant) and node.value in modules:
            names.append(node.value)  # importlib.import_module("superpos.geometry")
    for name in names:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            if (parent := ".".join(parts[:length])) in modules:
                yield parent


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""
