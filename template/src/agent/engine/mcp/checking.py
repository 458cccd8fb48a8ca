"""`agent mcp check` and `agent mcp update`: what servers changed since their tools were added."""

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..cli.screen import Screen
from ..log.errors import AgentError
from ..runners.app import App
from .adding import choose, read_tools, write_blocks
from .digests import describe_change
from .modules import Known, Module, find_modules, verify
from .source import Block, name_union
from .texts import tidy

if TYPE_CHECKING:
    from mcp.types import Tool


async def check_servers(app: App) -> int:
    """Print how each tool differs from what its server says, and return the exit code."""
    screen, rows, differs = Screen(), list[tuple[str, ...]](), False
    for module in find_modules(app.ports):
        try:
            tools = await read_tools(module.server)
        except AgentError as error:
            differs = True
            rows.append((module.home.agent, module.server.name, "", str(error)))
            continue
        for known in module.tools:
            change = describe_change(tools, known.name, known.digest)
            differs = differs or bool(change)
            rows.append((module.home.agent, module.server.name, known.name, change or "the same"))
        if more := tools.keys() - {known.name for known in module.tools}:
            others = ", ".join(tidy(name, 64) for name in sorted(more))
            rows.append((module.home.agent, module.server.name, "", f"not added: {others}"))
    screen.table(("AGENT", "SERVER", "TOOL", "STATUS"), rows)
    if differs:
        screen.say("See a change, and take it over, with: agent mcp update SERVER")
    return 1 if differs else 0


async def update_server(app: App, name: str, more: Sequence[str], yes: bool) -> int:
    """Show what a server changed and write it, once somebody agreed; return the exit code.

    Raises:
        AgentError: nothing was written; the text says why.
    """
    screen, code = Screen(), 0
    for module in find_modules(app.ports, name):
        tools = await read_tools(module.server)
        code = max(code, await _update(screen, module, tools, more, yes))
    return code


async def _update(
    screen: Screen,
    module: Module,
    tools: "Mapping[str, Tool]",
    more: Sequence[str],
    yes: bool,
) -> int:
    path, changed, code = module.path, list[Known](), 0
    for known in module.tools:
        if change := describe_change(tools, known.name, known.digest):
            screen.say(f"{known.name} {change}.")
            if known.name in tools:
                changed.append(known)
            else:
                code = 1
                screen.say(f"Calls of it are refused; delete it from {str(path)!r}.")
    new = [one for one in more if one not in {known.name for known in module.tools}]
    if not changed and not new:
        screen.say("" if code else f"{module.server.name}: nothing changed.")
        return code
    text = module.replace(_write_anew(module, tools, changed, new))
    verify(module.home, text, name_union(module.server.name))
    old, now = module.text.splitlines(), text.splitlines()
    screen.show(difflib.unified_diff(old, now, str(path), str(path), lineterm=""), result=True)
    if not yes and not await _confirm(screen):
        screen.say("Nothing was written. Write it with: agent mcp update NAME --yes")
        return 1
    path.write_text(text, "utf-8")
    screen.say(f"Wrote {str(path)!r}. Check that `decide` still says what you want.")
    return code


def _write_anew(
    module: Module, tools: "Mapping[str, Tool]", changed: Sequence[Known], new: Sequence[str]
) -> list[Block]:
    """Return the changed and the new tools as source, with the names that they had."""
    free = {name for known in changed for name in known.names}
    names = [known.name for known in changed]
    chosen = choose(tools, [*names, *new]) if names or new else []
    blocks, _ = write_blocks(module.server, chosen, set(module.names) - free, strict=True)
    return blocks


async def _confirm(screen: Screen) -> bool:
    if not screen.interactive:
        return False
    screen.discard_typed()
    return (await screen.ask("Write this? [y/N]") or "").lower() in ("y", "yes")
