"""Whatever a sender signs: each request has an answer, and what is recorded is valid."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.engine.loop.ports import Ports
from agent.engine.webhook.sources import read_sources

from ..conftest import Clock
from ..domain import Asleep
from ..examples import given, scale, st
from ..fuzz.checking import ReusedStore, check_all_stored
from ..fuzz.mutation import mutate, mutate_json, mutate_toml, read_samples
from ..fuzz.test_files import check_file
from .senders import GITHUB_SECRET, SECRET, Request, change, sign_github, sign_standard
from .test_routes import FILE, TICKET, Sender, open_sender, send

CORPUS = Path(__file__).parent / "corpus"
BODIES = mutate_json(read_samples(CORPUS, "*.json"))
HEADERS = ("webhook_id", "webhook_timestamp", "webhook_signature", "x_hub_signature_256",
           "content_type", "x_github_event")  # fmt: skip
VALUES = mutate([b"msg_1", b"1800000000", b"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="])


@pytest.fixture
def store(clock: Clock) -> ReusedStore:
    return ReusedStore(clock, clock.uptime)


@pytest.fixture(autouse=True)
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "webhooks.toml").write_text(FILE, "utf-8")
    monkeypatch.setenv("WEBHOOKS_FILE", str(tmp_path / "webhooks.toml"))
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", GITHUB_SECRET)
    monkeypatch.setenv("CRM_WEBHOOK_SECRET", SECRET)


@pytest.fixture
async def there(ports: Ports, runner: Asleep) -> AsyncIterator[Sender]:
    async with open_sender(ports, runner) as client:
        yield client


def clean(value: bytes) -> str:
    """Return a value as a header may have it."""
    return "".join(sign for sign in value.decode("latin-1") if sign.isprintable())[:4_000].strip()


async def check_answer(there: Sender, store: ReusedStore, name: str, request: Request) -> int:
    store.empty()
    answer = await send(there, name, request)
    assert answer.status_code < 500
    await check_all_stored(store)
    return answer.status_code


async def test_the_samples_are_recorded(there: Sender, store: ReusedStore) -> None:
    issue, ticket = read_samples(CORPUS, "*.json")
    assert await check_answer(there, store, "github", sign_github(issue)) == 202
    assert await check_answer(there, store, "crm", sign_standard(ticket)) == 202


@scale(30)
@given(body=BODIES, name=st.sampled_from(("github", "crm", "builds")))
async def test_any_body_is_answered(
    body: bytes, name: str, there: Sender, store: ReusedStore
) -> None:
    text = body.decode(errors="replace").encode()
    request = sign_github(body) if name == "github" else sign_standard(text)
    await check_answer(there, store, name, request)


@scale(30)
@given(headers=st.dictionaries(st.sampled_from(HEADERS), VALUES.map(clean), max_size=3))
async def test_any_headers_are_answered(
    headers: dict[str, Any], there: Sender, store: ReusedStore
) -> None:
    for name, request in (("github", sign_github(TICKET)), ("crm", sign_standard(TICKET))):
        await check_answer(there, store, name, change(request, **headers))


@scale(30)
@given(message_id=VALUES.map(clean))
async def test_any_signed_id_is_answered(
    message_id: str, there: Sender, store: ReusedStore
) -> None:
    await check_answer(there, store, "crm", sign_standard(TICKET, message_id))


@given(mutate_toml(read_samples(CORPUS, "webhooks.toml")))
def test_any_file_of_webhooks_is_read_or_refused_in_words(content: bytes) -> None:
    check_file("WEBHOOKS_FILE", read_sources, content)
