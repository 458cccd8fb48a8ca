"""Factor 7: contact humans with tools, here on pages: open questions, answers, what happened."""

from ..runners.app import App, Served


def serve(_: App) -> Served:
    """Open the inbox beside the API; its tokens and sessions are those of HTTP."""
    from .routes import build_thread_path, router  # FastAPI would slow down every other command

    return Served(router=router, thread_page=build_thread_path)
