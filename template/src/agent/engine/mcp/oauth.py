"""Signs the agent in at an MCP server with OAuth client credentials, as far as the SDK offers it.

Tokens are kept in memory, for as long as the process runs.
"""

from functools import cache

import httpx2
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from ..settings import required
from .servers import Server


class MemoryTokens:
    """Keeps the tokens of one server."""

    def __init__(self) -> None:
        self._tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self._tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self._tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Forget it: the credentials are in the environment."""


@cache
def _get_tokens(server: Server) -> MemoryTokens:
    return MemoryTokens()


def make_auth(server: Server) -> httpx2.Auth | None:
    """Return what adds tokens to requests; None without OAuth. Raises Misconfigured."""
    if server.oauth is None:
        return None
    hint = f"Set it in .env: the MCP server {server.name!r} needs it."
    return ClientCredentialsOAuthProvider(
        server.url,
        _get_tokens(server),
        required(server.oauth.client_id, hint),
        required(server.oauth.client_secret, hint),
        scope=server.oauth.scope or None,
        issuer=server.oauth.issuer,
    )
