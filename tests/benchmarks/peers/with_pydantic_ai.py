"""Pydantic AI, which has no store: its new messages are a row in SQLite after each of its nodes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness import SYSTEM, URL, One, hello, look, measure
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.usage import UsageLimits
from with_httpx import open_messages


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[One]:
    model = OpenAIChatModel("local", provider=OpenAIProvider(base_url=URL, api_key="none"))
    agent, db = Agent(model, instructions=SYSTEM, tools=[look]), open_messages(path)
    limits = UsageLimits(request_limit=None)

    async def one(name: str, steps: int) -> None:
        kept = 0
        async with agent.iter(hello(name, steps), usage_limits=limits) as running:
            async for _ in running:
                messages = running.ctx.state.message_history
                if len(messages) > kept:
                    new = ModelMessagesTypeAdapter.dump_json(messages[kept:]).decode()
                    row = (name, len(messages), "", new)
                    db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
                    kept = len(messages)

    yield one


measure(opened)
