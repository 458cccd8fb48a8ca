"""What B's context window costs in tokens beside standard chat messages, for the deploy story.

In a rendered repository: `PYTHONPATH=. uv run --with bpe-openai python <path to>/tokens.py`. The
same events are written both ways before each of the model's decisions and counted with o200k.
Messages are as frugal as a chat template makes them: ChatML, a call and its result as JSON
between tags, no ids. What caches save is computed by the rules that the providers publish; no
provider is asked. The second half measures forms without a cache: a thread, an exchange, a list of
records, and how near the estimates are.
"""

import json
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from itertools import accumulate
from typing import Any

from agent.deploy.tools import NextStep
from agent.engine.context.blocks import render_block
from agent.engine.context.window import Prompts, Window, render_prompt
from agent.engine.llms.output import JsonSteps
from agent.engine.log.events import Event
from agent.engine.log.thread import Thread
from agent.engine.tokens import estimate_tokens
from bpe_openai import get_encoding
from tests.engine.domain import (
    make_answer,
    make_failure,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    make_thread,
)

READ, WRITE = 0.1, 1.25
ASKED = "Can you deploy the latest backend to production? Staging first, as always."
QUESTION = "The deployment service did not answer. Try again, or wait until somebody has a look?"
SYSTEM, ASK = (
    files("agent.deploy").joinpath("prompts", name).read_text("utf-8")
    for name in ("system.md", "next_step.md")
)
SCHEMA: dict[str, Any] = JsonSteps(NextStep).schema
Call = list[int]
"""Tokens of each part of a request: what never changes, one part an event, the question."""

encode = get_encoding("o200k_base").encode


def count(value: Any) -> int:
    return len(encode(value if isinstance(value, str) else json.dumps(value)))


