"""Factor 8: own your control flow. Asks the model a question of plain code, inside a tool.

Each reply is recorded before the tool goes on. A tool that is run again gets the recorded reply to
a question it has asked before, and the model is not asked twice.
"""

import hashlib
from collections import Counter
from dataclasses import replace
from typing import Any

from ..context.blocks import render_block
from ..context.window import Prompt
from ..log.errors import InvalidStep, Misconfigured
from ..log.events import Event, as_json, make_event
from ..log.thread import Thread
from .actions import AskModel
from .ports import BoundAgent, Ports, Steps
from .record import append_fact

MAX_TRIES = 3
"""How often the model is asked until its reply is valid."""
ASK = 'Answer with one JSON object: {"next_step": {"intent": …}}\n'


def bind_model(ports: Ports, agent: BoundAgent, thread: Thread) -> AskModel:
    """Return `call.ask_model` for a call whose start is the last event of `thread`."""
    step, asked = thread.state.step, Counter[str]()
    assert step, "only an open step has a tool"

    async def ask_model(prompt: str, shape: type[Any], **values: Any) -> Any:
        steps, question = agent.bind_shape(shape), _write_question(agent, thread, prompt, values)
        problem = ""
        for _ in range(MAX_TRIES):
            name = _hash_question(question, steps)
            asked[name] += 1
            question = replace(question, question=asked.total())
            key = f"consulted:{step.seq}:{name}:{asked[name]}"
            reply = thread.find(key)
            if reply is None:
                said = await _consult(agent.for_thread(thread), question, steps, key, step.seq)
                reply = await _record(ports, thread, said)
            if "call" in reply.data:
                return steps.validate(reply.data["call"])
            problem, question = reply.data["error"], _add_error(question, reply)
        raise InvalidStep(f"the model did not answer with a {shape.__name__}: {problem}")

    return ask_model


async def _consult(agent: BoundAgent, question: Prompt, steps: Steps, key: str, step: int) -> Event:
    reply = await agent.llm(question, steps.schema)
    about = agent.charge(reply) | {"prompt_sha": question.sha, "step": step}
    try:
        if reply.stop != "end":
            raise InvalidStep(f"the reply was {reply.stop}")
        return make_event("consulted", "agent", key, call=steps.read(reply.text), **about)
    except InvalidStep as error:
        return make_event("consulted", "agent", key, error=str(error), output=reply.text, **about)


async def _record(ports: Ports, thread: Thread, said: Event) -> Event:
    """Append a reply. If another process has recorded one, return that one instead."""
    grown = await append_fact(ports.store, thread, lambda _: said)
    return grown.find(said.key or "") or said


def _write_question(
    agent: BoundAgent, thread: Thread, prompt: str, values: dict[str, Any]
) -> Prompt:
    if prompt.endswith(".md") and "\n" not in prompt and prompt not in agent.prompts.files:
        known = ", ".join(agent.prompts.files) or "none"
        raise Misconfigured(f"the agent {agent.name!r} has no prompt {prompt!r}: {known}")
    system = agent.prompts.files.get(prompt, prompt)
    blocks = tuple(render_block(name, value) for name, value in values.items())
    decisions = sum(past.type in ("step", "invalid_step") for past in thread.events)
    return Prompt(system, blocks, 0, ASK, decisions=decisions, thread_id=thread.id)


def _add_error(question: Prompt, reply: Event) -> Prompt:
    said = {"error": reply.data["error"], "output": reply.data["output"]}
    blocks = (*question.blocks, render_block("invalid_step", said))
    return replace(question, blocks=blocks, seen=len(question.blocks))


def _hash_question(question: Prompt, steps: Steps) -> str:
    text = as_json([question.system, question.blocks, steps.schema])
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
