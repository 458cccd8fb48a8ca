"""`agent mcp add`: reads the tools of a server, and writes them as code of the owner."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..cli.screen import Screen
from ..log.errors import AgentError, Misconfigured
from ..runners.app import App
from .connections import connect, explain
from .modules import Home, find_home, verify
from .names import find_name_problem
from .reader import Unwritable
from .servers import OAuth, Server
from .source import Block, name_union, write_block, write_module
from .texts import tidy

if TYPE_CHECKING:
    from mcp.types import Tool

MOST = 40
"""Tools that are added at once unless they are named: a model chooses badly among more."""
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*", re.ASCII)
_EXAMPLE = Path(".env.example")


def make_server(
    name: str, source: Sequence[str], *, token: str, issuer: str, scope: str, env: Sequence[str]
) -> Server:
    """Make a server of what was typed. Raises Misconfigured."""
    if problem := find_name_problem(name):
        raise Misconfigured(f"{problem}; name the server otherwise, such as `tickets`")
    for variable in filter(None, (token, *env)):
        if not _VARIABLE.fullmatch(variable):
            raise Misconfigured(f"{variable!r} is not the name of an environment variable")
    by_url = len(source) == 1 and source[0].lower().startswith(("http://", "https://"))
    if not by_url:
        if token or issuer or scope:
            raise Misconfigured("--token and --issuer are for a URL; give a command --env")
        return Server(name, command=tuple(source), env=tuple(env))
    if env:
        raise Misconfigured("--env is for a command; give a URL --token or --issuer")
    if token and issuer:
        raise Misconfigured("give either --token or --issuer")
    if scope and not issuer:
        raise Misconfigured("--scope needs --issuer")
    url = _check_url(source[0])
    oauth = None
    if issuer:
        prefix = name.upper()
        ids = f"{prefix}_CLIENT_ID", f"{prefix}_CLIENT_SECRET"
        oauth = OAuth(_check_url(issuer), *ids, scope)
    return Server(name, url=url, token=token, oauth=oauth)


async def add_server(app: App, server: Server, agent: str, chosen: Sequence[str]) -> None:
    """Write the module of a server, and print what is left to do.

    Raises:
        AgentError: nothing was written; the text says why.
    """
    home, screen = find_home(app.ports, agent), Screen()
    path = home.locate(server.name)
    if path.exists():
        how = f"To see what the server changed, run: agent mcp update {server.name}"
        raise Misconfigured(f"{str(path)!r} is there already and is yours. {how}")
    tools = await read_tools(server)
    blocks, refused = write_blocks(server, choose(tools, chosen), set(), bool(chosen))
    for name, why in refused.items():
        screen.say(f"Left out {tidy(name, 80)}: {why}.")
    if not blocks:
        raise AgentError(f"the MCP server {server.name!r} has no tool that can be used here")
    text = write_module(server, blocks)
    verify(home, text, name_union(server.name))
    path.write_text(text, "utf-8")
    _report(screen, home, server, blocks)


async def read_tools(server: Server) -> "dict[str, Tool]":
    """Return the tools of a server by name. Raises AgentError."""
    try:
        async with connect(server) as connection:
            return dict(connection.tools)
    except Misconfigured:
        raise
    except Exception as error:  # of the SDK, or of what the server sent
        raise AgentError(f"the MCP server {server.name!r} {explain(error)}") from error


def choose(tools: "Mapping[str, Tool]", chosen: Sequence[str]) -> "list[Tool]":
    """Return the tools that were named, or all. Raises AgentError."""
    known = ", ".join(tidy(name, 64) for name in [*tools][:MOST]) or "none at all"
    for name in chosen:
        if name not in tools:
            raise AgentError(f"the server has no tool {name!r}; it has {known}")
    if not chosen and len(tools) > MOST:
        how = f"Choose with --tool: {known}, …"
        raise AgentError(
            f"the server has {len(tools)} tools, and more than {MOST} are too many. {how}"
        )
    return [tools[name] for name in chosen or tools]


def write_blocks(
    server: Server, tools: "Sequence[Tool]", taken: set[str], strict: bool
) -> tuple[list[Block], dict[str, str]]:
    """Return tools as source, and by name why others cannot be.

    Raises:
        AgentError: `strict`, and one cannot be.
    """
    taken |= {name_union(server.name), "SERVER", "Any", "Literal", "Call", "Step", "mcp"}
    blocks, refused = list[Block](), dict[str, str]()
    for tool in tools:
        try:
            blocks.append(write_block(server.name, tool, taken))
        except Unwritable as error:
            refused[tool.name] = str(error)
            if strict:
                raise AgentError(f"the tool {tool.name!r} cannot be added: {error}") from None
    return blocks, refused


def _report(screen: Screen, home: Home, server: Server, blocks: Sequence[Block]) -> None:
    path = home.locate(server.name)
    screen.say(f"Wrote {str(_shorten(path))!r}: tools {', '.join(block.tool for block in blocks)}.")
    if variables := list_variables(server):
        _add_example(server.name, variables)
        screen.say(f"Set {', '.join(variables)} in .env.")
    union, module = name_union(server.name), path.stem
    screen.say("Read it: the descriptions are the words of somebody else.")
    screen.say("\nThen add the steps to what the model may say, beside your own:\n")
    screen.write(f"from .{module} import {union}\n\nNextStep = … | {union}")
    screen.say(f"\nand say in `decide` ({_shorten(home.control_flow)}) what each means:\n")
    names = ", ".join(name for block in blocks for name in (block.shape, block.intent))
    screen.write(f"from .{module} import {names}\n")
    for block in blocks:
        screen.write(block.arm)


def list_variables(server: Server) -> list[str]:
    """Return the environment variables that a server needs."""
    oauth = (server.oauth.client_id, server.oauth.client_secret) if server.oauth else ()
    return [*filter(None, (server.token, *oauth, *server.env))]


def _add_example(server: str, variables: Sequence[str]) -> None:
    """Name the variables in `.env.example`, if it is there and does not name them."""
    if not _EXAMPLE.is_file():
        return
    text = _EXAMPLE.read_text("utf-8")
    missing = [f"# {name}=\n" for name in variables if f"{name}=" not in text]
    if missing:
        head = f"{text.rstrip()}\n\n# The MCP server {server}.\n"
        _EXAMPLE.write_text(head + "".join(missing), "utf-8")


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.hostname and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        usable = None
    if not usable or parts.scheme.lower() not in ("http", "https"):
        raise Misconfigured(f"{url!r} is not a URL such as https://mcp.example.org/mcp")
    if parts.username or parts.password:
        raise Misconfigured("the URL has a password in it; set it in .env, and use --token")
    return url


def _shorten(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
