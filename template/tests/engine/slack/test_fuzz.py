"""Whatever Slack signs: each request has an answer, and what is recorded is valid."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from agent.engine.log.events import compute_digest
from agent.engine.slack import background

from ..conftest import Clock
from ..domain import make_message, make_pause, make_step, store_thread
from ..examples import given, scale
from ..fuzz.checking import ReusedStore, check_all_stored
from ..fuzz.mutation import mutate, mutate_json, read_samples
from .office import INTERACTIVE, Office, Open

CORPUS = Path(__file__).parent / "corpus"
CALL: dict[str, Any] = {"intent": "charge", "amount": 500}
CHOICES = {"format": "multiple_choice", "choices": ["one", "two"]}
SAMPLES = [
    text.replace(b"{digest}", compute_digest(CALL).encode())
    for text in read_samples(CORPUS, "*.json")
]
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def store(clock: Clock) -> ReusedStore:
    return ReusedStore(clock, clock.uptime)


@pytest.fixture
def office(open_office: Open, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(background, "ACK_S", 60.0)  # a slow machine is not a failure
    return open_office()


def pack(value: Any) -> Any:
    """Return a payload with what buttons and views carry as text, as Slack has it."""
    match value:
        case dict():
            return {name: _pack_item(name, item) for name, item in value.items()}
        case list():
            return [pack(item) for item in value]
    return value


def _pack_item(name: str, item: Any) -> Any:
    carried = name in ("value", "private_metadata") and isinstance(item, dict)
    return json.dumps(item) if carried else pack(item)


async def check_answer(office: Office, store: ReusedStore, body: bytes, kind: str) -> int:
    """Check that a request is answered, nothing fails afterwards, and all threads are valid."""
    store.empty()
    question = make_pause("question", "ana", options=CHOICES)
    await store_thread(store, make_message(), question, thread_id="q")
    asked = make_pause("approval", "ana", call=CALL)
    await store_thread(store, make_message(), make_step(**CALL), asked)
    answer = await office.post(body, Content_Type=kind)
    work = [task for task in asyncio.all_tasks() if "_log_failure" in repr(task.get_coro())]
    await asyncio.gather(*work)
    assert answer.status_code < 500
    await check_all_stored(store)
    return answer.status_code


def write(body: bytes) -> tuple[bytes, str]:
    """Return a body as Slack sends it, a form if it comes from a button or a view."""
    try:
        payload = pack(json.loads(body))
    except ValueError:
        return body, "application/json"
    if isinstance(payload, dict) and payload.get("type") in INTERACTIVE:
        return urlencode({"payload": json.dumps(payload)}).encode(), FORM
    return json.dumps(payload).encode(), "application/json"


@pytest.mark.parametrize("sample", SAMPLES)
async def test_the_samples_are_taken(sample: bytes, office: Office, store: ReusedStore) -> None:
    assert await check_answer(office, store, *write(sample)) == 200


@scale(30)
@given(sample=mutate_json(SAMPLES))
async def test_any_payload_is_answered(sample: bytes, office: Office, store: ReusedStore) -> None:
    await check_answer(office, store, *write(sample))


@scale(20)
@given(body=mutate([*read_samples(CORPUS, "command.form"), *(write(each)[0] for each in SAMPLES)]))
async def test_any_body_is_answered(body: bytes, office: Office, store: ReusedStore) -> None:
    await check_answer(office, store, body, FORM)
