"""Examples that were pasted as they stand, and secrets that only look like one."""

_SIGNS = ("<", ">", " ", "change", "example", "placeholder", "password", "secret", "your")


def is_placeholder(text: str) -> bool:
    """Say whether nobody made this at random, such as `<make one with: openssl rand -hex 32>`."""
    return any(sign in text.lower() for sign in _SIGNS)
