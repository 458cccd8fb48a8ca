"""Clouds that offer a provider's models: `<PROVIDER>_PLATFORM` in `.env`; docs/models.md has them.

The official SDKs sign in there, with the variables and credentials that are usual on the platform.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..log.errors import Misconfigured
from ..settings import optional


@dataclass(frozen=True)
class Platform:
    """What signs in on a platform."""

    package: str
    install: str
    """What to add to the project if the package is missing."""
    error: tuple[str, str]
    """The module and the class of what it raises if it cannot sign in."""


GOOGLE = Platform(
    "google.auth", "'anthropic[vertex]'", ("google.auth.exceptions", "GoogleAuthError")
)
PLATFORMS = {
    "anthropic": {
        "bedrock": Platform(
            "boto3", "'anthropic[bedrock]'", ("botocore.exceptions", "BotoCoreError")
        ),
        "vertex": GOOGLE,
    },
    "gemini": {"vertex": GOOGLE},
    "openai": {
        "azure": Platform(
            "azure.identity", "azure-identity aiohttp", ("azure.core.exceptions", "AzureError")
        )
    },
}
AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"


def read_platform(provider: str) -> str:
    """Read `<PROVIDER>_PLATFORM`; "" means the provider itself.

    Raises:
        Misconfigured: the platform is not known, or a package that it needs is not installed.
    """
    setting = f"{provider.upper()}_PLATFORM"
    if not (name := optional(setting).lower()):
        return ""
    known = PLATFORMS.get(provider, {})
    if name not in known:
        raise Misconfigured(f"{setting}={name!r} is not one of {', '.join(known)}")
    platform = known[name]
    if not _is_installed(platform.package):
        raise Misconfigured(
            f"{setting}={name} needs the package {platform.package}. "
            f"Run `uv add {platform.install}`."
        )
    return name


def list_errors(provider: str, platform: str) -> tuple[type[Exception], ...]:
    """Return what is raised if signing in on a platform fails; the SDKs add RuntimeError."""
    if not platform:
        return ()
    module, name = PLATFORMS[provider][platform].error
    return getattr(import_module(module), name), RuntimeError


def make_azure_key() -> Any:
    """Return a function that gets tokens of Microsoft Entra with the credentials that it finds."""
    identity = import_module("azure.identity.aio")
    return identity.get_bearer_token_provider(identity.DefaultAzureCredential(), AZURE_SCOPE)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
