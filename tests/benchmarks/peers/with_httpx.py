"""The loop people write by hand, with httpx: a list of messages, and a row for each in SQLite."""

import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal

import httpx
from harness import SYSTEM, URL, One, hello, look, measure
from pydantic import BaseModel

Messages = list[dict[str, str]]
Ask = Callable[[Messages], Awaitable[str]]


class Look(BaseModel):
    intent: Literal["look"]
    at: str


class Done(BaseModel):
    intent: Literal["done"]
    message: str


class Answer(BaseModel):
    next_step: Look | Done


SCHEMA = {"name": "next_step", "schema": Answer.model_json_schema()}
FORMAT = {"type": "json_schema", "json_schema": SCHEMA}


def by_hand(ask: Ask, db: sqlite3.Connection) -> One:
    async def one(name: str, steps: int) -> None:
        messages: Messages = []

        def keep(role: str, content: str) -> None:
            messages.append({"role": role, "content": content})
            row = (name, len(messages), role, json.dumps({"content": content}))
            db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)

        keep("system", SYSTEM)
        keep("user", hello(name, steps))
        while True:
            said = await ask(messages)
            keep("assistant", said)
            step = Answer.model_validate_json(said).next_step
            if isinstance(step, Done):
                return
            keep("user", await look(step.at))

    return one


def open_messages(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    table = "thread TEXT, seq INTEGER, role TEXT, data TEXT, PRIMARY KEY (thread, seq)"
    db.execute(f"CREATE TABLE messages ({table})")
    return db


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[One]:
    limits = httpx.Limits(max_connections=1000)
    async with httpx.AsyncClient(base_url=URL, limits=limits, timeout=120) as client:

        async def ask(messages: Messages) -> str:
            body = {"model": "local", "messages": messages, "response_format": FORMAT}
            reply = await client.post("/chat/completions", json=body)
            return str(reply.json()["choices"][0]["message"]["content"])

        yield by_hand(ask, open_messages(path))


if __name__ == "__main__":
    measure(opened)
