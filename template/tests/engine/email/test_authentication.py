"""Whether the trusted server confirms where a mail comes from."""

import pytest

from agent.engine.email.head import Head
from agent.engine.email.senders import Senders

from .conftest import write_mail


@pytest.mark.parametrize(
    ("results", "believed"),
    [
        ([], False),
        (["mx.example; dmarc=pass (p=REJECT) header.from=example.org"], True),
        (
            ["MX.example 1; dkim=pass header.d=example.org; dmarc=pass header.from=Example.org"],
            True,
        ),
        (["mx.example; dmarc=pass header.from=evil.example"], False),
        (["mx.example; spf=pass smtp.mailfrom=ana@example.org; dmarc=fail"], False),
        (["mx.example; dkim=pass header.i=@example.org"], True),
        (["mx.example; dkim=pass header.d=evil.example; spf=fail"], False),
        (["mx.example; spf=pass smtp.mailfrom=ana@example.org"], True),
        (["mx.example; spf=pass smtp.mailfrom=ana@example.org.evil.example"], False),
        (["mx.example; none"], False),
        (["evil.example; dmarc=pass header.from=example.org"], False),
        (["other.example; dmarc=fail", "mx.example; dmarc=pass header.from=example.org"], True),
        # The mail came with a header of its own, below the one that the server added on top.
        (["mx.example; dmarc=fail", "mx.example; dmarc=pass header.from=example.org"], False),
        # The sender's own words, in a comment and in a quoted string.
        (
            ["mx.example; spf=pass (of ; dmarc=pass header.from=example.org) smtp.mailfrom=e@x"],
            False,
        ),
        (['mx.example; spf=pass smtp.mailfrom="; dmarc=pass header.from=example.org"@x'], False),
        (["mx.example; spf=pass (a) ; dmarc=pass header.from=example.org () ; dmarc=fail"], False),
        (["mx.example; dmarc=pass header.from=example.org; spf=pass (of ("], False),
        ([f"mx.example; {'(' * 99} {')' * 98}; dmarc=pass header.from=example.org)"], False),
        (['mx.example; dmarc=pass header.from=example.org; spf=pass (of "x'], False),
        (['mx.example; dmarc=pass header.from=example.org ")" (a "b) "c (" \\" d"'], True),
        (["mx.example; " + '"\\"' * 6_000 + "; dmarc=pass header.from=example.org"], False),
        (["mx.example (c) 1; dmarc=pass (a (b) c) header.from=example.org"], True),
    ],
)
def test_a_sender_is_trusted_if_the_trusted_server_confirms_it(
    results: list[str], believed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_AUTHSERV_ID", "mx.example")
    raw = "".join(f"Authentication-Results: {one}\r\n" for one in results).encode() + write_mail()
    assert ("does not confirm" in Senders.from_env().find_refusal(Head.of(raw))) != believed
