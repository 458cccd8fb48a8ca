"""A page follows its thread by the session of whoever reads it."""

from fastapi import FastAPI

from agent.engine.http import login
from agent.engine.stores.memory import MemoryStore

from ..domain import make_message, store_thread
from ..http.conftest import TOKENS, Follow, caller


async def test_a_page_follows_the_same_stream_by_the_session_of_its_reader(
    api: FastAPI, store: MemoryStore, follow: Follow
) -> None:
    thread = await store_thread(store, make_message("one"))
    async with caller(api) as browser:
        await browser.post("/login", data={"token": TOKENS["ana"]})
        cookie = f"{login.COOKIE}={browser.cookies[login.COOKIE]}"
    page = {"path": "/inbox/{}/stream", "Authorization": "", "Cookie": cookie}
    async with follow("t", "after=1", **page) as (follower, _):
        await store.append(thread, make_message("two"))
        assert (await follower.next())["data"]["text"] == "two"
        await store.append(await store.load("t"), make_message("three"))
        assert (await follower.next())["id"] == 3
