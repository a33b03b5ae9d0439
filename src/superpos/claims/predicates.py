"""The code that decides a claim, cut out of a file so that two versions of it can be compared.

A claim is decided by a function of a study, ``@study.test(id)``. In the first edition it was by a
cell of a notebook that ended in ``claims.record(id, shown, weaker=...)``. Of either only what
decides is kept: not the values that are merely told beside the verdict, and no comments,
docstrings, annotations or line breaks. The functions and constants of the same file that the code
uses are kept beside it, each under its name; what it imports from elsewhere is not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

TEST = "test"  # the part that is the test itself; the others are what it uses, by name
RULE = "the rule"  # the id under which the function that turns rates into verdicts is found

_CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_NO_CODE = re.compile(r"^(:[a-z-]+:.*|[%!].*)$", re.MULTILINE)  # a cell's options, magics
_JUDGE = "judge"  # that function's name; its first argument is the claim
_MADE_BARE = "made_bare"  # the mark of a statement that was
_CHANGES = ("add", "append", "clear", "extend", "insert", "pop", "remove", "setdefault", "update")
_TOLD = ("measured", "seen", "quick")  # arguments of an outcome that decide nothing
_TOLD_AT = slice(2, 4)  # where they are among the others: shown, weaker, measured, seen, at_rest


@dataclass(frozen=True)
class Predicate:
    """What decides a claim, in one version of a file.

    Attributes
    ----------
    path
        The file.
    parts
        Normal forms of code, by name: of the test itself under `TEST`, and of each function or
        constant of the file that it uses, directly or through others.
    """

    path: str = field(compare=False)
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_notebook(self) -> bool:
        return self.path.endswith(".md")

    def changed(self, before: Predicate) -> list[str]:
        """Return the names of the parts that are not as they were, the test itself first."""
        names = {**dict.fromkeys(before.parts), **dict.fromkeys(self.parts)}
        moved = [name for name in names if before.parts.get(name) != self.parts.get(name)]
        return sorted(moved, key=lambda name: (name != TEST, name))


def predicates(text: str, path: str) -> dict[str, Predicate]:
    """Return what decides each claim that a file decides, by the claim's id.

    The rule that turns rates into verdicts is there as `RULE`. Where a notebook records claims in a
    loop, every text in the loop counts as an id: ask for those that are registered.

    Parameters
    ----------
    text
        A module of Python, or a notebook in MyST Markdown.
    path
        The file's: one that ends in ``.md`` is a notebook.

    Examples
    --------
    >>> module = '''
    ... LEAST = 3
    ... @study.test("many")
    ... def many(heads, *, share):
    ...     "Heads are many."
    ...     told = heads.max()
    ...     return Outcome(heads.sum() > LEAST * share, measured={"Most": told})
    ... '''
    >>> found = predicates(module, "coins.py")["many"].parts
    >>> print(found["test"])
    heads, *, share
    return Outcome(heads.sum() > LEAST * share)
    >>> found["LEAST"]
    'LEAST = 3'
    """
    try:
        if path.endswith(".md"):
            return _of_notebook(text, path)
        return _of_module(ast.parse(text), path)
    except (SyntaxError, ValueError):  # a draft that cannot run decides nothing
        return {}


# Studies


def _of_module(module: ast.Module, path: str) -> dict[str, Predicate]:
    known = _Definitions(module.body)
    found = {}
    for node in module.body:
        if isinstance(node, ast.FunctionDef):
            names = [*_tested(node), *([RULE] if _judges(node) else ())]
            for name in names:
                code, uses = known[node.name]
                found[name] = Predicate(path, {TEST: code, **known.behind(uses)})
    return found


def _tested(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the claims whose test a function is, by its decorators."""
    for each in function.decorator_list:
        if isinstance(each, ast.Call) and getattr(each.func, "attr", "") == "test" and each.args:
            yield from _texts(each.args[0])


def _judges(function: ast.FunctionDef) -> bool:
    first = [argument.arg for argument in function.args.args[:1]]
    return function.name == _JUDGE and first == ["claim"]


# Notebooks


def _of_notebook(text: str, path: str) -> dict[str, Predicate]:
    cells = [ast.parse(_NO_CODE.sub("", cell)).body for cell in _CELL.findall(text)]
    known = _Definitions(
        node for cell in cells for node in cell if isinstance(node, ast.FunctionDef)
    )
    found = {}
    for cell in cells:
        for place, statement in enumerate(cell):
            for call in _records(statement):
                whole = [_bare(each) for each in cell[: place + 1]]
                kept = [each for each in whole if each is not None]
                kept = _that_decide(kept, kept[-1:])
                kept = [each for each in kept if not isinstance(each, ast.FunctionDef)]
                uses = {name for each in kept for name in _uses(each)}
                code = "\n".join(map(ast.unparse, kept))
                parts = {TEST: code, **known.behind(uses)}
                alone = isinstance(statement, ast.Expr)
                for name in _texts(call.args[0] if alone else statement):
                    found[name] = Predicate(path, parts)
    return found


