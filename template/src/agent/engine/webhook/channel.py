"""Notifies another system about its threads, with a signed request (standardwebhooks.com).

The request goes to the `reply_url` that `webhooks.toml` has for the source, never to a URL from a
payload. An event has the same `webhook-id` however often it is sent, so a receiver recognizes it.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..loop.ports import Sent
from ..people.identity import find_identities
from .secrets import read_secrets

if TYPE_CHECKING:
    from .sources import Source

TIMEOUT_S = 15.0
RETRY_S = 60.0
"""Between two tries if the receiver names no time: it may be restarting."""
MAX_RETRY_S = 3600.0


@dataclass(frozen=True)
class Receiver:
    name: str
    """Of the source. Errors name it by this, because its URL may hold a token."""
    url: str = field(repr=False)
    secrets: list[bytes] = field(repr=False)

    @classmethod
    def of(cls, name: str, source: "Source") -> Self:
        """Raises Misconfigured if its secret is not set."""
        return cls(name, str(source.reply_url), read_secrets(source.reply_secret or source.secret))

    async def post(self, message_id: str, body: str) -> None:
        """Post a body, signed with every secret of the receiver.

        Raises:
            Unavailable: the answer was not 2xx, or there was none; a redirect is not followed.
        """
        from httpx2 import AsyncClient, HTTPError  # importing it would slow down every command

        headers = {"content-type": "application/json", **self._sign(message_id, body)}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                AsyncClient(timeout=None) as client,
                client.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                if not answer.is_success:
                    after = _parse_seconds(answer.headers.get("retry-after", ""))
                    raise Unavailable(f"{self} answered {answer.status_code}", after)
        except (HTTPError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"{self} does not answer ({why})", RETRY_S) from None

    def __str__(self) -> str:
        return f"the reply_url of {self.name!r} in webhooks.toml"

    def _sign(self, message_id: str, body: str) -> dict[str, str]:
        from standardwebhooks import Webhook

        now = datetime.now(UTC)
        signatures = (Webhook(secret).sign(message_id, now, body) for secret in self.secrets)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


class WebhookChannel:
    """Reaches `webhook:<source>:<conversation>`, and people whose `webhook` is a source."""

    def __init__(self, receivers: Mapping[str, Receiver]) -> None:
        self._receivers = receivers

    @classmethod
    def from_env(cls) -> Self | None:
        """Return None if no source has a `reply_url`. Raises Misconfigured."""
        from .sources import read_sources  # Pydantic would slow down every other command

        found = {name: source for name, source in read_sources().items() if source.reply_url}
        receivers = {name: Receiver.of(name, source) for name, source in found.items()}
        return cls(receivers) if receivers else None

    async def send(self, thread: Thread, event: Event) -> Sent:
        home, _, address = thread.state.reply_to.partition(":")
        name, _, conversation = address.partition(":")
        at_home, asked = [name] if home == "webhook" else [], event.data.get("audience", ())
        others = event.type != "finished" and not {thread.state.owner, "anyone"}.intersection(asked)
        theirs = [find_identities(person, "webhook") for person in asked if others or not at_home]
        names = [each for known in theirs for each in ([name] if name in known else known)]
        posted = dict.fromkeys(names or at_home)
        for each in posted:
            if each not in self._receivers:
                raise Unavailable(f"webhooks.toml has no reply_url for {each!r}")
            body = _build_body(thread, event, conversation if each in at_home else "")
            if event.type != "finished":
                body["notify"] = _list_people(asked, [each])
            await self._receivers[each].post(f"{thread.id}_{event.seq}", json.dumps(body))
        return Sent(tuple(_list_people(asked, posted)))


def _build_body(thread: Thread, event: Event, conversation: str) -> dict[str, Any]:
    """Return what is posted about an event: of a wait, all that the log has of it."""
    about = {"thread": thread.id, "conversation": conversation, "seq": event.seq}
    if event.type in ("finished", "notice"):
        text = event.data.get("message", event.data.get("text"))
        return {"type": event.type, **about, "text": text}
    wait = event.data.get("wait", event.seq)
    asked = thread.event(wait).data  # the event names those alone whom this channel reaches
    return {"type": event.type, **about, "wait": wait, **asked}


def _list_people(asked: Iterable[str], sources: Iterable[str]) -> list[str]:
    """Return those of `asked` who are reached through one of `sources`."""
    posted = {*sources}
    return [name for name in asked if posted.intersection(find_identities(name, "webhook"))]


def _parse_seconds(retry_after: str) -> float:
    known = retry_after.isascii() and retry_after.isdecimal()
    return min(float(retry_after), MAX_RETRY_S) if known else RETRY_S
