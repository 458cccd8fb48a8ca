"""The commands `mcp add`, `mcp check`, `mcp update` and `mcp serve`."""

import asyncio
from typing import Annotated

import typer

from ..cli.logs import set_up_logging
from ..runners.app import Build, no_model
from ..settings import required_model

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Your name for the server: small letters, digits, _.")
]
Source = Annotated[
    list[str],
    typer.Argument(metavar="URL | -- COMMAND", help="Its endpoint, or what starts it here."),
]
AgentName = Annotated[str, typer.Option("--agent", metavar="NAME", help="Of several agents, one.")]
Tools = Annotated[
    list[str] | None, typer.Option("--tool", metavar="TOOL", help="Only this tool; repeatable.")
]
More = Annotated[
    list[str] | None, typer.Option("--tool", metavar="TOOL", help="Add this tool; repeatable.")
]
Token = Annotated[
    str, typer.Option(metavar="VARIABLE", help="The environment variable with a bearer token.")
]
Issuer = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="Sign in with OAuth client credentials at this issuer: <NAME>_CLIENT_ID and "
        "<NAME>_CLIENT_SECRET.",
    ),
]
Scope = Annotated[str, typer.Option(help="Of OAuth.")]
Env = Annotated[
    list[str] | None,
    typer.Option(metavar="VARIABLE", help="An environment variable for COMMAND; repeatable."),
]
Model = Annotated[str, typer.Option(help="Which model decides; MODEL if left out.")]
Yes = Annotated[bool, typer.Option("--yes", help="Write without asking.")]


def mount(cli: typer.Typer, build: Build) -> None:
    """Add the commands of MCP."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    _mount_client(group, build)

    @group.command()
    def serve(model: Model = "") -> None:
        """Be an MCP server over stdin and stdout, and run the threads."""
        from .serving import serve_stdio

        set_up_logging()
        asyncio.run(serve_stdio(build(lambda name: model or required_model(name))))

    cli.add_typer(group, name="mcp", help="Use tools of MCP servers, and be one.")


def _mount_client(group: typer.Typer, build: Build) -> None:
    """Add the commands about the tools of others."""

    @group.command()
    def add(
        name: Name,
        source: Source,
        agent: AgentName = "",
        tool: Tools = None,
        token: Token = "",
        issuer: Issuer = "",
        scope: Scope = "",
        env: Env = None,
    ) -> None:
        """Write the tools of a server into the folder of an agent, as code that is yours."""
        from .adding import add_server, make_server  # the SDK would slow down every command

        server = make_server(name, source, token=token, issuer=issuer, scope=scope, env=env or [])
        asyncio.run(add_server(build(no_model), server, agent, tool or []))

    @group.command()
    def check() -> None:
        """Compare every tool with what its server says today. Exit code 1 if one differs."""
        from .checking import check_servers

        raise typer.Exit(asyncio.run(check_servers(build(no_model))))

    @group.command()
    def update(name: Name, tool: More = None, yes: Yes = False) -> None:
        """Show what a server changed, and write it into your code."""
        from .checking import update_server

        raise typer.Exit(asyncio.run(update_server(build(no_model), name, tool or [], yes)))