def _records(statement: ast.stmt) -> Iterator[ast.Call]:
    """Yield the calls in a statement that record a claim with what was found."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return
    for node in ast.walk(statement):
        if (
            isinstance(node, ast.Call)
            and _called(node) == "record"
            and len(node.args) > 1
            and not isinstance(node.args[1], ast.Constant)
        ):
            yield node


# What decides, and what it uses


def _that_decide(body: Sequence[ast.stmt], roots: Sequence[ast.stmt]) -> list[ast.stmt]:
    """Return the statements that the given ones depend on, and those: a slice by names."""
    kept = {id(root) for root in roots}
    needed = {name for root in roots for name in _loaded(root)}
    grew = True
    while grew:
        grew = False
        for statement in body:
            if id(statement) not in kept and not needed.isdisjoint(_bound(statement)):
                kept.add(id(statement))
                needed.update(_loaded(statement))
                grew = True
    return [
        statement
        for statement in body
        if id(statement) in kept and not isinstance(statement, ast.Import | ast.ImportFrom)
    ]


class _Definitions:
    """The functions, classes and constants that a file defines, by name."""

    def __init__(self, body: Iterable[ast.stmt]) -> None:
        self._nodes: dict[str, ast.stmt] = {}
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._nodes[node.name] = node
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                self._nodes |= {each.id: node for each in targets if isinstance(each, ast.Name)}
        self._read: dict[str, tuple[str, set[str]]] = {}

    def __getitem__(self, name: str) -> tuple[str, set[str]]:
        """Return the normal form of a definition, and the names from outside that it uses."""
        if name not in self._read:
            node = _bare(self._nodes[name])
            self._read[name] = (_normal(node), _uses(node)) if node else ("", set())
        return self._read[name]

    def behind(self, names: Iterable[str]) -> dict[str, str]:
        """Return the normal forms of what is used under some names, directly or through others."""
        found: dict[str, str] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in self._nodes and name not in found:
                found[name], uses = self[name]
                waiting += uses
        return dict(sorted(found.items()))


def _uses(statement: ast.stmt) -> set[str]:
    """Return the names that a statement takes from outside of itself."""
    statements = _body(statement) if isinstance(statement, ast.FunctionDef) else [statement]
    return {name for each in statements for name in _loaded(each)} - {*_own(statement)}


def _body(function: ast.FunctionDef) -> list[ast.stmt]:
    """Return the statements of a function; of one that returns an outcome those that decide it."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    if "Outcome" not in map(_called, calls):
        return function.body
    ends = (ast.Return, ast.Raise, ast.Assert)
    roots = [
        each
        for each in function.body
        if not isinstance(each, ast.FunctionDef)
        and any(isinstance(node, ends) for node in ast.walk(each))
    ]
    return _that_decide(function.body, roots)


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement gives a value, or changes the value of."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
            continue  # what it binds is its own
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield from _root(node)
        elif isinstance(node, ast.Call) and _called(node) in _CHANGES:
            yield from _root(node.func)  # found.append(...)
        if not isinstance(node, ast.comprehension | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _own(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that mean something else within a statement than outside: its variables."""
    for node in ast.walk(statement):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef):
            yield node.name


def _root(node: ast.expr) -> Iterator[str]:
    inner = node
    while isinstance(inner, ast.Attribute | ast.Subscript):
        inner = inner.value
    if isinstance(inner, ast.Name) and inner is not node:
        yield inner.id


def _loaded(node: ast.AST) -> list[str]:
    return [
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    ]


def _texts(node: ast.AST) -> list[str]:
    return [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]


def _called(call: ast.Call) -> str:
    """Return the last name of what is called."""
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


# Normal forms


def _normal(statement: ast.stmt) -> str:
    """Return a bare statement as text. A function's own name is no part of it."""
    if not isinstance(statement, ast.FunctionDef):
        return ast.unparse(statement)
    return "\n".join([ast.unparse(statement.args), *map(ast.unparse, _body(statement))])


def _bare(statement: ast.stmt) -> ast.stmt | None:
    """Return a statement, changed in place, without what does not decide: None if that is all."""
    if not hasattr(statement, _MADE_BARE):
        setattr(statement, _MADE_BARE, _Bare().visit(statement))
    return getattr(statement, _MADE_BARE)


class _Bare(ast.NodeTransformer):
    """Leaves out docstrings, annotations, decorators, and what is told beside an outcome."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if getattr(node, "body", None) == [] and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]  # pyright: ignore[reportAttributeAccessIssue]
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):  # a docstring, or a remark
            return None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if node.value is None:
            return None
        plain = ast.copy_location(ast.Assign([node.target], node.value), node)
        return self.generic_visit(plain)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns, node.decorator_list = None, []
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if _called(node) in ("Outcome", "record"):
            node.keywords = [each for each in node.keywords if each.arg not in _TOLD]
        if _called(node) == "Outcome":
            del node.args[_TOLD_AT]
        return self.generic_visit(node)
