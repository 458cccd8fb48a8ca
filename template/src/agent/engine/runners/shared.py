"""One `App` for each event loop, so that all code of a process shares its store and runner."""

import asyncio

from .app import App

_apps: dict[asyncio.AbstractEventLoop, App] = {}


def share(app: App) -> App:
    """Make `app` that of the running event loop, and return it."""
    for loop in [loop for loop in _apps if loop.is_closed()]:
        del _apps[loop]
    _apps[asyncio.get_running_loop()] = app
    return app


def find_shared() -> App | None:
    """Return the `App` of the running event loop."""
    return _apps.get(asyncio.get_running_loop())
