"""A small server for each test, over both transports, and a call of its tool."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp.types import Tool

from agent.engine import Call, Step
from agent.engine.log.thread import Thread
from agent.engine.mcp import Server
from agent.engine.mcp.digests import fingerprint

from . import small


class CreateTicket(Step):
    intent: Literal["create_ticket"] = "create_ticket"
    title: str
    urgent: bool | None = None


@dataclass(frozen=True)
class Desk:
    """A server, and what it was told to do."""

    plan: small.Plan
    server: Server

    def fingerprint(self) -> str:
        """Return the fingerprint of the tool as it is now."""
        return fingerprint(Tool.model_validate(self.plan.read()["tools"][0]))

    async def call(self, digest: str = "", **arguments: Any) -> Any:
        """Call the tool as an agent does that added it before."""
        step = CreateTicket(**{"title": "It burns"} | arguments)
        before = digest or self.fingerprint()
        return await self.server.call("create_ticket", before, step, Call("key-1", "", Thread("t")))


def start_command(plan: small.Plan) -> tuple[str, ...]:
    return (sys.executable, "-S", str(Path(small.__file__)), str(plan.path))


@pytest.fixture
def plan(tmp_path: Path) -> small.Plan:
    return small.make_plan(tmp_path / "plan.json")


@pytest.fixture
def by_stdio(plan: small.Plan) -> Desk:
    return Desk(plan, Server("tickets", command=start_command(plan)))


@pytest.fixture
def by_http(plan: small.Plan) -> Iterator[Desk]:
    with small.serve_http(plan) as url:
        yield Desk(plan, Server("tickets", url=url))


@pytest.fixture(params=["stdio", "http"])
def desk(request: pytest.FixtureRequest) -> Desk:
    found: Desk = request.getfixturevalue(f"by_{request.param}")
    return found
