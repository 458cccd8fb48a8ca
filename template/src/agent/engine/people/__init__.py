"""How people are told that something waits for them or is done. One module a channel."""

_PLACEHOLDER = ("<", ">", " ", "change", "example", "placeholder", "password", "secret", "your")


def is_placeholder(secret: str) -> bool:
    """Say whether nobody made this at random, such as `<make one with: openssl rand -hex 32>`."""
    return any(sign in secret.lower() for sign in _PLACEHOLDER)
