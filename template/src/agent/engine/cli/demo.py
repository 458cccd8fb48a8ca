"""`agent demo`: play a script with a store of its own, and always come to an end.

The person at the terminal is asked what is theirs to answer. Everything else, and everything if
there is no terminal, the demo answers as one of those who are asked, and says so.
"""

import shlex
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from ..llms.scripted import ScriptedLLM
from ..log.errors import Misconfigured
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop.api import launch, name_thread
from ..loop.ports import BoundAgent, Ports
from ..people.identity import AnyName
from ..people.poll import PollChannel
from ..people.routing import Routing
from ..people.words import describe_event
from ..runners.app import App, no_model
from ..runners.local import LocalRunner
from ..stores.sqlite import SqliteStore
from .dialog import ask_answer
from .format import format_command, format_time
from .prompts import format_prompt
from .run import LEFT_WAITING
from .screen import Screen, handle_interrupt
from .script import Script, find_scripts
from .talk import StandIn, Talk
from .waits import Answer

DATABASE = "data/demo.db"
RECENT = timedelta(hours=1)
"""How long a demo that was stopped can be continued."""
USAGE = 2
"""The exit code of wrong usage."""


async def demo(
    ctx: typer.Context,
    agent: Annotated[
        str, typer.Argument(metavar="AGENT", help="By default the first that has a script.")
    ] = "",
    new: Annotated[bool, typer.Option("--new", help="Start a new one in any case.")] = False,
) -> None:
    """Play a script: no key, no network, no model.

    The script is sample/AGENT/demo.jsonl. Without a terminal, the demo answers every question. One
    that was stopped within the last hour is continued, unless its script has changed.
    """
    scripts, screen = find_scripts(), Screen(sys.stdout)
    if not scripts:
        Screen().say("agent: there is no demo here, as there is no sample/AGENT/demo.jsonl", "red")
        raise typer.Exit(USAGE)
    agents = ctx.obj(no_model).ports.agents
    script = _choose_script(scripts, agents, agent)
    ports = _bind(script, agents[script.agent])
    app, stand_in = App(ports, LocalRunner(ports)), _make_stand_in(script, screen)
    answerer = ask_answer if screen.interactive else None
    talk = Talk(app, script.actor, screen, answerer, script.agent, stand_in)
    stopped = f"\nStopped. Continue within an hour with: {format_command('demo')}"
    with handle_interrupt(lambda: screen.say(stopped)):
        thread = await talk.go_on(await _start(talk, script, new))
    if thread.state.wait:
        screen.say(f"Left waiting. Continue with: {format_command('demo')}")
        raise typer.Exit(LEFT_WAITING)
    _look_back(talk, thread)
    named = [] if script.agent == next(iter(agents)) else ["--agent", script.agent]
    screen.say("\nNow with a model, named by MODEL in .env (see .env.example):", "bold")
    screen.say(f"  {format_command('run', *named, shlex.quote(script.task))}")
    screen.say(f"  {format_command('show', '--prompt')}")
    raise typer.Exit(0 if thread.state.ended == "finished" else 1)


def _choose_script(scripts: dict[str, Path], agents: Iterable[str], agent: str) -> Script:
    name = agent or next((each for each in agents if each in scripts), next(iter(scripts)))
    if name not in scripts:
        raise typer.BadParameter(
            f"there is no demo of {name!r}; there is one of {', '.join(scripts)}"
        )
    if name not in agents:
        raise Misconfigured(
            f"{str(scripts[name])!r} is for an agent that is not in app.py: {name!r}"
        )
    return Script.read(scripts[name])


def _bind(script: Script, agent: BoundAgent) -> Ports:
    """Return ports of the demo's own: a script for a model, and nobody is notified elsewhere."""
    model = ScriptedLLM.from_file(script.path)
    bound = replace(agent, llm=model, model=f"scripted:{script.path}")
    notifier = Routing({"poll": PollChannel()})
    return Ports(SqliteStore(DATABASE), notifier, {agent.name: bound}, AnyName())


async def _start(talk: Talk, script: Script, new: bool) -> Thread:
    """Continue the demo of this script if it was stopped lately, or start a new one."""
    say, store = talk.screen.say, talk.app.ports.store
    say(f"No key, no network: the script {script.path} decides, not a model.", "bold")
    say(f"Everything else is real: the loop, the log ({DATABASE}), the questions and answers.")
    if script.about:
        say(script.about)
    delivery, now = f"demo:{script.path}:{script.digest}", await store.now()
    for row in () if new else await store.threads(limit=1):
        thread = await store.load(row.id)
        same = thread.events[0].key == f"in:{delivery}" and not thread.state.ended
        if same and now - row.updated < RECENT:
            stopped = f"{format_time(row.updated, now)} after event {thread.state.version}"
            anew = format_command("demo", "--new")
            say(f"Continuing the demo that stopped {stopped}; `{anew}` starts a new one.")
            say(f"\n> {script.task}\n", "bold")
            return thread
    if talk.answerer:
        say(f"Kill it at a question, if you like: `{format_command('demo')}` continues there.")
    say(f"\n> {script.task}\n", "bold")
    sender: dict[str, Any] = {
        "actor": script.actor,
        "delivery": delivery,
        "source": "cli",
        "agent": script.agent,
    }
    thread_id = name_thread("cli", "demo", uuid4().hex)
    return await launch(talk.app.ports, thread_id, script.task, **sender)


def _make_stand_in(script: Script, screen: Screen) -> StandIn:
    """Return what answers for those who are not at the terminal, and says so."""

    def answer(thread: Thread, wait: OpenWait) -> tuple[str, Answer]:
        actor, given = script.answer(thread, wait)
        why = "There is no terminal to ask"
        if screen.interactive:
            why = f"The demo does not wait for a {wait.kind}"
            why = why if wait.admits(script.actor) else f"{actor} is not at this terminal"
        said = f"{given.verdict} ({given.text})" if given.text else given.verdict
        screen.say(f"{why}, so the demo answers as {actor}: {said}\n")
        return actor, given

    return answer


def _look_back(talk: Talk, thread: Thread) -> None:
    screen, sentences = talk.screen, [describe_event(thread, event) for event in thread.events]
    screen.say("\nThe log. It is all the state there is:\n", "bold")
    rows = [(str(seq), said.who, said.line) for seq, said in enumerate(sentences, 1)]
    screen.table(("#", "WHO", "WHAT"), rows)
    if last := max((event.seq for event in thread.events if event.type == "step"), default=0):
        screen.say(f"\nWhat the model would have read before its last step, {last}:\n", "bold")
        screen.write(format_prompt(talk.app.ports, thread.before(last)))
