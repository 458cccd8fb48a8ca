"""The commands about one event of a thread: revoke a standing approval, rate a step."""

from typing import Annotated, Literal

import typer

from ..loop import api
from ..people.identity import find_local_user
from ..runners.app import no_model
from .format import format_command
from .screen import Screen
from .threads import find_thread

At = Annotated[str, typer.Argument(metavar="ID:EVENT", help="A thread and its event; see `show`.")]


async def revoke(ctx: typer.Context, name: At) -> None:
    """Revoke an approval for a whole thread.

    EVENT is the event that gave it; `show` lists these approvals.
    """
    ports, actor = ctx.obj(no_model).ports, find_local_user()
    prefix, seq = _split_name(name)
    thread = await find_thread(ports.store, prefix)
    await api.revoke(ports, thread.id, seq, actor=actor)
    Screen().say("Revoked. From now on, each of these calls needs an approval of its own.", "green")


async def rate(
    ctx: typer.Context,
    name: At,
    rating: Annotated[Literal["good", "bad"], typer.Argument(help="What you think of the step.")],
    text: Annotated[str, typer.Option(help="Why; for those who improve the agent.")] = "",
) -> None:
    """Rate a step of the agent. The last rating of a step counts."""
    ports, actor = ctx.obj(no_model).ports, find_local_user()
    prefix, seq = _split_name(name)
    thread = await find_thread(ports.store, prefix)
    await api.rate(ports, thread.id, seq, rating, actor=actor, text=text)
    Screen().say(f"Recorded: step {seq} is {rating}.", "green")


def _split_name(name: str) -> tuple[str, int]:
    prefix, _, seq = name.partition(":")
    if not prefix or not (seq.isascii() and seq.isdecimal() and len(seq) < 10):
        hint = f"`{format_command('show')}` numbers the events of a thread"
        raise typer.BadParameter(f"{name!r} is not ID:EVENT, such as 3f2a91bc:7; {hint}")
    return prefix, int(seq)
