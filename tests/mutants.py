"""Mutants of the emitted agent's log and loop: small changes that some test should turn red for.

Our own, because mutmut changes neither conditions nor what stands outside of plain functions,
cosmic-ray runs all tests for each mutant, and both accept a survivor only by a mark in the code,
which belongs to the owner.
"""

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from .conftest import ROOT

Placed = ast.expr | ast.stmt | ast.keyword | ast.pattern
ENGINE = ROOT / "template/src/agent/engine"
FOLDERS = ("log", "loop")
TUNED = 10
"""A number from here on is a matter of taste: one more would do as well."""
LISTED = Path(__file__).with_name("mutants_survivors.toml")

_NO_CODE = {"annotation", "returns", "decorator_list", "bases", "op", "ops", "ctx"}
_TYPES = ("Literal", "TypeVar", "Callable")
_TURNED: dict[type[ast.AST], type[ast.AST]] = {
    ast.And: ast.Or, ast.Or: ast.And,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.FloorDiv: ast.Mult,
}  # fmt: skip


class Name(NamedTuple):
    """What a mutant is called in the list of survivors: it outlives a move of its lines."""

    file: str
    """Under `template/src/agent/engine`."""
    where: str
    """The function or class; empty for the module itself."""
    old: str
    """The lines it changes, as one."""
    new: str


class Mutant(NamedTuple):
    name: Name
    line: int
    text: str
    """The whole module."""


class Change(NamedTuple):
    first: Placed
    last: Placed
    """What stands from the one to the other is replaced."""
    new: str


@dataclass(frozen=True)
class Survivor:
    file: str
    where: str
    old: str
    new: str
    why: str
    """Why no test can see it, or none needs to."""

    @property
    def name(self) -> Name:
        return Name(self.file, self.where, self.old, self.new)


def list_survivors() -> list[Survivor]:
    return [Survivor(**each) for each in tomllib.loads(LISTED.read_text("utf-8"))["survivor"]]


def list_files() -> list[str]:
    paths = (path for folder in FOLDERS for path in sorted((ENGINE / folder).glob("*.py")))
    return [path.relative_to(ENGINE).as_posix() for path in paths]


def list_mutants(file: str, text: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of their lines."""
    changes = [
        (where, change)
        for node, where in _walk(ast.parse(text), "")
        for change in _list_changes(node)
    ]
    made = dict.fromkeys(_apply(file, text, where, change) for where, change in changes)
    return sorted(filter(_is_python, made), key=lambda mutant: mutant.line)


def _walk(node: ast.AST, where: str) -> Iterator[tuple[ast.AST, str]]:
    """Yield a node and the code below it, each with the function or class that it is in."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}".strip(".")
    yield node, where
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and field not in _NO_CODE and not _is_left_out(child):
                yield from _walk(child, where)


def _is_left_out(node: ast.AST) -> bool:
    """Say whether it is a text for people, a type, or a check for mypy."""
    match node:
        case ast.JoinedStr() | ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(ast.Constant()) | ast.If(ast.Name("TYPE_CHECKING")):
            return True
        case ast.Constant(str(text)):
            return " " in text
        case ast.Call(ast.Name(name)) | ast.Subscript(ast.Name(name)):
            return name in _TYPES
        case ast.Assign([ast.Name(name)]):  # such as `Action = Run | Ask`
            return name[0].isupper() and not name.isupper()
    return False


def _list_changes(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.If(test) | ast.While(test) | ast.IfExp(test):
            yield from _list_conditions(test)
        case ast.comprehension(ifs=tests):
            for test in tests:
                yield from _list_conditions(test)
        case ast.FunctionDef(args=arguments) | ast.AsyncFunctionDef(args=arguments):
            yield from _list_assignments(node, {each.arg for each in arguments.args})
        case ast.match_case(pattern, None):
            yield Change(pattern, pattern, f"{ast.unparse(pattern)} if False")
        case ast.match_case(_, ast.expr() as guard):
            yield from (Change(guard, guard, value) for value in ("True", "False"))
        case ast.Return(ast.expr() as value) if ast.unparse(value) != "None":
            yield Change(node, node, "return None")
        case ast.Expr() | ast.AugAssign() | ast.Raise():
            yield Change(node, node, "pass")
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield Change(node, node, "pass")
        case ast.keyword():
            yield Change(node, node, "**{}")
        case ast.Starred():
            yield Change(node, node, "*()")
        case ast.expr():
            yield from _list_values(node)


def _list_values(node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.Compare(left, [operator, *rest], right):
            yield _put(node, ast.Compare(left, [_turn(operator), *rest], right))
        case ast.BoolOp(operator, values):
            yield _put(node, ast.BoolOp(_turn(operator), values))
            for value in values:
                kept = [each for each in values if each is not value]
                yield _put(node, ast.BoolOp(operator, kept))
        case ast.UnaryOp(ast.Not(), operand):
            yield _put(node, operand)
        case ast.BinOp(left, ast.BitOr()):
            yield _put(node, left)
        case ast.BinOp(left, operator, right) if type(operator) in _TURNED:
            yield _put(node, ast.BinOp(left, _turn(operator), right))
        case ast.Constant(bool(value)):
            yield Change(node, node, str(not value))
        case ast.Constant(int(value) | float(value)) if value < TUNED:
            yield Change(node, node, str(value + 1))
        case ast.Constant(str(value)):
            yield Change(node, node, repr(f"{value}_"))
        case ast.Call(_, [first, second, *_]) if ast.unparse(first) != ast.unparse(second):
            yield Change(first, second, f"{ast.unparse(second)}, {ast.unparse(first)}")
        case ast.Dict(keys, values):
            entries = zip(keys, values, strict=True)
            yield from (Change(key, value, "**{}") for key, value in entries if key)


def _list_conditions(test: ast.expr) -> Iterator[Change]:
    """Turn a condition round that is neither a comparison nor made of others."""
    if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
        yield Change(test, test, f"not ({ast.unparse(test)})")


def _list_assignments(function: ast.AST, known: set[str]) -> Iterator[Change]:
    """Remove those to a name that has a value already."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(name := node.targets[0], ast.Name):
            if name.id in known:
                yield Change(node, node, "pass")
            known.add(name.id)


def _turn(operator: Any) -> Any:
    return _TURNED[type(operator)]()


def _put(old: ast.expr, new: ast.expr) -> Change:
    return Change(old, old, f"({ast.unparse(new)})")


def _apply(file: str, text: str, where: str, change: Change) -> Mutant:
    start, end = change.first.lineno - 1, change.last.end_lineno or 0
    lines = text.encode().splitlines(keepends=True)
    head, tail = (
        lines[start][: change.first.col_offset],
        lines[end - 1][change.last.end_col_offset :],
    )
    changed = head + change.new.encode() + tail
    old, new = (" ".join(part.decode().split()) for part in (b"".join(lines[start:end]), changed))
    mutated = b"".join([*lines[:start], changed, *lines[end:]]).decode()
    return Mutant(Name(file, where, old, new), start + 1, mutated)


def _is_python(mutant: Mutant) -> bool:
    try:
        ast.parse(mutant.text)
    except SyntaxError:  # a parenthesis stood between
        return False
    return True