def story(steps: int) -> Thread:
    """Ask for a deployment again and again; five steps each, with a failure and a question."""
    events: list[Event] = []

    def call(intent: str, output: Any = None, **arguments: Any) -> None:
        step = len(events) + 1
        events.append(make_step(intent, **arguments))
        if arguments.get("environment") == "production":
            events.append(make_pause("approval", call=events[-1].data["call"]))
            events.append(make_answer(step + 1, "approve"))
        if intent == "request_more_information":
            events.append(make_pause("question"))
            events.append(make_answer(step + 1, "answer", text=output))
            return
        error = make_failure(step, "ConnectionError: no answer")
        events.extend([make_start(step), make_result(step, output) if output else error])

    for turn in range(steps // 5):
        names = [f"v1.2.{turn + number}" for number in (3, 2, 1)]
        tags = [{"name": name, "commit": sha256(name.encode()).hexdigest()[:7]} for name in names]
        staging = {"tag": names[0], "environment": "staging"}
        production = {"tag": names[0], "environment": "production"}
        events.append(make_message(ASKED, source="slack"))
        call("list_git_tags", tags)
        call("deploy_backend", {"deployed": names[0], "environment": "staging"}, **staging)
        call("deploy_backend", **production)
        call("request_more_information", "It was restarted just now, try again.", question=QUESTION)
        call("deploy_backend", {"deployed": names[0], "environment": "production"}, **production)
    return make_thread(*events)


def ours(thread: Thread) -> list[Call]:
    first = count(SYSTEM) + count(SCHEMA) + 8  # two messages
    window, prompts, calls = Window(), Prompts(SYSTEM, ASK), list[Call]()
    for place, event in enumerate(thread.events):
        if event.type == "step":
            blocks = window.prompt(Thread("t", thread.events[:place]), prompts).blocks
            calls.append([first, *(count(f"{block}\n\n") for block in blocks), count(ASK)])
    return calls


def messages(thread: Thread) -> list[Call]:
    """Write the same as one message for what was said, for each call and for each result."""
    tools = [{"name": name, "parameters": shape} for name, shape in SCHEMA["$defs"].items()]
    first = count(SYSTEM) + count([{"type": "function", "function": tool} for tool in tools]) + 4
    calls, so_far = list[Call](), list[int]()
    for event in thread.events:
        if event.type == "step":
            calls.append([first, *so_far, 3])  # the answer's opening
        so_far += [count(text) + 4 for text in _message(event)]
    return calls


def _message(event: Event) -> list[str]:
    data = event.data
    match event.type:
        case "message":
            return [f"{event.actor}: {data['text']}"]
        case "step":
            arguments = {name: item for name, item in data["call"].items() if name != "intent"}
            called = json.dumps({"name": data["call"]["intent"], "arguments": arguments})
            return [f"<tool_call>\n{called}\n</tool_call>"]
        case "tool_finished":
            return [f"<tool_response>\n{json.dumps(data['output'])}\n</tool_response>"]
        case "tool_failed":
            return [f"<tool_response>\n{data['error']}\n</tool_response>"]
        case "resumed":
            text = data.get("text") or "approved"
            return [f"<tool_response>\n{event.actor}: {text}\n</tool_response>"]
    return []


def string(calls: list[Call]) -> list[Call]:
    """Put all events of a request into one part, which grows."""
    return [[first, sum(events), ask] for first, *events, ask in calls]


def uncached(calls: list[Call]) -> float:
    return sum(map(sum, calls))


def marked(calls: list[Call], look_back: int) -> float:
    """What ends at a mark is kept, and found again by a mark there or so many parts later."""
    kept, seen, total = set[int](), 0, 0.0
    for call in calls:
        ends, last = list(accumulate(call, initial=0)), len(call) - 1
        marks = {1, seen, last}
        near = {max(0, mark - back) for mark in marks for back in range(look_back + 1)}
        read = max((ends[place] for place in near if ends[place] in kept), default=0)
        written = ends[last] - read if ends[last] >= 1024 else 0
        total += READ * read + WRITE * written + ends[-1] - read - written
        kept |= {ends[mark] for mark in marks if ends[mark] >= 1024}
        seen = last
    return total


def automatic(calls: list[Call], minimum: int) -> float:
    """Whatever the request before began with is found again, in pieces of 128 tokens."""
    total, before = 0.0, 0
    for call in calls:
        total += sum(call) - (1 - READ) * (before // 128 * 128 if before >= minimum else 0)
        before = sum(call[:-1])
    return total


RULES: dict[str, Callable[[list[Call]], float]] = {
    "no cache": uncached,
    "Anthropic (marks, 20 parts of look-back)": lambda calls: marked(calls, 20),
    "OpenAI from GPT-5.6 on (marks)": lambda calls: marked(calls, 0),
    "OpenAI before it (any prefix)": lambda calls: automatic(calls, 1024),
    "Gemini (any prefix from 4,096 tokens, no promise)": lambda calls: automatic(calls, 4096),
}


def api_messages(thread: Thread) -> list[Any]:
    """Write the same as compact JSON, in the form of OpenAI's messages."""
    messages, call_id = list[Any](), ""
    for event in thread.events:
        data = event.data
        match event.type:
            case "message":
                messages.append({"role": "user", "name": event.actor, "content": data["text"]})
            case "step":
                call_id = str(event.seq)
                arguments = {name: item for name, item in data["call"].items() if name != "intent"}
                function = {"name": data["call"]["intent"], "arguments": compact(arguments)}
                call = {"id": call_id, "type": "function", "function": function}
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            case "tool_finished" | "tool_failed":
                said = data.get("error") or compact(data["output"])
                messages.append({"role": "tool", "tool_call_id": call_id, "content": said})
            case "resumed":
                text = data.get("text") or "approved"
                messages.append({"role": "user", "name": event.actor, "content": text})
    return messages


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read(thread: Thread) -> str:
    return "\n\n".join(render_prompt(thread, Prompts("", "")).blocks)


def compare_threads() -> None:
    asked = make_message(ASKED.partition("?")[0] + "?", "@alex", source="slack")
    call = make_step("deploy_backend", tag="v1.2.3", environment="production")
    print("\n| | blocks | chat template | compact JSON |\n|---|--:|--:|--:|")
    threads = {"a request and a call": make_thread(asked, call), "30 steps": story(30)}
    for name, thread in threads.items():
        template = sum(count(text) + 4 for event in thread.events for text in _message(event))
        api = count(compact(api_messages(thread)))
        print(f"| {name} | {count(read(thread)):,} | {template:,} | {api:,} |")
    chat, blocks = messages(story(30)), ours(story(30))
    print(f"\nBlocks in 30 requests: {_size(blocks) / _size(chat):.2f} of the chat template;")
    print(f"with system prompt, schema and question {uncached(blocks) / uncached(chat):.2f}, and")
    print(f"{sum(blocks[-1]) / sum(chat[-1]):.2f} in the last request.")


def _size(calls: list[Call]) -> int:
    return sum(sum(events) for _, *events, _ in calls)


def make_records() -> dict[str, list[dict[str, Any]]]:
    hashes = [sha256(str(number).encode()).hexdigest() for number in range(50)]
    return {
        "tags": [
            {
                "name": f"v1.{n}.2",
                "commit": commit[:7],
                "date": f"2024-03-{n % 28 + 1:02}T10:00:00Z",
            }
            for n, commit in enumerate(hashes)
        ],
        "orders": [
            {
                "id": 37 * n,
                "user": ("ana", "bob", "Mia Li")[n % 3],
                "city": ("Berlin", "Rome")[n % 2],
            }
            | {"amount": int(commit[:4], 16) / 100, "paid": n % 3 == 0}
            for n, commit in enumerate(hashes)
        ],
    }


def compare_records() -> None:
    print("\n| 50 records | block | YAML, as before | compact JSON |\n|---|--:|--:|--:|")
    for name, records in make_records().items():
        yaml = "\n".join(
            f"    {'-' if first else ' '} {key}: {json.dumps(item)}"
            for record in records
            for first, (key, item) in zip([1, *[0] * 9], record.items(), strict=False)
        )
        block = render_block("records", records)
        assert "not shown" not in block
        print(f"| {name} | {count(block):,} | {count(yaml):,} | {count(compact(records)):,} |")


def compare_estimates() -> None:
    texts = {"the thread of 30 steps": read(story(30))}
    texts |= {f"50 {name}": render_block("r", made) for name, made in make_records().items()}
    texts["hexadecimal ids"] = "\n".join(sha256(bytes([n])).hexdigest() for n in range(50))
    print("\n| estimated / counted | | a quarter of the bytes |\n|---|--:|--:|")
    for name, text in texts.items():
        now, before = estimate_tokens(text), len(text.encode()) // 4 + 1
        print(f"| {name} | {now / count(text):.2f} | {before / count(text):.2f} |")


def main() -> None:
    compare_threads()
    compare_records()
    compare_estimates()
    for steps in (20, 30, 100):
        chat, blocks = messages(story(steps)), ours(story(steps))
        print(f"\n| {steps} steps | messages | our blocks | our blocks as one string |")
        print("|---|---|---|---|")
        for name, rule in RULES.items():
            costs = [rule(calls) / uncached(chat) for calls in (chat, blocks, string(blocks))]
            print(f"| {name} | {' | '.join(f'{100 * cost:.0f} %' for cost in costs)} |")
        print(f"\n100 % is {uncached(chat):,.0f} tokens in {steps} requests; the last one has")
        print(f"{sum(chat[-1]):,} as messages and {sum(blocks[-1]):,} as blocks.")


main()
