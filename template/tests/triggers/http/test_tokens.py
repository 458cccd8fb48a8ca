"""Who may call, and which settings are refused before anybody does."""

import hmac

import pytest

from agent.errors import Misconfigured
from agent.triggers.http import tokens
from agent.triggers.http.tokens import Tokens

GOOD = "0f1e2d3c4b5a69788796"


def test_a_token_names_its_actor() -> None:
    known = Tokens.parse(f" ana:{GOOD} , ana:new-{GOOD},bob:a:{GOOD},")
    assert known.name(GOOD) == known.name(f"new-{GOOD}") == "ana"
    assert known.name(f"a:{GOOD}") == "bob"


@pytest.mark.parametrize("given", ["", GOOD[:-1], GOOD + "x", GOOD.upper(), "ana", "\xe9" * 20])
def test_nobody_else_has_a_name(given: str) -> None:
    assert Tokens.parse(f"ana:{GOOD}").name(given) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no token"),
        (" , ", "holds no token"),
        (GOOD, "not name:token"),
        (f":{GOOD}", "not name:token"),
        ("ana:", "not name:token"),
        ("ana:short", "too easy to guess"),
        ("ana:0f1e2d3c4b5a697", "too easy to guess"),
        ("ana:" + "ab" * 20, "too easy to guess"),
        ("ana:<make one with: openssl rand -hex 32>", "placeholder"),
        ("ana:make one with: openssl rand -hex 32", "placeholder"),
        ("ana:change-me-change-me-0123", "placeholder"),
        ("ana:YOUR-TOKEN-0123456789ab", "placeholder"),
        (f"anyone:{GOOD}", "names nobody"),
        (f"owner:{GOOD}", "names nobody"),
        (f"system:{GOOD}", "names nobody"),
        (f"agent:{GOOD}", "names nobody"),
        (f"ana:{GOOD},bob:{GOOD}", "entry 2: another name has this token"),
    ],
)
def test_tokens_that_protect_nothing_are_refused(text: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem) as raised:
        Tokens.parse(text)
    assert GOOD not in str(raised.value)


def test_without_tokens_the_message_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_TOKENS", raising=False)
    with pytest.raises(Misconfigured, match=r"API_TOKENS is not set\..*openssl rand -hex 32"):
        Tokens.from_env()


def test_every_token_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(known: bytes, given: bytes) -> bool:
        compared.append(len(given))
        return hmac.compare_digest(known, given)

    monkeypatch.setattr(tokens, "compare_digest", counted)
    known = Tokens.parse(f"ana:{GOOD},bob:b{GOOD},eve:e{GOOD}")
    for given in (GOOD, f"e{GOOD}", "x"):
        known.name(given)
    assert compared == [32] * 9
