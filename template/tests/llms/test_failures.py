from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from agent.llms.failures import MAX_RETRY_AFTER_S, retry_after_s

DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "999999999999"}, MAX_RETRY_AFTER_S),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 07:29:00 GMT"}, 60.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 09:28:00 +0200"}, 0.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 07:27:00 GMT"}, 0.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2026 07:28:09 -0000"}, 9.0),
        ({"date": DATE, "retry-after": "Wed, 21 Oct 2099 07:28:00 GMT"}, MAX_RETRY_AFTER_S),
        ({"date": "?", "retry-after": "Wed, 21 Oct 1999 07:28:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after_s(headers) == seconds


def test_without_the_servers_clock_ours_is_used() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)

    seconds = retry_after_s({"retry-after": soon})

    assert seconds is not None
    assert 50 < seconds <= 60
