"""The modules that `agent mcp add` wrote: where they are, which tools they have, and what changes.

A module is its owner's. What is read from it is each function that calls the server, with what
belongs to it: everything above it, up to the function before.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from ..llms.check import check_union
from ..llms.output import JsonSteps
from ..log.errors import Misconfigured
from ..loop.ports import BoundAgent, Ports
from .servers import Server
from .source import Block, name_union, write_steps

PREFIX = "mcp_"


@dataclass(frozen=True)
class Known:
    """A tool in a module."""

    name: str
    digest: str
    shape: str
    names: frozenset[str]
    """What its lines define."""
    start: int
    end: int
    """Its lines, from 1."""


@dataclass(frozen=True)
class Home:
    """Where the files of an agent are."""

    agent: str
    folder: Path
    package: str
    control_flow: Path

    def locate(self, server: str) -> Path:
        return self.folder / f"{PREFIX}{server}.py"


@dataclass(frozen=True)
class Module:
    home: Home
    path: Path
    text: str
    server: Server
    tools: tuple[Known, ...]
    names: frozenset[str]
    """All that it defines."""

    def replace(self, blocks: Sequence[Block]) -> str:
        """Return the text with these tools as they are now; new ones come last."""
        lines, added = self.text.splitlines(), list[str]()
        old = {known.name: known for known in self.tools}
        for block in sorted(blocks, key=lambda one: -old[one.tool].start if one.tool in old else 0):
            if known := old.get(block.tool):
                lines[known.start - 1 : known.end] = block.text.splitlines()
            else:
                added.append(block.text)
        text = "\n".join(lines) + "\n"
        if not added:
            return text
        steps = [known.shape for known in self.tools]
        steps += [block.shape for block in blocks if block.tool not in old]
        return _add_blocks(text, added, name_union(self.server.name), self.server.name, steps)


def find_home(agents: Ports, name: str) -> Home:
    """Return where the files of an agent are. Raises Misconfigured."""
    known = agents.agents
    if not name and len(known) > 1:
        raise Misconfigured(f"there are several agents, so name one: --agent {'|'.join(known)}")
    if name and name not in known:
        raise Misconfigured(f"there is no agent {name!r} in app.py: {', '.join(known)}")
    return _locate(known[name] if name else next(iter(known.values())))


def find_modules(ports: Ports, server: str = "") -> list[Module]:
    """Return the modules of all agents, or of those that use one server.

    Raises:
        Misconfigured: there is none, or one cannot be read.
    """
    homes = {home.folder: home for home in map(_locate, ports.agents.values())}
    found = [
        read_module(home, path)
        for home in homes.values()
        for path in sorted(home.folder.glob(f"{PREFIX}{server or '*'}.py"))
    ]
    if not found:
        named = f" {server!r}" if server else ""
        how = "Add one with: agent mcp add NAME URL, or agent mcp add NAME -- COMMAND"
        raise Misconfigured(f"no agent has tools of an MCP server{named}. {how}")
    return found


def read_module(home: Home, path: Path) -> Module:
    """Read a module and the server that it names. Raises Misconfigured."""
    try:
        text = path.read_text("utf-8")
        tools, names = _read_tools(ast.parse(text))
        server = import_module(f"{home.package}.{path.stem}").SERVER
    except (OSError, SyntaxError, ImportError, AttributeError) as error:
        raise Misconfigured(f"{str(path)!r} cannot be read: {error}") from None
    if not isinstance(server, Server):
        raise Misconfigured(f"{str(path)!r}: SERVER is not an mcp.Server")
    return Module(home, path, text, server, tuple(tools), names)


def verify(home: Home, text: str, union: str) -> None:
    """Load a module that is not written yet, and check its shapes as every start does.

    Raises:
        Misconfigured: a shape would fail.
    """
    module = ModuleType(f"{home.package}.{PREFIX}check")
    module.__package__ = home.package
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, module.__name__, "exec"), vars(module))
        check_union(JsonSteps(getattr(module, union)))
    finally:
        del sys.modules[module.__name__]


def _locate(agent: BoundAgent) -> Home:
    module = inspect.getmodule(agent.decide)
    if module is None or not module.__file__ or not module.__package__:
        raise Misconfigured(f"`decide` of the agent {agent.name!r} is in no file")
    file = Path(module.__file__)
    if not (file.with_name("__init__.py")).is_file() or module.__package__.count(".") < 1:
        how = f"Make it a folder first: {agent.name}/__init__.py."
        raise Misconfigured(f"the agent {agent.name!r} is a single file, {str(file)!r}. {how}")
    return Home(agent.name, file.parent, module.__package__, file)


def _read_tools(tree: ast.Module) -> tuple[list[Known], frozenset[str]]:
    """Return the tools of a module, and all names that it defines."""
    tools, everything, mine, start = list[Known](), set[str](), set[str](), 1
    for node in tree.body:
        mine |= (named := set(_list_names(node)))
        everything |= named
        if isinstance(node, ast.Import | ast.ImportFrom) or "SERVER" in named:
            mine, start = set(), (node.end_lineno or 0) + 1
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and (call := _find_call(node)):
            shape = (
                ast.unparse(node.args.args[0].annotation or ast.Constant(""))
                if node.args.args
                else ""
            )
            end = node.end_lineno or 0
            tools.append(Known(*call, shape, frozenset(mine), start, end))
            mine, start = set(), end + 1
    return tools, frozenset(everything)


def _list_names(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (each.asname or each.name for each in names)


def _find_call(function: ast.AsyncFunctionDef | ast.FunctionDef) -> tuple[str, str] | None:
    """Return the tool and the digest that a function calls the server with."""
    for node in ast.walk(function):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="SERVER"), attr="call"),
                args=[ast.Constant(value=str(tool)), ast.Constant(value=str(digest)), *_],
            ):
                return tool, digest
    return None


def _add_blocks(
    text: str, added: Sequence[str], union: str, server: str, steps: Sequence[str]
) -> str:
    """Return a module with more tools, before the union of its steps, which is written anew."""
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if union in _list_names(node):
            lines[node.lineno - 1 : node.end_lineno] = []
            break
    kept = "\n".join(lines).rstrip()
    return "\n\n\n".join([kept, *added, f"{write_steps(server, steps)}\n"])
