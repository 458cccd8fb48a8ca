"""The sources of webhooks: `webhooks.toml`, the owner's file, with one table for each.

The secrets are in the environment; the file names their variables.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Self

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
from ..settings import optional
from .payload import check_template
from .secrets import Scheme


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
    except (OSError, ValueError, RecursionError) as error:
        raise Misconfigured(f"{str(source)!r} cannot be read: {error}") from None
