"""The owner's file of webhooks: a mistake is named in one line, without any secret."""

from base64 import b64encode
from pathlib import Path

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.webhook.channel import WebhookChannel
from agent.engine.webhook.sources import read_sources

KEY = bytes(range(32))
SECRET = f"whsec_{b64encode(KEY).decode()}"
GOOD = 'secret = "S"\nconversation = "{id}"\ntext = "{text}"\n'
SHIPPED = Path(__file__).parents[3] / "webhooks.toml"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WEBHOOKS_FILE", str(tmp_path / "webhooks.toml"))
    monkeypatch.setenv("S", SECRET)
    return tmp_path / "webhooks.toml"


def test_without_a_file_there_are_no_sources_and_no_channel(file: Path) -> None:
    assert read_sources() == {}
    assert WebhookChannel.from_env() is None


def test_the_example_in_the_file_is_valid(file: Path) -> None:
    """The file that ships has no sources until somebody uncomments them."""
    lines = SHIPPED.read_text("utf-8").splitlines() if SHIPPED.exists() else []
    if any(line and not line.startswith("#") for line in lines) or "# [github]" not in lines:
        pytest.skip("the owner has edited it")
    file.write_text("\n".join(lines), "utf-8")
    assert read_sources() == {}
    example = lines[lines.index("# [github]") :]
    file.write_text("\n".join(line.removeprefix("#").strip() for line in example), "utf-8")
    assert list(read_sources()) == ["github", "builds"]


def test_a_text_may_have_several_templates(file: Path) -> None:
    several = GOOD.replace('"{text}"', '["{a}", "{b}"]')
    file.write_text(f"[a]\n{GOOD}[b]\n{several}", "utf-8")
    assert [source.text for source in read_sources().values()] == [["{text}"], ["{a}", "{b}"]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a", "not valid TOML"),
        ("a = 1", "a: "),
        ("[a]", "a.secret: Field required"),
        (f"[a.b]\n{GOOD}", "a.secret: Field required"),
        (f'["A b"]\n{GOOD}', "should match pattern"),
        (f"[{'a' * 65}]\n{GOOD}", "should match pattern"),
        (f'[a]\n{GOOD}colour = "red"', "a.colour: Extra inputs"),
        (f'[a]\n{GOOD}scheme = "md5"', "a.scheme: Input should be 'standard' or 'github'"),
        (f"[a]\n{GOOD}when = {{ at = 2026-01-01 }}", "a.when.at"),
        (f'[a]\n{GOOD}job = "{{id}}"', "a: it needs either a conversation or a job"),
        ('[a]\nsecret = "S"\ntext = "{a}"', "a: it needs either a conversation or a job"),
        ("[a]\n" + GOOD.replace("{id}", "{id!r}"), "a.conversation: {id} has a format"),
        ("[a]\n" + GOOD.replace("{text}", "{a[b]}"), "a.text.0: {a[b]} is not a path"),
        ("[a]\n" + GOOD.replace('"{text}"', "[]"), "a.text: "),
        ("[a]\n" + GOOD.replace('"S"', f'"{SECRET}"'), "do not put a secret here"),
        (f'[a]\n{GOOD}notify = "#ops"', "a.notify"),
        (f'[a]\n{GOOD}reply_url = "ftp://x"', "a.reply_url"),
        (f'[a]\n{GOOD}reply_url = "{{url}}"', "a.reply_url"),
        (f'[a]\n{GOOD}scheme = "github"\nreply_url = "http://x"', "needs a reply_secret"),
    ],
)
def test_a_mistake_is_named_in_one_line(file: Path, text: str, problem: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(Misconfigured) as refused:
        read_sources()
    assert problem in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    file.write_bytes(b"\xff")
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_sources()
    file.unlink()
    file.mkdir()
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_sources()


def test_a_channel_without_its_secret_stops_the_start(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(f'[a]\n{GOOD}reply_url = "http://x"\nreply_secret = "R"', "utf-8")
    with pytest.raises(Misconfigured, match="R is not set"):
        WebhookChannel.from_env()
    monkeypatch.setenv("R", SECRET)
    assert WebhookChannel.from_env()
