"""Tells another system what its threads come to, by a signed request (standardwebhooks.com).

It goes to the `reply_url` that `webhooks.toml` has for the source, never to one of a payload. The
same event has the same `webhook-id` however often it is sent: whoever receives it knows it again.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from ..log.errors import Unavailable
from ..log.events import Event
from ..log.thread import Thread
from ..people.identity import identities
from .sources import Source, secrets, sources

TIMEOUT_S = 15.0
RETRY_S = 60.0
"""Between two tries, where the receiver does not say: it may be restarting."""
MAX_RETRY_S = 3600.0


@dataclass(frozen=True)
class Receiver:
    url: str
    secrets: list[bytes]

    @classmethod
    def of(cls, source: Source) -> Self:
        """Raises Misconfigured: its secret is not set."""
        return cls(str(source.reply_url), secrets(source.reply_secret or source.secret))

    async def take(self, message_id: str, body: str) -> None:
        """Send a body, signed with every secret of the receiver.

        Raises:
            Unavailable: it did not say with 2xx that it has it; a redirect is not followed.
        """
        from httpx2 import AsyncClient, HTTPError  # importing it would slow down every command

        headers = {"content-type": "application/json", **self._signed(message_id, body)}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                AsyncClient(timeout=None) as client,
                client.stream("POST", self.url, content=body, headers=headers) as answer,
            ):
                if not answer.is_success:
                    after = _seconds(answer.headers.get("retry-after", ""))
                    raise Unavailable(f"{self.url} answers {answer.status_code}", after)
        except (HTTPError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"{self.url} does not answer ({why})", RETRY_S) from None

    def _signed(self, message_id: str, body: str) -> dict[str, str]:
        from standardwebhooks import Webhook

        now = datetime.now(UTC)
        signatures = (Webhook(secret).sign(message_id, now, body) for secret in self.secrets)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


class WebhookChannel:
    """`webhook:<source>:<conversation>`, or people whose `webhook` is a source."""

    def __init__(self, receivers: Mapping[str, Receiver]) -> None:
        self._receivers = receivers

    @classmethod
    def from_env(cls) -> Self | None:
        """Return None where no source has a `reply_url`. Raises Misconfigured."""
        told = {name: source for name, source in sources().items() if source.reply_url}
        return cls({name: Receiver.of(source) for name, source in told.items()}) if told else None

    async def send(self, thread: Thread, event: Event) -> dict[str, Any]:
        home, _, address = thread.state.reply_to.partition(":")
        name, _, conversation = address.partition(":")
        at_home, asked = [name] if home == "webhook" else [], event.data.get("audience", ())
        others = event.type == "paused" and not {thread.state.owner, "anyone"}.intersection(asked)
        theirs = [identities(person, "webhook") for person in asked if others or not at_home]
        names = [each for known in theirs for each in ([name] if name in known else known)]
        for each in dict.fromkeys(names or at_home):
            body = json.dumps(_told(thread, event, conversation if each in at_home else ""))
            if each not in self._receivers:
                raise Unavailable(f"webhooks.toml has no reply_url for {each!r}")
            await self._receivers[each].take(f"{thread.id}_{event.seq}", body)
        return {}


def _told(thread: Thread, event: Event, conversation: str) -> dict[str, Any]:
    data = event.data if event.type == "paused" else {"text": event.data["message"]}
    about = {"thread": thread.id, "conversation": conversation, "seq": event.seq}
    return {"type": event.type, **about, **data}


def _seconds(retry_after: str) -> float:
    known = retry_after.isascii() and retry_after.isdecimal()
    return min(float(retry_after), MAX_RETRY_S) if known else RETRY_S
