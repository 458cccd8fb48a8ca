"""The API as a whole: what its OpenAPI promises, and a thread that lives by HTTP alone."""

import asyncio
from typing import Any
from uuid import uuid4

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI

from agent.errors import Misconfigured
from agent.llms.scripted import scripted
from agent.ports import Agent
from agent.runners.local import LocalRunner
from agent.stores.memory import MemoryStore
from agent.triggers.http.stream import POLL_S

from ...domain import Says, World, agent_of, types
from .conftest import Asleep, api_of, bearer, begin, caller, until

END = {"intent": "done", "message": "bye"}

_agent = agent_of(MemoryStore(), scripted(END), World(":memory:"))
schema = schemathesis.openapi.from_asgi("/openapi.json", api_of(_agent, LocalRunner(_agent)))


@pytest.mark.server
@hypothesis.settings(max_examples=30)
@schema.parametrize()
def test_the_api_keeps_what_its_schema_promises(case: Any) -> None:
    if case.meta.generation.mode.is_positive and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = uuid4().hex  # another body needs another key
    case.call_and_validate(headers=bearer("ana"))


def test_every_route_says_what_it_is_for(api: FastAPI) -> None:
    described = api.openapi()
    assert list(described["components"]["securitySchemes"]) == ["HTTPBearer"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            assert ("security" in operation) == (path != "/healthz")
            for status, answer in operation["responses"].items():
                assert answer["description"] != "Successful Response", (method, path, status)


async def test_a_thread_is_begun_asked_and_ended_by_http_alone(
    store: MemoryStore, world: World
) -> None:
    steps = ({"intent": "ask_person", "question": "how much?"}, {"intent": "charge", "amount": 5})
    agent = agent_of(store, scripted(*steps, END), world)
    api = api_of(agent, LocalRunner(agent, poll_s=0.01))
    async with api.router.lifespan_context(api), caller(api, "ana") as ana:
        thread_id = (await begin(ana, "charge")).json()["id"]
        (asked,) = await until(ana, "/waits", len)
        path = f"/threads/{thread_id}"
        answer = {"verdict": asked["verdicts"][0], "text": "5"}
        answered = await ana.post(f"{path}/waits/{asked['wait']}", json=answer)
        assert answered.status_code == 202
        read = await until(ana, path, lambda now: now["status"] == "finished")
    assert read["events"][-2]["data"] == {"message": "bye"}
    assert world.effects("charge") == ["5"]


async def test_stopping_lets_the_step_end_that_runs(store: MemoryStore, world: World) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def thinks() -> str:
        begun.set()
        await go_on.wait()
        return '{"next_step": {"intent": "done", "message": "bye"}}'

    agent = agent_of(store, Says(thinks), world)
    api = api_of(agent, LocalRunner(agent, poll_s=0.01))
    async with caller(api, "ana") as ana:
        async with api.router.lifespan_context(api):
            thread_id = (await begin(ana)).json()["id"]
            await asyncio.wait_for(begun.wait(), 5)
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        assert "step" in types(await store.load(thread_id))


async def test_a_runner_that_broke_is_a_health_problem(agent: Agent) -> None:
    class Broken(Asleep):
        async def work(self) -> None:
            raise Misconfigured("the database is from tomorrow")

    api = api_of(agent, Broken())
    async with api.router.lifespan_context(api), caller(api) as anybody:
        await asyncio.sleep(0)
        answer = await anybody.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the runner stopped: the database is from tomorrow"


def test_streams_look_at_the_store_twice_a_second_or_more() -> None:
    assert 0.1 <= POLL_S <= 0.5
