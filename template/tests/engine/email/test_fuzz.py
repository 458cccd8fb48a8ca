"""Whatever arrives as a mail: it is recorded or ignored for a reason, and what is kept is valid."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from agent.engine.email.head import BrokenMail
from agent.engine.email.intake import Intake
from agent.engine.email.providers import MAILGUN, POSTMARK

from ..conftest import Clock
from ..examples import given, scale
from ..fuzz.checking import ReusedStore, check_all_stored
from ..fuzz.mutation import mutate, mutate_json, read_samples
from ..http.conftest import Caller
from .conftest import PASSWORD
from .test_providers import build_form, build_multipart, sign_form

MAILS = read_samples(Path(__file__).parent / "corpus", "*.eml")
TYPES = [b"multipart/form-data; boundary=xyz", b"multipart/form-data; boundary*0*=utf-8''x",
         b"application/x-www-form-urlencoded; charset=utf-8"]  # fmt: skip
FORMS = [build_form(sign_form(MAILS[1])), build_multipart(sign_form(MAILS[1]))]


@pytest.fixture
def store(clock: Clock) -> ReusedStore:
    return ReusedStore(clock, clock.uptime)


@pytest.mark.parametrize("raw", MAILS)
async def test_the_samples_are_recorded(raw: bytes, intake: Intake) -> None:
    assert await intake.take_mail(raw) == ""


@scale(40)
@given(raw=mutate(MAILS) | mutate([raw.replace(b"\n", b"\r\n") for raw in MAILS]))
async def test_any_mail_is_recorded_or_ignored(
    raw: bytes, intake: Intake, store: ReusedStore
) -> None:
    store.empty()
    with suppress(BrokenMail):
        await intake.take_mail(raw)
    await check_all_stored(store)


async def post(provider: Caller, path: str, store: ReusedStore, **request: Any) -> int:
    store.empty()
    status = (await provider.post(path, **request)).status_code
    assert status < 500
    await check_all_stored(store)
    return status


async def test_the_samples_of_forms_are_recorded(provider: Caller, store: ReusedStore) -> None:
    for form in FORMS:
        assert await post(provider, MAILGUN, store, **form) == 200


@scale(30)
@given(kind=mutate(TYPES), body=mutate([form["content"] for form in FORMS]))
async def test_any_form_is_answered(
    kind: bytes, body: bytes, provider: Caller, store: ReusedStore
) -> None:
    signs = kind.decode("latin-1")[:8_000]
    shown = "".join(sign for sign in signs if sign.isprintable())
    named = {"Content-Type": shown.encode("latin-1")}
    await post(provider, MAILGUN, store, content=body, headers=named)


@scale(30)
@given(raw=mutate(MAILS))
async def test_any_mail_in_a_form_is_answered(
    raw: bytes, provider: Caller, store: ReusedStore
) -> None:
    for build in (build_form, build_multipart):
        await post(provider, MAILGUN, store, **build(sign_form(raw)))


@scale(30)
@given(body=mutate_json([b'{"MailboxHash": "", "RawEmail": "From: ana@example.org\\n\\nhi"}']))
async def test_any_json_of_postmark_is_answered(
    body: bytes, provider: Caller, store: ReusedStore
) -> None:
    await post(provider, POSTMARK, store, content=body, auth=("x", PASSWORD))
