"""What a function does and what it uses from around it, read from its bytecode."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

_FROM_MODULE = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_LOCAL = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")
_BETWEEN = ("CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL")  # say nothing of what is done


@dataclass(frozen=True)
class Use:
    """A name that code loads, with the attributes that it goes on to: ``geometry.norm``.

    Attributes
    ----------
    name
        Of a variable.
    attributes
        Those loaded from it, one from the other.
    is_global
        Whether the variable is the module's, rather than a function's.
    """

    name: str
    attributes: tuple[str, ...]
    is_global: bool


@dataclass(frozen=True)
class Import:
    """An import inside a function.

    Attributes
    ----------
    module
        What it imports.
    level
        How many dots there are before that.
    attributes
        What it takes, one from the other: ``("b",)`` for ``from a import b``.
    from_top
        Whether it takes them from the module's topmost package: ``import a.b`` is of ``a``.
    """

    module: str
    level: int
    attributes: tuple[str, ...]
    from_top: bool


@dataclass(frozen=True)
class Reading:
    """What was read from a code object and those inside it.

    Attributes
    ----------
    text
        Differs where what is done differs; does not where only lines, comments, annotations of
        variables and documentation do.
    uses
        Names that are loaded.
    imports
        What is imported, by the variable's name.
    words
        Names of attributes and constant texts.
    """

    text: str
    uses: tuple[Use, ...]
    imports: tuple[tuple[str, Import], ...]
    words: frozenset[str]


@functools.cache
def read(code: CodeType) -> Reading:
    """Read a code object.

    Examples
    --------
    >>> def cosine(x):
    ...     "Documentation counts for nothing."
    ...     return math.cos(x)
    >>> read(cosine.__code__).uses[0]
    Use(name='math', attributes=('cos',), is_global=True)
    """
    steps = [step for step in dis.get_instructions(code) if step.opname not in _BETWEEN]
    inner = [read(const) for const in code.co_consts if isinstance(const, CodeType)]
    told, words = [_signature(code)], set(code.co_names)
    for step in steps:
        argument = step.arg
        if step.opcode in dis.hasconst:
            argument = constant(step.argval)
            words.update(_texts(step.argval))
        elif isinstance(step.argval, str | tuple):
            argument = step.argval
        told.append(step.opname if argument is None else f"{step.opname} {argument}")
    return Reading(
        "[" + ";".join(told) + "]",
        tuple(dict.fromkeys([*_uses(steps), *(use for each in inner for use in each.uses)])),
        tuple([*_imports(steps), *(found for each in inner for found in each.imports)]),
        frozenset(words.union(*(each.words for each in inner))),
    )


def constant(value: object) -> str:
    """Return a text for what a code object may hold as a constant."""
    if isinstance(value, CodeType):
        return read(value).text
    if isinstance(value, tuple):
        return "(" + "".join(f"{constant(item)}," for item in value) + ")"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(constant, value))) + "}"
    if isinstance(value, slice):
        return f"slice{constant((value.start, value.stop, value.step))}"
    return repr(value)


def _signature(code: CodeType) -> str:
    numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    names = (code.co_name, code.co_varnames, code.co_freevars, code.co_cellvars)
    return f"{numbers}{names}{code.co_exceptiontable!r}"


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple | frozenset):
        for item in value:
            yield from _texts(item)


def _uses(steps: list[dis.Instruction]) -> Iterator[Use]:
    for number, step in enumerate(steps):
        from_module = step.opname in _FROM_MODULE
        if not from_module and not step.opname.startswith(_LOCAL):
            continue
        if isinstance(step.argval, tuple):  # two are loaded at once
            yield from (Use(name, (), False) for name in step.argval)
            continue
        attributes = []
        for following in steps[number + 1 :]:
            if following.opname not in _ATTRIBUTE:
                break
            attributes.append(following.argval)
        yield Use(step.argval, tuple(attributes), from_module)


def _imports(steps: list[dis.Instruction]) -> Iterator[tuple[str, Import]]:
    for number, step in enumerate(steps):
        if step.opname != "IMPORT_NAME":
            continue
        level, names = steps[number - 2].argval, steps[number - 1].argval
        taken: list[str] = []
        for following in steps[number + 1 :]:
            if following.opname == "IMPORT_FROM":
                taken.append(following.argval)
            elif following.opname.startswith("STORE_"):
                stored = following.argval
                stored = stored[0] if isinstance(stored, tuple) else stored
                yield stored, Import(step.argval, level, tuple(taken), not names)
                taken.clear()
                if not names:
                    break
            elif following.opname != "SWAP" and (names or following.opname != "POP_TOP"):
                break
