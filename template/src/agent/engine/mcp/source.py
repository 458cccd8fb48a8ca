"""Writes the module that an agent calls the tools of a server with.

What is written passes the checks of the repository as it is: it is laid out as `ruff format` does.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .digests import fingerprint
from .kinds import AliasSource, FieldSource, ShapeSource, write_union
from .names import make_class, make_intent
from .reader import Reader
from .servers import OAuth, Server
from .texts import tidy, write_docstring, write_string

if TYPE_CHECKING:
    from mcp.types import Tool

MAX_SAID = 1_000
"""Characters of the description of a tool."""
MAX_NOTES = 12
_ODD = re.compile(r"[^\w .,:;()\[\]`'-]", re.ASCII)
"""What a comment has no use for: `# noqa` in a name is not to be one."""
_HEAD = '''"""Tools of the MCP server `{name}`. Yours: no update of the engine changes it.

`agent mcp add` wrote this from what the server says of its tools. Read it before a model does: the
descriptions are the words of somebody else. A call is refused once the server describes its tool
in another way, until `agent mcp update {name}` has shown you the difference.
"""

from typing import Any, Literal

from ..engine import Call, Step, mcp

'''


@dataclass(frozen=True)
class Block:
    """A tool, as source."""

    tool: str
    intent: str
    shape: str
    text: str
    arm: str
    """The case for `decide`."""


def name_union(server: str) -> str:
    return f"{make_class(server)}Step"


def write_module(server: Server, blocks: Sequence[Block]) -> str:
    """Return the module of a server, with the union of its steps at the end."""
    head = _HEAD.format(name=server.name) + write_server(server)
    union = write_steps(server.name, [block.shape for block in blocks])
    return "\n\n\n".join([head, *(block.text for block in blocks), f"{union}\n"])


def write_steps(server: str, shapes: Sequence[str]) -> str:
    name = name_union(server)
    return f"{name} = {write_union(shapes, len(f'{name} = '))}"


def write_server(server: Server) -> str:
    given: list[tuple[str, Any]] = [("", write_string(server.name))]
    if server.url:
        given.append(("url", write_string(server.url)))
    if server.command:
        given.append(("command", _write_tuple(server.command)))
    if server.token:
        given.append(("token", write_string(server.token)))
    if server.oauth:
        given.append(("oauth", _write_oauth(server.oauth)))
    if server.env:
        given.append(("env", _write_tuple(server.env)))
    named = [f"{name}={each}" if name else each for name, each in given]
    return _call("SERVER = ", "mcp.Server", named)


def write_block(server: str, tool: "Tool", taken: set[str]) -> Block:
    """Return a tool as a shape and a function; its names are added to those that are `taken`.

    Raises:
        Unwritable: its arguments cannot be a shape.
    """
    intent = make_intent(server, tool.name, taken)
    shape = make_class(intent)
    taken |= {intent, shape}
    reader = Reader(tool.input_schema, shape, taken)
    fields = reader.read_root()
    said = tidy(tool.description or tool.title, MAX_SAID) or f"Call the tool {tidy(tool.name, 64)}."
    kind = _field("intent", f"Literal[{write_string(intent)}]")
    classes = [*map(_write_part, reader.parts), _write_class(shape, "Step", said, fields, kind)]
    arm = _write_arm(tool, shape, intent)
    comments = [*_write_notes(reader.left), "# For `decide`:", *(f"# {line}" for line in arm)]
    function = "\n".join([*comments, _write_function(tool.name, fingerprint(tool), shape, intent)])
    text = "\n\n\n".join([*classes, function])
    return Block(tool.name, intent, shape, text, "\n".join(arm))


def _write_function(tool: str, digest: str, shape: str, intent: str) -> str:
    head = f"async def {intent}(step: {shape}, call: Call) -> Any:"
    if len(head) > 100:
        head = f"async def {intent}(\n    step: {shape},\n    call: Call,\n) -> Any:"
    given = [write_string(tool), write_string(digest), "step", "call"]
    return f"{head}\n{_call('    return await ', 'SERVER.call', given)}"


def _write_arm(tool: "Tool", shape: str, intent: str) -> list[str]:
    """Return the case that asks a person each time, and what the server proposes instead."""
    hints = tool.annotations
    lines = [f"    case {shape}():"]
    proposed = ""
    if hints and hints.read_only_hint:
        proposed = '"read", for it says that the tool changes nothing'
    elif hints and hints.idempotent_hint:
        proposed = '"idempotent", for it says that a second call changes nothing'
    if proposed:
        lines.append(f"        # The server proposes effect={proposed}.")
        lines.append("        # Confirm that before you believe it.")
    one = f'        return Run({intent}, approvers=("owner",))'
    return [*lines, one]


def _write_notes(left: Sequence[str]) -> Iterable[str]:
    """Return comments on what is narrowed."""
    if left:
        yield "# Narrower than the server's own schema:"
    for note in left[:MAX_NOTES]:
        yield f"# - {_ODD.sub('?', tidy(note, 90))}"
    if more := len(left) - MAX_NOTES:
        yield from [f"# - and {more} more"] if more > 0 else []


def _write_part(part: ShapeSource | AliasSource) -> str:
    if isinstance(part, AliasSource):
        return f"{part.name} = {part.source}"
    return _write_class(part.name, "mcp.Shape", part.said, part.fields)


def _write_class(
    name: str, base: str, said: str, fields: Sequence[FieldSource], first: str = ""
) -> str:
    lines = [f"class {name}({base}):"]
    lines += [write_docstring(said, "    "), ""] if said else []
    lines += [first] if first else []
    for one in fields:
        lines.append(_write_field(one))
        lines += [write_docstring(one.said, "    ")] if one.said else []
    lines += ["    pass"] if not (fields or said or first) else []
    return "\n".join(lines).rstrip()


def _write_field(one: FieldSource) -> str:
    given = [f"{name}={value}" for name, value in one.kind.bounds]
    given += [f"alias={write_string(one.alias)}"] if one.alias else []
    if given:
        given = given if one.required else ["default=None", *given]
        return _call(f"    {one.name}: {one.kind.source} = ", "mcp.Field", given)
    return _field(one.name, one.kind.source) + ("" if one.required else " = None")


def _field(name: str, kind: str) -> str:
    return f"    {name}: {kind}"


def _write_oauth(oauth: OAuth) -> str:
    named: Mapping[str, str] = vars(oauth)
    given = [f"{name}={write_string(value)}" for name, value in named.items() if value]
    lines = "".join(f"        {each},\n" for each in given)
    return f"mcp.OAuth(\n{lines}    )"


def _write_tuple(texts: Sequence[str]) -> str:
    inner = ", ".join(map(write_string, texts))
    one = f"({inner},)" if len(texts) == 1 else f"({inner})"
    lines = "".join(f"        {write_string(each)},\n" for each in texts)
    return one if len(one) <= 60 else f"(\n{lines}    )"


def _call(start: str, function: str, given: Sequence[str]) -> str:
    """Return a call on one line, or with each argument on a line of its own."""
    one = f"{start}{function}({', '.join(given)})"
    if len(one) <= 100 and "\n" not in one:
        return one
    indent = " " * (len(start) - len(start.lstrip()))
    lines = "".join(f"{indent}    {each},\n" for each in given)
    return f"{start}{function}(\n{lines}{indent})"
