"""Ask the server of `OPENAI_BASE_URL` for steps of many unions, in an agent's own environment.

`PYTHONPATH=. OPENAI_BASE_URL=… python …/unions.py REPLIES` asks for one union for each row of the
table of types in docs/models.md that a process accepts. It prints, for each row, what the table
says of such servers, and how many replies were steps, were cut off, or why they were neither.
"""

import asyncio
import json
import sys
from dataclasses import replace
from typing import Any

from agent.engine.llms.openai import OpenaiLLM
from agent.engine.llms.output import JsonSteps
from agent.engine.log.errors import InvalidStep
from tests.engine.llms.contract import PROMPT, Serve
from tests.engine.llms.test_types import PROVIDERS, TYPES, judge


async def ask(llm: OpenaiLLM, steps: JsonSteps, times: int) -> dict[str, Any]:
    found: dict[str, Any] = {"steps": 0, "cut": 0, "errors": []}
    for number in range(times):
        reply = await llm(replace(PROMPT, ask=f"What is step {number}?"), steps.schema)
        try:
            steps.read(reply.text)
            found["steps"] += 1
        except InvalidStep as error:
            if reply.stop == "truncated":
                found["cut"] += 1
            else:
                found["errors"].append(f"{error} {reply.text!r}")
    return found


async def main(replies: int) -> None:
    llm = OpenaiLLM.from_env("tiny")
    accepted = {
        row: (shapes, verdict)
        for row, shapes in TYPES.items()
        if (verdict := judge(shapes[0])[PROVIDERS.index("compatible servers")]) != "refused"
    }
    times = -(-replies // len(accepted))
    result = {}
    for row, (shapes, verdict) in accepted.items():
        union: Any = shapes[0] | Serve
        result[row] = {"verdict": verdict, **await ask(llm, JsonSteps(union), times)}
    print(json.dumps(result))


asyncio.run(main(int(sys.argv[1])))
