"""The OpenAI Agents SDK with its SQLite session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from harness import SYSTEM, URL, One, hello, look, measure
from openai import AsyncOpenAI


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[One]:
    set_tracing_disabled(True)
    client = AsyncOpenAI(api_key="none", base_url=URL)
    model = OpenAIChatCompletionsModel("local", client)
    agent = Agent("looker", instructions=SYSTEM, tools=[function_tool(look)], model=model)

    async def one(name: str, steps: int) -> None:
        session = SQLiteSession(name, path)
        await Runner.run(agent, hello(name, steps), session=session, max_turns=10**6)
        session.close()

    yield one


measure(opened)
