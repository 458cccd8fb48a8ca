"""The part of Slack's Web API that the agent uses, and what its errors mean."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from ..log.errors import Misconfigured, Unavailable
from ..settings import is_placeholder, optional

if TYPE_CHECKING:
    from slack_sdk.errors import SlackApiError
    from slack_sdk.web.async_client import AsyncWebClient  # slow: imported by the first call

TIMEOUT_S = 15

_READS = ("conversations.history", "conversations.replies")
_TRANSIENT = ("fatal_error", "internal_error", "request_timeout", "service_unavailable")
_HINTS = {
    "invalid_auth": "check SLACK_BOT_TOKEN",
    "account_inactive": "install the app again and renew SLACK_BOT_TOKEN",
    "missing_scope": "compare the app's manifest with docs/slack.md and install it again",
    "not_in_channel": "invite the app into the channel",
}


class SlackRefused(Unavailable):
    """Slack rejected the call and will reject it again; `code` is Slack's own error code."""

    def __init__(self, method: str, code: str, details: str = "") -> None:
        hint = details or _HINTS.get(code, "")
        super().__init__(f"Slack refused {method}: {code}" + (f" ({hint})" if hint else ""))
        self.code = code


@dataclass(frozen=True)
class Bot:
    """Whose token SLACK_BOT_TOKEN is."""

    team: str
    user: str
    id: str


class Slack:
    def __init__(self, token: str, url: str) -> None:
        self._token = token
        self.url = url
        self._bot: Bot | None = None

    @classmethod
    def from_env(cls) -> Self | None:
        """Return None if nothing is set. Raises Misconfigured if the token is missing or wrong."""
        token = optional("SLACK_BOT_TOKEN")
        others = [name for name in ("SLACK_SIGNING_SECRET", "SLACK_APP_TOKEN") if optional(name)]
        if not token and not others:
            return None
        if not token:
            raise Misconfigured(
                f"{others[0]} is set, but SLACK_BOT_TOKEN is not. See docs/slack.md."
            )
        if is_placeholder(token) or not token.partition("xoxb-")[2]:
            what = "A bot token starts with xoxb- (see docs/slack.md)."
            raise Misconfigured(f"SLACK_BOT_TOKEN is not a bot token. {what}")
        return cls(token, optional("SLACK_API_URL", "https://slack.com/api/"))

    @cached_property
    def client(self) -> "AsyncWebClient":
        from slack_sdk.web.async_client import AsyncWebClient

        # The loop retries, durably: a retry in the client could post twice.
        return AsyncWebClient(self._token, self.url, TIMEOUT_S, retry_handlers=[])

    async def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Call a method. Raises Unavailable, or SlackRefused if trying again would not help."""
        from aiohttp import ClientError
        from slack_sdk.errors import SlackApiError

        reads = method in _READS
        given: dict[str, Any] = {"params" if reads else "json": arguments}
        try:
            answer = await self.client.api_call(
                method, http_verb="GET" if reads else "POST", **given
            )
        except SlackApiError as error:
            raise _translate(method, error) from None
        except (ClientError, OSError, AttributeError) as error:  # a timeout is an OSError
            # AttributeError: the SDK assumes that even a proxy answers with JSON.
            raise Unavailable(f"Slack cannot be reached ({type(error).__name__})") from error
        return dict(answer.data) if isinstance(answer.data, dict) else {}

    async def get_bot(self) -> Bot:
        """Ask Slack once whose token this is. Raises as `call` does."""
        if self._bot is None:
            found = await self.call("auth.test")
            self._bot = Bot(found["team_id"], found["user_id"], found.get("bot_id", ""))
        return self._bot


def _translate(method: str, error: "SlackApiError") -> Unavailable:
    answer = error.response
    status: int = getattr(answer, "status_code", 0) or getattr(answer, "status", 0)
    body = getattr(answer, "data", None)
    body = body if isinstance(body, dict) else {}
    code = body.get("error")
    if status == 429 or code == "ratelimited":
        after = str(answer.headers.get("Retry-After", ""))
        return Unavailable(
            "Slack's rate limit is reached", float(after) if after.isdecimal() else 30.0
        )
    if code is None or code in _TRANSIENT or status >= 500:
        return Unavailable(f"Slack answered {method} with {status} {code or ''}".rstrip())
    details = "; ".join((body.get("response_metadata") or {}).get("messages") or ())
    return SlackRefused(method, code, details)
