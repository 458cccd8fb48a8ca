"""Requests as bytes, read as uvicorn reads them: what gets past it is what reaches the API."""

import asyncio
import hmac
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import h11
from fastapi import FastAPI

from agent.engine.index import Session
from agent.engine.log.events import compute_digest, make_event
from agent.engine.stores.memory import MemoryStore

from ..domain import make_message, make_pause, make_step, store_thread
from ..examples import st
from ..fuzz.mutation import mutate, mutate_json, mutate_value
from .conftest import TOKENS

CALL: dict[str, Any] = {"intent": "charge", "amount": 500}
EDITED = CALL | {"amount": 400}
SCOPE = {"amount": 500}
SECRET = "s" * 43
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Sent:
    head: bytes
    body: bytes


def read_requests(path: Path) -> list[Sent]:
    """Read a file of requests of ana's, with what she has to know to send them."""
    known = {
        "token": TOKENS["ana"],
        "secret": SECRET,
        "csrf": _sign(b"form"),
        "digest": compute_digest(CALL, SCOPE),
        "edited": compute_digest(EDITED),
    }
    text = path.read_text("utf-8")
    for name, value in known.items():
        text = text.replace(f"{{{name}}}", value)
    parts = (each.strip().partition("\n\n") for each in text.split("###\n"))
    return [Sent(head.replace("\n", "\r\n").encode(), body.encode()) for head, _, body in parts]


def mutate_requests(path: Path) -> st.SearchStrategy[Sent]:
    """Draw a request of a file whose head, or body, or both are changed."""
    return st.sampled_from(read_requests(path)).flatmap(_mutate_request)


def _mutate_request(sent: Sent) -> st.SearchStrategy[Sent]:
    head, body = st.just(sent.head), _mutate_body(sent)
    return st.builds(Sent, st.one_of(head, mutate([sent.head])), body)


def _mutate_body(sent: Sent) -> st.SearchStrategy[bytes]:
    if b"/json" in sent.head:
        return mutate_json([sent.body])
    fields = dict(parse_qsl(sent.body.decode(), keep_blank_values=True))
    forms = mutate_value([fields]).map(_write_form)
    return st.one_of(mutate([sent.body]), forms) if fields else mutate([sent.body])


def _write_form(fields: dict[str, Any]) -> bytes:
    texts = [(name, _write_field(value)) for name, value in fields.items()]
    return urlencode(texts, errors="surrogatepass").encode()


def _write_field(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def store_asked(store: MemoryStore) -> None:
    """Store a thread in which ana is asked for an approval, and her session."""
    asked = make_pause("approval", "ana", call=CALL, standing=SCOPE)
    rated = make_event("finished", message="nothing yet")
    await store_thread(store, rated, thread_id="other")
    await store_thread(store, make_message(), make_step(**CALL), asked)
    proof = _sign(sha256(TOKENS["ana"].encode()).digest())
    until = (await store.now()).replace(year=2100)
    await store.open_session(Session(sha256(SECRET.encode()).hexdigest(), proof, until))


async def send(api: FastAPI, sent: Sent) -> int | None:
    """Send a request, and return the status; None if uvicorn refuses it.

    What the API raises is raised here, too.
    """
    if (request := _parse_head(sent.head)) is None:
        return None
    path, _, query = request.target.partition(b"?")
    headers = [pair for pair in request.headers if pair[0] != b"content-length"]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method.decode("ascii"),
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "headers": [*headers, (b"content-length", str(len(sent.body)).encode())],
    }
    bodies = asyncio.Queue[dict[str, Any]]()
    bodies.put_nowait({"type": "http.request", "body": sent.body})
    statuses: list[int] = []

    async def answer(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async with asyncio.timeout(PATIENCE_S):
        await api(scope, bodies.get, answer)
    return statuses[0]


def _parse_head(head: bytes) -> h11.Request | None:
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(head + b"\r\n\r\n")
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def _sign(content: bytes) -> str:
    return hmac.new(SECRET.encode(), content, sha256).hexdigest()
