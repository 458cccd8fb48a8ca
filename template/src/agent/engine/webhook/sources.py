"""The webhooks that come in and go out: `webhooks.toml`, the owner's file, one table a source.

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
from .payload import template

MIN_SECRET = 16
"""Bytes."""
_PREFIX = "whsec_"
_MAKES = {
    "standard": "whsec_ and what `openssl rand -base64 32` prints.",
    "github": "what `openssl rand -hex 32` prints.",
}

Scheme = Literal["standard", "github"]


def _variable(name: str) -> str:
    if not re.fullmatch("[A-Z][A-Z0-9_]*", name):
        raise ValueError("name a variable, such as BUILDS_WEBHOOK_SECRET; no secret goes here")
    return name


def _one_or_more(texts: object) -> object:
    return [texts] if isinstance(texts, str) else texts


Variable = Annotated[str, AfterValidator(_variable)]
Template = Annotated[str, AfterValidator(template)]
Templates = Annotated[list[Template], BeforeValidator(_one_or_more), Field(min_length=1)]
Name = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,63}$")]


class Source(BaseModel):
    """One sender."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    scheme: Scheme = "standard"
    """How it signs."""
    secret: Variable
    when: dict[str, JsonValue] = {}
    """What a payload has to have; others are ignored."""
    conversation: Template | None = None
    """Names the thread."""
    job: Template | None = None
    """Instead: names the call that waits for this report, by its idempotency key."""
    text: Templates
    """What is said: of several, the first whose paths are all there."""
    tell: Annotated[str, Field(pattern=r"^(\w+:.*)?$")] = ""
    """Where people are told, `channel:address`; the reply_url if left out."""
    reply_url: HttpUrl | None = None
    reply_secret: Variable | None = None
    """Signs what is sent to reply_url; `secret` if left out."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.conversation is None) == (self.job is None):
            raise ValueError("it needs either a conversation or a job")
        if self.reply_url and self.scheme == "github" and not self.reply_secret:
            raise ValueError("a reply_url beside GitHub's signature needs a reply_secret")
        return self


_Sources = TypeAdapter(dict[Name, Source])


def path() -> Path:
    return Path(optional("WEBHOOKS_FILE", "webhooks.toml"))


def sources() -> dict[str, Source]:
    """Read the file; without it there is no source. Raises Misconfigured."""
    source = path()
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


def secrets(variable: str, scheme: Scheme = "standard") -> list[bytes]:
    """Return the secrets in a variable, several where one takes the place of another.

    Raises:
        Misconfigured: there is none, or one that could be guessed; it is never shown.
    """
    hint = f"Take the sender's, or make one: {_MAKES[scheme]}"
    found = [one.strip() for one in required(variable, hint).split(",")]
    try:
        keys = [one.encode() if scheme == "github" else _decoded(one) for one in found]
    except ValueError:
        raise Misconfigured(f"{variable} is not {_PREFIX}<base64>. {hint}") from None
    if any(len(key) < MIN_SECRET for key in keys):
        raise Misconfigured(f"{variable} has a secret of less than {MIN_SECRET} bytes. {hint}")
    if any("<" in one for one in found):
        raise Misconfigured(f"{variable} is a placeholder. {hint}")
    return keys


def _decoded(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
