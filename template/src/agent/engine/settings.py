"""Where settings come from: the environment, and a `.env` beside the project.

Each adapter reads its own variables in its `from_env`; nothing is read on import.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

from .log.errors import Misconfigured

_PLACEHOLDER = ("<", ">", " ", "change", "example", "placeholder", "password", "secret", "your")

MODEL_HINT = "Set it in .env, as openai:<name>, or use --model."


def load() -> None:
    """Read `.env` of the working directory; what the environment has already wins."""
    from dotenv import load_dotenv  # no command needs it before this

    load_dotenv(Path.cwd() / ".env")


def optional(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def read_public_url() -> str:
    """Return `PUBLIC_URL` without its last slash, "" if it is not set. Raises Misconfigured."""
    url = optional("PUBLIC_URL").rstrip("/")
    if url and not url.startswith(("https://", "http://")):
        raise Misconfigured("PUBLIC_URL is not a URL such as https://agent.example.org")
    return url


def read_switch(name: str, default: bool = False) -> bool:
    """Read `yes` or `no`. Raises Misconfigured."""
    value = optional(name).lower()
    if value not in ("", "yes", "no"):
        raise Misconfigured(f"{name}={value!r} is not `yes` or `no`")
    return value == "yes" if value else default


def read_seconds(name: str, default: float) -> float:
    """Read a time of more than 0 seconds. Raises Misconfigured."""
    value = optional(name, str(default))
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Misconfigured(f"{name}={value!r} is not a number of seconds")
    return seconds


def mask_url(url: str) -> str:
    """Return a URL without what may be secret in it: the user, the password and the query."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an invalid URL"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def is_placeholder(secret: str) -> bool:
    """Say whether nobody made this at random, such as `<make one with: openssl rand -hex 32>`."""
    return any(sign in secret.lower() for sign in _PLACEHOLDER)


def optional_model(agent: str) -> str:
    """Return the model of an agent: `MODEL_<AGENT>`, or else `MODEL`; "" if neither is set."""
    return optional(f"MODEL_{agent.upper().replace('-', '_')}") or optional("MODEL")


def required_model(agent: str) -> str:
    """Return the model of an agent. Raises Misconfigured if none is set."""
    return optional_model(agent) or required("MODEL", MODEL_HINT)


def required(name: str, hint: str) -> str:
    """Return a variable that has no sensible default.

    Raises:
        Misconfigured: it is not set; the message names it and gives `hint`.
    """
    if value := optional(name):
        return value
    raise Misconfigured(f"{name} is not set. {hint}")
