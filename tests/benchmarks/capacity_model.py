"""A model that takes its time: `MODEL=slow:<seconds>`; capacity.py puts it into a repository.

It calls a tool first and ends then, or asks a person if it was told to wait. When it was asked
is the name it gives itself, by this machine's clock.
"""

import asyncio
import json
import time
from typing import Any, Self

from agent.engine.context.window import Prompt
from agent.engine.loop.ports import Reply

LOOK = {"intent": "list_git_tags"}
DONE = {"intent": "done_for_now", "message": "There they are."}
ASK = {
    "intent": "request_more_information",
    "question": "Which of them?",
    "urgency": "low",
    "format": "free_text",
    "choices": [],
}


class SlowLLM:
    def __init__(self, latency_s: float) -> None:
        self._latency_s = latency_s

    @classmethod
    def from_env(cls, name: str) -> Self:
        return cls(float(name))

    async def __call__(self, prompt: Prompt, _: dict[str, Any]) -> Reply:
        asked = time.time()
        await asyncio.sleep(self._latency_s)
        looked = any(block.startswith("<list_git_tags>") for block in prompt.blocks)
        step = DONE if looked else ASK if "please wait" in prompt.blocks[0] else LOOK
        return Reply(json.dumps({"next_step": step}), {"input": 1, "output": 1}, model=str(asked))
