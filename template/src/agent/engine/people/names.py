"""Checks, before anything runs, whom an agent asks: a name nobody knows would be asked for ever."""

import ast
import inspect
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from ..log.errors import Misconfigured
from ..loop.ports import Directory
from .identity import RESERVED

_ARGUMENTS = ("approvers", "audience", "escalate")
"""The arguments of actions that name people."""


def check_agents(agents: Collection[str], decide: Callable[..., Any]) -> None:
    """Check the agents that `decide` delegates to, those written out in its module.

    Raises:
        Misconfigured: there is no such agent.
    """
    path, tree = _parse(decide)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Delegate":
            named = [each.value for each in node.keywords if each.arg == "agent"]
            for name in _list_texts((node.args or named or [node])[0]):
                if name.value not in agents:
                    place, known = f"{Path(path).name}:{name.lineno}", ", ".join(agents)
                    raise Misconfigured(f"{place}: app.py has no agent {name.value!r}: {known}")


def check_names(
    directory: Directory, agent: str, decide: Callable[..., Any], responsible: tuple[str, ...]
) -> None:
    """Check the names that an agent declares, and those written out in the module of `decide`.

    A name that is computed is checked when somebody is to be asked.

    Raises:
        Misconfigured: a name is neither a person nor a team, or a team has no members.
    """
    for name in responsible:
        if name == "owner" or not _is_known(directory, name):
            raise Misconfigured(f"the agent {agent!r} names as responsible: {_explain(name)}")
    for name, place in _list_names(decide):
        if not _is_known(directory, name):
            raise Misconfigured(f"{place}: {_explain(name)}")


def _is_known(directory: Directory, name: str) -> bool:
    return name in RESERVED or bool(directory.find_members(name))


def _explain(name: str) -> str:
    return f"{name!r} is not a person or team in people.toml; add it there, or correct the name"


def _list_names(decide: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    """Return each name that is written out, and where."""
    path, tree = _parse(decide)
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in _ARGUMENTS:
            for name in _list_texts(node.value):
                yield str(name.value), f"{Path(path).name}:{name.lineno}"


def _parse(decide: Callable[..., Any]) -> tuple[str, ast.Module]:
    """Return the file and the syntax of the module of a function; an empty one if there is none."""
    try:
        path = inspect.getsourcefile(decide) or ""
        return path, ast.parse(Path(path).read_text("utf-8"))
    except (TypeError, OSError, ValueError, SyntaxError):
        return "", ast.Module([], [])


def _list_texts(node: ast.expr) -> Iterator[ast.Constant]:
    """Return the texts that an expression can be made of, without those it only compares."""
    match node:
        case ast.Constant(value=str()):
            yield node
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            for part in parts:
                yield from _list_texts(part)
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            yield from _list_texts(one)
            yield from _list_texts(other)
        case ast.Starred(value=inner):
            yield from _list_texts(inner)
