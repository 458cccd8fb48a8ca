"""The sources of webhooks: `webhooks.toml`, the owner's file, with one table for each.

The secrets are in the environment; the file names their variables.
"""

import re
import tomllib
from base64 import b64decode
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from ..log.errors import Misconfigured
from ..settings import optional, required
from .payload import check_template

MIN_SECRET = 16
"""Bytes."""
_PREFIX = "whsec_"
_HOW = {
    "standard": "whsec_ and what `openssl rand -base64 32` prints.",
    "github": "what `openssl rand -hex 32` prints.",
}

Scheme = Literal["standard", "github"]


def _check_variable(name: str) -> str:
    if not re.fullmatch("[A-Z][A-Z0-9_]*", name):
        raise ValueError("name a variable, such as BUILDS_WEBHOOK_SECRET; do not put a secret here")
    return name


def _wrap_text(texts: object) -> object:
    return [texts] if isinstance(texts, str) else texts


Variable = Annotated[str, AfterValidator(_check_variable)]
Template = Annotated[str, AfterValidator(check_template)]
Templates = Annotated[list[Template], BeforeValidator(_wrap_text), Field(min_length=1)]
Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]


class Source(BaseModel):
    """Another system that sends webhooks, and may be sent some."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    scheme: Scheme = "standard"
    """How it signs."""
    secret: Variable
    when: dict[str, JsonValue] = {}
    """What a payload must have; others are ignored."""
    conversation: Template | None = None
    """The name of the thread."""
    job: Template | None = None
    """Instead: the idempotency key of the call that waits for this report."""
    text: Templates
    """The message; of several templates, the first whose paths are all there."""
    agent: str = ""
    """Whom its threads are for; the default agent if left out."""
    notify: Annotated[str, Field(pattern=r"^(\w+:.*)?$")] = ""
    """Where questions and results go, `channel:address`; if left out, to the reply_url."""
    reply_url: HttpUrl | None = None
    reply_secret: Variable | None = None
    """Signs requests to reply_url; if left out, `secret` does."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.conversation is None) == (self.job is None):
            raise ValueError("it needs either a conversation or a job")
        if self.reply_url and self.scheme == "github" and not self.reply_secret:
            raise ValueError("with the scheme 'github', a reply_url needs a reply_secret")
        return self


_Sources = TypeAdapter(dict[Name, Source])


def locate_file() -> Path:
    return Path(optional("WEBHOOKS_FILE", "webhooks.toml"))


def read_sources() -> dict[str, Source]:
    """Read the file; without it there are no sources. Raises Misconfigured."""
    source = locate_file()
    try:
        return _Sources.validate_python(tomllib.loads(source.read_text("utf-8")))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{str(source)!r} is not valid TOML: {error}") from None
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(str(name) for name in wrong["loc"])
        why = wrong["msg"].removeprefix("Value error, ")
        raise Misconfigured(f"{str(source)!r}, {where}: {why}") from None
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{str(source)!r} cannot be read: {error}") from None


def read_secrets(variable: str, scheme: Scheme = "standard") -> list[bytes]:
    """Return the secrets in a variable: several while one replaces another.

    Raises:
        Misconfigured: there is none, or one that is easy to guess; the message never shows it.
    """
    hint = f"Use the sender's, or make one: {_HOW[scheme]}"
    found = [one.strip() for one in required(variable, hint).split(",")]
    try:
        keys = [one.encode() if scheme == "github" else _decode(one) for one in found]
    except ValueError:
        raise Misconfigured(f"{variable} is not {_PREFIX}<base64>. {hint}") from None
    if any(len(key) < MIN_SECRET for key in keys):
        raise Misconfigured(f"{variable} has a secret of fewer than {MIN_SECRET} bytes. {hint}")
    if any("<" in one for one in found):
        raise Misconfigured(f"{variable} is a placeholder. {hint}")
    return keys


def _decode(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
