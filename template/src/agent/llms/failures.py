"""What went wrong at a provider, said so that a person knows where to look.

For SDKs whose errors carry `response` and `body`; it imports none of them.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..errors import AgentError, Misconfigured, Unavailable
from ..events import cut

MAX_RETRY_AFTER_S = 3600.0

_FORMAT = re.compile(
    r"response[_ ]?format|json[_ ]?(schema|object|mode)|structured[_ ]output|guided|grammar", re.I
)


class FormatRefused(Misconfigured):
    """The server does not take the `response_format` it was sent."""


def failure(error: Exception, server: str, key: str, url: str) -> AgentError:
    """Return what to raise for an SDK's error.

    `server` is who was asked, `key` and `url` are the settings that hold its key and address.
    """
    response = getattr(error, "response", None)
    if response is None:
        reason = str(error.__cause__ or "") or str(error)
        hint = f"Does it run, and is {url} right? MODEL_TIMEOUT_S is how long to wait"
        return Unavailable(f"{server} does not answer ({reason}). {hint}.")
    said = _said(error)
    because = f"({response.status_code}: {cut(said, 300)})"
    match response.status_code:
        case 401 | 403:
            return Misconfigured(f"{server} refuses the key {because}. Check {key} and {url}.")
        case status if status != 429 and _FORMAT.search(said):
            return FormatRefused(f"{server} refuses the format {because}. Try another MODEL.")
        case 404:
            return Misconfigured(f"{server} is not there {because}. Check MODEL and {url}.")
        case status if status in (408, 409, 425, 429) or status >= 500:
            after = retry_after_s(response.headers)
            return Unavailable(f"{server} cannot answer now {because}.", after)
    return Misconfigured(f"{server} refuses the request {because}. Check MODEL and {url}.")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for, at most an hour; None where it does not.

    A date is taken by the server's own clock where it tells it.
    """
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    until, now = _date(value), _date(headers.get("date", "")) or datetime.now(UTC)
    if until is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _said(error: Exception) -> str:
    match getattr(error, "body", None):
        case {"message": str(message)}:
            return message
        case body:
            return str(body or error)
